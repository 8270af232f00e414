"""Skip-gram with negative sampling, on one thread or several that share all vectors."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

import msgspec
import numpy as np

from steno_models.crossmodal.space import Space
from steno_models.crossmodal.word2vec.kernels import learn_sentences
from steno_models.crossmodal.word2vec.sampling import (
    alias_table,
    keep_chances,
    negative_chances,
)
from steno_models.crossmodal.word2vec.vocabulary import Text
from steno_models.errors import ConfigError, DataError
from steno_models.types import FloatArray

_BLOCK = 20_000  # words between two looks at the learning rate
_LONG_TEXT = 1_000_000
_EPOCHS, _MOST_EPOCHS = 5, 50
_SAMPLE, _MOST_SAMPLE = 1e-3, 1e-2
OPEN_EPOCHS = "5, of less than a million words up to 50"
OPEN_SAMPLE = "1e-3, of less than a million words up to 1e-2"
_LANES = 16  # vectors are as long as whole groups of vector instructions while they are trained


class Word2VecOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How vectors are learnt (Mikolov et al. 2013).

    Attributes:
        dimensions: of each vector.
        window: how far neighbours may be.
        negatives: drawn for each pair.
        epochs: over the text; where None, what suits its length.
        alpha: the learning rate of the first word; it falls on a line to `last_alpha`.
        last_alpha: that of the last word.
        sample: words that make more than such a share of the text are thinned out; 0 keeps all;
            where None, what suits its length.
        threads: 1 gives the same vectors whenever the seed is the same; more share them unlocked
            (Niu et al. 2011, "Hogwild!").
        seed: of everything random.
    """

    dimensions: int = 50
    window: int = 5
    negatives: int = 5
    epochs: int | None = None
    alpha: float = 0.025
    last_alpha: float = 1e-4
    sample: float | None = None
    threads: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        for name in ("dimensions", "window", "negatives", "epochs", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"expected {name} of 1 or more, found {value}")
        if not 0.0 < self.last_alpha <= self.alpha:
            raise ConfigError(
                f"expected 0 < last_alpha ≤ alpha, found {self.last_alpha} and {self.alpha}"
            )
        if self.sample is not None and not 0.0 <= self.sample < 1.0:
            raise ConfigError(f"expected sample from 0 to below 1, found {self.sample}")

    def epochs_and_sample(self, words: int) -> tuple[int, float]:
        """Return both for a text of so many words: what was left open is as suits it.

        5 epochs and 1e-3, for less than a million words up to 50 and 1e-2: of 72,000 words that
        are read 5 times no map is found, and 1e-4 aligns worse at one million and at seven.
        """
        short = max(1.0, _LONG_TEXT / max(words, 1))
        return (
            min(_MOST_EPOCHS, round(_EPOCHS * short)) if self.epochs is None else self.epochs,
            min(_MOST_SAMPLE, _SAMPLE * short) if self.sample is None else self.sample,
        )


class Progress(NamedTuple):
    """How far a training is.

    Attributes:
        words: read so far, over all epochs.
        of: so many in all.
        loss: mean of the pairs of the last block.
        alpha: the learning rate there.
    """

    words: int
    of: int
    loss: float
    alpha: float


@dataclass(slots=True)
class _Vectors:
    inputs: FloatArray
    outputs: FloatArray


def train(
    text: Text, options: Word2VecOptions, report: Callable[[Progress], None] | None = None
) -> Space:
    """Return the space of the words of `text`.

    Args:
        text: with its vocabulary.
        options: how.
        report: is told after each block of some 20,000 words.

    Raises:
        DataError: no two words of the text stand beside each other.
    """
    lengths = np.diff(text.ends, prepend=0)
    if lengths.max(initial=0) < 2:
        raise DataError("expected sentences of two words or more, found none")
    vectors = _initial(len(text.words), options)
    _run(text, options, vectors, report or (lambda _: None))
    learnt = np.ascontiguousarray(vectors.inputs[:, : options.dimensions])
    return Space(text.words, learnt, text.counts)


def _initial(V: int, options: Word2VecOptions) -> _Vectors:
    """Return input vectors uniform within ±1/(2D) and output vectors of zero, both padded."""
    padded = -(-options.dimensions // _LANES) * _LANES
    inputs, outputs = np.zeros((2, V, padded), np.float32)
    spread = 0.5 / options.dimensions
    drawn = np.random.default_rng(options.seed).uniform(-spread, spread, (V, options.dimensions))
    inputs[:, : options.dimensions] = drawn
    return _Vectors(inputs, outputs)


def _run(
    text: Text,
    options: Word2VecOptions,
    vectors: _Vectors,
    report: Callable[[Progress], None],
) -> None:
    """Let every thread take the next block of sentences until none is left."""
    words = len(text.tokens)
    epochs, sample = options.epochs_and_sample(words)
    keep = keep_chances(text.counts, sample)
    shares, others = alias_table(negative_chances(text.counts))
    bounds = _blocks(text)
    blocks, total = len(bounds) - 1, epochs * words
    seeds = np.random.SeedSequence(options.seed).spawn(options.threads)
    turn = count()

    def work(seed: np.random.SeedSequence) -> None:
        state = seed.generate_state(1, np.uint64)
        for number in iter(turn.__next__, None):  # itertools.count is atomic under the lock
            epoch, block = divmod(number, blocks)
            if epoch >= epochs:
                return
            first, last = bounds[block], bounds[block + 1]
            read = epoch * words + int(text.ends[first - 1] if first else 0)
            alpha = options.alpha + (options.last_alpha - options.alpha) * (read / total)
            loss, pairs = learn_sentences(
                vectors.inputs, vectors.outputs, text.tokens, text.ends, first, last,
                keep, shares, others, options.window, options.negatives, np.float32(alpha), state,
            )  # fmt: skip
            done = epoch * words + int(text.ends[last - 1])
            report(Progress(done, total, loss / max(pairs, 1), alpha))

    with ThreadPoolExecutor(options.threads) as pool:
        list(pool.map(work, seeds))


def _blocks(text: Text) -> list[int]:
    """Return the first sentence of each block, and the number of sentences at the end."""
    marks = np.searchsorted(text.ends, np.arange(0, len(text.tokens), _BLOCK), side="right")
    return [int(each) for each in np.unique(np.append(marks, len(text.ends)))]
