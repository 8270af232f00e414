"""A start without adversary: words whose similarities, sorted, look alike (Artetxe et al. 2018).

The similarities of a word to all others, sorted, do not depend on axes and on names: in both
spaces they are nearly the same for the same word. The pairs found so are mostly wrong, and still
better than chance; self-learning makes them right, as long as it may leave a bad solution: it
looks at a random part of the similarities only, at first a tenth, at last all.
"""

import numpy as np

from steno_models.crossmodal.alignment.csls import hubness, partners
from steno_models.crossmodal.alignment.procrustes import procrustes
from steno_models.crossmodal.space import unit
from steno_models.errors import DataError
from steno_models.types import FloatArray, LongArray

WORDS = 4000
_FIRST_SHARE = 0.1
_PATIENCE = 10  # rounds without gain before the share doubles
_GAIN = 1e-4
_MOST_ROUNDS = 500


def sorted_similarity(
    source: FloatArray, target: FloatArray, *, seed: int, words: int = WORDS
) -> FloatArray:
    """Return a (D, D) rotation, found from the `words` most frequent words of each space.

    Args:
        source: (V, D) unit vectors, the most frequent first.
        target: (W, D) likewise.
        seed: of what self-learning does not look at.
        words: at most, the same number of both.

    Raises:
        DataError: a side has fewer than two words.
    """
    number = min(words, len(source), len(target))
    if number < 2:
        raise DataError(f"expected two words or more on both sides, found {number}")
    x, y = source[:number], target[:number]
    return _self_learn(x, y, _first_pairs(x, y), np.random.default_rng(seed))


def _first_pairs(x: FloatArray, y: FloatArray) -> LongArray:
    """Return (P, 2) pairs of words whose sorted similarities are alike."""
    found = partners(_signatures(x), _signatures(y))
    forward = np.stack([np.arange(len(x)), found.of_source], axis=1)
    backward = np.stack([found.of_target, np.arange(len(y))], axis=1)
    return np.concatenate([forward, backward])


def _signatures(vectors: FloatArray) -> FloatArray:
    """Return (V, V) unit rows: each word's similarities to all, sorted.

    They are those of the square root of the Gram matrix, whose spectra are nearer to each other
    (section 3.2 there): with X = U S Vᵀ it is U S Uᵀ.
    """
    u, s, _ = np.linalg.svd(vectors, full_matrices=False)
    rows = unit(np.sort((u * s) @ u.T, axis=1))
    return unit(rows - rows.mean(axis=0))


def _self_learn(
    x: FloatArray, y: FloatArray, pairs: LongArray, random: np.random.Generator
) -> FloatArray:
    """Turn by `pairs`, find pairs in part of the similarities, again until the whole helps no more.

    The share of the words that may be found as partners starts at a tenth and doubles whenever the
    mean CSLS has not risen for some rounds. Dropping words, not single similarities, is as random
    a look, and keeps memory to one block.
    """
    share, best, waited = _FIRST_SHARE, -np.inf, 0
    rotation = best_rotation = procrustes(x[pairs[:, 0]], y[pairs[:, 1]])
    for _ in range(_MOST_ROUNDS):
        pairs, score = _looked_up(x @ rotation.T, y, share, random)
        if score > best + _GAIN:
            best, best_rotation, waited = score, rotation, 0
        else:
            waited += 1
            if waited >= _PATIENCE and share >= 1.0:
                break
            if waited >= _PATIENCE:
                share, waited = min(1.0, 2 * share), 0
                # Scores rise with the share by themselves: only those of one share compare.
                best = -np.inf
        rotation = procrustes(x[pairs[:, 0]], y[pairs[:, 1]])
    return best_rotation


def _looked_up(
    mapped: FloatArray, y: FloatArray, share: float, random: np.random.Generator
) -> tuple[LongArray, float]:
    """Return pairs found in a random `share` of each side, and their mean CSLS."""
    number = len(y)
    looked = max(2, round(share * number))
    one, other = (np.sort(random.permutation(number)[:looked]) for _ in range(2))
    forward = partners(mapped, y[other], hubness(mapped, y[other]))
    backward = forward if share >= 1.0 else partners(mapped[one], y, hubness(mapped[one], y))
    own = np.arange(number)
    pairs = np.concatenate(
        [
            np.stack([own, other[forward.of_source]], axis=1),
            np.stack([one[backward.of_target], own], axis=1),
        ]
    )
    score = 0.5 * (forward.source_scores.mean() + backward.target_scores.mean())
    return pairs, float(score)
