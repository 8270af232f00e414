"""A trigram of phones for CTC-CRF: what usually follows what, in transcripts and in other text.

    p(q | a, b) = (c(a, b, q) + n(a, b) · p(q | b)) / (c(a, b) + n(a, b))

n(a, b) is how many different phones follow a, b: interpolated Witten-Bell smoothing (Witten & Bell
1991; Chen & Goodman 1998, §2.6), down to phones counted once more than they were.
"""

import lzma
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steno_models.errors import DataError
from steno_models.text.lexicon import Lexicon
from steno_models.text.normalise import normalise
from steno_models.text.tokens import TokenTable
from steno_models.types import FloatArray

Counts = NDArray[np.float64]
"""(V, V, V): [a, b, q] how often q followed a, b; 0 stands for what is before the first phone."""


def count_phones(sequences: Iterable[ArrayLike], labels: int) -> Counts:
    """Return the trigrams of `sequences`, each of token ids from 1 to `labels` − 1."""
    counts = np.zeros((labels, labels, labels))
    for sequence in sequences:
        phones = np.concatenate([[0, 0], np.asarray(sequence, np.int64)])
        np.add.at(counts, (phones[:-2], phones[1:-1], phones[2:]), 1.0)
    return counts


def estimate(counts: Counts) -> FloatArray:
    """Return (V, V, V) float32, [a, b, q] = p(q | a, b); every row over q ≥ 1 sums to 1."""
    unigrams = counts.sum(axis=(0, 1)) + 1.0
    unigrams[0] = 0.0
    lower: Counts = unigrams / unigrams.sum()
    for seen in (counts.sum(axis=0), counts):
        kinds = (seen > 0).sum(axis=-1, keepdims=True)
        total = seen.sum(axis=-1, keepdims=True)
        smoothed = (seen + kinds * lower) / np.maximum(total + kinds, 1e-9)
        lower = np.where(total > 0, smoothed, np.broadcast_to(lower, seen.shape))
    return lower.astype(np.float32)


def phones_of_text(path: Path, lexicon: Lexicon, *, every: int = 1) -> Iterator[list[int]]:
    """Yield the phones of every so-manieth line of a text, plain or `.xz`, as token ids.

    A word of several pronunciations takes turns among them; at one that the lexicon lacks a line
    is broken in two.

    Raises:
        DataError: the text cannot be read.
    """
    table = TokenTable.phones()
    turn = 0
    try:
        with _opened(path) as file:
            for line in islice(file, 0, None, every):
                phones: list[int] = []
                for word in normalise(line).split():
                    if word not in lexicon:
                        yield phones
                        phones = []
                        continue
                    ways = lexicon[word]
                    phones += table.ids(ways[turn % len(ways)])
                    turn += len(ways) > 1
                yield phones
    except (OSError, UnicodeDecodeError, lzma.LZMAError, EOFError) as error:
        raise DataError(f"expected text in {path}, found: {error}") from error


def _opened(path: Path) -> TextIO:
    if path.suffix == ".xz":
        return lzma.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")
