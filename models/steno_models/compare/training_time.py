"""How long a training computed, by what it wrote down while it did."""

from itertools import pairwise
from pathlib import Path

import msgspec

from steno_models.errors import DataError
from steno_models.training.lines import parse_lines
from steno_models.training.runlog import read_run_log


class _Round(msgspec.Struct, frozen=True, kw_only=True):
    """What a line of the log of Gaussians says here.

    Attributes:
        stage: whose round it was.
        seconds: since the stage began.
    """

    stage: str
    seconds: float


def steps_seconds(log: Path) -> float | None:
    """Return the seconds of all steps that the training loop's `log.jsonl` tells of.

    What was taken twice after an interruption, and evaluations, do not count. None without a log.

    Raises:
        DataError: the log is damaged.
    """
    if not log.is_file():
        return None
    reports = read_run_log(log)
    hours = [0.0, *(report.audio_hours for report in reports)]
    parts = zip(pairwise(hours), reports, strict=True)
    return sum(3600 * (to - since) * report.real_time_factor for (since, to), report in parts)


def stage_seconds(log: Path, stage: str) -> float | None:
    """Return the seconds to the last round of a stage of Gaussians; None where none is told of.

    Where a stage was begun again, only its last beginning counts.

    Raises:
        DataError: the log is damaged.
    """
    if not log.is_file():
        return None
    rounds = [line for line in parse_lines(log, _parse_round) if line.stage == stage]
    return rounds[-1].seconds if rounds else None


def _parse_round(line: str) -> _Round:
    try:
        return msgspec.json.decode(line, type=_Round)
    except msgspec.DecodeError as error:
        raise DataError(f"expected a round of a training, found: {error}") from error
