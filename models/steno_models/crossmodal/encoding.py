"""What vectors of words encode: how the words sound, or how they are used.

Two tests. Words that sound the same and are spelled otherwise can have no different vectors if
these were made from sound (arXiv 2209.10791 on Speech2Vec). And the order of pairs of words by
their cosine agrees with that by a text's vectors if meaning is encoded, or with that by the
distance of their phones if sound is (arXiv 2311.09319).
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from msgspec import Struct

from steno_models.crossmodal.segmentation.kernels import DoubleArray
from steno_models.crossmodal.space import Space, normalised
from steno_models.errors import DataError
from steno_models.text.wer import align
from steno_models.types import LongArray

Phones = tuple[str, ...]
_NEAR = 10


class Homophones(Struct, frozen=True, kw_only=True):
    """How near words are that sound the same.

    Attributes:
        pairs: of such words; where there are none, the rest says nothing.
        cosine: mean of theirs.
        random_cosine: mean of as frequent words by chance.
        apart: percent of homophone and random pairs of which the homophones are nearer; 50 is
            chance.
        near: percent of homophones that have their twin among the ten nearest words.
    """

    pairs: int
    cosine: float
    random_cosine: float
    apart: float
    near: float


class Agreement(Struct, frozen=True, kw_only=True):
    """Rank correlations (Spearman) over pairs of words.

    Attributes:
        pairs: that were compared.
        with_text: of the cosines with those of the text's vectors; None without a text.
        with_sound: of the cosines with how alike the phones are.
        text_with_sound: of the text's cosines with that; None without a text.
    """

    pairs: int
    with_text: float | None
    with_sound: float
    text_with_sound: float | None


def homophones(space: Space, said: Mapping[str, Phones], *, seed: int = 0) -> Homophones:
    """Return how near the words of `space` are that sound the same.

    Args:
        space: of words.
        said: their pronunciations; words without one are left out.
        seed: of the pairs by chance.

    Raises:
        DataError: no two words sound the same.
    """
    unit = normalised(space.vectors)
    places: dict[Phones, list[int]] = {}
    for place, word in enumerate(space.words):
        if word in said:
            places.setdefault(said[word], []).append(place)
    pairs = np.array([p for own in places.values() for p in combinations(own, 2)], np.int64)
    if len(pairs) == 0:
        raise DataError(f"expected words that sound the same, found none among {len(space)}")
    random = np.random.default_rng(seed)
    same = np.einsum("pd,pd->p", unit[pairs[:, 0]], unit[pairs[:, 1]])
    # As frequent: the second word is one of rank near to the twin's.
    shift = random.integers(1, 11, (len(pairs), 20)) * random.choice([-1, 1], (len(pairs), 20))
    others = np.clip(pairs[:, 1:] + shift, 0, len(space) - 1)
    usable = (others != pairs[:, :1]) & (others != pairs[:, 1:])
    chance = np.einsum("pd,pnd->pn", unit[pairs[:, 0]], unit[others])
    nearer = (same[:, None] > chance)[usable]
    scores = unit[pairs[:, 0]] @ unit.T
    scores[np.arange(len(pairs)), pairs[:, 0]] = -np.inf
    ranks = (scores > same[:, None]).sum(axis=1)
    return Homophones(
        pairs=len(pairs),
        cosine=float(same.mean()),
        random_cosine=float(chance[usable].mean()),
        apart=100.0 * float(nearer.mean()),
        near=100.0 * float((ranks < _NEAR).mean()),
    )


def agreement(
    space: Space,
    said: Mapping[str, Phones],
    text: Space | None,
    *,
    pairs: int = 20_000,
    words: int = 2000,
    seed: int = 0,
) -> Agreement:
    """Return what the cosines of pairs of words go with.

    Args:
        space: of words that were heard.
        said: their pronunciations.
        text: vectors of the same words by how they are used.
        pairs: drawn by chance.
        words: the most frequent of those that all know.
        seed: of the pairs.

    Raises:
        DataError: fewer than three words are in all.
    """
    of_text = {} if text is None else {word: place for place, word in enumerate(text.words)}
    common = [w for w in space.words if w in said and (text is None or w in of_text)][:words]
    if len(common) < 3:
        raise DataError(
            f"expected three words or more that space, lexicon and text share, found {len(common)}"
        )
    one, other = _drawn(len(common), pairs, seed)
    places = {word: place for place, word in enumerate(space.words)}
    cosines = _cosines(space, [places[word] for word in common], one, other)
    phones = [said[word] for word in common]
    alike = np.array([sound_alike(phones[a], phones[b]) for a, b in zip(one, other, strict=True)])
    written = None
    if text is not None:
        written = _cosines(text, [of_text[word] for word in common], one, other)
    return Agreement(
        pairs=len(one),
        with_text=None if written is None else rank_correlation(cosines, written),
        with_sound=rank_correlation(cosines, alike),
        text_with_sound=None if written is None else rank_correlation(written, alike),
    )


def sound_alike(one: Phones, other: Phones) -> float:
    """Return 1 less the edits from one to the other over the longer's phones: 1 is the same."""
    return 1.0 - align(one, other).errors / max(len(one), len(other), 1)


def rank_correlation(one: DoubleArray, other: DoubleArray) -> float:
    """Return Spearman's ρ: the correlation of ranks, equal values sharing the mean of theirs."""
    ranks = [_ranks(each) - (len(each) - 1) / 2 for each in (one, other)]
    spread = np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum())
    return float((ranks[0] * ranks[1]).sum() / spread) if spread > 0 else 0.0


def _ranks(values: DoubleArray) -> DoubleArray:
    _, groups, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    ranks: DoubleArray = (ends - (counts + 1) / 2)[groups]
    return ranks


def _drawn(words: int, pairs: int, seed: int) -> tuple[LongArray, LongArray]:
    """Return two different words for each of `pairs`, or of all pairs if there are fewer."""
    if words * (words - 1) // 2 <= pairs:
        one, other = np.triu_indices(words, 1)
        return one.astype(np.int64), other.astype(np.int64)
    random = np.random.default_rng(seed)
    first = random.integers(words, size=pairs)
    second = (first + random.integers(1, words, size=pairs)) % words
    return first, second


def _cosines(space: Space, places: Sequence[int], one: LongArray, other: LongArray) -> DoubleArray:
    unit = normalised(space.vectors)[list(places)]
    found: DoubleArray = np.einsum("pd,pd->p", unit[one], unit[other]).astype(np.float64)
    return found
