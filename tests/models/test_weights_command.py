"""The table of word error rates by weight of a language model, on a tiny bundle."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.models import tiny_bundles as tiny
from tests.models.domains import write_domain

from steno_models.__main__ import main


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.ctc(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("speech")
    rows = []
    for number, text in enumerate(("see cat", "at tea")):
        samples = np.random.default_rng(number).normal(0, 0.1, 8_000)
        soundfile.write(folder / f"{number}.wav", samples, 16_000)
        rows.append({"audio_filepath": f"{number}.wav", "duration": 0.5, "text": text})
    path = folder / "dev.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_each_weight_has_a_row_and_the_curve_is_drawn(
    bundle: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plot = tmp_path / "weights.png"
    given = ["weights", "--bundle", str(bundle), "--manifest", str(manifest), "--json"]
    assert main([*given, "--lm-weights", "0.1", "1", "--plot", str(plot)]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["weight"] for row in rows] == [0.1, 1.0]
    assert all(row["low"] <= row["wer"] <= row["high"] for row in rows)
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_a_domain_is_mixed_in_with_each_share(
    bundle: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    symbols = [line.split()[0] for line in (bundle / "tokens.txt").read_text().splitlines()]
    sounds = {"ab": f"{symbols[1]} {symbols[2]}", "ba": f"{symbols[2]} {symbols[1]}"}
    folder = write_domain(tmp_path / "letters", "letters", ["ab ba ab", "ba"], sounds)
    given = ["weights", "--bundle", str(bundle), "--manifest", str(manifest), "--json"]
    assert main([*given, "--domain", str(folder), "--shares", "0", "0.5", "1"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["weight"] for row in rows] == [0.0, 0.5, 1.0]
    assert main([*given, "--domain", str(folder), "--shares", "1.5"]) == 1
    assert "--shares: expected shares of 0 to 1, found 1.5" in capsys.readouterr().err
    assert main([*given, "--domain", str(folder), "--lm-weights", "1"]) == 1
    assert "--lm-weights: expected them or --domain, found both" in capsys.readouterr().err


def test_a_bundle_of_another_family_is_refused(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    speller = tiny.speller(tmp_path / "speller")
    assert main(["weights", "--bundle", str(speller), "--manifest", str(manifest)]) == 1
    assert "expected one of the family ctc, found las" in capsys.readouterr().err
