"""ARPA files: the text form of back-off models that every toolkit reads and writes."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np

from steno_models.errors import DataError
from steno_models.lm.ngram.backoff import LN_10, NEVER, BackoffModel
from steno_models.lm.ngram.corpus import SPECIAL_WORDS, UNKNOWN, open_text
from steno_models.lm.ngram.kernels import DoubleArray
from steno_models.lm.ngram.trie import assemble
from steno_models.types import IntArray

_COUNT = re.compile(r"ngram\s+(\d+)\s*=\s*(\d+)")


def write_arpa(model: BackoffModel, path: Path) -> None:
    """Write `model` to `path` in the ARPA format, base-10 logarithms with six decimals."""
    with path.open("w", encoding="utf-8") as file:
        file.write("\\data\\\n")
        trie = model.trie
        sizes = np.diff(trie.level_begin)
        file.writelines(f"ngram {k}={sizes[k]}\n" for k in range(1, trie.order + 1))
        histories = [""]
        for k in range(1, trie.order + 1):
            file.write(f"\n\\{k}-grams:\n")
            ngrams = _spellings(model, k, histories)
            file.writelines(_lines(model, k, ngrams))
            histories = [f"{ngram} " for ngram in ngrams]
        file.write("\n\\end\\\n")


def _spellings(model: BackoffModel, k: int, histories: Sequence[str]) -> list[str]:
    trie = model.trie
    parents = (trie.parents(k) - trie.level(k - 1).start).tolist()
    words = trie.word[trie.level(k)].tolist()
    return [
        histories[parent] + model.vocabulary[word]
        for parent, word in zip(parents, words, strict=True)
    ]


def _lines(model: BackoffModel, k: int, ngrams: Sequence[str]) -> Iterator[str]:
    nodes = model.trie.level(k)
    probs = (model.log_prob[nodes] / LN_10).tolist()
    if k == model.trie.order:
        return (f"{p:.6f}\t{ngram}\n" for p, ngram in zip(probs, ngrams, strict=True))
    backoffs = (model.backoff[nodes] / LN_10).tolist()
    return (
        f"{p:.6f}\t{ngram}\t{b:.6f}\n" for p, ngram, b in zip(probs, ngrams, backoffs, strict=True)
    )


def read_arpa(path: Path, vocabulary: Sequence[str] | None = None) -> BackoffModel:
    """Return the model in the ARPA file `path` (plain, .gz, .bz2 or .xz).

    Args:
        path: the file.
        vocabulary: the order of its words; default the order of its unigrams. <s>, </s> and
            <unk> come last in either case; a file without <unk> gets one that never occurs.
    """
    with open_text(path) as (file, _):
        reader = _Reader(path, file)
        sizes = reader.sizes()
        levels = [reader.level(k, size, len(sizes)) for k, size in enumerate(sizes, start=1)]
    words = _vocabulary(path, [words[0] for words in levels[0].words], vocabulary)
    numbers = {word: number for number, word in enumerate(words)}
    try:
        ids = [level.ids(numbers) for level in levels]
        trie, rows = assemble(len(words), ids[1:])
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    log_prob = np.full(1 + len(words), NEVER)
    log_prob[0] = 0.0
    backoff = np.zeros(1 + len(words))
    log_prob[1 + ids[0][:, 0]] = levels[0].log_prob
    backoff[1 + ids[0][:, 0]] = levels[0].backoff
    return BackoffModel(
        vocabulary=words,
        trie=trie,
        log_prob=np.concatenate(
            [log_prob, *(level.log_prob[row] for level, row in zip(levels[1:], rows, strict=True))]
        ),
        backoff=np.concatenate(
            [backoff, *(level.backoff[row] for level, row in zip(levels[1:], rows, strict=True))]
        )[: len(trie.child_begin) - 1],
    )


@dataclass(frozen=True, slots=True)
class _Level:
    """The lines of one order: spellings, natural log probabilities and back-off weights."""

    words: list[list[str]]
    log_prob: DoubleArray
    backoff: DoubleArray

    def ids(self, numbers: Mapping[str, int]) -> IntArray:
        """Return (n, k) the words' `numbers`."""
        try:
            flat = [numbers[_canonical(word)] for words in self.words for word in words]
        except KeyError as error:
            raise DataError(f"expected words that are unigrams, found {error}") from None
        width = len(self.words[0]) if self.words else 1
        return np.array(flat, np.int32).reshape(-1, width)


@dataclass(slots=True)
class _Reader:
    """The sections of an ARPA file, in order."""

    path: Path
    file: TextIO

    def sizes(self) -> list[int]:
        """Return how many n-grams of each order the header announces."""
        for line in self.file:
            if line.strip() == "\\data\\":
                break
        else:
            raise DataError(f"{self.path}: expected an ARPA file, found no \\data\\ line")
        sizes: list[int] = []
        for line in self.file:
            count = _COUNT.fullmatch(line.strip())
            if not count:
                break
            sizes.append(int(count[2]))
            if int(count[1]) != len(sizes):
                raise DataError(
                    f"{self.path}: expected 'ngram {len(sizes)}=…', found {line.strip()!r}"
                )
        if not sizes:
            raise DataError(f"{self.path}: expected 'ngram 1=…' after \\data\\, found none")
        return sizes

    def level(self, k: int, size: int, order: int) -> _Level:
        """Return the `size` lines of level `k` of `order`."""
        wanted = f"\\{k}-grams:"
        heading = next((line.strip() for line in self.file if line.strip()), "the end")
        if heading != wanted:
            raise DataError(f"{self.path}: expected {wanted}, found {heading}")
        rows = [line.split() for line in islice(self.file, size)]
        fields = (k + 1, k + 2) if k < order else (k + 1, k + 1)
        for row in rows:
            if not fields[0] <= len(row) <= fields[1]:
                raise DataError(
                    f"{self.path}: expected a {k}-gram with its logarithms, found {' '.join(row)!r}"
                )
        if len(rows) != size:
            raise DataError(f"{self.path}: expected {size} {k}-grams, found {len(rows)}")
        try:
            log_prob = np.array([float(row[0]) for row in rows])
            backoff = np.array([float(row[k + 1]) if len(row) > k + 1 else 0.0 for row in rows])
        except ValueError as error:
            raise DataError(f"{self.path}: expected numbers in the {k}-grams: {error}") from error
        words = [row[1 : k + 1] for row in rows]
        return _Level(words, np.maximum(log_prob * LN_10, NEVER), backoff * LN_10)


def _canonical(word: str) -> str:
    """Return `word`, the three special ones in lower case."""
    lower = word.lower()
    return lower if lower in SPECIAL_WORDS else word


def _vocabulary(path: Path, unigrams: list[str], wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Return the words in their order, the special ones last."""
    found = dict.fromkeys(_canonical(word) for word in unigrams)
    missing = [word for word in SPECIAL_WORDS if word not in found and word != UNKNOWN]
    if missing:
        raise DataError(f"{path}: expected unigrams {' and '.join(missing)}, found none")
    if wanted is None:
        ordinary = [word for word in found if word not in SPECIAL_WORDS]
    else:
        ordinary = [word for word in wanted if word not in SPECIAL_WORDS]
        if set(ordinary) != set(found).difference(SPECIAL_WORDS):
            raise DataError(
                f"{path}: expected the vocabulary's {len(ordinary)} words as unigrams, "
                f"found {len(found)} unigrams"
            )
    return (*ordinary, *SPECIAL_WORDS)
