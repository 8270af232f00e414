"""`torchrun --nproc-per-node 2 -m steno_models train`, really, against one process."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

import steno_models
from steno_models.__main__ import main
from steno_models.training.checkpoint import CheckpointFolder
from steno_models.training.manifest import Utterance, write_manifest
from steno_models.training.runlog import read_run_log

torch.set_num_threads(1)

STEPS = 4
# All that there is makes one batch, on one process as on two; what is drawn at random for each
# process (dropout, how far steps may look) is off.
CONFIG = """
folder = "{folder}"
cache = "cache"
optim = {{ total_steps = 4, warmup_steps = 1, learning_rate = 1e-3 }}
encoder = {{ width = 16, layers = 2, heads = 2, feed_forward = 16, kernel = 3, dropout = 0.0 }}
chunks = {{ unlimited_share = 1.0 }}
run = {{ frames_per_batch = 4000, bf16 = false, report_every = 1, checkpoint_every = 1 }}
[[corpora]]
manifest = "train.jsonl"
[[dev]]
manifest = "train.jsonl"
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with recordings of unlike lengths and their manifest."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    utterances = []
    for number, text in enumerate(["red", "a red", "two", "five", "no", "go on", "one"]):
        audio, seconds = folder / f"{number}.wav", 0.8 + 0.09 * number
        samples = rng.normal(0, 0.1, round(16_000 * seconds)).clip(-1, 1)
        soundfile.write(audio, samples, 16_000)
        utterances.append(Utterance(f"u{number}", audio, 0.0, seconds, text, ""))
    write_manifest(folder / "train.jsonl", utterances)
    return folder


def config(recorded: Path, folder: str) -> Path:
    path = recorded / f"{folder}.toml"
    path.write_text(CONFIG.format(folder=folder))
    return path


def on_two_processes(path: Path) -> "subprocess.CompletedProcess[str]":
    """Run the command as its help says."""
    source = str(Path(steno_models.__file__).parent.parent)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += ["--master-addr=127.0.0.1", "--rdzv-endpoint=127.0.0.1:0", "--rdzv-backend=c10d"]
    return subprocess.run(
        [*command, "-m", "steno_models", "train", str(path), "--device", "cpu"],
        env={**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def weights(run: Path) -> dict[str, Tensor]:
    checkpoint = CheckpointFolder(run / "checkpoints").latest()
    assert checkpoint is not None
    assert checkpoint.step == STEPS
    return dict(checkpoint.model)


def test_two_processes_train_what_one_does_and_the_first_alone_writes(recorded: Path) -> None:
    assert main(["train", str(config(recorded, "one")), "--device", "cpu"]) == 0
    done = on_two_processes(config(recorded, "two"))
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"best: step \d", done.stderr)) == 1
    alone, together = (read_run_log(recorded / name / "log.jsonl") for name in ("one", "two"))
    assert [report.step for report in together] == [1, 2, 3, 4]
    for first, second in zip(alone, together, strict=True):
        assert second.loss == pytest.approx(first.loss, rel=1e-5)
        assert second.gradient_norm == pytest.approx(first.gradient_norm, rel=1e-4)
        assert second.audio_hours == pytest.approx(first.audio_hours)
    expected, found = weights(recorded / "one"), weights(recorded / "two")
    assert expected.keys() == found.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, rtol=1e-4, atol=1e-5, msg=name)
    files = [
        sorted(str(file.relative_to(recorded / name)) for file in (recorded / name).rglob("*"))
        for name in ("one", "two")
    ]
    assert files[0] == files[1]
