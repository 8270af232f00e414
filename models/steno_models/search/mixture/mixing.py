"""Language models and their weights, ready for a search; and the memory of its calls."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from steno_models.errors import ConfigError
from steno_models.lm.ngram.kernels import score_tokens
from steno_models.search.mixture.kernels import MOST_PARTS, Mixture, Part, remember
from steno_models.search.state import TokenArray
from steno_models.types import FloatArray, IntArray, LongArray

DoubleArray = NDArray[np.float64]

_ROWS = 1 << 16
_ROWS_A_STEP = 1 << 12
_OFF = 1e-6


def check_weights(weights: Sequence[float]) -> None:
    """Check the weights of language models that are mixed.

    Raises:
        ConfigError: they are too many, outside 0 to 1, or do not sum to 1.
    """
    if not 1 <= len(weights) <= MOST_PARTS:
        raise ConfigError(
            f"expected 1 to {MOST_PARTS} language models to mix, found {len(weights)}"
        )
    for weight in weights:
        if not 0 <= weight <= 1:
            raise ConfigError(f"expected weights of 0 to 1, found {weight:g}")
    if abs(sum(weights) - 1) > _OFF:
        raise ConfigError(f"expected weights that sum to 1, found a sum of {sum(weights):g}")


@dataclass(frozen=True, slots=True, eq=False)
class Mixing:
    """Language models under one vocabulary, and what each weighs.

    Attributes:
        parts: the K language models, one at least.
        starts: their states at the start of a sentence.
        weights: of each; positive, with a sum of 1.
        num_words: U, the words of the vocabulary, the special ones included.
        unknown_word: the last of them.
    """

    parts: tuple[Part, ...]
    starts: tuple[int, ...]
    weights: tuple[float, ...]
    num_words: int
    unknown_word: int
    _memories: deque[tuple[IntArray, IntArray, LongArray]] = field(
        default_factory=deque, repr=False
    )

    def __post_init__(self) -> None:
        """Check the weights."""
        check_weights(self.weights)

    @property
    def most_steps(self) -> int:
        """So many steps fit one call: the histories that they find have room."""
        return _ROWS // _ROWS_A_STEP

    @property
    def start(self) -> IntArray:
        """(2, MOST_PARTS): no history, and that of the start of a sentence."""
        rows = np.zeros((2, MOST_PARTS), np.int32)
        rows[1, : len(self.starts)] = self.starts
        if not rows[1].any():  # the same row: each is there once
            rows = rows[:1]
        rows.setflags(write=False)
        return rows

    def unigram(self) -> FloatArray:
        """Return (N,) an upper bound of ln p of the words below each node, with no history."""
        weights = np.log(self.weights)
        parts = [part.unigram + weight for part, weight in zip(self.parts, weights, strict=True)]
        return np.asarray(np.logaddexp.reduce(parts, axis=0), np.float32)

    def rooted(self) -> Mixture:
        """Return what compiled code takes, with no history in memory but none."""
        return self.at(np.zeros((1, MOST_PARTS), np.int32))

    def at(self, histories: IntArray) -> Mixture:
        """Return what compiled code takes, with `histories`, (H, MOST_PARTS), and room for none."""
        rows = np.array(histories, np.int32)
        return self._with(rows, np.full(1, -1, np.int32), np.array([len(rows)], np.int64))

    def memory(self, histories: IntArray) -> Mixture:
        """Return what a search takes that begins with `histories`, and has room for others."""
        try:
            rows, table, size = self._memories.pop()
        except IndexError:
            rows = np.zeros((_ROWS, MOST_PARTS), np.int32)
            table, size = np.zeros(4 * _ROWS, np.int32), np.zeros(1, np.int64)
        remember(rows, table, size, np.array(histories, np.int32))
        return self._with(rows, table, size)

    def kept(self, memory: Mixture, tokens: TokenArray) -> IntArray:
        """Return the histories that `tokens` stand on, which are renumbered, and give it back."""
        used = np.unique(np.append(tokens["lm"], 0))
        tokens["lm"] = np.searchsorted(used, tokens["lm"])
        tokens["ahead_lm"] = tokens["lm"]
        rows: IntArray = memory.histories[used]
        rows.setflags(write=False)
        self._memories.append((memory.histories, memory.table, memory.size))
        return rows

    def log_probs(self, words: LongArray) -> DoubleArray:
        """Return (U,) ln p of each of `words` from the start of a sentence."""
        total = np.full(len(words), -np.inf)
        for part, start, weight in zip(self.parts, self.starts, self.weights, strict=True):
            own = part.own[words]
            tokens = np.where(own < 0, part.own[self.unknown_word], own).astype(np.int32)
            found = np.empty(len(words))
            score_tokens(part.lm, start, tokens, found)
            total = np.logaddexp(total, np.where(own < 0, -np.inf, found + np.log(weight)))
        return total

    def _with(self, rows: IntArray, table: IntArray, size: LongArray) -> Mixture:
        count = len(self.parts)
        places = (*self.parts, *[self.parts[0]] * (MOST_PARTS - count))
        weights = np.full(MOST_PARTS, -np.inf)
        weights[:count] = np.log(self.weights)
        return Mixture(
            (places[0], places[1], places[2], places[3]),
            count,
            weights,
            self.num_words,
            self.unknown_word,
            rows,
            table,
            size,
        )
