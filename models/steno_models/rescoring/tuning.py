"""The weights of a second pass under which it makes the fewest errors on known speech.

One weight after the other takes the value of its grid that is best while the others stay, until
none changes: minimum error rate training by coordinates (Och 2003). Between settings with equally
many errors the expected number of them decides, so that the result does not hang on single words.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from steno_models.rescoring.candidate import Candidate, DoubleArray
from steno_models.rescoring.combination import Opinion, Weights, combined

SHARES = tuple(k / 10 for k in range(10))
LANGUAGE_FACTORS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 1.75, 2.0)
ATTENTIONS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
WORDS = tuple(k / 4 for k in range(-8, 9))
_ROUNDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """The candidates of a recording whose words are known.

    Attributes:
        candidates: of the first pass, best first.
        opinions: of the second pass's models on each.
        errors: (candidates,) the edit distance of each to what was said.
        spoken: how many words were said.
    """

    candidates: Sequence[Candidate]
    opinions: Sequence[Opinion]
    errors: DoubleArray
    spoken: int

    def scores(self, weights: Weights) -> DoubleArray:
        """Return (candidates,) the log scores of both passes."""
        pairs = zip(self.candidates, self.opinions, strict=True)
        return np.array([combined(one, opinion, weights) for one, opinion in pairs])


@dataclass(frozen=True, slots=True, order=True)
class Outcome:
    """Errors of the best candidates, and the mean over all of them by their weight."""

    errors: int
    expected: float


def outcome(judged: Sequence[Judged], weights: Weights, scale: float) -> Outcome:
    """Return how many errors the finals of both passes have.

    Args:
        judged: recordings with candidates.
        weights: of the second pass.
        scale: factor on log scores where candidates are weighed.
    """
    errors, expected = 0, 0.0
    for one in judged:
        scores = one.scores(weights)
        errors += int(one.errors[scores.argmax()])
        shares = np.exp(scale * (scores - scores.max()))
        expected += float(shares @ one.errors / shares.sum())
    return Outcome(errors, expected)


def tuned(judged: Sequence[Judged], weights: Weights, scale: float) -> Weights:
    """Return the weights with the fewest errors, from `weights` on; never worse than those."""
    best = outcome(judged, weights, scale)
    for _ in range(_ROUNDS):
        before = weights
        for grid in _grids(judged, weights):
            for change in grid:
                tried = replace(weights, **change)
                found = outcome(judged, tried, scale)
                if found < best:
                    best, weights = found, tried
        if weights == before:
            break
    return weights


def _grids(judged: Sequence[Judged], weights: Weights) -> Iterator[list[dict[str, float]]]:
    """Yield what to try of each weight whose model is there."""
    opinions = [opinion for one in judged for opinion in one.opinions]
    if any(len(opinion.neural) for opinion in opinions):
        yield [{"neural_share": share} for share in SHARES]
    if any(opinion.attention for opinion in opinions):
        yield [{"attention": weight} for weight in ATTENTIONS]
    yield [{"language": round(weights.language * by, 4)} for by in LANGUAGE_FACTORS]
    yield [{"word": score} for score in WORDS]
