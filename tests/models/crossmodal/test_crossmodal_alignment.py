"""Alignment of embedding spaces, against closed forms, loops and rotations that are known."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from steno_models.crossmodal.alignment import csls
from steno_models.crossmodal.alignment.adversarial import (
    AdversarialOptions,
    Epoch,
    adversarial,
    orthogonalised,
)
from steno_models.crossmodal.alignment.alignment import (
    Alignment,
    AlignOptions,
    StartName,
    aligned,
    best,
    find,
)
from steno_models.crossmodal.alignment.csls import hubness, partners, ranked
from steno_models.crossmodal.alignment.evaluation import precision, random_rotation, read_pairs
from steno_models.crossmodal.alignment.procrustes import nearest_orthogonal, procrustes
from steno_models.crossmodal.alignment.refinement import fit, refine
from steno_models.crossmodal.space import Space, normalised, unit
from steno_models.errors import ConfigError, DataError

F32 = NDArray[np.float32]


def drawn(V: int, D: int, seed: int = 0) -> F32:
    """Return (V, D) unit vectors without any structure."""
    return unit(np.random.default_rng(seed).normal(size=(V, D)).astype(np.float32))


def clustered(V: int, D: int, seed: int) -> F32:
    """Return (V, D) vectors as words have: topics of unlike size, axes of unlike weight."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(12, D)) * np.linspace(2.0, 0.3, D)
    topics = random.choice(12, V, p=np.arange(12, 0, -1) / 78)
    return (centres[topics] + 0.6 * random.standard_gamma(1.0, (V, D))).astype(np.float32)


def twins(seed: int, V: int = 600, D: int = 12, noise: float = 0.03) -> tuple[Space, Space]:
    """Return a space and its rotated copy with noise, the words in the same order."""
    random = np.random.default_rng(seed + 1000)
    vectors = clustered(V, D, seed)
    copy = vectors @ random_rotation(D, seed + 1) + noise * random.normal(size=(V, D))
    words, counts = tuple(f"w{n}" for n in range(V)), np.zeros(V, np.int64)
    return Space(words, vectors, counts), Space(words, copy.astype(np.float32), counts)


def test_procrustes_is_that_of_scipy() -> None:
    linalg = pytest.importorskip("scipy.linalg")
    x, y = drawn(200, 9, 1), drawn(200, 9, 2)
    expected, _ = linalg.orthogonal_procrustes(x.astype(np.float64), y.astype(np.float64))
    np.testing.assert_allclose(procrustes(x, y), expected.T, atol=1e-6)


def test_procrustes_finds_a_rotation_again() -> None:
    x, rotation = drawn(40, 6), random_rotation(6, 3)
    np.testing.assert_allclose(procrustes(x, x @ rotation.T), rotation, atol=1e-6)


def brute_csls(x: F32, y: F32, k: int) -> NDArray[np.float64]:
    """Return (V, W) CSLS, one pair after the other."""
    cosine = [[float(a @ b) for b in y.astype(np.float64)] for a in x.astype(np.float64)]
    r_t = [sum(sorted(row)[-k:]) / k for row in cosine]
    r_s = [sum(sorted(row[j] for row in cosine)[-k:]) / k for j in range(len(y))]
    return np.array(
        [[2 * cosine[i][j] - r_t[i] - r_s[j] for j in range(len(y))] for i in range(len(x))]
    )


