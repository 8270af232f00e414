import logging
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from steno_models.errors import ConfigError
from steno_models.training.checkpoint import CheckpointFolder
from steno_models.training.data import Batch, BatchOptions, BucketedBatches
from steno_models.training.distributed import Ranks
from steno_models.training.loop import DivergedError, FitOptions, Outcome, fit
from steno_models.training.optim import OptimOptions
from steno_models.training.runlog import read_run_log
from steno_models.types import FloatArray, IntArray

torch.set_num_threads(1)

STEPS = 23


class NoisyFeatures:
    """Twenty utterances of two speeds; the mean of a frame tells how long the target is."""

    def __init__(self) -> None:
        rng = np.random.default_rng(3)
        self.lengths: IntArray = rng.integers(5, 20, size=(20, 2)).astype(np.int32)
        self.keys = [f"u{number}" for number in range(20)]

    def read(self, utterance: int, variant: int) -> FloatArray:
        rng = np.random.default_rng([utterance, variant])
        noise = rng.normal(size=(self.lengths[utterance, variant], 4))
        return (noise + utterance % 3).astype(np.float32)


def jitter(features: FloatArray, rng: np.random.Generator, _: int) -> FloatArray:
    return features + rng.normal(0, 0.1, features.shape).astype(np.float32)


def make_batches(*, seed: int = 0, threads: int = 0) -> BucketedBatches:
    targets = [np.ones(1 + number % 3, np.int32) for number in range(20)]
    options = BatchOptions(frames_per_batch=70, seed=seed, threads=threads)
    return BucketedBatches(NoisyFeatures(), targets, options, augment=jitter)


def make_model() -> nn.Module:
    torch.manual_seed(11)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(0.3), nn.Linear(3, 1))


@dataclass
class LengthTask:
    """Guess the target's length from the mean vote of the frames."""

    model: nn.Module = field(default_factory=make_model)
    on_loss: Callable[[int], None] = lambda _: None
    spoil: Callable[[Batch], bool] = lambda _: False
    calls: int = 0

    def loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
        self.calls += 1
        self.on_loss(self.calls)
        B, T, F = batch.features.shape
        votes = self.model(batch.features.reshape(B * T, F)).reshape(B, T).float()
        errors = votes.sum(dim=1) / batch.feature_lengths - batch.target_lengths
        loss = errors.square().mean()
        if self.spoil(batch):
            loss = loss * float("nan")
        return loss, {"distance": float(errors.detach().abs().mean())}

    def evaluate(self) -> Mapping[str, float]:
        assert not self.model.training
        torch.rand(7)  # whatever an evaluation draws must not matter
        return {
            "error": sum(float(value.detach().abs().sum()) for value in self.model.parameters())
        }


def make_options(folder: Path, *, accumulate: int = 1, bf16: bool = False) -> FitOptions:
    return FitOptions(
        folder=folder,
        optim=OptimOptions(
            learning_rate=0.01, warmup_steps=5, total_steps=STEPS, ema_decay=0.9, clip_norm=0.5
        ),
        accumulate=accumulate,
        report_every=1,
        evaluate_every=6,
        checkpoint_every=4,
        bf16=bf16,
        show_progress=False,
        draw_curves=False,
    )


def final_tensors(folder: Path) -> dict[str, Tensor]:
    checkpoint = CheckpointFolder(folder / "checkpoints").latest()
    assert checkpoint is not None
    assert checkpoint.step == STEPS
    groups = (checkpoint.model, checkpoint.optimiser, checkpoint.average)
    return {f"{i}/{name}": x for i, group in enumerate(groups) for name, x in group.items()}


def assert_same_run(first: Path, second: Path) -> None:
    """Bit for bit: weights, moments, averages, and what was reported of every step."""
    tensors, others = final_tensors(first), final_tensors(second)
    assert tensors.keys() == others.keys()
    assert all(torch.equal(value, others[name]) for name, value in tensors.items())
    told = [
        [(r.step, r.epoch, r.loss, r.metrics, r.dev, r.audio_hours) for r in read_run_log(path)]
        for path in (first / "log.jsonl", second / "log.jsonl")
    ]
    assert told[0] == told[1]
    assert [step for step, *_ in told[0]] == list(range(1, STEPS + 1))


def raise_signal_at(call: int) -> Callable[[int], None]:
    return lambda calls: signal.raise_signal(signal.SIGINT) if calls == call else None


def crash_at(call: int) -> Callable[[int], None]:
    def on_loss(calls: int) -> None:
        if calls == call:
            raise ZeroDivisionError

    return on_loss


RANDOM_CALLS = [int(x) for x in np.random.default_rng(8).integers(1, STEPS, size=3)]


