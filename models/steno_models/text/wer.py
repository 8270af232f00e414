"""How wrong a recogniser is: alignments, error rates and their confidence intervals.

The rate is (S + D + I) / N over all utterances. Its interval resamples whole utterances, for words
of one utterance are wrong together (Bisani & Ney 2004, "Bootstrap estimates for confidence
intervals in ASR performance evaluation").
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steno_models.errors import DataError
from steno_models.text import kernels
from steno_models.types import IntArray

REPLICATES = 10_000
_SEED = 2004
_BLOCK = 1 << 21  # resampled utterances held at once


@dataclass(frozen=True, slots=True)
class Alignment:
    """An alignment of a reference and a hypothesis with the fewest errors, then the most hits.

    Attributes:
        pairs: what stands against what, in order; None against what was deleted or inserted.
    """

    pairs: tuple[tuple[str | None, str | None], ...]
    hits: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def errors(self) -> int:
        """The edit distance."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference_length(self) -> int:
        """The number of reference tokens."""
        return self.hits + self.substitutions + self.deletions


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """The error rate of one system over a test set.

    Attributes:
        low: lower end of the 95 % interval of `rate`.
        high: its upper end.
    """

    substitutions: int
    deletions: int
    insertions: int
    reference_length: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        """Errors for each reference token; above 1 where insertions abound."""
        return (self.substitutions + self.deletions + self.insertions) / self.reference_length

    def __str__(self) -> str:
        """Return the rate in per cent with its interval and its parts."""
        return (
            f"{100 * self.rate:.2f} % [{100 * self.low:.2f}, {100 * self.high:.2f}] "
            f"({self.substitutions} sub, {self.deletions} del, {self.insertions} ins, "
            f"{self.reference_length} ref)"
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """How the error rates of two systems on the same utterances differ, second minus first.

    Attributes:
        rate: the difference; negative where the second system is better.
        low: lower end of its 95 % interval.
        high: its upper end.
        probability_of_improvement: share of the replicates in which the second system is better.
    """

    rate: float
    low: float
    high: float
    probability_of_improvement: float


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> Alignment:
    """Return the alignment of two token sequences: words, phones or (of strings) characters."""
    numbers: dict[str, int] = {}
    path = kernels.edits(_numbered(reference, numbers), _numbered(hypothesis, numbers))
    counts = np.bincount(path, minlength=4)
    return Alignment(
        pairs=tuple(_pairs(path.tolist(), reference, hypothesis)),
        hits=int(counts[kernels.HIT]),
        substitutions=int(counts[kernels.SUBSTITUTION]),
        deletions=int(counts[kernels.DELETION]),
        insertions=int(counts[kernels.INSERTION]),
    )


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> ErrorRate:
    """Return the WER of transcripts whose words (or phones: the PER) white space separates."""
    return error_rate(word_alignments(references, hypotheses))


def character_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> ErrorRate:
    """Return the CER of transcripts; a space between words is a character."""
    return error_rate([align(r, h) for r, h in _matched(references, hypotheses)])


def word_alignments(references: Sequence[str], hypotheses: Sequence[str]) -> list[Alignment]:
    """Return the alignment of each utterance's words, which white space separates."""
    return [align(r.split(), h.split()) for r, h in _matched(references, hypotheses)]


def error_rate(alignments: Sequence[Alignment]) -> ErrorRate:
    """Return the error rate over utterances, with its bootstrap interval."""
    errors, lengths = _counts(alignments)
    low, high = np.quantile(_replicates(errors, lengths), (0.025, 0.975))
    return ErrorRate(
        substitutions=sum(a.substitutions for a in alignments),
        deletions=sum(a.deletions for a in alignments),
        insertions=sum(a.insertions for a in alignments),
        reference_length=int(lengths.sum()),
        low=float(low),
        high=float(high),
    )


def difference(first: Sequence[Alignment], second: Sequence[Alignment]) -> Difference:
    """Return how two systems differ; both saw the same utterances in the same order.

    Every replicate draws the same utterances for both (ibid., section 4: the paired test).
    """
    errors_1, lengths = _counts(first)
    errors_2, lengths_2 = _counts(second)
    if not np.array_equal(lengths, lengths_2):
        raise DataError("expected both systems on the same utterances, found other references")
    change = errors_2 - errors_1
    replicates = _replicates(change, lengths)
    low, high = np.quantile(replicates, (0.025, 0.975))
    return Difference(
        rate=float(change.sum() / lengths.sum()),
        low=float(low),
        high=float(high),
        probability_of_improvement=float(np.mean(replicates < 0)),
    )


def _matched(references: Sequence[str], hypotheses: Sequence[str]) -> Iterator[tuple[str, str]]:
    if len(references) != len(hypotheses):
        raise DataError(
            f"expected one hypothesis for each of the {len(references)} references, "
            f"found {len(hypotheses)}"
        )
    return zip(references, hypotheses, strict=True)


def _numbered(tokens: Sequence[str], numbers: dict[str, int]) -> IntArray:
    return np.array([numbers.setdefault(token, len(numbers)) for token in tokens], np.int32)


def _pairs(
    path: list[int], reference: Sequence[str], hypothesis: Sequence[str]
) -> Iterator[tuple[str | None, str | None]]:
    left, right = iter(reference), iter(hypothesis)
    for edit in path:
        yield (
            None if edit == kernels.INSERTION else next(left),
            None if edit == kernels.DELETION else next(right),
        )


def _counts(alignments: Sequence[Alignment]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    errors = np.array([a.errors for a in alignments], np.int64)
    lengths = np.array([a.reference_length for a in alignments], np.int64)
    if not lengths.sum():
        raise DataError("expected at least one reference word, found none")
    return errors, lengths


def _replicates(errors: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the rates, (REPLICATES,), of as many resampled test sets."""
    rng = np.random.default_rng(_SEED)
    rows = max(1, _BLOCK // errors.size)
    rates = np.empty(REPLICATES)
    for begin in range(0, REPLICATES, rows):
        block = rates[begin : begin + rows]
        drawn = rng.integers(errors.size, size=(block.size, errors.size))
        # a replicate may draw utterances without words alone
        block[:] = errors[drawn].sum(axis=1) / np.maximum(lengths[drawn].sum(axis=1), 1)
    return rates
