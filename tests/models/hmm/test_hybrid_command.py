"""`steno-models hmm hybrid` and `hmm tandem`: from the alignments of Gaussians to words."""

import json
from pathlib import Path

import pytest
import torch
from tests.models.hmm.tones import tones, words_bundle

from steno_models.errors import ConfigError, DataError
from steno_models.hmm.hybrid.system import load_hybrid
from steno_models.hmm.recipe import model_path
from steno_models.hmm.system import load_system
from steno_models.hmm_command import main

torch.set_num_threads(1)

_GMM = """
folder = "gmm"
manifests = ["train.jsonl"]
mono = {doublings = 0, flat_rounds = 2}
"""

_HYBRID = """
kind = "hybrid"
folder = "hybrid"
gmm = "gmm.toml"
stage = "mono"
cache = "cache"
dev = ["train.jsonl"]
optim = {total_steps = 4, warmup_steps = 2, ema_decay = 0.0}
encoder = {width = 8, layers = 1, heads = 2, feed_forward = 8, kernel = 3, subsampling_channels = 2}
states = {leaves = 60, min_gain = 10.0, min_frames = 10.0}
rounds = {most = 1}
bottleneck = 6
run = {frames_per_batch = 800, evaluate_every = 4, report_every = 2, bf16 = false, threads = 0}
"""

_TANDEM = """
kind = "tandem"
folder = "{source}"
source = "{source}"
hybrid = "hybrid.toml"
manifests = ["train.jsonl"]
width = 4
mono = {{doublings = 0, flat_rounds = 2}}
"""


def test_networks_and_tandems_are_trained_and_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = str(tones(tmp_path))
    for name, text in (("gmm", _GMM), ("hybrid", _HYBRID)):
        (tmp_path / f"{name}.toml").write_text(text)
    hybrid, tandem = str(tmp_path / "hybrid.toml"), str(tmp_path / "tandem.toml")
    with pytest.raises(DataError, match="expected the alignments of this speech"):
        main(["hybrid", hybrid])
    assert main(["train", str(tmp_path / "gmm.toml"), "--until", "mono"]) == 0
    assert main(["hybrid", hybrid]) == 0
    (row,) = json.loads((tmp_path / "hybrid" / "rounds.json").read_text())["rows"]
    assert (row["round"], row["failed"]) == (1, 0)
    assert 0.0 < row["frame_error"] <= 1.0
    bundle = str(words_bundle(tmp_path / "words"))
    measured = ["--manifest", manifest, "--bundle", bundle, "--limit", "2"]
    assert main(["evaluate", hybrid, *measured]) == 0
    assert capsys.readouterr().out.startswith("round1: ")
    for source in ("posteriors", "bottleneck"):
        (tmp_path / "tandem.toml").write_text(_TANDEM.format(source=source))
        assert main(["tandem", tandem, "--until", "mono"]) == 0
        assert model_path(tmp_path / source, "mono").is_file()
        assert main(["evaluate", tandem, *measured, "--stage", "mono"]) == 0
        assert capsys.readouterr().out.startswith("mono: ")


def test_a_network_that_speaks_every_frame_has_the_states_of_the_gaussians(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = str(tones(tmp_path))
    (tmp_path / "gmm.toml").write_text(_GMM)
    tdnn = '{kind = "tdnn", width = 8, offsets = [[-1, 0, 1], [0]], factors = [1, 1]}'
    text = _HYBRID.replace(
        _HYBRID[_HYBRID.index("encoder =") :].splitlines()[0], f"encoder = {tdnn}"
    )
    (tmp_path / "hybrid.toml").write_text(text)
    assert main(["train", str(tmp_path / "gmm.toml"), "--until", "mono"]) == 0
    assert main(["hybrid", str(tmp_path / "hybrid.toml")]) == 0
    system = load_hybrid(tmp_path / "hybrid" / "round1")
    assert system.units == load_system(model_path(tmp_path / "gmm", "mono")).units
    measured = ["--manifest", manifest, "--bundle", str(words_bundle(tmp_path / "words"))]
    assert main(["evaluate", str(tmp_path / "hybrid.toml"), *measured, "--limit", "1"]) == 0
    assert capsys.readouterr().out.startswith("round1: ")


def test_a_kind_or_a_stage_that_there_is_not_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gmm.toml").write_text(_GMM)
    measured = ["evaluate", str(tmp_path / "gmm.toml"), "--manifest", "none.jsonl"]
    with pytest.raises(ConfigError, match=r"expected a stage of: mono, .*, found tri9"):
        main([*measured, "--stage", "tri9"])
    (tmp_path / "gmm.toml").write_text('kind = "whisper"')
    with pytest.raises(ConfigError, match="expected a kind of: hybrid, tandem, or none"):
        main(measured)
