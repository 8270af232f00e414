"""The graph of states that an utterance with known words may run through."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from steno_models.errors import ConfigError, DataError
from steno_models.text.tokens import PHONES
from steno_models.types import IntArray

SILENCE = 0
PHONE_IDS: Mapping[str, int] = {
    "SIL": SILENCE,
    **{phone: i for i, phone in enumerate(PHONES, start=1)},
}
"""Silence is 0, the phones count from 1 as in the CTC table."""

NUM_PHONES = len(PHONE_IDS)

EDGE = SILENCE
"""The neighbour of a word's first and last phone: whatever is beyond the edge of the word."""

STATES_PER_PHONE = 3
NUM_STATES = NUM_PHONES * STATES_PER_PHONE
"""Emitting states of `MONOPHONES`: state 3p + k is the k-th part of phone p."""

Pronunciation = Sequence[int]
"""The phone ids of one way to say a word."""


class Units(Protocol):
    """Which emitting states a phone between two others runs through, left to right."""

    @property
    def num_states(self) -> int:
        """S, the number of emitting states; their ids are 0 .. S - 1."""

    def states(self, left: int, phone: int, right: int) -> Sequence[int]:
        """Return the states of `phone` behind `left` and before `right`; EDGE beyond a word."""


@dataclass(frozen=True, slots=True)
class Monophones:
    """States that do not ask for a phone's neighbours.

    Attributes:
        states_per_phone: of every phone, 3 and 5 being the usual ones.
        silence_states: of silence; its states are the first ones.
    """

    states_per_phone: int = STATES_PER_PHONE
    silence_states: int = STATES_PER_PHONE

    def __post_init__(self) -> None:
        if self.states_per_phone < 1 or self.silence_states < 1:
            raise ConfigError(
                f"expected at least one state a phone, found {self.states_per_phone} and "
                f"{self.silence_states} of silence"
            )

    @property
    def num_states(self) -> int:
        """S, the number of emitting states."""
        return self.silence_states + (NUM_PHONES - 1) * self.states_per_phone

    def states(self, left: int, phone: int, right: int) -> Sequence[int]:  # noqa: ARG002
        """Return the states of `phone`, whatever is beside it."""
        if phone == SILENCE:
            return range(self.silence_states)
        first = self.silence_states + (phone - 1) * self.states_per_phone
        return range(first, first + self.states_per_phone)


MONOPHONES = Monophones()


@dataclass(frozen=True, slots=True)
class Graph:
    """The states of one utterance as nodes in topological order.

    Every node has a self-loop of its own; the arcs below are the ways from other nodes into it.

    Attributes:
        states: (N,) int32 emitting state of each node.
        phones: (N,) int32 phone that each node is part of.
        tokens: (N,) int32 number of the phone occurrence that the node is part of.
        words: (N,) int32 position of its word in the utterance, -1 in silence.
        arc_offsets: (N + 1,) int32; the arcs into node n are `arc_offsets[n]:arc_offsets[n + 1]`.
        arc_sources: (E,) int32 node that each arc comes from.
        arc_log_probs: (E,) float64 log probability of the choice it makes, given that its source
            is left.
        start_log_probs: (N,) float64 log probability of beginning there, -inf where impossible.
        final_log_probs: (N,) float64 log probability of ending there once it is left.
    """

    states: IntArray
    phones: IntArray
    tokens: IntArray
    words: IntArray
    arc_offsets: IntArray
    arc_sources: IntArray
    arc_log_probs: np.ndarray[tuple[int], np.dtype[np.float64]]
    start_log_probs: np.ndarray[tuple[int], np.dtype[np.float64]]
    final_log_probs: np.ndarray[tuple[int], np.dtype[np.float64]]


_Exits = dict[int, float]  # node that may be left -> log probability of this way on; -1 the start


