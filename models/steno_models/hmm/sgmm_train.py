"""EM for the subspace GMM (Povey et al. 2011, section 5), one kind of parameters a round.

Each kind is estimated from statistics of its own round, so that the likelihood cannot fall: where
Povey et al. approximate (the weights), a step that does not help is halved until it does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np

from steno_models.hmm.gmm import DiagonalGmm
from steno_models.hmm.kernels import F64
from steno_models.hmm.sgmm import Pool, SubspaceGmm
from steno_models.types import FloatArray, LongArray

Gain = Callable[[F64], float]
Kind = Literal["vectors", "projections", "weights", "covariances"]
ROUND: tuple[Kind, ...] = ("vectors", "projections", "covariances", "vectors", "weights")
"""What is estimated in turn."""

_RIDGE = 1e-3  # keeps quadratic forms of hardly any frames invertible
_HALVINGS = 10


@dataclass(frozen=True, slots=True)
class SubspaceStatistics:
    """What a round needs of the frames.

    Attributes:
        counts: (J, G) expected frames, gamma_ji.
        linear: (J, R) sum_i M_i^T Sigma_i^-1 of the frames' sums, y_j.
        cross: (G, D, R) sum_j of the frames' sums times v_j^T, Y_i.
        second: (G, D, D) sums of x x^T, S_i.
        log_likelihood: of all frames.
    """

    counts: F64
    linear: F64
    cross: F64
    second: F64
    log_likelihood: float

    @classmethod
    def of(
        cls, model: SubspaceGmm, frames: Sequence[FloatArray], selected: Sequence[LongArray]
    ) -> Self:
        """Return the statistics of `frames`, (T_j, D), and of what the pool `selected` for them."""
        J, R = model.vectors.shape
        G, D = model.covariances.shape[:2]
        counts, linear = np.zeros((J, G)), np.zeros((J, R))
        cross, second, total = np.zeros((G, D, R)), np.zeros((G, D, D)), 0.0
        pulls = np.einsum("idr,ide->ier", model.projections, model.precisions, optimize=True)
        for state, own in enumerate(frames):
            if not len(own):
                continue
            joint = model.log_joint(own, state, selected[state])
            likelihoods = np.logaddexp.reduce(joint, axis=1, keepdims=True)
            gamma = np.exp(joint - likelihoods)
            total += float(likelihoods.sum())
            sums = gamma.T @ own
            counts[state] = gamma.sum(axis=0)
            linear[state] = np.einsum("ie,ier->r", sums, pulls, optimize=True)
            cross += sums[:, :, None] * model.vectors[state]
            for i in np.flatnonzero(counts[state] > 0.0).tolist():
                some = own[gamma[:, i] > 0.0]
                second[i] += (some * gamma[gamma[:, i] > 0.0, i : i + 1]).T @ some
        return cls(counts, linear, cross, second, total)


def subspace_round(
    model: SubspaceGmm,
    frames: Sequence[FloatArray],
    selected: Sequence[LongArray],
    kind: Kind,
) -> tuple[SubspaceGmm, float]:
    """Return `model` with its `kind` of parameters estimated, and its log-likelihood before.

    Args:
        model: as trained so far.
        frames: for each state its (T_j, D).
        selected: for each state what `model.pool` selects for them; it stays the same in all
            rounds, since the pool does.
        kind: what to estimate.
    """
    found = SubspaceStatistics.of(model, frames, selected)
    match kind:
        case "vectors":
            model = replace(model, vectors=_vectors(model, found))
        case "projections":
            model = replace(model, projections=_projections(model, found))
        case "weights":
            model = replace(model, weights=_weights(model, found))
        case "covariances":
            model = replace(model, covariances=_covariances(model, found))
    return model, found.log_likelihood


def _vectors(model: SubspaceGmm, found: SubspaceStatistics) -> F64:
    """Return (J, R) the best vectors (Povey et al. 2011, equations 40 to 43)."""
    spread = np.einsum(
        "idr,ide,ies->irs", model.projections, model.precisions, model.projections, optimize=True
    )
    weights, shares = model.weights, np.exp(model.log_weights())
    R = model.vectors.shape[1]
    vectors = model.vectors.copy()
    for j in np.flatnonzero(found.counts.sum(axis=1) > 0.0).tolist():
        counts, old = found.counts[j], model.vectors[j]
        expected = counts.sum() * shares[j]
        most = np.maximum(counts, expected)
        of_means = np.einsum("i,irs->rs", counts, spread)
        H = of_means + (weights * most[:, None]).T @ weights + _RIDGE * np.eye(R)
        slope = found.linear[j] - of_means @ old + weights.T @ (counts - expected)

        def gain(v: F64, j: int = j, of_means: F64 = of_means, counts: F64 = counts) -> float:
            scores = weights @ v
            own = counts @ scores - counts.sum() * np.logaddexp.reduce(scores)
            return float(found.linear[j] @ v - 0.5 * v @ of_means @ v + own)

        step = np.linalg.solve(H, slope)
        vectors[j] = _climbed(gain, old, step)
    return vectors


def _climbed(gain: Gain, old: F64, step: F64) -> F64:
    """Return `old` plus the longest of `step`, its half, a quarter … that raises `gain`."""
    before = gain(old)
    for _ in range(_HALVINGS):
        if gain(old + step) >= before:
            return np.asarray(old + step)
        step = step / 2.0
    return old


def _projections(model: SubspaceGmm, found: SubspaceStatistics) -> F64:
    """Return (G, D, R) M_i = Y_i Q_i^-1; where frames are few it stays near the old one."""
    outer = _outer(model, found)
    ridge = _RIDGE * np.eye(outer.shape[1])
    # The ridge pulls towards the old value: the auxiliary function then still rises.
    right = found.cross + _RIDGE * model.projections
    return np.asarray(np.linalg.solve(outer + ridge, right.transpose(0, 2, 1)).transpose(0, 2, 1))


def _outer(model: SubspaceGmm, found: SubspaceStatistics) -> F64:
    """Return (G, R, R) Q_i = sum_j gamma_ji v_j v_j^T."""
    vectors = model.vectors
    return np.asarray(np.einsum("ji,jr,js->irs", found.counts, vectors, vectors, optimize=True))


def _weights(model: SubspaceGmm, found: SubspaceStatistics) -> F64:
    """Return (G, R) w_i after one step of each (Povey et al. 2011, equations 53 to 55)."""
    weights, vectors = model.weights.copy(), model.vectors
    totals = found.counts.sum(axis=1)
    R = vectors.shape[1]
    for i in range(len(weights)):
        scores = vectors @ weights.T
        others = np.logaddexp.reduce(np.delete(scores, i, axis=1), axis=1)

        def gain(w: F64, i: int = i, others: F64 = others) -> float:
            own = vectors @ w
            return float(found.counts[:, i] @ own - totals @ np.logaddexp(own, others))

        expected = totals * np.exp(scores[:, i] - np.logaddexp(scores[:, i], others))
        most = np.maximum(found.counts[:, i], expected)
        F = (vectors * most[:, None]).T @ vectors + _RIDGE * np.eye(R)
        slope = vectors.T @ (found.counts[:, i] - expected)
        weights[i] = _climbed(gain, weights[i], np.linalg.solve(F, slope))
    return weights


def _covariances(model: SubspaceGmm, found: SubspaceStatistics) -> F64:
    """Return (G, D, D) the covariances about the states' means (equations 49 and 50).

    Gaussians of fewer frames than twice the features keep theirs.
    """
    counts = found.counts.sum(axis=0)
    M = model.projections
    crossed = found.cross @ M.transpose(0, 2, 1)
    about = found.second - crossed - crossed.transpose(0, 2, 1)
    about = about + M @ _outer(model, found) @ M.transpose(0, 2, 1)
    D = about.shape[1]
    enough = counts > 2.0 * D
    fresh = about / np.where(enough, counts, 1.0)[:, None, None]
    return np.where(enough[:, None, None], fresh, model.covariances)


def pool_of(gmm: DiagonalGmm, frames: FloatArray, size: int, *, rounds: int = 3) -> Pool:
    """Return `size` full-covariance Gaussians for `frames`, (T, D), from those of all states.

    The Gaussians of `gmm` are thinned out evenly by weight, then trained on all frames by EM.
    """
    chosen = np.linspace(0, len(gmm.means) - 1, min(size, len(gmm.means))).astype(np.int64)
    exact = frames.astype(np.float64)
    spread = np.cov(exact.T, bias=True)
    G = len(chosen)
    pool = Pool(np.full(G, -np.log(G)), gmm.means[chosen], np.tile(spread, (G, 1, 1)))
    D = frames.shape[1]
    for _ in range(rounds):
        joint = pool.log_joint(frames)
        gamma = np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True))
        counts = gamma.sum(axis=0)
        safe = np.maximum(counts, 1e-10)
        means = (gamma.T @ exact) / safe[:, None]
        covariances = np.stack(
            [(exact * g[:, None]).T @ exact / n for g, n in zip(gamma.T, safe, strict=True)]
        )
        covariances -= means[:, :, None] * means[:, None, :]
        # Few frames say little about directions: part of all frames' spread is mixed in.
        part = (D / (counts + D))[:, None, None]
        covariances = (1.0 - part) * covariances + 0.1 * part * spread
        alive = counts[:, None] > 1.0
        pool = Pool(
            np.log(np.maximum(counts, 1e-3) / np.maximum(counts, 1e-3).sum()),
            np.where(alive, means, pool.means),
            np.where(alive[:, :, None], covariances, pool.covariances),
        )
    return pool
