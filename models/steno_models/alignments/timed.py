"""Words and phones in time, in seconds since the start of the recording."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from steno_models.alignments.written import Written


@dataclass(frozen=True, slots=True)
class TimedPhone:
    """A phone in time.

    Attributes:
        phone: its symbol.
        word: which of the text's spoken words it belongs to.
        start_s: when it begins.
        end_s: when it ends.
        score: ln p(phone | sound): 0 is sure, far below 0 is something else. Of a CTC model at the
            phone's spike, of GMM-HMMs the mean of p over its frames.
    """

    phone: str
    word: int
    start_s: float
    end_s: float
    score: float


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word as written, in time.

    Attributes:
        text: as in the text.
        phones: what was said, at least one.
    """

    text: str
    phones: tuple[TimedPhone, ...]

    @property
    def start_s(self) -> float:
        """When it begins."""
        return self.phones[0].start_s

    @property
    def end_s(self) -> float:
        """When it ends."""
        return self.phones[-1].end_s

    @property
    def score(self) -> float:
        """The mean of its phones' scores."""
        return sum(phone.score for phone in self.phones) / len(self.phones)

    @property
    def confidence(self) -> float:
        """The geometric mean of its phones' probabilities, 0 to 1."""
        return math.exp(min(0.0, self.score))


@dataclass(frozen=True, slots=True)
class Timed:
    """A recording with the words of its text.

    Attributes:
        name: of the recording.
        duration_s: how long it is.
        words: in time, in order, without overlap.
    """

    name: str
    duration_s: float
    words: tuple[TimedWord, ...]


def words_in_time(written: Sequence[Written], phones: Sequence[TimedPhone]) -> list[TimedWord]:
    """Return the words `written` with the `phones`, in order, of their spoken words."""
    owners = [place for place, word in enumerate(written) for _ in word.spoken]
    found: list[list[TimedPhone]] = [[] for _ in written]
    for phone in phones:
        found[owners[phone.word]].append(phone)
    return [TimedWord(w.text, tuple(said)) for w, said in zip(written, found, strict=True)]
