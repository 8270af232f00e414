"""The second pass over one segment: its models are asked about the best candidates first.

There is a deadline, since somebody waits for the final. As many candidates are scored at once as
there is time for, going by what others took of late: what begins alike is then read once, and
weights are fetched for all of them. Whoever was not scored when time is up, or was too far behind
to be asked about, keeps the score of the first pass. Those are not comparable with the others as
they are: what the second pass said of the others is taken off them, as little of it as it said of
any. So they stay in their order behind all that were scored, and the best that is known by then
wins.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeAlias

import numpy as np

from steno_models.rescoring.attention import AttentionScorer
from steno_models.rescoring.candidate import Candidate, Ranked
from steno_models.rescoring.combination import Opinion, Weights, combined
from steno_models.rescoring.language import Finals, LanguageReader
from steno_models.rescoring.pace import Pace, rows
from steno_models.types import FloatArray

# What a rescorer carries from the finals before: nobody else looks inside.
Carried: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Segment:
    """What a rescorer is told beside the candidates.

    Attributes:
        steps: (S, D) of the encoder; (0, D) where nobody looks at them.
        carried: from the finals before and from the words that are certain, as `Rescorer.begin` and
            `Rescorer.read_on` say.
        neural_share: of the neural language model, where the stream's own says how much.
        deadline_s: when to be done by the rescorer's clock; None where nobody waits.
    """

    steps: FloatArray
    carried: Carried = None
    neural_share: float | None = None
    deadline_s: float | None = None


@dataclass(frozen=True, slots=True)
class Rescored:
    """The candidates, best first, and how many of them there was no time for."""

    ranked: tuple[Ranked, ...]
    unscored: int = 0


class Rescorer(Protocol):
    """Ranks the candidates of a segment anew."""

    @property
    def n_best(self) -> int:
        """How many candidates it wishes to see."""

    @property
    def looks_at_steps(self) -> bool:
        """Whether it needs the steps of the encoder."""

    def now_s(self) -> float:
        """Return the time by its clock, in seconds."""

    def begin(self, finals: Finals) -> Carried:
        """Return what is carried into a segment after such finals of its stream."""

    def read_on(self, carried: Carried, words: Sequence[str]) -> Carried:
        """Return what is carried on once it is certain which `words` come next in the segment."""

    def rescore(self, candidates: Sequence[Candidate], segment: Segment) -> Rescored:
        """Return `candidates`, which come best first, in the order of both passes.

        All begin with the words that were read on.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondPass:
    """A language model, a speller or both as a `Rescorer`.

    Attributes:
        weights: of the parts of the score.
        n_best: how many candidates are looked at.
        margin: so far behind the best, by the first pass's log score, the models are asked about
            one.
        batch: how many are scored at a time, at most.
        language: the neural language model.
        attention: the speller.
        clock: of deadlines, in seconds.
        pace: how long candidates take.
    """

    weights: Weights
    n_best: int = 10
    margin: float = float("inf")
    batch: int = 100
    language: LanguageReader | None = None
    attention: AttentionScorer | None = None
    clock: Callable[[], float] = time.monotonic
    pace: Pace = field(default_factory=Pace, repr=False, compare=False)

    @property
    def looks_at_steps(self) -> bool:
        """Whether it has a speller."""
        return self.attention is not None

    def now_s(self) -> float:
        """Return the time by its clock, in seconds."""
        return self.clock()

    def begin(self, finals: Finals) -> Carried:
        """Return what is carried into a segment after such finals of its stream."""
        return None if self.language is None else self.language.begin(finals)

    def read_on(self, carried: Carried, words: Sequence[str]) -> Carried:
        """Return what is carried on once it is certain which `words` come next in the segment."""
        return None if self.language is None else self.language.read_on(carried, words)

    def opinions(self, candidates: Sequence[Candidate], segment: Segment) -> list[Opinion]:
        """Return what the models say of `candidates`, all at once."""
        found = [Opinion() for _ in candidates]
        if self.language is not None:
            log_probs = self.language.log_probs(candidates, segment.carried)
            found = [replace(a, neural=b) for a, b in zip(found, log_probs, strict=True)]
        if self.attention is not None:
            totals = self.attention.log_probs(candidates, segment.steps)
            found = [replace(a, attention=b) for a, b in zip(found, totals, strict=True)]
        return found

    def rescore(self, candidates: Sequence[Candidate], segment: Segment) -> Rescored:
        """Return `candidates`, which come best first, in the order of both passes."""
        weights = self.weights
        if segment.neural_share is not None:
            weights = replace(weights, neural_share=segment.neural_share)
        asked = within(candidates, self.margin)
        scores: list[float] = []
        while len(scores) < len(asked):
            began_s = self.clock()
            left_s = float("inf") if segment.deadline_s is None else segment.deadline_s - began_s
            ahead = asked[len(scores) : len(scores) + self.batch]
            costs = rows(ahead, shared=self.attention is None)
            batch = ahead[: self.pace.fitting(costs, left_s)]
            if not batch:
                break
            opinions = self.opinions(batch, segment)
            scores += [combined(a, b, weights) for a, b in zip(batch, opinions, strict=True)]
            self.pace.note(costs[len(batch) - 1], self.clock() - began_s)
        return Rescored(ranked(candidates, scores), len(asked) - len(scores))


def within(candidates: Sequence[Candidate], margin: float) -> Sequence[Candidate]:
    """Return those of `candidates`, best first, that are no further behind than `margin`."""
    last = candidates[0].log_score - margin if candidates else 0.0
    return [one for one in candidates if one.log_score >= last]


def ranked(candidates: Sequence[Candidate], scores: Sequence[float]) -> tuple[Ranked, ...]:
    """Return `candidates` by their scores of both passes, which the first ones have.

    The others follow in the order in which they come.
    """
    pairs = zip(candidates, scores, strict=False)
    change = min((score - one.log_score for one, score in pairs), default=0.0)
    last = min(scores, default=np.inf)  # which rounding might put the others before
    rest = [min(last, one.log_score + change) for one in candidates[len(scores) :]]
    both = np.array([*scores, *rest])
    order = np.argsort(-both, kind="stable").tolist()
    return tuple(Ranked(candidates[i], float(both[i])) for i in order)
