"""Pieces of speech: against enumeration, closed forms and planted words."""

from collections import Counter
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from tests.models.crossmodal.spoken import planted

from steno_models.audio import SAMPLE_RATE
from steno_models.crossmodal.clusters import nearest
from steno_models.crossmodal.segmentation import bes_gmm, es_kmeans
from steno_models.crossmodal.segmentation.embedding import downsampled
from steno_models.crossmodal.segmentation.kernels import best_path, drawn_path
from steno_models.crossmodal.segmentation.landmarks import (
    LandmarkOptions,
    candidates,
    chosen_pieces,
    random_ends,
    speaking,
)
from steno_models.crossmodal.segmentation.methods import (
    by_clock,
    by_means,
    by_mixture,
    by_syllables,
)
from steno_models.crossmodal.segmentation.mixture import Mixture, MixtureOptions, draw, log_total
from steno_models.crossmodal.segmentation.segments import (
    Recording,
    Segment,
    read_segments,
    spans,
    write_segments,
)
from steno_models.crossmodal.segmentation.syllables import sonority, syllable_borders
from steno_models.crossmodal.speech import border_s, frame_at
from steno_models.errors import DataError
from steno_models.types import LongArray

D = 3
PRIORS = MixtureOptions(variance=0.5, strength=0.2, concentration=1.5)


def all_ends(steps: int, most: int) -> list[LongArray]:
    """Return the ends of every segmentation of `steps` into pieces of at most `most`."""
    found = []
    for number in range(steps):
        for inner in combinations(range(1, steps), number):
            ends = np.array([*inner, steps], np.int64)
            if np.diff(ends, prepend=0).max() <= most:
                found.append(ends)
    return found


@pytest.mark.parametrize("seed", range(20))
def test_the_dynamic_programme_finds_what_enumeration_finds(seed: int) -> None:
    random = np.random.default_rng(seed)
    L, W = 8, int(random.integers(1, 9))
    costs = random.exponential(size=(L, W))
    costs[random.uniform(size=(L, W)) < 0.2] = np.inf
    costs[:, 0] = random.exponential(size=L)
    totals = [
        float(sum(costs[j - 1, m - 1] for j, m in zip(e, np.diff(e, prepend=0), strict=True)))
        for e in all_ends(L, W)
    ]
    best, ends = best_path(costs)
    assert best == pytest.approx(min(totals), rel=1e-12)
    assert ends.tolist() == all_ends(L, W)[int(np.argmin(totals))].tolist()


def test_segmentations_are_drawn_as_often_as_their_posterior_says() -> None:
    random = np.random.default_rng(3)
    L, W, draws = 5, 3, 20_000
    scores = random.normal(scale=1.0, size=(L, W))
    scores[2, 1] = -np.inf
    every = all_ends(L, W)
    logs = np.array(
        [sum(scores[j - 1, m - 1] for j, m in zip(e, np.diff(e, prepend=0), strict=True))
         for e in every]
    )  # fmt: skip
    shares = np.exp(logs) / np.exp(logs).sum()
    names = {tuple(ends.tolist()): place for place, ends in enumerate(every)}
    counts = np.zeros(len(every))
    for _ in range(draws):
        counts[names[tuple(drawn_path(scores, random.uniform(size=L)).tolist())]] += 1
    assert (counts[shares == 0] == 0).all()
    there = shares > 0
    chi_square = ((counts - draws * shares)[there] ** 2 / (draws * shares[there])).sum()
    free = there.sum() - 1
    assert chi_square < free + 4 * np.sqrt(2 * free)


def log_evidence(points: np.ndarray, labels: tuple[int, ...], K: int) -> float:
    """Return ln p(X, z): Gaussians and weights integrated out, from their covariance."""
    alpha, variance, strength = PRIORS.concentration, PRIORS.variance, PRIORS.strength
    total, seen = 0.0, np.zeros(K)
    for n, label in enumerate(labels):
        total += np.log((seen[label] + alpha / K) / (n + alpha))
        seen[label] += 1
    for k in range(K):
        own = points[[n for n, label in enumerate(labels) if label == k]]
        covariance = variance * (np.eye(len(own)) + np.ones((len(own), len(own))) / strength)
        if len(own):
            sign, log_det = np.linalg.slogdet(2 * np.pi * covariance)
            assert sign > 0
            fit = np.einsum("nd,nm,md->", own, np.linalg.inv(covariance), own)
            total -= 0.5 * (D * log_det + fit)
    return float(total)


