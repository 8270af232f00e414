"""What vectors encode: on vectors made of sounds, and on vectors made of nothing."""

import numpy as np
import pytest

from steno_models.crossmodal.encoding import (
    Phones,
    agreement,
    homophones,
    rank_correlation,
    sound_alike,
)
from steno_models.crossmodal.space import Space
from steno_models.errors import DataError

V = 120


def spaces() -> tuple[Space, Space, dict[str, Phones]]:
    """Return vectors of sounds, vectors by chance, and how words sound: each twice."""
    random = np.random.default_rng(0)
    sounds = random.integers(8, size=(V // 2, 5))
    words = tuple(f"w{n}" for n in range(V))
    said = {word: tuple(f"P{p}" for p in sounds[n % (V // 2)]) for n, word in enumerate(words)}
    shapes = random.normal(size=(5, 8, 40))
    heard = shapes[np.arange(5), sounds].sum(axis=1)[np.arange(V) % (V // 2)]
    heard = heard + 0.1 * random.normal(size=heard.shape)
    counts = np.arange(V, 0, -1)
    by_sound = Space(words, heard.astype(np.float32), counts)
    by_chance = Space(words, random.normal(size=(V, 40)).astype(np.float32), counts)
    return by_sound, by_chance, said


def test_vectors_of_sounds_put_homophones_together_and_vectors_by_chance_do_not() -> None:
    by_sound, by_chance, said = spaces()
    found = homophones(by_sound, said)
    assert found.pairs == V // 2
    assert found.cosine > 0.95
    assert (found.apart, found.near) == (100, 100)
    other = homophones(by_chance, said)
    assert 40 < other.apart < 60
    assert other.near < 30


def test_cosines_agree_with_what_the_vectors_are_made_of() -> None:
    by_sound, by_chance, said = spaces()
    found = agreement(by_sound, said, by_chance)
    assert found.pairs == V * (V - 1) // 2
    assert found.with_sound > 0.5
    assert found.with_text is not None
    assert abs(found.with_text) < 0.1
    same = agreement(by_chance, said, by_chance, pairs=500)
    assert same.pairs == 500
    assert same.with_text == pytest.approx(1)
    assert agreement(by_sound, said, None).with_text is None


def test_rank_correlations_are_those_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(1)
    for _ in range(5):
        one = random.integers(6, size=40).astype(float)
        other = one + random.normal(size=40)
        expected = stats.spearmanr(one, other).statistic
        assert rank_correlation(one, other) == pytest.approx(expected, abs=1e-12)
    assert rank_correlation(np.ones(4), np.arange(4.0)) == 0


def test_words_sound_alike_by_their_edits() -> None:
    assert sound_alike(("K", "AE", "T"), ("K", "AE", "T")) == 1
    assert sound_alike(("K", "AE", "T"), ("B", "AE", "T", "S")) == 0.5
    assert sound_alike((), ()) == 1


def test_without_homophones_or_common_words_nothing_can_be_said() -> None:
    by_sound, _, _ = spaces()
    with pytest.raises(DataError, match="expected words that sound the same"):
        homophones(by_sound, {"w0": ("A",), "w1": ("B",)})
    other = Space(("x", "y"), np.eye(2, 40, dtype=np.float32), np.array([2, 1]))
    with pytest.raises(DataError, match="expected three words or more"):
        agreement(by_sound, {"w0": ("A",)}, other)
