"""Two processes against one. `torchrun` runs this very file, as a program, in each of the two."""

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import steno_models
from steno_models.errors import ConfigError
from steno_models.training.checkpoint import CheckpointFolder
from steno_models.training.data import Batch, BatchOptions, BucketedBatches
from steno_models.training.distributed import Ranks, joined_ranks
from steno_models.training.loop import FitOptions, fit
from steno_models.training.optim import OptimOptions
from steno_models.training.runlog import read_run_log
from steno_models.types import FloatArray, IntArray

torch.set_num_threads(1)

STEPS = 9
COUNT = 19  # odd: the ranks' shares of an epoch's last batch are unlike


class EqualFeatures:
    lengths: IntArray = np.full((COUNT, 1), 10, np.int32)
    keys = tuple(f"u{number}" for number in range(COUNT))

    def read(self, utterance: int, variant: int) -> FloatArray:
        rng = np.random.default_rng([utterance, variant])
        return (rng.normal(size=(10, 4)) + utterance % 3).astype(np.float32)


class SumTask:
    """Regression with a poisoned utterance and, on one rank, an interruption."""

    def __init__(self, *, interrupt_at: int = 0) -> None:
        torch.manual_seed(1)
        self.model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1))
        self.calls = 0
        self.interrupt_at = interrupt_at

    def loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
        self.calls += 1
        if self.calls == self.interrupt_at:
            signal.raise_signal(signal.SIGTERM)
        errors = self.model(batch.features.mean(dim=1)).squeeze(1) - batch.target_lengths
        loss = errors.square().mean()
        return (loss * float("nan") if "u7" in batch.keys else loss), {"calls": self.calls}

    def evaluate(self) -> Mapping[str, float]:
        return {"error": 0.5}


def run_training(
    folder: Path, ranks: Ranks, *, frames: int, accumulate: int, interrupt_at: int = 0
) -> bool:
    """Train; return whether it was interrupted."""
    batches = BucketedBatches(
        EqualFeatures(),
        [np.ones(1 + number % 3, np.int32) for number in range(COUNT)],
        BatchOptions(frames_per_batch=frames, rank=ranks.rank, world_size=ranks.world_size),
    )
    options = FitOptions(
        folder=folder,
        optim=OptimOptions(learning_rate=0.01, warmup_steps=2, total_steps=STEPS, clip_norm=0.7),
        accumulate=accumulate,
        report_every=1,
        evaluate_every=4,
        show_progress=False,
        draw_curves=False,
    )
    task = SumTask(interrupt_at=interrupt_at)
    return fit(task, batches, options, ranks=ranks).interrupted


def weights(folder: Path) -> Tensor:
    checkpoint = CheckpointFolder(folder / "checkpoints").latest()
    assert checkpoint is not None
    assert checkpoint.step == STEPS
    return torch.cat([value.flatten() for value in checkpoint.model.values()])


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which two processes have trained."""
    folder = tmp_path_factory.mktemp("two")
    source = str(Path(steno_models.__file__).parent.parent)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += ["--master-addr=127.0.0.1", "--rdzv-endpoint=127.0.0.1:0", "--rdzv-backend=c10d"]
    environment = {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, __file__, str(folder)], check=True, env=environment, timeout=300)
    return folder


@pytest.mark.parametrize("accumulate", [1, 2])
def test_two_processes_go_where_one_goes_on_the_joined_batches(
    two_ranks: Path, tmp_path: Path, accumulate: int
) -> None:
    one = Ranks(0, 1, torch.device("cpu"))
    run_training(tmp_path, one, frames=80, accumulate=accumulate)
    torch.testing.assert_close(weights(tmp_path), weights(two_ranks / f"accumulate-{accumulate}"))
    alone = read_run_log(tmp_path / "log.jsonl")
    together = read_run_log(two_ranks / f"accumulate-{accumulate}" / "log.jsonl")
    for first, second in zip(alone, together, strict=True):
        assert first.loss == pytest.approx(second.loss, rel=1e-4)
        assert first.gradient_norm == pytest.approx(second.gradient_norm, rel=1e-4)
        assert first.audio_hours == pytest.approx(second.audio_hours)
        assert first.epoch == second.epoch


def test_a_stop_on_one_rank_stops_all_and_the_resumed_weights_are_the_same(
    two_ranks: Path,
) -> None:
    assert torch.equal(weights(two_ranks / "accumulate-1"), weights(two_ranks / "resumed"))
    told = [json.loads((two_ranks / f"rank-{rank}.json").read_text()) for rank in range(2)]
    assert told == [[True, False], [True, False]]


def test_sums_over_one_process_are_the_values() -> None:
    with joined_ranks("cpu") as ranks:
        assert ranks.is_first
        assert ranks.summed([1.5, True]) == [1.5, 1.0]


def test_a_malformed_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "first")
    with (
        pytest.raises(ConfigError, match="expected a number in the environment's RANK"),
        joined_ranks("cpu"),
    ):
        pass


def main(folder: Path) -> None:
    logging.basicConfig(level=logging.ERROR)
    with joined_ranks("cpu") as ranks:
        for accumulate in (1, 2):
            place = folder / f"accumulate-{accumulate}"
            run_training(place, ranks, frames=40, accumulate=accumulate)
        interrupted = [
            run_training(
                folder / "resumed",
                ranks,
                frames=40,
                accumulate=1,
                interrupt_at=5 if ranks.rank == 1 and attempt == 0 else 0,
            )
            for attempt in range(2)
        ]
        (folder / f"rank-{ranks.rank}.json").write_text(json.dumps(interrupted))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
