"""The training loop: any `Task`, on one process or many, interrupted and resumed at will.

A training interrupted after any step and resumed ends with the weights that it would have had.
"""

import logging
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Protocol

import torch

from steno_models.errors import ConfigError, StenoModelsError
from steno_models.training.checkpoint import (
    Checkpoint,
    CheckpointFolder,
    pack_optimiser,
)
from steno_models.training.data import Batch, Position
from steno_models.training.distributed import Ranks
from steno_models.training.optim import OptimOptions, learning_rate_at
from steno_models.training.runlog import (
    Report,
    RunLog,
    TrainingBar,
    plot_learning_curves,
    read_run_log,
    training_bar,
)
from steno_models.training.stepper import Stepper, StepResult, Tally
from steno_models.training.stepper import Task as Task  # noqa: PLC0414 - its home

_log = logging.getLogger(__name__)

_MOST_SKIPPED_STEPS = 50


class DivergedError(StenoModelsError):
    """A training whose loss has stayed infinite or undefined."""


class Batches(Protocol):
    """Epochs of batches that can be taken up anywhere: `data.BucketedBatches` or a like."""

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides which batch is number k of an epoch."""

    def count(self, epoch: int) -> int:
        """Return how many batches `epoch` has."""

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Give the batches of `epoch` from number `start` on."""


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How a training goes.

    Attributes:
        folder: Of the run: `checkpoints/`, `log.jsonl` and `learning-curves.png`.
        optim: How weights are moved, and for how many steps.
        accumulate: Batches that make one step.
        report_every: Steps from one line in the log to the next.
        evaluate_every: Steps from one evaluation to the next.
        checkpoint_every: Steps from one checkpoint to the next; evaluations leave one too.
        keep_last: Checkpoints kept besides the best.
        bf16: Whether to compute in bfloat16 where that is safe and the processor has it (the
            weights stay float32).
        seed: Of dropout.
        show_progress: Whether there is a progress bar.
        draw_curves: Whether each evaluation draws the learning curves anew.
    """

    folder: Path
    optim: OptimOptions = field(default_factory=OptimOptions)
    accumulate: int = 1
    report_every: int = 50
    evaluate_every: int = 1_000
    checkpoint_every: int = 500
    keep_last: int = 3
    bf16: bool = False
    seed: int = 0
    show_progress: bool = True
    draw_curves: bool = True

    def __post_init__(self) -> None:
        for name in ("accumulate", "report_every", "evaluate_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"expected {name} to be 1 or more, found {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call of `fit` ended: after which step, whether early, and the last evaluation."""

    step: int
    interrupted: bool
    dev: Mapping[str, float]


def fit(
    task: Task, batches: Batches, options: FitOptions, *, ranks: Ranks | None = None
) -> Outcome:
    """Train `task` on `batches` to the last step, from the newest checkpoint if there is one.

    SIGINT and SIGTERM end the training after the current step, with a checkpoint; a second one
    ends it at once.

    Args:
        task: The model with its loss and its evaluation.
        batches: This rank's shares of them.
        options: How to train.
        ranks: From `joined_ranks`; one process on the CPU if left out.

    Raises:
        ConfigError: The run's folder has checkpoints of another model.
        DivergedError: The loss has been infinite or undefined for fifty steps on end.
    """
    ranks = ranks or Ranks(0, 1, torch.device("cpu"))
    training = _Training(task, batches, options, ranks)
    training.resume()
    shown = options.show_progress and ranks.is_first
    with training_bar(options.optim.total_steps, shown=shown) as bar:
        return training.run(bar)