def test_the_chances_of_a_point_are_those_of_the_integrals() -> None:
    random = np.random.default_rng(0)
    points = random.normal(size=(6, D)).astype(np.float32)
    labels = (0, 1, 1, 3, 0)
    mixture = Mixture(4, D, PRIORS)
    mixture.add(points[:5], np.array(labels))
    found = mixture.log_joint(points[5:])[0]
    before = log_evidence(points[:5], labels, 4)
    expected = [log_evidence(points, (*labels, k), 4) - before for k in range(4)]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert log_total(found[None])[0] == pytest.approx(np.log(np.exp(expected).sum()), rel=1e-5)


def test_points_that_go_leave_nothing_behind() -> None:
    points = np.random.default_rng(1).normal(size=(5, D)).astype(np.float32)
    mixture = Mixture(3, D, PRIORS)
    before = mixture.log_joint(points)
    mixture.add(points, np.array([0, 1, 2, 1, 0]))
    mixture.add(points, np.array([0, 1, 2, 1, 0]), -1)
    np.testing.assert_array_equal(mixture.log_joint(points), before)


def test_gibbs_sampling_visits_assignments_as_often_as_their_posterior_says() -> None:
    random = np.random.default_rng(5)
    points = random.normal(size=(5, D)).astype(np.float32)
    K, sweeps, thinned = 2, 6000, 3
    every = list(product(range(K), repeat=5))
    logs = np.array([log_evidence(points, labels, K) for labels in every])
    shares = np.exp(logs - logs.max())
    shares /= shares.sum()
    labels = np.zeros(5, np.int64)
    mixture = Mixture(K, D, PRIORS)
    mixture.add(points, labels)
    counts = np.zeros(len(every))
    for sweep in range(sweeps):
        for n in range(5):
            mixture.add(points[n : n + 1], labels[n : n + 1], -1)
            labels[n : n + 1] = draw(mixture.log_joint(points[n : n + 1]), random)
            mixture.add(points[n : n + 1], labels[n : n + 1])
        if sweep % thinned == 0:
            counts[every.index(tuple(labels.tolist()))] += 1
    kept = counts.sum()
    common = shares * kept >= 5
    chi_square = ((counts - kept * shares)[common] ** 2 / (kept * shares[common])).sum()
    # Neighbouring samples are alike, which widens the distribution a little.
    assert chi_square < 3 * common.sum()


def test_the_objective_of_es_kmeans_never_rises_and_planted_words_are_found() -> None:
    speech, said = planted()
    found = candidates(speech, LandmarkOptions(most=4))
    made = es_kmeans.segment(found, es_kmeans.EsKmeansOptions(clusters=6, rounds=12, seed=1))
    assert len(made.objective) > 1
    assert (np.diff(made.objective) <= 1e-6 * made.objective[0]).all()
    costs = np.random.default_rng(0).exponential(size=len(found.vectors))
    stretch = found.stretches[0]
    totals = [
        costs[chosen_pieces(stretch, ends)].sum()
        for ends in all_ends(len(stretch.pieces), 4)
        if (stretch.pieces[ends - 1, np.diff(ends, prepend=0) - 1] >= 0).all()
    ]
    best = costs[chosen_pieces(stretch, es_kmeans.best_segmentation(stretch, costs))].sum()
    assert best == pytest.approx(min(totals))
    assert len(said) == len(made.ends)


