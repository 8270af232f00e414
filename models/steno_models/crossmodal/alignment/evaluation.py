"""How often a mapped word's true partner is among its nearest: precision at 1, 5 and 10."""

from pathlib import Path

import numpy as np
from msgspec import Struct

from steno_models.crossmodal.alignment.csls import hubness, ranked
from steno_models.crossmodal.alignment.procrustes import nearest_orthogonal
from steno_models.crossmodal.space import Space
from steno_models.errors import DataError
from steno_models.types import FloatArray, LongArray

DEPTHS = (1, 5, 10)


class Precision(Struct, frozen=True, kw_only=True):
    """Shares of the words whose true partner is among so many found, in percent.

    Attributes:
        nearest: by the cosine, at 1, 5 and 10.
        csls: under CSLS, likewise.
        tested: words.
    """

    nearest: tuple[float, float, float]
    csls: tuple[float, float, float]
    tested: int


def precision(
    source: FloatArray, target: FloatArray, rotation: FloatArray, pairs: LongArray
) -> Precision:
    """Return how often the partners in `pairs` are found among all target words.

    Args:
        source: (V, D) unit vectors.
        target: (W, D) unit vectors.
        rotation: (D, D) to be judged.
        pairs: (P, 2) true partners; a source word that has several counts with any of them.

    Raises:
        DataError: there are no pairs.
    """
    if len(pairs) == 0:
        raise DataError("expected true pairs to test with, found none")
    mapped = source @ rotation.T
    words = np.unique(pairs[:, 0])
    truth = {(int(one), int(other)) for one, other in pairs}
    near = hubness(mapped, target).target

    def shares(target_hubness: FloatArray | None) -> tuple[float, float, float]:
        found, _ = ranked(mapped[words], target, most=10, target_hubness=target_hubness)
        right = np.array(
            [[(int(w), int(f)) in truth for f in row] for w, row in zip(words, found, strict=True)]
        )
        one, five, ten = (100.0 * float(right[:, :k].any(axis=1).mean()) for k in DEPTHS)
        return one, five, ten

    return Precision(nearest=shares(None), csls=shares(near), tested=len(words))


def random_rotation(D: int, seed: int) -> FloatArray:
    """Return a (D, D) orthogonal matrix that knows nothing: what others must beat."""
    return nearest_orthogonal(np.random.default_rng(seed).standard_normal((D, D)))


def read_pairs(path: Path, source: Space, target: Space) -> LongArray:
    """Return (P, 2) places of the pairs in `path`, a source and a target word on each line.

    Pairs with a word that its space does not have are left out.

    Raises:
        DataError: a line is no pair, or none of the pairs is in the spaces.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected pairs of words, found: {error}") from error
    of_source = {word: place for place, word in enumerate(source.words)}
    of_target = {word: place for place, word in enumerate(target.words)}
    pairs: list[tuple[int, int]] = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if len(words) != 2:
            raise DataError(f"{path}:{number}: expected two words, found {line[:60]!r}")
        one, other = of_source.get(words[0]), of_target.get(words[1])
        if one is not None and other is not None:
            pairs.append((one, other))
    if not pairs:
        raise DataError(f"{path}: expected pairs of words of both spaces, found none")
    return np.array(sorted(set(pairs)), np.int64)
