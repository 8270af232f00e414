"""What every way to align has in common: jobs in, phones in time out."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from steno_models.alignments.timed import Timed, TimedPhone, words_in_time
from steno_models.alignments.written import Written
from steno_models.audio import SAMPLE_RATE
from steno_models.errors import DataError
from steno_models.text.lexicon import Pronunciation
from steno_models.trellis.viterbi import Tick
from steno_models.types import FloatArray

Report = Callable[[str, float], None]
"""Is called with what is being done, and which share of it is done."""


@dataclass(frozen=True, slots=True)
class Job:
    """One recording and its text.

    Attributes:
        name: of the recording.
        duration_s: how long it is said to be.
        open: gives its samples, (N,) each, from the start.
        written: the words of the text.
        ways: the pronunciations of each spoken word.
    """

    name: str
    duration_s: float
    open: Callable[[], Iterable[FloatArray]]
    written: Sequence[Written]
    ways: Sequence[Sequence[Pronunciation]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job: words in time, or why there are none."""

    job: Job
    found: Timed | DataError


class Route(Protocol):
    """A way to align."""

    def align(self, jobs: Sequence[Job], report: Report) -> Iterator[Outcome]:
        """Yield what becomes of `jobs`, all of them by one speaker."""


def timed(job: Job, duration_s: float, phones: Sequence[TimedPhone]) -> Timed:
    """Return the words of `job` with their `phones`, brought into the recording and in order."""
    inside, now_s = [], 0.0
    for phone in phones:
        start_s = min(max(phone.start_s, now_s), duration_s)
        now_s = min(max(phone.end_s, start_s), duration_s)
        inside.append(TimedPhone(phone.phone, phone.word, start_s, now_s, phone.score))
    return Timed(job.name, duration_s, tuple(words_in_time(job.written, inside)))


def check_fit(job: Job, least_s: float, duration_s: float) -> None:
    """Check that the text fits into the recording.

    Raises:
        DataError: it is too long.
    """
    if least_s > duration_s:
        phones = sum(min(map(len, ways)) for ways in job.ways)
        raise DataError(
            f"{job.name}: expected at least {least_s:.2f} s of sound for the {phones} phones of "
            f"{len(job.ways)} words, found {duration_s:.2f} s"
        )


def counted(job: Job, report: Report) -> Iterator[FloatArray]:
    """Yield the samples of `job` and report which share of them there was."""
    samples = 0
    for block in job.open():
        yield block
        samples += len(block)
        report("reading", min(1.0, samples / SAMPLE_RATE / max(job.duration_s, 1e-3)))


def halves(frames: int, report: Report) -> Tick:
    """Return what counts the frames of a search, there and back, and reports the share."""
    done = 0

    def tick(more: int) -> None:
        nonlocal done
        done += more
        report("aligning", done / (2 * frames))

    return tick
