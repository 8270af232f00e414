"""Domains of a few words, written in no time."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from steno_models.lm.domain.description import Description, files_of, tree_of
from steno_models.lm.domain.folder import replacing, write_description
from steno_models.lm.domain.prepared import write_tree
from steno_models.lm.ngram.corpus import SPECIAL_WORDS, CorpusReader
from steno_models.lm.ngram.counts import count
from steno_models.lm.ngram.kneser_ney import estimate
from steno_models.lm.ngram.model import NgramModel
from steno_models.text.lexicon import Lexicon

SOUNDS = {
    "tort": "T AO R T",
    "writ": "R IH T",
    "pill": "P IH L",
    "gland": "G L AE N D",
    "fugue": "F Y UW G",
    "chord": "K AO R D",
}


def write_domain(
    folder: Path,
    name: str,
    sentences: Sequence[str],
    sounds: Mapping[str, str] = SOUNDS,
    *,
    order: int = 2,
    with_tree: bool = False,
) -> Path:
    """A domain of these sentences, in a folder that is there at once and whole.

    Without a tree it is as earlier versions wrote it.
    """
    words = sorted(
        {word for sentence in sentences for word in sentence.split()},
        key=lambda word: sounds[word].split(),
    )
    reader = CorpusReader()
    reader.add(sentences)
    vocabulary = (*words, *SPECIAL_WORDS)
    counts = count(reader.corpus().encode(vocabulary), vocabulary=vocabulary, order=order)
    estimated = estimate(counts)
    ngrams = tuple(np.diff(estimated.trie.level_begin)[1:].tolist())
    model, lexicon = files_of(name)
    with replacing(folder) as fresh:
        NgramModel.from_backoff(estimated).write(fresh / model)
        Lexicon({word: (tuple(sounds[word].split()),) for word in words}).write(fresh / lexicon)
        if with_tree:
            write_tree(fresh / tree_of(name), fresh / lexicon, words)
        description = Description(name=name, words=len(words), ngrams=ngrams, files={})
        write_description(fresh, description)
    return folder
