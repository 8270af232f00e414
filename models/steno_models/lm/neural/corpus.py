"""Texts as one array of units, in the order in which they were written."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from steno_models.errors import DataError
from steno_models.lm.neural.units import END, Units
from steno_models.lm.ngram.corpus import Corpus, CorpusReader, SentenceSplitter, read_sentences
from steno_models.types import IntArray, LongArray


def read_corpus(paths: Sequence[Path], splitter: SentenceSplitter) -> Corpus:
    """Return the sentences of `paths`, texts or manifests.

    Raises:
        DataError: one cannot be read, or none has a word.
    """
    reader = CorpusReader()
    for path in paths:
        reader.add(read_sentences(path, splitter))
    corpus = reader.corpus()
    if not len(corpus.tokens):
        raise DataError(f"expected text in {', '.join(map(str, paths))}, found none")
    return corpus


def frequencies(corpus: Corpus) -> dict[str, int]:
    """Return how often each word of `corpus` occurs."""
    return Counter(dict(zip(corpus.words, corpus.frequencies().tolist(), strict=True)))


def encode(corpus: Corpus, units: Units) -> IntArray:
    """Return (N,) int32 units of `corpus`, an end after each sentence."""
    spelled = [units.spell(word) for word in corpus.words]
    spelled.append((END,))  # of -1, the sentence's end
    lengths: LongArray = np.array([len(each) for each in spelled], np.int64)
    flat = np.concatenate([np.array(each, np.int32) for each in spelled])
    begins = np.cumsum(lengths) - lengths
    own = lengths[corpus.tokens]
    first = np.repeat(begins[corpus.tokens] - (np.cumsum(own) - own), own)
    encoded: IntArray = flat[first + np.arange(int(own.sum()))]
    return encoded
