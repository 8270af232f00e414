"""A training in stages from nothing but recordings: alignments, music, noise, and a crash."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

from steno_models.ctc.loss import TrainingCtc
from steno_models.ctc.model import CtcModel
from steno_models.ctc.start import Start
from steno_models.encoders.conformer import ConformerOptions
from steno_models.errors import ConfigError
from steno_models.features.cmvn import GlobalCmvn
from steno_models.train_command import main
from steno_models.training.checkpoint import CheckpointFolder, read_checkpoint, weights_to_use
from steno_models.training.data import Batch
from steno_models.training.manifest import Utterance, write_manifest
from steno_models.training.runlog import read_run_log
from steno_models.training.stepper import Stepper, StepResult

torch.set_num_threads(1)

SHAPE = ConformerOptions(width=16, layers=2, heads=2, feed_forward=16, kernel=3)

CONFIG = """
folder = "run"
cache = "cache"
align = "align"
speeds = [1.0, 0.9]
encoder = { width = 16, layers = 2, heads = 2, feed_forward = 16, kernel = 3 }
augment = { noise_share = 0.5, tempo_share = 0.5, warp_share = 0.5, mask_after = 1, mask_ramp = 2 }
run = { frames_per_batch = 2000, checkpoint_every = 2, report_every = 1 }
[[corpora]]
manifest = "said/train.jsonl"
turns = 2
[[dev]]
manifest = "said/train.jsonl"
tokens = "align/said-train.tokens.npz"
[noise]
folder = "noise"
turns = 1
[music]
hours = 0.005
turns = 1
[[stages]]
name = "first"
optim = { total_steps = 5, warmup_steps = 1 }
[[stages]]
name = "further"
optim = { total_steps = 5, warmup_steps = 1, learning_rate = 5e-4 }
loss = { crf = 2.0, frame_only_share = 0.0, ramp_share = 0.0 }
run = { seed = 2 }
"""


class CrashError(Exception):
    """What happens to a program that is killed."""


def recorded(folder: Path) -> None:
    rng = np.random.default_rng(0)
    (folder / "said").mkdir(parents=True)
    (folder / "noise").mkdir()
    utterances = []
    for name, text in (("one", "red"), ("two", "a red"), ("three", "bed")):
        audio = folder / "said" / f"{name}.wav"
        soundfile.write(audio, rng.normal(0, 0.1, 16_000).clip(-1, 1), 16_000)
        utterances.append(Utterance(name, audio, 0.0, 1.0, text, ""))
    write_manifest(folder / "said" / "train.jsonl", utterances)
    soundfile.write(folder / "noise" / "hiss.wav", rng.normal(0, 0.01, 24_000), 16_000)
    (folder / "small.toml").write_text(CONFIG)


def crash_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the program die in the middle of a step, after so many."""
    step, left = Stepper.step, [steps]

    def dying(self: Stepper, number: int, batches: list[Batch]) -> StepResult:
        if left[0] == 0:
            raise CrashError
        left[0] -= 1
        return step(self, number, batches)

    monkeypatch.setattr(Stepper, "step", dying)


def newest(stage: Path) -> dict[str, torch.Tensor]:
    return load_file(CheckpointFolder(stage / "checkpoints").paths()[-1])


def test_a_training_in_stages_that_crashes_in_each_ends_as_one_that_did_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("whole", "crashed"):
        recorded(tmp_path / folder)
    call = [str(tmp_path / "whole" / "small.toml"), "--device", "cpu"]
    assert main(call) == 0
    assert "best: stage further, step 5" in capsys.readouterr().err
    call = [str(tmp_path / "crashed" / "small.toml"), "--device", "cpu"]
    for steps in (3, 5):  # in the first stage; then two to its end, and three in the second
        with monkeypatch.context() as patch:
            crash_after(steps, patch)
            with pytest.raises(CrashError):
                main(call)
    assert main(call) == 0
    for stage in ("first", "further"):
        whole, crashed = (tmp_path / name / "run" / stage for name in ("whole", "crashed"))
        expected, found = newest(whole), newest(crashed)
        assert expected.keys() == found.keys()
        for name, value in expected.items():
            assert torch.equal(value, found[name]), f"{stage}: {name}"
        losses = [[r.loss for r in read_run_log(f / "log.jsonl")] for f in (whole, crashed)]
        assert losses[0] == losses[1]
        assert len(losses[0]) == 5
    first, further = (tmp_path / "whole" / "run" / name for name in ("first", "further"))
    assert (first / "cmvn.safetensors").read_bytes() == (further / "cmvn.safetensors").read_bytes()
    assert (tmp_path / "whole" / "run" / "acoustic" / "model.safetensors").exists()
    aligned = np.load(tmp_path / "whole" / "align" / "said-train.phones.npz")
    assert set(aligned.files) == {"one", "two", "three"}


# --- weights to begin with


def made(seed: int) -> TrainingCtc:
    torch.manual_seed(seed)
    return TrainingCtc(CtcModel(SHAPE, 40))


def bundled(folder: Path, model: TrainingCtc) -> None:
    folder.mkdir()
    weights = {n: w.half().contiguous() for n, w in model.model.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    GlobalCmvn(np.zeros(80, np.float32), np.ones(80, np.float32)).save(folder / "cmvn.safetensors")


def test_a_bundle_gives_the_model_and_leaves_the_other_outputs_alone(tmp_path: Path) -> None:
    bundled(tmp_path / "en", made(0))
    for place in (tmp_path / "en", tmp_path / "en" / "model.safetensors"):
        model, untouched = made(1), made(1)
        start = Start.find(place)
        start.give(model)
        for name, weight in made(0).model.state_dict().items():
            assert torch.equal(model.model.state_dict()[name], weight.half().float())
        assert torch.equal(model.frame_output.weight, untouched.frame_output.weight)
        assert start.read_cmvn().mean.shape == (80,)


def test_weights_of_another_shape_are_named(tmp_path: Path) -> None:
    bundled(tmp_path / "en", made(0))
    other = TrainingCtc(CtcModel(ConformerOptions(width=32, layers=2, heads=2), 40))
    with pytest.raises(ConfigError, match=r"expected model\..* of shape .*, found .*\[encoder\]"):
        Start.find(tmp_path / "en").give(other)
    deeper = TrainingCtc(
        CtcModel(ConformerOptions(width=16, layers=3, heads=2, feed_forward=16, kernel=3), 40)
    )
    with pytest.raises(ConfigError, match=r"expected model\.encoder\.blocks\.2"):
        Start.find(tmp_path / "en").give(deeper)


def test_a_start_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a training, a bundle or weights"):
        Start.find(tmp_path)
    bundled(tmp_path / "en", made(0))
    (tmp_path / "en" / "cmvn.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"expected cmvn\.safetensors beside the weights"):
        Start.find(tmp_path / "en")
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"none")
    with pytest.raises(ConfigError, match="expected weights, found"):
        Start(bad, bad).give(made(0))


def test_a_second_stage_begins_with_all_averaged_weights_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(tmp_path)
    crash_after(5, monkeypatch)  # all of the first stage
    with pytest.raises(CrashError):
        main([str(tmp_path / "small.toml"), "--device", "cpu"])
    model = made(3)
    start = Start.find(tmp_path / "run" / "first")
    start.give(model)
    expected = dict(weights_to_use(read_checkpoint(start.path)))
    assert int(expected.pop("batches_seen")) == 5
    found = model.state_dict()
    assert int(found.pop("batches_seen")) == 0
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())
