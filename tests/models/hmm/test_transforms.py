"""LDA, semi-tied covariances and constrained MLLR: do they raise what they should raise?"""

import numpy as np
import pytest

from steno_models.errors import DataError
from steno_models.hmm import fmllr, semitied
from steno_models.hmm.gmm import DiagonalGmm
from steno_models.hmm.lda import LdaStatistics, splice
from steno_models.types import FloatArray

D = 4


def _gmm(rng: np.random.Generator, states: int = 3, mixtures: int = 2) -> DiagonalGmm:
    shape = (states, mixtures, D)
    weights = rng.dirichlet(np.full(mixtures, 3.0), states)
    return DiagonalGmm.uniform(
        np.log(weights), 3.0 * rng.normal(size=shape), rng.uniform(0.3, 2.0, shape)
    )


def _drawn(rng: np.random.Generator, gmm: DiagonalGmm, count: int = 400) -> list[FloatArray]:
    """Return for each state of `gmm` frames that it emitted."""
    found = []
    for state in range(gmm.num_states):
        own = gmm.gaussians(state)
        choice = rng.choice(np.arange(own.start, own.stop), count, p=np.exp(gmm.log_weights[own]))
        noise = rng.normal(size=(count, D)) * np.sqrt(gmm.variances[choice])
        found.append((gmm.means[choice] + noise).astype(np.float32))
    return found


def test_splicing_puts_neighbours_side_by_side_and_repeats_the_edges() -> None:
    frames = np.arange(8, dtype=np.float32).reshape(4, 2)
    found = splice(frames, 1)
    assert found[0].tolist() == [0, 1, 0, 1, 2, 3]
    assert found[2].tolist() == [2, 3, 4, 5, 6, 7]
    assert found[3].tolist() == [4, 5, 6, 7, 6, 7]
    assert splice(frames[:0], 2).shape == (0, 10)


def test_discriminants_are_white_within_and_diagonal_between_states() -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(D, D))
    frames = [(f @ mixing).astype(np.float32) for f in _drawn(rng, _gmm(rng, states=6))]
    statistics = LdaStatistics(6, D)
    statistics.add(frames)
    A = statistics.transform(D)
    projected = [frame.astype(np.float64) @ A.T for frame in frames]
    within = np.mean([np.cov(own.T, bias=True) for own in projected], axis=0)
    between = np.cov(np.array([own.mean(axis=0) for own in projected]).T, bias=True)
    np.testing.assert_allclose(within, np.eye(D), atol=1e-3)
    np.testing.assert_allclose(between, np.diag(np.diag(between)), atol=1e-3)
    assert (np.diff(np.diag(between)) <= 0.0).all()


def test_the_first_discriminant_beats_any_other_direction() -> None:
    rng = np.random.default_rng(1)
    statistics = LdaStatistics(6, D)
    statistics.add(_drawn(rng, _gmm(rng, states=6)))
    within, between = statistics.scatter()

    def ratio(v: np.ndarray) -> float:
        return float(v @ between @ v / (v @ within @ v))

    best = ratio(statistics.transform(1)[0])
    assert all(ratio(v) <= best * (1 + 1e-6) for v in rng.normal(size=(2_000, D)))


def test_discriminants_of_nothing_or_too_many_are_an_error() -> None:
    with pytest.raises(DataError, match="found none"):
        LdaStatistics(2, D).transform(1)
    statistics = LdaStatistics(1, D)
    statistics.add([np.eye(D, dtype=np.float32)])
    with pytest.raises(DataError, match="expected 1 to 4 discriminants, found 5"):
        statistics.transform(D + 1)


