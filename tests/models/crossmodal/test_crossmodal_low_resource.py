"""A language with little data as a user measures it: tones for words, an untrained bundle."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file
from tests.models.crossmodal.spoken import tones

from steno_models.__main__ import main
from steno_models.audio import SAMPLE_RATE
from steno_models.crossmodal.low_resource.config import read_recipe
from steno_models.crossmodal.low_resource.letters import LettersRow
from steno_models.crossmodal.low_resource.speech import WordlessRow
from steno_models.crossmodal.low_resource.table import read_rows
from steno_models.crossmodal.synthesis.espeak import Voice
from steno_models.encoders.build import build_encoder
from steno_models.encoders.section import ConformerSection
from steno_models.errors import ConfigError
from steno_models.features.cmvn import GlobalCmvn

WORDS = ("abo", "bé", "cob", "da", "éba", "oc")
VOICE = Voice("en-us", "", 165, 50, 50)
RECIPE = """
folder = "made"
cache = "cache"
train = "train.jsonl"
dev = "dev.jsonl"
encoder = "bundle"
times = "times"
minutes = [1]
[pieces]
clusters = 6
dimensions = 4
[letters]
width = 8
layers = 1
total_steps = 2
"""


@pytest.fixture(scope="module")
def language(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a recipe with 75 s of speech."""
    folder = tmp_path_factory.mktemp("language")
    (folder / "times").mkdir()
    for name, recordings in (("train", 60), ("dev", 3)):
        _write_speech(folder, name, recordings)
    section = ConformerSection(
        width=8, layers=1, heads=2, feed_forward=8, kernel=3, subsampling_channels=2
    )
    torch.manual_seed(0)
    weights = build_encoder(section.options()).state_dict()
    bundle = folder / "bundle"
    bundle.mkdir()
    own = {f"encoder.{name}": weight.contiguous() for name, weight in weights.items()}
    save_file(own, bundle / "model.safetensors")
    GlobalCmvn.accumulate([np.random.default_rng(0).normal(size=(50, 80)).astype(np.float32)]).save(
        bundle / "cmvn.safetensors"
    )
    table = "\n".join(f"{k} = {v!r}" for k, v in msgspec.structs.asdict(section).items())
    (bundle / "bundle.toml").write_text(f"[encoder]\n{table}\n", "utf-8")
    (folder / "recipe.toml").write_text(RECIPE, "utf-8")
    return folder


def _write_speech(folder: Path, name: str, recordings: int) -> None:
    random = np.random.default_rng(recordings)
    lines = []
    for number in range(recordings):
        words = random.choice(WORDS, 5).tolist()
        spoken = tones(words, VOICE)
        key = f"{name}{number}"
        soundfile.write(folder / f"{key}.wav", spoken.samples, SAMPLE_RATE)
        times = [
            {"word": word, "start_s": start, "end_s": end}
            for word, start, end in zip(words, spoken.starts_s, spoken.ends_s, strict=True)
        ]
        (folder / "times" / f"{key}.json").write_bytes(msgspec.json.encode({"words": times}))
        line = {"audio_filepath": f"{key}.wav", "duration": len(spoken.samples) / SAMPLE_RATE,
                "text": " ".join(words), "speaker": "one"}  # fmt: skip
        lines.append(msgspec.json.encode(line).decode())
    (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")


def test_letters_are_measured_row_by_row(
    language: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["crossmodal", "low-resource", str(language / "recipe.toml")]
    assert main([*call, "--row", "1-own", "--row", "1-transfer", "--row", "1-texts"]) == 0
    shown = capsys.readouterr().out
    assert "not measured yet: no-transcripts" in shown
    rows = read_rows(read_recipe(language / "recipe.toml"))
    assert [row.name for row in rows] == ["1-own", "1-transfer", "1-texts"]
    for row in rows:
        assert isinstance(row, LettersRow)
        assert row.vocabulary == len(WORDS)
        assert row.low <= row.known <= row.high
        assert row.steps == 2
    assert (language / "made" / "1-own" / "learning-curves.png").is_file()
    assert main([*call, "--json"]) == 0
    assert len(msgspec.json.decode(capsys.readouterr().out)) == 3


def test_speech_without_transcripts_is_classified(
    language: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["crossmodal", "low-resource", str(language / "recipe.toml")]
    assert main([*call, "--row", "no-transcripts"]) == 0
    assert "(a) no transcripts: classification" in capsys.readouterr().out
    (row,) = [r for r in read_rows(read_recipe(language / "recipe.toml")) if "no" in r.name]
    assert isinstance(row, WordlessRow)
    assert {each.system for each in row.systems} == {"es-kmeans", "true words"}
    assert any(each.map.startswith("unsupervised") for each in row.systems)


def test_what_cannot_be_measured_is_named(
    language: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["crossmodal", "low-resource"]
    assert main([*call, str(language / "recipe.toml"), "--row", "5-own"]) == 1
    assert "expected rows of no-transcripts, 1-own" in capsys.readouterr().err
    more = language / "more.toml"
    more.write_text(RECIPE.replace("[1]", "[60]").replace('times = "times"', ""), "utf-8")
    assert main([*call, str(more), "--row", "60-texts"]) == 1
    assert "expected texts beyond the transcripts, found none" in capsys.readouterr().err
    assert main([*call, str(more), "--row", "no-transcripts"]) == 1
    assert "expected `times`" in capsys.readouterr().err
    more.write_text(RECIPE.replace("[1]", "[0]"), "utf-8")
    with pytest.raises(ConfigError, match=r"more\.toml"):
        read_recipe(more)
