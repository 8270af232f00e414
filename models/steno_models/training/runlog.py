"""What a training writes down: one JSON line a report, its learning curves, its progress bar."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from steno_models.errors import DataError
from steno_models.training.lines import parse_lines


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How a training stood after a step.

    Attributes:
        step: How many steps were taken.
        epoch: The epoch that the next batch is of, with the share of it that is done.
        loss: Mean over the utterances since the report before.
        learning_rate: Of the step.
        gradient_norm: Of the step, before clipping.
        audio_hours: Trained on so far, repeats counted.
        real_time_factor: Seconds of computing for a second of audio since the report before.
        metrics: Of the task's loss, means as of the loss; no number says not measured.
        dev: Of the evaluation after this step, if there was one; `error` comes first.
    """

    step: int
    epoch: float
    loss: float | None
    learning_rate: float
    gradient_norm: float | None
    audio_hours: float
    real_time_factor: float
    metrics: dict[str, float | None] = {}
    dev: dict[str, float | None] = {}


class RunLog:
    """The JSON lines of one training, which a resumed training goes on with.

    Args:
        path: The file; made when it is missing.
        after_step: Where the training goes on: reports of later steps, which are about to be
            taken again, are dropped.
    """

    def __init__(self, path: Path, *, after_step: int = 0) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        _drop_half_line(path)
        earlier = read_run_log(path) if path.exists() else []
        kept = [each for each in earlier if each.step <= after_step]
        draft = path.with_suffix(".tmp")
        draft.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in kept))
        draft.replace(path)

    def write(self, report: Report) -> None:
        """Add `report` as the last line."""
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(report) + b"\n")


def read_run_log(path: Path) -> list[Report]:
    """Return the reports of the log at `path`.

    Raises:
        DataError: With every line that is no report.
    """
    return parse_lines(path, _parse_report)


def plot_learning_curves(reports: Sequence[Report], path: Path) -> None:
    """Draw loss, dev error and learning rate over the steps as a PNG at `path`."""
    # Imported here: only whoever draws needs matplotlib, and it takes a second to load.
    from matplotlib.figure import Figure  # noqa: PLC0415

    curves: dict[str, list[tuple[int, float | None]]] = {
        "loss": [(each.step, each.loss) for each in reports],
        "dev error": [(each.step, each.dev.get("error")) for each in reports],
        "learning rate": [(each.step, each.learning_rate) for each in reports],
    }
    figure = Figure(figsize=(8, 9))
    all_axes = figure.subplots(len(curves), sharex=True)
    for axes, (name, curve) in zip(all_axes, curves.items(), strict=True):
        drawn = [(step, value) for step, value in curve if value is not None]
        steps, values = [step for step, _ in drawn], [value for _, value in drawn]
        axes.plot(steps, values, marker="." if name == "dev error" else "")
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
    all_axes[-1].set_xlabel("step")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100, format="png")


class TrainingBar:
    """The progress bar of a training: steps, loss, dev error and the time left."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def show_step(self, step: int) -> None:
        """Move the bar to `step`."""
        self._progress.update(self._task, completed=step)

    def show_report(self, report: Report) -> None:
        """Show the report's loss and, where there is one, its dev error."""
        self._progress.update(self._task, loss=_number(report.loss))
        if "error" in report.dev:
            self._progress.update(self._task, error=_number(report.dev["error"]))


@contextmanager
def training_bar(total_steps: int, *, shown: bool = True) -> Iterator[TrainingBar]:
    """Give a progress bar on the standard error stream for as long as the block takes."""
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]}  dev error {task.fields[error]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as progress:
        task = progress.add_task("training", total=total_steps, loss="–", error="–")
        yield TrainingBar(progress, task)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _parse_report(line: str) -> Report:
    try:
        return msgspec.json.decode(line, type=Report)
    except msgspec.DecodeError as error:
        raise DataError(f"expected a report of a training, found: {error}") from error


def _drop_half_line(path: Path) -> None:
    """Cut off what a crash left of a last line."""
    if path.exists():
        content = path.read_bytes()
        path.write_bytes(content[: content.rfind(b"\n") + 1])
