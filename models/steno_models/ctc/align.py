"""Where a text is in the posteriors of a CTC model: its best path, and all of them together.

The text is a network of labels, each with the blank before it if the model will; the blank must
part two equal labels (Graves et al. 2006, section 4.1). Words may be said in several ways.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from steno_models.errors import DataError
from steno_models.trellis.network import F64, Network
from steno_models.types import FloatArray, IntArray

_Exits = dict[int, int]  # node that may be left -> its label; -1 is the start


@dataclass(frozen=True, slots=True)
class LabelGraph:
    """A text as nodes: labels, and the blanks between them.

    Attributes:
        network: which node may follow which; a node's column is its label.
        tokens: (N,) int32 number of the label's occurrence, −1 of blanks.
        words: (N,) int32 position of the word in the text, −1 of blanks.
    """

    network: Network
    tokens: IntArray
    words: IntArray


@dataclass(slots=True)
class _Builder:
    blank: int
    labels: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    words: list[int] = field(default_factory=list)
    arcs: list[list[int]] = field(default_factory=list)
    count: int = 0

    def add_blank(self, exits: _Exits) -> _Exits:
        """Append a blank that may be passed by, and return the ways on."""
        node = self._append(self.blank, -1, -1, list(exits))
        return {**exits, node: self.blank}

    def add_label(self, label: int, word: int, exits: _Exits) -> _Exits:
        """Append a label, which no equal one comes right before, and return the way on."""
        node = self._append(label, self.count, word, [n for n in exits if exits[n] != label])
        self.count += 1
        return {node: label}

    def add_way(self, labels: Sequence[int], word: int, exits: _Exits) -> _Exits:
        """Append labels with blanks between them and return the way on."""
        for place, label in enumerate(labels):
            exits = self.add_label(label, word, self.add_blank(exits) if place else exits)
        return exits

    def finish(self, exits: _Exits) -> LabelGraph:
        """Return the graph that ends by `exits`."""
        inner = [[source for source in arcs if source >= 0] for arcs in self.arcs]
        sources = np.array([source for arcs in inner for source in arcs], np.int32)
        nodes = range(len(self.labels))
        network = Network(
            columns=np.array(self.labels, np.int32),
            loops=np.zeros(len(nodes)),
            offsets=np.cumsum([0, *map(len, inner)], dtype=np.int32),
            sources=sources,
            arcs=np.zeros(len(sources)),
            starts=np.array([0.0 if -1 in self.arcs[n] else -np.inf for n in nodes]),
            finals=np.array([0.0 if n in exits else -np.inf for n in nodes]),
        )
        return LabelGraph(network, np.array(self.tokens, np.int32), np.array(self.words, np.int32))

    def _append(self, label: int, token: int, word: int, sources: list[int]) -> int:
        self.labels.append(label)
        self.tokens.append(token)
        self.words.append(word)
        self.arcs.append(sources)
        return len(self.labels) - 1


def label_graph(words: Sequence[Sequence[Sequence[int]]], *, blank: int = 0) -> LabelGraph:
    """Return the graph of a text.

    Args:
        words: for each word its pronunciations, each a sequence of labels.
        blank: the blank's number.

    Raises:
        DataError: there is no word, or one has no pronunciation or an empty one.
    """
    if not words:
        raise DataError("expected at least one word to align, found none")
    builder = _Builder(blank)
    exits: _Exits = {-1: blank}
    for word, ways in enumerate(words):
        if not ways or not all(ways):
            raise DataError(f"expected a pronunciation of word {word}, found {ways!r}")
        exits = builder.add_blank(exits)
        ends: _Exits = {}
        for way in ways:
            ends |= builder.add_way(way, word, exits)
        exits = ends
    return builder.finish(builder.add_blank(exits))


def chain(labels: Sequence[int], *, blank: int = 0) -> LabelGraph:
    """Return the graph of one sequence of labels: the extended sequence of 2U + 1 nodes."""
    return label_graph([[[label]] for label in labels], blank=blank)


@dataclass(frozen=True, slots=True)
class Occupancy:
    """All paths of a text together.

    Attributes:
        log_score: ln p(text | x), summed over all paths.
        log_occupancy: (S, N) float64 ln p(node at step s | text, x).
    """

    log_score: float
    log_occupancy: F64


def occupancy(log_probs: FloatArray, graph: LabelGraph) -> Occupancy:
    """Return the forward-backward occupancies of `graph` in `log_probs`, (S, V).

    Raises:
        DataError: the graph needs more steps than there are.
    """
    net, least = graph.network, graph.network.least_frames()
    if least > len(log_probs):
        raise DataError(f"expected at least {least} steps for the text, found {len(log_probs)}")
    emissions = log_probs[:, net.columns].astype(np.float64)
    S, N = emissions.shape
    targets = np.repeat(np.arange(N), np.diff(net.offsets))
    alpha = np.full((S, N), -np.inf)
    beta = np.full((S, N), -np.inf)
    alpha[0] = net.starts + emissions[0]
    for s in range(1, S):
        total = alpha[s - 1].copy()
        np.logaddexp.at(total, targets, alpha[s - 1, net.sources])
        alpha[s] = total + emissions[s]
    beta[-1] = net.finals
    for s in range(S - 2, -1, -1):
        ahead = beta[s + 1] + emissions[s + 1]
        total = ahead.copy()
        np.logaddexp.at(total, net.sources, ahead[targets])
        beta[s] = total
    log_score = float(np.logaddexp.reduce(alpha[-1] + net.finals))
    return Occupancy(log_score, alpha + beta - log_score)