class _Training:
    """A training under way on one rank."""

    def __init__(self, task: Task, batches: Batches, options: FitOptions, ranks: Ranks) -> None:
        self._task = task
        self._batches = batches
        self._options = options
        self._ranks = ranks
        self._stepper = Stepper(task, options.optim, ranks, bf16=options.bf16, seed=options.seed)
        self._checkpoints = CheckpointFolder(
            options.folder / "checkpoints", keep_last=options.keep_last
        )
        self._log: RunLog | None = None
        self._step = 0
        self._position = Position()
        self._audio_s = 0.0
        self._dev: dict[str, float] = {}
        self._dev_step = 0
        self._start_interval()

    def resume(self) -> None:
        """Go back to where the newest checkpoint was taken, on every rank."""
        checkpoint = self._checkpoints.latest()
        if checkpoint is not None:
            self._restore(checkpoint)
        (steps,) = self._ranks.summed([self._step])
        if steps != self._step * self._ranks.world_size:
            raise ConfigError(
                f"expected all ranks to see the checkpoints in {self._options.folder}, "
                f"found another than step {self._step} on some"
            )
        self._stepper.join()
        if self._ranks.is_first:
            self._log = RunLog(self._log_path, after_step=self._step)

    def run(self, bar: TrainingBar) -> Outcome:
        """Take the steps that are left."""
        total_steps = self._options.optim.total_steps
        stream = _endless(self._batches, self._position)
        skipped, stop = 0, False
        with _stop_on_signals(self._stepper):
            self._start_interval()
            while self._step < total_steps and not stop:
                places, group = zip(*islice(stream, self._options.accumulate), strict=True)
                result = self._stepper.step(self._step + 1, group)
                self._position, stop = places[-1], result.stop
                skipped = 0 if result.taken else skipped + 1
                if skipped == _MOST_SKIPPED_STEPS:
                    raise DivergedError(f"expected a finite loss, found {skipped} others on end")
                if result.taken:
                    self._after_step(result, bar)
            if stop:
                self._save()
        self._ranks.summed([0.0])  # nobody goes on before the first rank has written everything
        return Outcome(self._step, self._step < total_steps, self._dev)

    @property
    def _log_path(self) -> Path:
        return self._options.folder / "log.jsonl"

    def _restore(self, checkpoint: Checkpoint) -> None:
        self._stepper.restore(checkpoint)
        self._step = self._dev_step = checkpoint.step
        self._audio_s = checkpoint.audio_s
        self._dev = dict(checkpoint.metrics)
        self._position = checkpoint.position
        if checkpoint.fingerprint != self._batches.fingerprint and self._position.batch > 0:
            self._position = Position(self._position.epoch + 1)
            _log.warning("the batches have changed: going on with epoch %d", self._position.epoch)

    def _after_step(self, result: StepResult, bar: TrainingBar) -> None:
        self._step += 1
        self._audio_s += result.audio_s
        self._interval_audio_s += result.audio_s
        self._interval.add(result.tally)
        bar.show_step(self._step)
        at_end = self._step == self._options.optim.total_steps
        evaluates = at_end or self._step % self._options.evaluate_every == 0
        if evaluates:
            with self._clock_stopped():
                self._evaluate()
        if evaluates or self._step % self._options.report_every == 0:
            self._report(result, bar)
        if evaluates or self._step % self._options.checkpoint_every == 0:
            with self._clock_stopped():
                self._save()

    def _evaluate(self) -> None:
        """Measure the averaged weights where there are any, on the first rank alone."""
        if not self._ranks.is_first:
            return
        model, average = self._task.model, self._stepper.average
        model.eval()
        with torch.no_grad(), average.put_into(model) if average else nullcontext():
            self._dev = dict(self._task.evaluate())
        self._dev_step = self._step

    def _report(self, result: StepResult, bar: TrainingBar) -> None:
        report = self._make_report(result)
        self._start_interval()
        if self._log is None:
            return
        self._log.write(report)
        bar.show_report(report)
        _log.info("step %d: loss %s, dev %s", report.step, report.loss, report.dev)
        if report.dev and self._options.draw_curves:
            with self._clock_stopped():
                curves = self._options.folder / "learning-curves.png"
                plot_learning_curves(read_run_log(self._log_path), curves)

    def _make_report(self, result: StepResult) -> Report:
        names = sorted(self._interval.metrics)
        sums = [self._interval.metrics[name] for name in names]
        weight, loss, *sums = self._ranks.summed(
            [self._interval.weight, self._interval.loss, *sums]
        )
        elapsed_s = time.perf_counter() - self._interval_began_s
        share_done = self._position.batch / self._batches.count(self._position.epoch)
        return Report(
            step=self._step,
            epoch=self._position.epoch + share_done,
            loss=loss / weight,
            learning_rate=learning_rate_at(self._step, self._options.optim),
            gradient_norm=result.gradient_norm,
            audio_hours=self._audio_s / 3600,
            real_time_factor=elapsed_s / self._interval_audio_s,
            metrics={name: x / weight for name, x in zip(names, sums, strict=True)},
            dev={**self._dev} if self._dev_step == self._step else {},
        )

    def _start_interval(self) -> None:
        self._interval = Tally()
        self._interval_audio_s = 0.0
        self._interval_began_s = time.perf_counter()

    @contextmanager
    def _clock_stopped(self) -> Iterator[None]:
        """Leave what the block takes out of the real-time factor."""
        began_s = time.perf_counter()
        yield
        self._interval_began_s += time.perf_counter() - began_s

    def _save(self) -> None:
        if not self._ranks.is_first:
            return
        moments, groups = pack_optimiser(self._stepper.optimiser)
        average = self._stepper.average
        self._checkpoints.save(
            Checkpoint(
                step=self._step,
                position=self._position,
                model=self._task.model.state_dict(),
                optimiser=moments,
                optimiser_groups=groups,
                average=average.state() if average else {},
                metrics=self._dev if self._dev_step == self._step else {},
                audio_s=self._audio_s,
                fingerprint=self._batches.fingerprint,
            )
        )


def _endless(batches: Batches, position: Position) -> Iterator[tuple[Position, Batch]]:
    """Give batch after batch, epoch after epoch, each with the position that follows it."""
    epoch, start = position.epoch, position.batch
    while True:
        count = batches.count(epoch)
        for number, batch in enumerate(batches.epoch(epoch, start), start + 1):
            yield Position(epoch, number) if number < count else Position(epoch + 1), batch
        epoch, start = epoch + 1, 0


@contextmanager
def _stop_on_signals(stepper: Stepper) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM ask `stepper` to stop; the second does what it did before."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears signals
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def put_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def ask_to_stop(number: int, _frame: FrameType | None) -> None:
        _log.warning("%s: stopping after this step", signal.Signals(number).name)
        stepper.stop_asked = True
        put_back()

    for number in before:
        signal.signal(number, ask_to_stop)
    try:
        yield
    finally:
        put_back()
