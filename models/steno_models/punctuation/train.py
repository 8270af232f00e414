"""Train the two linear models: one pass of AdaGrad over the text, then integer weights."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steno_models.errors import DataError
from steno_models.punctuation.examples import examples
from steno_models.punctuation.features import Longs
from steno_models.punctuation.kernels import Floats, descend
from steno_models.punctuation.labelled import Case, Labelled, Mark
from steno_models.punctuation.model import Punctuator

RATE = 0.15
MEAN_WORDS = 12.0
"""Words of the finals into which the text is cut."""


@dataclass(frozen=True, slots=True)
class _Table:
    """Weights in training and their sums of squared gradients, (R, C) each."""

    weights: Floats
    squares: Floats

    @classmethod
    def empty(cls, bits: int, classes: int) -> "_Table":
        shape = (1 << bits, classes)
        return cls(np.zeros(shape, np.float32), np.ones(shape, np.float32))

    def descend(self, rows: Longs, labels: NDArray[np.uint8]) -> float:
        """Learn from examples; return the summed loss in nats."""
        masked = (rows & (len(self.weights) - 1)).astype(np.int32)
        return float(descend(self.weights, self.squares, masked, labels, RATE))

    def rounded(self) -> tuple[NDArray[np.int8], float]:
        """Return the weights as whole numbers, and the nats of one; the largest few are cut off."""
        largest = float(np.quantile(np.abs(self.weights[self.weights != 0]), 0.9999))
        scale = largest / 127
        return np.clip(np.rint(self.weights / scale), -127, 127).astype(np.int8), scale


def train(
    texts: Iterable[Labelled], pauses: NDArray[np.float64], *, bits: int = 19, seed: int = 1
) -> Punctuator:
    """Return a model trained on texts, in their order.

    Args:
        texts: written text.
        pauses: (WITHIN + 1, len(Mark)) ln p(pause | mark).
        bits: the binary logarithm of the rows of weights of marks; those of cases are half as many.
        seed: of where finals end.

    Raises:
        DataError: there is no text, or none whose capitals tell anything.
    """
    marks, cases = _Table.empty(bits, len(Mark)), _Table.empty(bits - 1, len(Case))
    rng = np.random.default_rng(seed)
    for text in texts:
        for block in examples(text, rng, mean_words=MEAN_WORDS):
            marks.descend(block.marks, block.mark_labels)
            cases.descend(block.cases, block.case_labels)
    if not marks.weights.any() or not cases.weights.any():
        raise DataError("expected running text with marks and capitals, found none")
    mark_weights, scale = marks.rounded()
    return Punctuator(mark_weights, cases.rounded()[0], scale, pauses)
