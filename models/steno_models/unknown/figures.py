"""How well unknown words are found and named: the figures of a trial."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from steno_models.unknown.candidates import Candidate
from steno_models.unknown.fit import ranking
from steno_models.unknown.look import Looked
from steno_models.unknown.stretches import Stretch, chosen
from steno_models.unknown.trial import Said, is_hit

DoubleArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Heard:
    """An utterance after its words were taken away.

    Attributes:
        said: where each word was said.
        looked: the stretches that may hold an unknown word.
    """

    said: list[Said]
    looked: Looked


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a trial, of the words to report on.

    Attributes:
        unknown: how often a word to report on was said.
        known: how often a known one.
        elsewhere: how often one that the lexicon lacks and that is not reported on.
        right: events that stand where any unknown word was said, reported on or not.
        hits: those where one to report on was.
        false_alarms: events where all words are known.
    """

    unknown: int = 0
    known: int = 0
    elsewhere: int = 0
    right: int = 0
    hits: int = 0
    false_alarms: int = 0

    def plus(self, other: "Figures") -> "Figures":
        """Return the sum of both."""
        names = self.__struct_fields__
        return Figures(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @property
    def precision(self) -> float:
        """Share of events that are right."""
        return self.right / max(1, self.right + self.false_alarms)

    @property
    def recall(self) -> float:
        """Share of unknown words that an event tells of."""
        return self.hits / max(1, self.unknown)

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    @property
    def false_alarms_per_hundred(self) -> float:
        """False alarms for each 100 known words."""
        return 100 * self.false_alarms / max(1, self.known)


@dataclass(frozen=True, slots=True)
class Named:
    """A word that was said and all candidates for the stretch that fits it best."""

    word: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Truth:
    """Which words are unknown, and which of them count.

    Attributes:
        lexicon: the words that are left.
        counted: words that hits and misses are counted of.
    """

    lexicon: Collection[str]
    counted: Collection[str]

    def is_unknown(self, said: Said) -> bool:
        """Return whether the lexicon lacks a word."""
        return said.word not in self.lexicon

    def is_counted(self, said: Said) -> bool:
        """Return whether a word that the lexicon lacks is one to count."""
        return said.word in self.counted


def overlap(one: Stretch, said: Said) -> float:
    """Return the share of a stretch and a word that both have."""
    start, end = max(one.start, said.start), min(one.end, said.end)
    both = max(one.end, said.end) - min(one.start, said.start)
    return max(0, end - start) / both


def fit_parts(named: Sequence[Named], used: Sequence[bool]) -> DoubleArray:
    """Return the weights of `PARTS` that make the right candidates likely.

    Raises:
        DataError: no word is among its candidates.
    """
    lists, right = [], []
    for one in named:
        names = [candidate.text for candidate in one.candidates]
        if one.word in names:
            parts = [[part or 0.0 for part in each.parts] for each in one.candidates]
            lists.append(np.array(parts))
            right.append(names.index(one.word))
    return ranking(lists, right, used)


def best_by(named: Sequence[Named], part: int) -> tuple[float, float]:
    """Return how often the first candidate, and one of five, is right by one part alone."""
    first = five = 0
    for one in named:
        order = sorted(one.candidates, key=lambda candidate: -(candidate.parts[part] or 0.0))
        names = [candidate.text for candidate in order[:5]]
        first += one.word in names[:1]
        five += one.word in names
    return first / max(1, len(named)), five / max(1, len(named))


def best_stretch(heard: Heard, said: Said) -> Stretch | None:
    """Return the stretch that fits a word that was said best, None where none does."""
    there = [one for one in heard.looked.stretches if is_hit(one.start, one.end, said)]
    return max(there, key=lambda one: overlap(one, said), default=None)


def events(heard: Sequence[Heard], margins: Sequence[DoubleArray]) -> list[list[Stretch]]:
    """Return the stretches of each utterance that count as unknown words, the likeliest first.

    Args:
        heard: the utterances.
        margins: (R,) of the stretches of each, log odds beyond the threshold.
    """
    return [
        [one.looked.stretches[i] for i in chosen(one.looked.stretches, margin)]
        for one, margin in zip(heard, margins, strict=True)
    ]


def matched(
    said: Sequence[Said], told: Sequence[Stretch], truth: Truth
) -> Iterator[tuple[Stretch, Said | None]]:
    """Yield each event with the unknown word that it tells of, None for a false alarm.

    An event that tells of a word that another one has told of is neither.
    """
    unknown = [one for one in said if truth.is_unknown(one)]
    left = list(unknown)
    for event in told:
        mine = next((one for one in left if is_hit(event.start, event.end, one)), None)
        if mine is not None:
            left.remove(mine)
            yield event, mine
        elif not any(is_hit(event.start, event.end, one) for one in unknown):
            yield event, None


def figures(heard: Sequence[Heard], truth: Truth, margins: Sequence[DoubleArray]) -> Figures:
    """Return what detection makes of utterances; see `events`."""
    total = Figures()
    for one, told in zip(heard, events(heard, margins), strict=True):
        unknown = [said for said in one.said if truth.is_unknown(said)]
        counted = sum(map(truth.is_counted, unknown))
        found = [said for _, said in matched(one.said, told, truth)]
        right = [said for said in found if said is not None]
        total = total.plus(
            Figures(
                unknown=counted,
                known=len(one.said) - len(unknown),
                elsewhere=len(unknown) - counted,
                right=len(right),
                hits=sum(map(truth.is_counted, right)),
                false_alarms=len(found) - len(right),
            )
        )
    return total
