"""Our Word2Vec beside gensim's: how alike the vectors are, and words per second.

    python tests/models/crossmodal/against_gensim.py TEXT [THREADS] [MILLION_WORDS]

TEXT has one normalised sentence a line. Two runs of gensim with different seeds say how alike two
trainings can be at all; ours is held against that.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np

from steno_models.crossmodal.space import Space, unit
from steno_models.crossmodal.word2vec.train import Word2VecOptions, train
from steno_models.crossmodal.word2vec.vocabulary import numbered
from steno_models.types import FloatArray

_JUDGED = 1000


def gensim_space(sentences: Sequence[str], options: Word2VecOptions, min_count: int) -> Space:
    """Return what gensim learns with the same options."""
    from gensim.models import Word2Vec

    found = Word2Vec(
        [sentence.split() for sentence in sentences],
        vector_size=options.dimensions,
        window=options.window,
        negative=options.negatives,
        epochs=options.epochs,
        alpha=options.alpha,
        min_alpha=options.last_alpha,
        sample=options.sample,
        workers=options.threads,
        seed=options.seed + 1,
        min_count=min_count,
        sg=1,
    )
    words = tuple(found.wv.index_to_key)
    counts = [found.wv.get_vecattr(word, "count") for word in words]
    return Space(words, found.wv.vectors, np.array(counts, np.int64))


def our_space(sentences: Sequence[str], options: Word2VecOptions, min_count: int) -> Space:
    """Return what ours learns."""
    return train(numbered(sentences, min_count=min_count), options)


def likeness(one: Space, other: Space) -> tuple[float, float]:
    """Return how alike two spaces of the same words are, whatever their axes.

    The first number is the correlation of the cosines of all pairs of frequent words, the second
    the share of each word's ten nearest that are the same in both.
    """
    known = set(other.words)
    words = [word for word in one.words if word in known][:_JUDGED]
    cosines = [_cosines(space, words) for space in (one, other)]
    upper = np.triu_indices(len(words), 1)
    correlation = float(np.corrcoef(cosines[0][upper], cosines[1][upper])[0, 1])
    nearest = [np.argsort(9 * np.eye(len(words)) - c, axis=1)[:, :10].tolist() for c in cosines]
    shared = [len(set(a) & set(b)) / 10 for a, b in zip(*nearest, strict=True)]
    return correlation, float(np.mean(shared))


def _cosines(space: Space, words: Sequence[str]) -> FloatArray:
    places = {word: place for place, word in enumerate(space.words)}
    vectors = unit(space.vectors[[places[word] for word in words]])
    return vectors @ vectors.T


def timed(learn: Callable[[], Space]) -> tuple[Space, float, float]:
    """Return a space, and the seconds of the wall clock and of the processors that it took."""
    wall, busy = time.perf_counter(), time.process_time()
    space = learn()
    return space, time.perf_counter() - wall, time.process_time() - busy


def main(arguments: Sequence[str]) -> None:
    """Print both programs' speed and likeness as JSON."""
    threads = int(arguments[1]) if len(arguments) > 1 else 1
    most = round(float(arguments[2]) * 1e6 / 18) if len(arguments) > 2 else None
    with Path(arguments[0]).open(encoding="utf-8") as file:
        sentences = list(islice(file, most))
    epochs = 3
    options = Word2VecOptions(epochs=epochs, sample=1e-3, threads=threads)
    our_space(sentences[:100], Word2VecOptions(epochs=1), 1)  # compiles
    ours, our_wall, our_busy = timed(lambda: our_space(sentences, options, 5))
    theirs, their_wall, their_busy = timed(lambda: gensim_space(sentences, options, 5))
    again = gensim_space(sentences, msgspec.structs.replace(options, seed=7), 5)
    words = epochs * sum(len(sentence.split()) for sentence in sentences)
    report = {
        "words": words,
        "threads": threads,
        "ours_words_per_s": [round(words / our_wall), round(words / our_busy)],
        "gensim_words_per_s": [round(words / their_wall), round(words / their_busy)],
        "likeness_ours_gensim": likeness(ours, theirs),
        "likeness_gensim_gensim": likeness(again, theirs),
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