def test_a_mean_weighs_pieces_and_an_empty_cluster_stays() -> None:
    vectors = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    weights, labels = np.array([1.0, 5.0, 2.5]), np.array([1, 1, 1])
    before = np.full((2, 4), 7.0, np.float32)
    means = es_kmeans.weighted_means(vectors, weights, labels, before)
    np.testing.assert_array_equal(means[0], before[0])
    expected = np.average(vectors, axis=0, weights=weights)
    np.testing.assert_allclose(means[1], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", ["means", "mixture"])
def test_some_recordings_teach_how_all_of_them_are_cut(method: str) -> None:
    speech, _ = planted(9)
    if method == "means":
        means = es_kmeans.EsKmeansOptions(clusters=5, rounds=6)
        found = by_means(speech, LandmarkOptions(), means, lambda _: None, taught_by=4)
    else:
        mixture = bes_gmm.BesGmmOptions(clusters=5, sweeps=6, cooling=3)
        found = by_mixture(speech, LandmarkOptions(), mixture, lambda _: None, taught_by=4)
    assert [each.key for each in found] == list(speech.keys)
    for place, each in enumerate(found):
        ends = [segment.end_s for segment in each.segments]
        assert ends[-1] == border_s(speech.frames(place), speech.frames(place))


def test_a_known_mixture_draws_segmentations_by_their_probability() -> None:
    speech, _ = planted(2)
    found = candidates(speech, LandmarkOptions())
    options = bes_gmm.BesGmmOptions(clusters=3, sweeps=4, mixture=MixtureOptions(variance=0.5))
    _, mixture = bes_gmm.sampled(found, options)
    one = replace(found, stretches=found.stretches[:1])
    stretch = one.stretches[0]
    numbers = stretch.pieces[stretch.pieces >= 0]
    totals = log_total(mixture.log_joint(found.vectors[numbers.min() : numbers.max() + 1]))
    scores = bes_gmm.segment_scores(one, stretch, totals)
    ways = [
        ends
        for ends in all_ends(len(scores), scores.shape[1])
        if np.isfinite(scores[ends - 1, np.diff(ends, prepend=0) - 1]).all()
    ]
    logs = np.array([scores[e - 1, np.diff(e, prepend=0) - 1].sum() for e in ways])
    shares = np.exp(logs - logs.max()) / np.exp(logs - logs.max()).sum()
    random, drawn, number = np.random.default_rng(0), Counter[tuple[int, ...]](), 2000
    for _ in range(number):
        (ends,), (labels,) = bes_gmm.by_known_mixture(one, mixture, random)
        assert len(labels) == len(ends)
        drawn[tuple(ends.tolist())] += 1
    for ends, share in zip(ways, shares.tolist(), strict=True):
        expected = pytest.approx(share, abs=5 * np.sqrt(share / number) + 1e-9)
        assert drawn[tuple(ends.tolist())] / number == expected


@pytest.mark.parametrize("power", [1.0, 1.7])
def test_no_segmentation_by_chance_is_cheaper_under_known_means(power: float) -> None:
    speech, _ = planted(3)
    found = candidates(speech, LandmarkOptions())
    means = found.vectors[::7]
    options = es_kmeans.EsKmeansOptions(power=power)
    ends, labels = es_kmeans.by_known_means(found, means, options)

    def cost(number: int, stops: LongArray) -> float:
        own = chosen_pieces(found.stretches[number], stops)
        _, distances = nearest(found.vectors[own], means)
        return float((found.frames[own] ** power * distances).sum())

    random = np.random.default_rng(0)
    for number, stretch in enumerate(found.stretches):
        assert len(labels[number]) == len(ends[number])
        best = cost(number, ends[number])
        assert all(best <= cost(number, random_ends(stretch, random)) + 1e-9 for _ in range(30))


def test_bes_gmm_tells_planted_words_apart() -> None:
    speech, said = planted(recordings=8)
    found = candidates(speech, LandmarkOptions(most=2, longest_frames=25))
    options = bes_gmm.BesGmmOptions(clusters=6, sweeps=12, cooling=6, seed=2)
    made = bes_gmm.segment(found, options)
    assert len(made.objective) == 12
    assert made.objective[-1] > made.objective[0]
    pairs = {
        (word, label)
        for own, labels in zip(said, made.labels, strict=True)
        for word, label in zip(own, labels.tolist(), strict=True)
    }
    labels = [label for _, label in pairs]
    assert len(labels) == len(set(labels))  # no cluster holds two words


@pytest.mark.parametrize("hertz", [4, 6, 8])
def test_an_amplitude_that_swings_has_a_syllable_each_time(hertz: int) -> None:
    times = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    swing = 0.5 - 0.5 * np.cos(2 * np.pi * hertz * times)
    curve = sonority((0.3 * swing * np.sin(2 * np.pi * 500 * times)).astype(np.float32))
    ends_s = syllable_borders(curve.astype(np.float32)) / 1000
    assert abs(len(ends_s) - 3 * hertz) <= 1
    quietest = np.round(ends_s[1:-1] * hertz) / hertz  # whole cycles are where the swing is 0
    assert np.abs(ends_s[1:-1] - quietest).max() < 0.25 / hertz


def test_silence_and_less_than_a_frame_have_no_syllables() -> None:
    assert len(syllable_borders(sonority(np.zeros(8000, np.float32)).astype(np.float32))) == 0
    assert len(sonority(np.zeros(3, np.float32))) == 0


def test_speech_is_what_lies_between_pauses() -> None:
    loudness = np.full(200, -5.0, np.float32)
    loudness[20:80] = loudness[90:100] = loudness[150:190] = 5.0
    found = speaking(loudness, LandmarkOptions(quiet=0.3, pause_frames=20))
    assert [(round(a / 10), round(b / 10)) for a, b in found] == [(2, 10), (15, 19)]
    assert speaking(np.zeros(30, np.float32), LandmarkOptions()) == [(0, 30)]


def test_a_piece_is_read_at_even_moments_and_scaled_to_length_one() -> None:
    cepstra = np.stack([np.arange(10.0), np.ones(10)], axis=1).astype(np.float32)
    [vector] = downsampled(cepstra, np.array([2]), np.array([7]), frames=3)
    expected = np.array([2, 1, 4, 1, 6, 1]) / np.linalg.norm([2, 1, 4, 1, 6, 1])
    np.testing.assert_allclose(vector, expected, rtol=1e-6)
    [single] = downsampled(cepstra, np.array([3]), np.array([4]), frames=2)
    np.testing.assert_allclose(single, np.array([3, 1, 3, 1]) / np.sqrt(20), rtol=1e-6)
    with pytest.raises(DataError, match="expected pieces of at least one of 10 frames"):
        downsampled(cepstra, np.array([4]), np.array([4]))


def test_random_segmentations_use_allowed_pieces_alone() -> None:
    speech, _ = planted(3)
    found = candidates(speech, LandmarkOptions(most=4, longest_frames=45))
    random = np.random.default_rng(0)
    for stretch in found.stretches:
        ends = random_ends(stretch, random)
        assert ends[-1] == len(stretch.pieces)
        assert (chosen_pieces(stretch, ends) >= 0).all()


def test_syllables_and_the_clock_cover_all_speech() -> None:
    speech, said = planted(2)
    options = LandmarkOptions(quiet=0.0)
    for found in (by_syllables(speech, options), by_clock(speech, options, 0.2)):
        for place, recording in enumerate(found):
            ends = [segment.end_s for segment in recording.segments]
            assert len(ends) == len(said[place])
            assert recording.segments[0].start_s == 0.0
            assert ends[-1] == border_s(speech.frames(place), speech.frames(place))


def test_pieces_by_means_are_named_by_their_clusters() -> None:
    speech, _ = planted(2)
    options = es_kmeans.EsKmeansOptions(clusters=3, rounds=2)
    found = by_means(speech, LandmarkOptions(), options, lambda _: None)
    names = {segment.name for each in found for segment in each.segments}
    assert names <= {"c0", "c1", "c2"}


def test_pieces_come_back_from_their_file_and_as_frames(tmp_path: Path) -> None:
    speech, _ = planted(2)
    made = [
        Recording(key="r0", segments=(Segment(0.1, 0.3, "a"), Segment(0.3, 0.301, "b"))),
        Recording(key="elsewhere", segments=(Segment(0.0, 1.0),)),
    ]
    write_segments(tmp_path / "new" / "pieces.jsonl", made)
    assert read_segments(tmp_path / "new" / "pieces.jsonl") == made
    said: list[str] = []
    framed, kept = spans(made, speech, left_out=said.append)
    assert [tuple(span) for span in framed] == [(0, 9, 29)]
    assert kept == [Segment(0.1, 0.3, "a")]
    assert "found it is not" in said[1]
    assert "expected a segment of a frame or more" in said[0]
    with pytest.raises(DataError, match="are the keys others"):
        spans(made[1:], speech)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected recordings with segments, found none"),
        ('{"key": "a"}', "expected a recording with segments"),
        ('{"key": "a", "segments": [[0.5, 0.2, ""]]}', "one after the other"),
        ('{"key": "a", "segments": [[0, 1, ""], [0.5, 2, ""]]}', "one after the other"),
    ],
)
def test_a_broken_file_of_pieces_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "pieces.jsonl"
    path.write_text(text + "\n")
    with pytest.raises(DataError, match=message):
        read_segments(path)


def test_borders_and_frames_are_each_others_inverse() -> None:
    assert [frame_at(border_s(frame, 50), 50) for frame in range(51)] == list(range(51))
    assert border_s(50, 50) == pytest.approx(0.515)