def _covariances(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return counts and covariances that one rotation makes diagonal, and noise."""
    mixing = np.eye(D) + 0.5 * rng.normal(size=(D, D))
    diagonal = rng.uniform(0.2, 3.0, (7, D))
    return rng.uniform(50, 500, 7), np.einsum("ij,mj,kj->mik", mixing, diagonal, mixing)


def test_the_semi_tied_transform_rises_round_by_round_and_finds_the_rotation() -> None:
    counts, covariances = _covariances(np.random.default_rng(2))
    values = [semitied.objective(np.eye(D), counts, covariances)]
    for rounds in (1, 2, 4, 8, 16, 200):
        A = semitied.semi_tied(counts, covariances, rounds=rounds)
        values.append(semitied.objective(A, counts, covariances))
    assert (np.diff(values) >= -1e-9 * abs(values[0])).all()
    # With full covariances at hand nothing can be likelier than they are.
    full = -0.5 * float(counts @ np.linalg.slogdet(covariances)[1])
    assert values[-1] == pytest.approx(full, rel=1e-4)


def test_the_covariances_of_the_gaussians_are_those_of_their_frames() -> None:
    rng = np.random.default_rng(3)
    gmm = _gmm(rng, states=2, mixtures=1)
    frames = _drawn(rng, gmm)
    statistics = semitied.FullStatistics(gmm)
    statistics.add(frames)
    counts, covariances = statistics.covariances()
    assert counts.tolist() == [400.0, 400.0]
    for own, found in zip(frames, covariances, strict=True):
        np.testing.assert_allclose(found, np.cov(own.T, bias=True), atol=1e-3)


def test_constrained_mllr_rises_with_every_sweep_and_undoes_a_speakers_map() -> None:
    rng = np.random.default_rng(4)
    gmm = _gmm(rng, states=5, mixtures=1)
    A, b = np.eye(D) + 0.15 * rng.normal(size=(D, D)), rng.normal(size=D)
    frames = [(own @ A.T + b).astype(np.float32) for own in _drawn(rng, gmm, 2_000)]
    statistics = fmllr.FmllrStatistics.of(gmm, frames)
    values = [fmllr.objective(fmllr.identity(D), statistics)]
    for sweeps in (1, 2, 3, 10, 50):
        W = fmllr.fmllr(statistics, sweeps=sweeps)
        values.append(fmllr.objective(W, statistics))
    assert (np.diff(values) >= -1e-9 * abs(values[0])).all()
    np.testing.assert_allclose(W[:, :-1] @ A, np.eye(D), atol=0.1)
    np.testing.assert_allclose(W[:, :-1] @ b + W[:, -1], 0.0, atol=0.2)


def test_the_objective_of_constrained_mllr_is_the_likelihood_of_the_mapped_frames() -> None:
    rng = np.random.default_rng(5)
    gmm = _gmm(rng, states=3, mixtures=1)
    frames = _drawn(rng, gmm, 300)
    statistics = fmllr.FmllrStatistics.of(gmm, frames)

    def likelihood(W: np.ndarray) -> float:
        total = 900 * float(np.linalg.slogdet(W[:, :-1])[1])
        for state, own in enumerate(frames):
            mapped = fmllr.applied(W, own)
            total += float(gmm.log_likelihoods(mapped, np.array([state], np.int32)).sum())
        return total

    first = fmllr.identity(D)
    second = fmllr.identity(D) + 0.1 * rng.normal(size=(D, D + 1))
    found = fmllr.objective(second, statistics) - fmllr.objective(first, statistics)
    assert found == pytest.approx(likelihood(second) - likelihood(first), rel=1e-3)


def test_too_little_speech_changes_nothing_and_two_parts_are_one_speaker() -> None:
    rng = np.random.default_rng(6)
    gmm = _gmm(rng)
    frames = _drawn(rng, gmm, 300)
    short = fmllr.FmllrStatistics.of(gmm, [own[:10] for own in frames])
    np.testing.assert_array_equal(fmllr.fmllr(short), fmllr.identity(D))
    halves = [
        fmllr.FmllrStatistics.of(gmm, [own[part] for own in frames])
        for part in (slice(150), slice(150, None))
    ]
    together = halves[0] + halves[1]
    whole = fmllr.FmllrStatistics.of(gmm, frames)
    np.testing.assert_allclose(together.k, whole.k, rtol=1e-3, atol=1e-2)
    assert together.count == whole.count
