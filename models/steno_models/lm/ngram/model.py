"""A stored n-gram model, opened without loading it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from steno_models.lm.ngram import kernels
from steno_models.lm.ngram.backoff import BackoffModel
from steno_models.lm.ngram.binary import open_binary, write_binary
from steno_models.lm.ngram.kernels import NgramArrays
from steno_models.lm.ngram.quantise import quantise


@dataclass(frozen=True, slots=True, eq=False)
class NgramModel:
    """An n-gram model for look-up.

    Attributes:
        vocabulary: the words, numbered by their places; the last three are <s>, </s> and <unk>.
        arrays: the n-grams, for the functions of `kernels`.
    """

    vocabulary: tuple[str, ...]
    arrays: NgramArrays
    _numbers: dict[str, int] = field(init=False, repr=False, default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Return the model in the binary file `path`, mapped, not read."""
        return cls(*open_binary(path))

    @classmethod
    def from_backoff(cls, model: BackoffModel, bits: int = 16) -> Self:
        """Return `model` quantised, in memory; `quantise.BITS` tells how finely it may be."""
        return cls(model.vocabulary, quantise(model, bits))

    def write(self, path: Path) -> None:
        """Write the model to the binary file `path`."""
        write_binary(path, self.vocabulary, self.arrays)

    @property
    def order(self) -> int:
        """The length of its longest n-grams."""
        return len(self.arrays.level_begin) - 2

    @property
    def begin_word(self) -> int:
        """The number of <s>."""
        return len(self.vocabulary) - 3

    @property
    def end_word(self) -> int:
        """The number of </s>."""
        return len(self.vocabulary) - 2

    @property
    def unknown_word(self) -> int:
        """The number of <unk>."""
        return len(self.vocabulary) - 1

    @property
    def start_state(self) -> int:
        """The state at the start of a sentence, after <s>."""
        node = 1 + self.begin_word
        return node if kernels.is_history(self.arrays, node) else kernels.ROOT

    def word_id(self, text: str) -> int:
        """Return the number of the word `text`, that of <unk> where the vocabulary lacks it."""
        if not self._numbers:  # made when first asked for: a search never asks, and loads sooner
            numbers = {word: number for number, word in enumerate(self.vocabulary)}
            object.__setattr__(self, "_numbers", numbers)
        return self._numbers.get(text, self.unknown_word)

    def advance(self, state: int, word: int) -> tuple[int, float]:
        """Return the next state and ln p(word | state)."""
        node, log_prob = kernels.advance(self.arrays, state, word)
        return int(node), float(log_prob)

    def score(self, sentence: str | Iterable[str]) -> list[float]:
        """Return ln p of each word of `sentence` and of its end, each given what went before."""
        words = sentence.split() if isinstance(sentence, str) else sentence
        tokens = np.array([*map(self.word_id, words), self.end_word], np.int32)
        out = np.empty(len(tokens))
        kernels.score_tokens(self.arrays, self.start_state, tokens, out)
        scores: list[float] = out.tolist()
        return scores