@pytest.mark.parametrize(("accumulate", "bf16"), [(1, False), (3, True)])
@pytest.mark.parametrize("call", RANDOM_CALLS)
def test_a_training_interrupted_at_a_random_step_ends_with_the_same_bits(
    tmp_path: Path, call: int, accumulate: int, *, bf16: bool
) -> None:
    whole = make_options(tmp_path / "whole", accumulate=accumulate, bf16=bf16)
    assert not fit(LengthTask(), make_batches(), whole).interrupted
    parts = replace(whole, folder=tmp_path / "parts")
    first = fit(LengthTask(on_loss=raise_signal_at(call)), make_batches(), parts)
    assert first.interrupted
    assert first.step == (call - 1) // accumulate + 1
    second = fit(LengthTask(on_loss=raise_signal_at(2)), make_batches(threads=1), parts)
    assert second.step == min(STEPS, first.step + (1 if accumulate > 1 else 2))
    fit(LengthTask(), make_batches(), parts)
    assert_same_run(whole.folder, parts.folder)


@pytest.mark.parametrize("call", RANDOM_CALLS)
def test_a_training_that_crashed_goes_on_from_its_last_checkpoint(
    tmp_path: Path, call: int
) -> None:
    whole, parts = make_options(tmp_path / "whole"), make_options(tmp_path / "parts")
    fit(LengthTask(), make_batches(), whole)
    with pytest.raises(ZeroDivisionError):
        fit(LengthTask(on_loss=crash_at(call)), make_batches(), parts)
    steps = [int(path.stem[5:]) for path in (parts.folder / "checkpoints").glob("*.safetensors")]
    assert max(steps, default=0) == max(s for s in (0, 4, 6, 8, 12, 16, 18, 20) if s < call)
    fit(LengthTask(), make_batches(), parts)
    assert_same_run(whole.folder, parts.folder)


def test_a_training_learns(tmp_path: Path) -> None:
    options = make_options(tmp_path)
    optim = replace(options.optim, total_steps=200, learning_rate=0.03, clip_norm=5.0)
    rarely = replace(options, optim=optim, checkpoint_every=999, evaluate_every=999)
    fit(LengthTask(), make_batches(), rarely)
    losses = [report.loss or 0.0 for report in read_run_log(tmp_path / "log.jsonl")]
    assert sum(losses[-20:]) < 0.3 * sum(losses[:20])


def test_accumulated_batches_give_the_gradient_of_the_joined_batch(tmp_path: Path) -> None:
    class Given:
        fingerprint = "given"

        def __init__(self, *batches: Batch) -> None:
            self.batches = batches

        def count(self, epoch: int) -> int:  # noqa: ARG002 - every epoch is the same
            return len(self.batches)

        def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:  # noqa: ARG002
            yield from self.batches[start:]

    def batch(*rows: int) -> Batch:
        rng = np.random.default_rng(5)
        features = torch.from_numpy(rng.normal(size=(6, 9, 4)).astype(np.float32))
        return Batch(
            features[list(rows)],
            torch.full((len(rows),), 9, dtype=torch.int32),
            torch.ones(len(rows), 3, dtype=torch.int32),
            torch.tensor([1 + row % 3 for row in rows], dtype=torch.int32),
            tuple(f"u{row}" for row in rows),
        )

    weights = []
    for name, batches, accumulate in (
        ("joined", Given(batch(0, 1, 2, 3, 4, 5)), 1),
        ("parts", Given(batch(0), batch(1, 2, 3), batch(4, 5)), 3),
    ):
        torch.manual_seed(0)
        task = LengthTask(model=nn.Linear(4, 1))
        fit(task, batches, make_options(tmp_path / name, accumulate=accumulate))
        weights.append(torch.cat([value.detach().flatten() for value in task.model.parameters()]))
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-4, atol=1e-6)
    joined, parts = (read_run_log(tmp_path / name / "log.jsonl") for name in ("joined", "parts"))
    for one, other in zip(joined, parts, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-4)
        assert one.metrics == pytest.approx(other.metrics, rel=1e-4)


def test_a_batch_whose_loss_is_no_number_is_skipped_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    task = LengthTask(spoil=lambda batch: "u7" in batch.keys)
    with caplog.at_level(logging.WARNING):
        outcome = fit(task, make_batches(), make_options(tmp_path))
    assert outcome.step == STEPS
    warned = [record.getMessage() for record in caplog.records]
    assert warned
    assert all("expected a finite loss" in line and "u7" in line for line in warned)
    assert task.calls == STEPS + len(warned)
    assert all(bool(value.isfinite().all()) for value in task.model.parameters())


def test_a_batch_whose_gradient_is_no_number_is_skipped_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class RootTask(LengthTask):
        def loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
            loss, metrics = super().loss(batch)
            # The root has an infinite slope where it is zero.
            return (loss * 0).sqrt() if "u7" in batch.keys else loss, metrics

    with caplog.at_level(logging.WARNING):
        assert fit(RootTask(), make_batches(), make_options(tmp_path)).step == STEPS
    assert caplog.records
    assert all("expected a finite gradient" in record.getMessage() for record in caplog.records)