@pytest.mark.parametrize("block", [7, 1024])
def test_csls_in_blocks_is_csls_in_a_loop(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(csls, "_BLOCK", block)
    x, y = drawn(37, 5, 1), drawn(52, 5, 2)
    expected = brute_csls(x, y, 10)
    found = partners(x, y)
    assert (found.of_source == expected.argmax(axis=1)).all()
    assert (found.of_target == expected.argmax(axis=0)).all()
    np.testing.assert_allclose(found.source_scores, expected.max(axis=1), atol=1e-6)
    np.testing.assert_allclose(found.target_scores, expected.max(axis=0), atol=1e-6)
    mutual = {(i, j) for i, j in enumerate(expected.argmax(1)) if expected.argmax(0)[j] == i}
    assert {(int(i), int(j)) for i, j in found.mutual()} == mutual
    words, scores = ranked(x, y, most=4, target_hubness=hubness(x, y).target)
    assert (words == np.argsort(-expected, axis=1)[:, :4]).all()
    np.testing.assert_allclose(
        scores - hubness(x, y).source[:, None], -np.sort(-expected, axis=1)[:, :4], atol=1e-6
    )


def test_a_space_smaller_than_its_neighbourhood_has_all_as_neighbours() -> None:
    x, y = drawn(4, 3, 1), drawn(6, 3, 2)
    near = hubness(x, y)
    np.testing.assert_allclose(near.source, (x @ y.T).mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(near.target, (x @ y.T).mean(axis=0), atol=1e-6)


def test_no_words_and_other_dimensions_are_refused() -> None:
    with pytest.raises(DataError, match="expected words on both sides, found 3 and 0"):
        partners(drawn(3, 4), np.zeros((0, 4), np.float32))
    with pytest.raises(DataError, match="as many dimensions, found 4 and 5"):
        hubness(drawn(3, 4), drawn(3, 5))
    source, _ = twins(0, V=20, D=4)
    with pytest.raises(DataError, match="as many dimensions, found 4 and 5"):
        find((source, twins(0, V=20, D=5)[1]), "sorted-similarity", 0, AlignOptions())


def test_orthogonalisation_moves_singular_values_towards_one() -> None:
    weight = torch.diag(torch.tensor([0.5, 1.0, 1.4])) @ torch.from_numpy(random_rotation(3, 0))
    found = torch.linalg.svdvals(orthogonalised(weight, 0.1)).sort().values
    s = torch.tensor([0.5, 1.0, 1.4])
    torch.testing.assert_close(found, 1.1 * s - 0.1 * s**3)


def rate_found(start: StartName, seed: int) -> float:
    """Return the share of words, in percent, whose twin `start` leads to."""
    source, target = twins(seed)
    found = find((source, target), start, seed, AlignOptions(start_words=300))
    pairs = np.stack([np.arange(len(source))] * 2, axis=1)
    x, y = normalised(source.vectors), normalised(target.vectors)
    return precision(x, y, found.rotation, pairs).csls[0]


@pytest.mark.parametrize("start", ["gromov-wasserstein", "sorted-similarity"])
@pytest.mark.parametrize("seed", range(4))
def test_a_rotated_copy_with_noise_is_found_without_labels(start: StartName, seed: int) -> None:
    assert rate_found(start, seed) > 99.0


@pytest.mark.parametrize("seed", range(2))
def test_the_adversary_finds_a_rotated_copy_with_noise(seed: int) -> None:
    # A small space is won in a short game against a small judge.
    game = AdversarialOptions(
        epochs=3, samples=9600, hidden=32, discriminator_steps=2, rate=0.3, judged=400
    )
    random = np.random.default_rng(seed)
    vectors = random.standard_gamma(0.5, (400, 8)) * np.linspace(2.0, 0.5, 8)
    turned = nearest_orthogonal(np.eye(8) + 0.4 * random.normal(size=(8, 8)))
    copy = vectors @ turned.T + 0.03 * random.normal(size=(400, 8))
    x, y = normalised(vectors.astype(np.float32)), normalised(copy.astype(np.float32))
    pairs = np.stack([np.arange(400)] * 2, axis=1)
    heard: list[Epoch] = []
    rotation = adversarial(x, y, game, seed=seed, report=heard.append)
    assert precision(x, y, np.eye(8, dtype=np.float32), pairs).csls[0] < 60.0
    assert precision(x, y, rotation, pairs).csls[0] > 90.0
    assert [each.number for each in heard] == [1, 2, 3]
    assert heard[-1].fit.csls > heard[0].fit.csls


def test_refinement_sharpens_a_rough_map_and_never_spoils_a_good_one() -> None:
    source, target = twins(5)
    x, y = normalised(source.vectors), normalised(target.vectors)
    truth = procrustes(x, y)
    rough = procrustes(x[:20], y[:20] + drawn(20, 12, 9))
    sharp = refine(x, y, rough)
    assert sharp.fit.csls > fit(x, y, rough).csls
    np.testing.assert_allclose(sharp.rotation, truth, atol=0.05)
    assert refine(x, y, truth).fit.csls >= fit(x, y, truth).csls


def test_the_best_of_several_is_chosen_by_its_fit_alone() -> None:
    source, target = twins(6)
    good = find((source, target), "gromov-wasserstein", 0, AlignOptions(start_words=300))
    lost = find((source, target), "gromov-wasserstein", 0, AlignOptions(start_words=2, rounds=0))
    assert good.fit.csls > lost.fit.csls + 0.05
    assert best([lost, good]) is good
    with pytest.raises(DataError, match="at least one start"):
        best([])


def test_one_seed_gives_one_adversarial_map() -> None:
    source, target = (normalised(each.vectors) for each in twins(7, V=100))
    short = AdversarialOptions(epochs=1, samples=640, hidden=16)
    maps = [adversarial(source, target, short, seed=seed) for seed in (1, 1, 2)]
    assert (maps[0] == maps[1]).all()
    assert not (maps[0] == maps[2]).all()
    np.testing.assert_allclose(maps[0] @ maps[0].T, np.eye(12), atol=1e-5)


def test_impossible_games_are_refused() -> None:
    with pytest.raises(ConfigError, match="epochs of 1 or more"):
        AdversarialOptions(epochs=0)
    with pytest.raises(ConfigError, match=r"smoothing below 0\.5"):
        AdversarialOptions(smoothing=0.5)


def test_precision_counts_partners_and_chance_is_low() -> None:
    x = drawn(300, 8)
    pairs = np.stack([np.arange(300)] * 2, axis=1)
    assert precision(x, x, np.eye(8, dtype=np.float32), pairs).csls == (100.0, 100.0, 100.0)
    assert precision(x, x, random_rotation(8, 1), pairs).csls[0] < 10.0
    with pytest.raises(DataError, match="true pairs"):
        precision(x, x, random_rotation(8, 1), pairs[:0])


def test_a_saved_alignment_maps_as_before(tmp_path: Path) -> None:
    folder = tmp_path
    source, target = twins(8, V=50)
    one = aligned(source, target, random_rotation(12, 2))
    one.save(folder)
    found = Alignment.load(folder)
    assert (found.map(source.vectors) == one.map(source.vectors)).all()
    np.testing.assert_allclose(found.among(target.vectors), normalised(target.vectors), atol=1e-6)
    with pytest.raises(DataError, match="expected an alignment"):
        Alignment.load(folder / "missing")


def test_pairs_are_read_and_bad_ones_named(tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    source, target = twins(9, V=20)
    path.write_text("w3 w4\nw3 unknown\nw1 w1\n")
    assert read_pairs(path, source, target).tolist() == [[1, 1], [3, 4]]
    path.write_text("w3 w4 w5\n")
    with pytest.raises(DataError, match=":1: expected two words"):
        read_pairs(path, source, target)
    path.write_text("x y\n")
    with pytest.raises(DataError, match="found none"):
        read_pairs(path, source, target)
