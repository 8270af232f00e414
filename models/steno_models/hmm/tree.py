"""The phonetic decision tree: which states of triphones are one (Young, Odell & Woodland 1994).

Every part of every phone has a tree. At its root all contexts share one Gaussian; the question that
raises the likelihood of the training frames most parts them in two, and so on. The leaves are the
tied states ("senones"). A triphone that was never met answers the questions as any other does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np

from steno_models.errors import DataError
from steno_models.hmm.contexts import ContextStatistics
from steno_models.hmm.kernels import F64
from steno_models.hmm.questions import BoolArray, log_likelihood
from steno_models.hmm.topology import NUM_PHONES, SILENCE
from steno_models.types import IntArray, LongArray


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeOptions:
    """When to stop splitting.

    Attributes:
        max_leaves: tied states, those of silence aside, at most; the best splits come first.
        min_gain: nats of likelihood that a split must bring at least.
        min_frames: frames that each side of a split must have.
    """

    max_leaves: int = 1500
    min_gain: float = 200.0
    min_frames: float = 150.0


@dataclass(frozen=True, slots=True)
class TiedStates:
    """The leaves of all trees: the emitting states of triphones.

    Attributes:
        table: (P, K, P, P) int32 state of phone, part, left and right neighbour; 0 for silence,
            which has the one state 0.
    """

    table: IntArray

    @property
    def num_states(self) -> int:
        """S, the number of tied states with that of silence."""
        return int(self.table.max()) + 1

    @property
    def states_per_phone(self) -> int:
        """K, the states of a phone."""
        return int(self.table.shape[1])

    def states(self, left: int, phone: int, right: int) -> Sequence[int]:
        """Return the states of `phone` between `left` and `right`."""
        if phone == SILENCE:
            return (SILENCE,)
        return list(map(int, self.table[phone, :, left, right]))


@dataclass(frozen=True, slots=True)
class Split:
    """A question put to a set of contexts.

    Attributes:
        gain: nats of likelihood that it brings.
        side: 0 asks for the left neighbour, 1 for the right one.
        question: (P,) the phones to which the answer is yes.
    """

    gain: float
    side: int
    question: BoolArray


@dataclass(frozen=True, slots=True)
class _Leaf:
    """Some of the contexts (rows of the statistics) of one part of a phone, met and possible."""

    phone: int
    part: int
    rows: LongArray
    possible: tuple[BoolArray, BoolArray]  # (P,) left and right neighbours still possible


def build_tree(
    statistics: ContextStatistics, questions: BoolArray, options: TreeOptions | None = None
) -> TiedStates:
    """Return the tied states that `questions`, (Q, P), asked greedily, make of the contexts met.

    Raises:
        DataError: nothing was met.
    """
    options = options or TreeOptions()
    if not len(statistics.phones):
        raise DataError("expected aligned phones to build a tree from, found none")
    K = int(statistics.parts.max()) + 1
    leaves = [_root(statistics, phone, part) for phone in range(1, NUM_PHONES) for part in range(K)]
    heap: list[tuple[float, int, Split]] = []
    for i in range(len(leaves)):
        _propose(heap, i, leaves[i], (statistics, questions, options))
    while heap and len(leaves) < options.max_leaves:
        _, i, split = heappop(heap)
        leaves[i], other = _parted(statistics, leaves[i], split)
        leaves.append(other)
        _propose(heap, i, leaves[i], (statistics, questions, options))
        _propose(heap, len(leaves) - 1, other, (statistics, questions, options))
    return _tied(leaves, K)


def best_split(
    statistics: ContextStatistics, rows: LongArray, questions: BoolArray, min_frames: float
) -> Split | None:
    """Return the question that parts the contexts `rows` best; None if no part may be so small.

    The gain is L(yes) + L(no) - L(all), each L that of one Gaussian.
    """
    moments = statistics.moments[rows]
    neighbours = (statistics.lefts[rows], statistics.rights[rows])
    answers = np.concatenate([questions[:, phones] for phones in neighbours])
    yes = answers.astype(np.float64) @ moments
    total = moments.sum(axis=0)
    no = total - yes
    gains = log_likelihood(yes) + log_likelihood(no) - log_likelihood(total)
    enough = np.minimum(yes[:, 0], no[:, 0]) >= min_frames
    if not enough.any():
        return None
    best = int(np.where(enough, gains, -np.inf).argmax())
    side, number = divmod(best, len(questions))
    return Split(float(gains[best]), side, questions[number])


def _root(statistics: ContextStatistics, phone: int, part: int) -> _Leaf:
    rows = np.flatnonzero((statistics.phones == phone) & (statistics.parts == part))
    everything = np.ones(NUM_PHONES, np.bool_)
    return _Leaf(phone, part, rows, (everything, everything))


def _propose(
    heap: list[tuple[float, int, Split]],
    number: int,
    leaf: _Leaf,
    task: tuple[ContextStatistics, BoolArray, TreeOptions],
) -> None:
    """Put the best split of leaf `number` on the heap, if it is worth it."""
    statistics, questions, options = task
    if len(leaf.rows) < 2:
        return
    split = best_split(statistics, leaf.rows, questions, options.min_frames)
    if split is not None and split.gain >= options.min_gain:
        # Every leaf is at most once on the heap, so splits are never compared.
        heappush(heap, (-split.gain, number, split))


def _parted(statistics: ContextStatistics, leaf: _Leaf, split: Split) -> tuple[_Leaf, _Leaf]:
    """Return the leaves of the contexts that answer yes and of those that answer no."""
    neighbours = (statistics.lefts, statistics.rights)[split.side][leaf.rows]

    def side(question: BoolArray) -> _Leaf:
        possible = list(leaf.possible)
        possible[split.side] = possible[split.side] & question
        rows = leaf.rows[question[neighbours]]
        return _Leaf(leaf.phone, leaf.part, rows, (possible[0], possible[1]))

    return side(split.question), side(~split.question)


def _tied(leaves: Sequence[_Leaf], K: int) -> TiedStates:
    """Return the table of `leaves`, numbered by phone and part, from 1 on."""
    table = np.zeros((NUM_PHONES, K, NUM_PHONES, NUM_PHONES), np.int32)
    order = sorted(leaves, key=lambda leaf: (leaf.phone, leaf.part))
    for number, leaf in enumerate(order, start=1):
        left, right = leaf.possible
        table[leaf.phone, leaf.part][np.ix_(left, right)] = number
    return TiedStates(table)


def phone_moments(statistics: ContextStatistics) -> Iterator[F64]:
    """Yield for each part of the phones the (P, 1 + 2D) moments of every phone."""
    for part in range(int(statistics.parts.max()) + 1):
        moments = np.zeros((NUM_PHONES, statistics.moments.shape[1]))
        rows = statistics.parts == part
        np.add.at(moments, statistics.phones[rows], statistics.moments[rows])
        yield moments