class _Builder:
    """Appends chains of states and remembers the arcs between them."""

    def __init__(self, units: Units) -> None:
        self.states: list[int] = []
        self.phones: list[int] = []
        self.tokens: list[int] = []
        self.words: list[int] = []
        self.arcs: list[_Exits] = []
        self._units = units
        self._num_tokens = 0

    def chain(self, phones: Pronunciation, word: int, entries: _Exits) -> int:
        """Append the states of `phones` behind `entries` and return the last node."""
        lefts, rights = [EDGE, *phones[:-1]], [*phones[1:], EDGE]
        for left, phone, right in zip(lefts, phones, rights, strict=True):
            for state in self._units.states(left, phone, right):
                self.states.append(state)
                self.phones.append(phone)
                self.tokens.append(self._num_tokens)
                self.words.append(word)
                self.arcs.append(entries)
                entries = {len(self.states) - 1: 0.0}
            self._num_tokens += 1
        return len(self.states) - 1

    def optional_silence(self, exits: _Exits, log_prob: float, log_skip: float) -> _Exits:
        """Append a silence behind `exits` and return the ways on with and without it."""
        node = self.chain([SILENCE], -1, {n: p + log_prob for n, p in exits.items()})
        return {**{n: p + log_skip for n, p in exits.items()}, node: 0.0}

    def finish(self, exits: _Exits) -> Graph:
        """Return the graph that ends by `exits`."""
        counts = [sum(source >= 0 for source in arcs) for arcs in self.arcs]
        inner = [(s, p) for arcs in self.arcs for s, p in arcs.items() if s >= 0]
        return Graph(
            states=np.array(self.states, np.int32),
            phones=np.array(self.phones, np.int32),
            tokens=np.array(self.tokens, np.int32),
            words=np.array(self.words, np.int32),
            arc_offsets=np.cumsum([0, *counts], dtype=np.int32),
            arc_sources=np.array([s for s, _ in inner], np.int32),
            arc_log_probs=np.array([p for _, p in inner], np.float64),
            start_log_probs=np.array([arcs.get(-1, -np.inf) for arcs in self.arcs]),
            final_log_probs=np.array([exits.get(n, -np.inf) for n in range(len(self.states))]),
        )


def utterance_graph(
    words: Sequence[Sequence[Pronunciation]],
    *,
    silence_prob: float = 0.5,
    units: Units = MONOPHONES,
) -> Graph:
    """Return the graph of an utterance, silence optional at both ends and between words.

    Args:
        words: for each word its pronunciations (equally likely), each a sequence of phone ids.
        silence_prob: probability of a silence at each border of a word.
        units: the states of the phones; graphs of the same words whose units have equally many
            states a phone have the same nodes.

    Raises:
        DataError: there is no word, or one has no pronunciation or an empty one.
    """
    if not words:
        raise DataError("expected at least one word to align, found none")
    builder = _Builder(units)
    log_silence, log_skip = float(np.log(silence_prob)), float(np.log1p(-silence_prob))
    exits = builder.optional_silence({-1: 0.0}, log_silence, log_skip)
    for i, pronunciations in enumerate(words):
        if not pronunciations or not all(pronunciations):
            raise DataError(f"expected a pronunciation of word {i}, found {pronunciations!r}")
        log_choice = -float(np.log(len(pronunciations)))
        entries = {n: p + log_choice for n, p in exits.items()}
        exits = {builder.chain(p, i, entries): 0.0 for p in pronunciations}
        exits = builder.optional_silence(exits, log_silence, log_skip)
    return builder.finish(exits)


def shortest_path(graph: Graph) -> list[int]:
    """Return the nodes of the path with the fewest states: its length is the least T."""
    best: list[list[int]] = []
    arcs = pairwise(graph.arc_offsets.tolist())
    for node, (begin, end) in enumerate(arcs):
        ways = [best[s] for s in graph.arc_sources[begin:end]]
        if np.isfinite(graph.start_log_probs[node]):
            ways.append([])
        best.append([*min(ways, key=len), node])
    ends = np.flatnonzero(np.isfinite(graph.final_log_probs))
    return min((best[n] for n in ends), key=len)