def test_a_loss_that_stays_infinite_ends_the_training(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match="found 50 others on end"):
        fit(LengthTask(spoil=lambda _: True), make_batches(), make_options(tmp_path))


def test_a_finished_training_is_not_gone_on_with(tmp_path: Path) -> None:
    first = fit(LengthTask(), make_batches(), make_options(tmp_path))
    task = LengthTask()
    assert fit(task, make_batches(), make_options(tmp_path)) == first
    assert task.calls == 0
    assert first.dev.keys() == {"error"}


def test_a_longer_schedule_goes_on_where_the_shorter_ended(tmp_path: Path) -> None:
    options = make_options(tmp_path)
    fit(LengthTask(), make_batches(), options)
    longer = replace(options, optim=replace(options.optim, total_steps=STEPS + 2))
    task = LengthTask()
    assert fit(task, make_batches(), longer).step == STEPS + 2
    assert task.calls == 2


def test_other_batches_start_a_new_epoch(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = make_options(tmp_path)
    fit(LengthTask(on_loss=raise_signal_at(3)), make_batches(), options)
    with caplog.at_level(logging.WARNING):
        fit(LengthTask(on_loss=raise_signal_at(1)), make_batches(seed=1), options)
    assert "the batches have changed: going on with epoch 1" in caplog.text
    latest = CheckpointFolder(tmp_path / "checkpoints").latest()
    assert latest is not None
    assert (latest.step, latest.position.epoch, latest.position.batch) == (4, 1, 1)


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    fit(LengthTask(on_loss=raise_signal_at(1)), make_batches(), make_options(tmp_path))
    with pytest.raises(ConfigError, match="expected a checkpoint of this model"):
        fit(LengthTask(model=nn.Linear(4, 1)), make_batches(), make_options(tmp_path))


def test_ranks_that_see_other_checkpoints_do_not_train(tmp_path: Path) -> None:
    class ApartRanks(Ranks):
        """One of two ranks, whose fellow has found a checkpoint that is one step on."""

        def summed(self, values: list[float]) -> list[float]:
            return [value + value + 1 for value in values]

    with pytest.raises(ConfigError, match="expected all ranks to see the checkpoints in"):
        fit(
            LengthTask(),
            make_batches(),
            make_options(tmp_path),
            ranks=ApartRanks(0, 2, torch.device("cpu")),
        )


def test_averaging_can_begin_with_a_checkpoint_that_has_no_average(tmp_path: Path) -> None:
    options = make_options(tmp_path)
    plain = replace(options, optim=replace(options.optim, ema_decay=0.0))
    fit(LengthTask(on_loss=raise_signal_at(3)), make_batches(), plain)
    fit(LengthTask(), make_batches(), options)
    assert any(name.startswith("2/") for name in final_tensors(tmp_path))


def test_the_dev_error_is_that_of_the_averaged_weights(tmp_path: Path) -> None:
    outcome = fit(LengthTask(), make_batches(), make_options(tmp_path))
    average = {k[2:]: v for k, v in final_tensors(tmp_path).items() if k.startswith("2/")}
    other = LengthTask()
    other.model.load_state_dict(average)
    other.model.eval()
    assert outcome.dev == other.evaluate()


def test_curves_are_drawn_and_the_best_is_kept(tmp_path: Path) -> None:
    fit(LengthTask(), make_batches(), replace(make_options(tmp_path), draw_curves=True))
    assert (tmp_path / "learning-curves.png").read_bytes().startswith(b"\x89PNG")
    errors = {r.step: r.dev["error"] for r in read_run_log(tmp_path / "log.jsonl") if r.dev}
    assert list(errors) == [6, 12, 18, STEPS]
    best = CheckpointFolder(tmp_path / "checkpoints").best()
    assert best is not None
    assert int(best.stem[5:]) == min(errors, key=lambda step: errors[step] or 0.0)


def test_signal_handlers_are_put_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    fit(LengthTask(on_loss=raise_signal_at(1)), make_batches(), make_options(tmp_path))
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_signal_ends_the_training_at_once(tmp_path: Path) -> None:
    def twice(calls: int) -> None:
        if calls == 3:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    # A program that is started in the background ignores the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            fit(LengthTask(on_loss=twice), make_batches(), make_options(tmp_path))
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_training_runs_in_another_thread_too(tmp_path: Path) -> None:
    outcomes: list[Outcome] = []
    thread = threading.Thread(
        target=lambda: outcomes.append(fit(LengthTask(), make_batches(), make_options(tmp_path)))
    )
    thread.start()
    thread.join()
    assert outcomes[0].step == STEPS


def test_impossible_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected accumulate to be 1 or more, found 0"):
        FitOptions(folder=tmp_path, accumulate=0)
