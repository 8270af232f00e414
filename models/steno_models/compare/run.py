"""Goes through the systems of a comparison: trains what is missing, measures what is new."""

import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from msgspec import structs
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from steno_models.compare.child import measure_in_child
from steno_models.compare.config import CompareConfig, System
from steno_models.compare.measurement import (
    Measurement,
    Request,
    memory_path,
    remember,
    remembered,
    request,
)
from steno_models.compare.phones import ways_of
from steno_models.compare.standing import Standing, standing
from steno_models.compare.table import Row, figures
from steno_models.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a comparison goes.

    Attributes:
        train: whether to train what is not trained.
        limit: recordings, from the first; all if None.
    """

    train: bool = True
    limit: int | None = None


def compare(config: CompareConfig, wishes: Wishes, console: Console) -> list[Row]:
    """Return a row for each system of `config`.

    Raises:
        StenoModelsError: a system cannot be read, trained or measured.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    rows: list[Row] = []
    ways = cache(ways_of)
    for system in config.systems:
        found = standing(system)
        if not found.is_trained and wishes.train and found.command:
            found = trained(system, found, console)
        if not found.is_trained:
            rows.append(_row(system, found, rows))
            continue
        asked = request(config, system, found, wishes.limit)
        path = memory_path(config.folder, asked, found.settings)
        measured = remembered(path)
        if measured is None:
            with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
                measured = _measured(asked, progress)
            remember(path, measured)
        row = _row(system, found, rows)
        rows.append(structs.replace(row, figures=figures(measured, ways(asked.lexicon))))
    return rows


def trained(system: System, found: Standing, console: Console) -> Standing:
    """Return where `system` stands after its own command trained it, or went on with it.

    Raises:
        ConfigError: the command failed, or did not come to its end.
    """
    written = shlex.join(("steno-models", *found.command))
    console.print(f"{system.name}: {written}", highlight=False, soft_wrap=True)
    done = subprocess.run([sys.executable, "-m", "steno_models", *found.command], check=False)  # noqa: S603
    if done.returncode != 0:
        raise ConfigError(
            f"{system.name}: expected the training to succeed, found status {done.returncode} of: "
            f"{written}"
        )
    after = standing(system)
    if not after.is_trained and after.command:
        raise ConfigError(
            f"{system.name}: expected a finished training, found it {after.lacking}; the same "
            "command goes on"
        )
    return after


def _measured(asked: Request, progress: Progress) -> Measurement:
    task = progress.add_task(asked.system.name, total=None)
    return measure_in_child(
        asked, lambda done, total: progress.update(task, completed=done, total=total)
    )


def _row(system: System, found: Standing, above: Sequence[Row]) -> Row:
    """Return the row of `system` with all but its figures."""
    before = [row for row in above if row.name == system.after]
    total = (found.seconds or 0.0) + sum(row.total_training_s for row in before)
    whole = found.seconds is not None and all(row.total_is_whole for row in before)
    lacking = found.lacking
    if lacking and found.command:
        lacking = f"not trained: {shlex.join(('steno-models', *found.command))}"
    return Row(
        name=system.name,
        kind=system.kind,
        stage=system.stage,
        training_s=found.seconds,
        total_training_s=total,
        total_is_whole=whole,
        lacking=lacking,
    )
