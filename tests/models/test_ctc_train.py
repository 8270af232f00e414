"""From a TOML file to the acoustic part of a bundle."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from steno_models.ctc.model import CtcModel
from steno_models.encoders.conformer import ConformerOptions
from steno_models.errors import ConfigError
from steno_models.features.cmvn import GlobalCmvn
from steno_models.text.tokens import TokenTable
from steno_models.train_command import main
from steno_models.training.manifest import Utterance, read_manifest, write_manifest
from steno_models.training.runlog import read_run_log

torch.set_num_threads(1)

CONFIG = """
folder = "run"
cache = "cache"
optim = { total_steps = 2, warmup_steps = 1 }
encoder = { width = 16, layers = 2, heads = 2, feed_forward = 16, kernel = 3 }
[[corpora]]
manifest = "train.jsonl"
[[dev]]
manifest = "train.jsonl"
"""


def config_file(folder: Path, text: str = CONFIG) -> Path:
    path = folder / "small.toml"
    path.write_text(text)
    return path


def test_a_warmup_longer_than_the_training_is_refused_before_any_work(tmp_path: Path) -> None:
    path = config_file(tmp_path, CONFIG.replace("warmup_steps = 1", "warmup_steps = 2"))
    with pytest.raises(ConfigError, match="expected 0 < warmup_steps < total_steps, found 2 and 2"):
        main([str(path), "--device", "cpu"])


def test_an_export_needs_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected checkpoints of a training in .*run"):
        main([str(config_file(tmp_path)), "--export", str(tmp_path / "out")])


def test_the_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert re.search(r"\[\[corpora\]\].*torchrun", capsys.readouterr().out, re.DOTALL)


# --- the whole


def recorded(folder: Path) -> None:
    rng = np.random.default_rng(0)
    utterances = []
    for name, text in (("one", "red"), ("two", "a red")):
        audio = folder / f"{name}.wav"
        soundfile.write(audio, rng.normal(0, 0.1, 16_000).clip(-1, 1), 16_000)
        utterances.append(Utterance(name, audio, 0.0, 1.0, text, ""))
    write_manifest(folder / "train.jsonl", utterances)


def test_the_command_trains_and_writes_what_a_bundle_loads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(tmp_path)
    np.savez(tmp_path / "labels.npz", one=np.array([0, 28], np.int8))
    text = CONFIG.replace("[[dev]]", 'labels = "labels.npz"\n[[dev]]')
    path = config_file(tmp_path, text)
    assert main([str(path), "--device", "cpu"]) == 0
    assert "step 2" in capsys.readouterr().err
    acoustic = tmp_path / "run" / "acoustic"
    weights = load_file(acoustic / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float16}
    options = ConformerOptions(width=16, layers=2, heads=2, feed_forward=16, kernel=3)
    table = TokenTable.read(acoustic / "tokens.txt")
    model = CtcModel(options, len(table))
    model.load_state_dict({name: weight.float() for name, weight in weights.items()})
    assert GlobalCmvn.load(acoustic / "cmvn.safetensors").mean.shape == (80,)
    assert main([str(path), "--export", str(tmp_path / "again")]) == 0
    for file in sorted(acoustic.iterdir()):
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


@pytest.mark.data
def test_two_steps_on_real_speech_and_noise(data_root: Path, tmp_path: Path) -> None:
    utterances = read_manifest(data_root / "an4" / "train.jsonl")[:4]
    write_manifest(tmp_path / "train.jsonl", utterances)
    noise = tmp_path / "noise"
    noise.mkdir()
    soundfile.write(noise / "hiss.wav", np.random.default_rng(0).normal(0, 0.01, 16_000), 16_000)
    text = CONFIG.replace('cache = "cache"', 'cache = "cache"\nspeeds = [1.0, 0.9, 1.1]')
    path = config_file(tmp_path, f'{text}[noise]\nfolder = "noise"\nturns = 1\n')
    assert main([str(path), "--device", "cpu"]) == 0
    (report,) = read_run_log(tmp_path / "run" / "log.jsonl")
    assert report.step == 2
    assert math.isfinite(report.loss or math.inf)
    assert report.dev["error"] is not None
