"""How well unknown words are found and named: the figures of a trial."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from steno_models import logistic
from steno_models.unknown.candidates import Candidate
from steno_models.unknown.fit import ranking
from steno_models.unknown.proposer import Found
from steno_models.unknown.trial import Said, is_hit
from steno_models.unknown.weights import DETECTION, SCREENING

DoubleArray = NDArray[np.float64]
_RIDGE = 1e-3
_FALSE_ALARMS = 2.0
_LEAST_OVERLAP = 0.4
_LOST = 0.03  # of the events, which the screen may cost


@dataclass(slots=True)
class Heard:
    """An utterance after its words were taken away.

    Attributes:
        said: where each word was said.
        found: the stretches that may hold an unknown word.
    """

    said: list[Said]
    found: list[Found]


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a trial, of the words to report on.

    Attributes:
        unknown: how often a word to report on was said.
        known: how often a known one.
        right: events that stand where any unknown word was said, reported on or not.
        hits: those where one to report on was.
        false_alarms: events where all words are known.
        first: of the hits, how often the first candidate is right.
        five: how often one of five is.
    """

    unknown: int = 0
    known: int = 0
    right: int = 0
    hits: int = 0
    false_alarms: int = 0
    first: int = 0
    five: int = 0

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


@dataclass(slots=True)
class Fitted:
    """Weights by what they are for.

    Attributes:
        detection: (F,) of `DETECTION`.
        threshold: on the log odds.
        screen: (F,) of those that `SCREENING` names, to save the work for the others.
        screen_threshold: on the log odds by them.
    """

    detection: DoubleArray
    threshold: float = 0.0
    screen: DoubleArray = field(default_factory=lambda: np.zeros(len(DETECTION)))
    screen_threshold: float = 0.0


def overlap(one: Found, said: Said) -> float:
    """Return the share of a stretch and a word that both have."""
    start, end = max(one.stretch.start, said.start), min(one.stretch.end, said.end)
    both = max(one.stretch.end, said.end) - min(one.stretch.start, said.start)
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


def best_stretch(heard: Heard, said: Said) -> Found | None:
    """Return the stretch that fits a word that was said best, None where none does."""
    there = [one for one in heard.found if is_hit(one.stretch.start, one.stretch.end, said)]
    return max(there, key=lambda one: overlap(one, said), default=None)


def fit_detection(
    heard: Sequence[Heard], truth: Truth, *, columns: Sequence[int] | None = None
) -> Fitted:
    """Return the weights and the threshold of the best F1 below two false alarms in a hundred.

    Raises:
        DataError: there are no unknown words among the stretches.
    """
    rows, labels = [], []
    for one in heard:
        unknown = [said for said in one.said if truth.is_unknown(said)]
        for found in one.found:
            there = [s for s in unknown if is_hit(found.stretch.start, found.stretch.end, s)]
            fits = any(overlap(found, said) >= _LEAST_OVERLAP for said in there)
            if any(truth.is_counted(said) for said in there) or not there:
                rows.append(found.features)
                labels.append(fits)
    x, used = np.array(rows), list(columns or range(1, len(DETECTION)))
    weights, bias = logistic.fit(x[:, used], np.array(labels), ridge=_RIDGE)
    detection = np.zeros(len(DETECTION))
    detection[0], detection[used] = bias, weights
    fitted = Fitted(detection)
    trials = [(figures(heard, truth, detection, t), t) for t in np.arange(-1.0, 5.0, 0.1)]
    allowed = [one for one in trials if one[0].false_alarms_per_hundred < _FALSE_ALARMS]
    _, threshold = max(allowed or trials[-1:], key=lambda one: one[0].f1)
    fitted.threshold = float(threshold)
    fitted.screen = _screen(x, np.array(labels))
    told = x @ detection >= fitted.threshold
    if told.any():
        fitted.screen_threshold = float(np.quantile((x @ fitted.screen)[told], _LOST))
    return fitted


def _screen(x: DoubleArray, fits: NDArray[np.bool_]) -> DoubleArray:
    """Return weights of `SCREENING` that tell unknown words before anything is heard again."""
    columns = [DETECTION.index(name) for name in SCREENING]
    weights, bias = logistic.fit(x[:, columns], fits, ridge=_RIDGE)
    screen = np.zeros(len(DETECTION))
    screen[0], screen[columns] = bias, weights
    return screen


def chosen(found: Sequence[Found], detection: DoubleArray, threshold: float) -> list[Found]:
    """Return the stretches that count as unknown words: the likeliest first, none over another."""
    odds = [float(one.features @ detection) for one in found]
    taken: list[Found] = []
    for i in sorted(range(len(found)), key=lambda i: -odds[i]):
        one = found[i].stretch
        free = all(o.stretch.last <= one.first or one.last <= o.stretch.first for o in taken)
        if odds[i] >= threshold and free:
            taken.append(found[i])
    return taken


def figures(
    heard: Sequence[Heard], truth: Truth, detection: DoubleArray, threshold: float
) -> Figures:
    """Return what detection makes of utterances."""
    total = Figures()
    for one in heard:
        total = total.plus(_of_utterance(one, truth, chosen(one.found, detection, threshold)))
    return total


def _of_utterance(heard: Heard, truth: Truth, events: Sequence[Found]) -> Figures:
    unknown = [said for said in heard.said if truth.is_unknown(said)]
    counted = sum(map(truth.is_counted, unknown))
    left = list(unknown)
    right = hits = false = first = five = 0
    for event in events:
        at = (event.stretch.start, event.stretch.end)
        mine = next((said for said in left if is_hit(*at, said)), None)
        if mine is None:
            false += not any(is_hit(*at, said) for said in unknown)
            continue
        left.remove(mine)
        right += 1
        if truth.is_counted(mine):
            names = [candidate.text for candidate in event.candidates]
            hits += 1
            first += mine.word in names[:1]
            five += mine.word in names[:5]
    return Figures(
        unknown=counted,
        known=len(heard.said) - len(unknown),
        right=right,
        hits=hits,
        false_alarms=false,
        first=first,
        five=five,
    )
