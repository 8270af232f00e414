"""`steno-models hmm`: from a manifest to models of every stage, and to words."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.models.hmm.tones import tones, words_bundle

from steno_models.errors import DataError
from steno_models.hmm.recipe import STAGES, model_path, paths_path
from steno_models.hmm_command import main

_CONFIG = """
folder = "run"
manifests = ["train.jsonl"]
mono = {doublings = 0, flat_rounds = 2}
tri1 = {leaves = 120, gaussians = 130, rounds = 1, align_at = []}

[tri2]
leaves = 120
gaussians = 130
rounds = 2
align_at = [2]
rotate_at = [2]
context = 1
width = 8

[tri3]
leaves = 120
gaussians = 130
rounds = 1
align_at = []
adapt_at = [1]

[sgmm]
gaussians = 4
width = 3
passes = 1
"""


def _corpus(folder: Path) -> Path:
    tones(folder)
    (folder / "small.toml").write_text(_CONFIG)
    return folder / "small.toml"


def test_a_training_leaves_every_stage_goes_on_and_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(_corpus(tmp_path))
    run = tmp_path / "run"
    assert main(["train", config, "--until", "tri2"]) == 0
    assert paths_path(run, "tri2").is_file()
    assert not model_path(run, "tri3").exists()
    first = model_path(run, "tri1").read_bytes()
    assert main(["train", config]) == 0
    assert all(model_path(run, stage).is_file() for stage in STAGES)
    assert model_path(run, "tri1").read_bytes() == first
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["round"]) for line in log][:4] == [
        ("tri1", 1), ("tri2", 1), ("tri2", 2), ("tri3", 1),
    ]  # fmt: skip
    bundle = str(words_bundle(tmp_path / "words"))
    measured = ["evaluate", config, "--manifest", str(tmp_path / "train.jsonl")]
    measured += ["--bundle", bundle, "--acoustic-scale", "0.1"]
    out = tmp_path / "heard.txt"
    for stage in STAGES:
        assert main([*measured, "--stage", stage, "--hypotheses", str(out), "--limit", "4"]) == 0
        assert stage in capsys.readouterr().out
        assert out.read_text().count("HYP") == 4


def test_alignments_of_other_speech_are_refused(tmp_path: Path) -> None:
    config = str(_corpus(tmp_path))
    run = tmp_path / "run"
    run.mkdir()
    with paths_path(run, "mono").open("wb") as file:
        np.savez(file, other=np.zeros(3, np.int32))
    with pytest.raises(DataError, match="expected the alignments of this speech"):
        main(["train", config, "--until", "tri1"])
