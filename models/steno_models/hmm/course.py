"""One stage of a training: mixtures that grow while frames are aligned anew now and then.

Between two alignments every frame belongs to one state, and EM runs inside the states alone, which
costs little. With `method` "baum-welch" every round sums over all alignments instead.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from steno_models.errors import ConfigError
from steno_models.hmm.frames import FrontEnd
from steno_models.hmm.gmm import DiagonalGmm, shares
from steno_models.hmm.kernels import F64
from steno_models.hmm.model import PhoneModel
from steno_models.hmm.semitied import FullStatistics, semi_tied
from steno_models.hmm.speakers import speaker_frames
from steno_models.hmm.speech import Recording
from steno_models.hmm.topology import Graph, Units
from steno_models.hmm.train import (
    VARIANCE_FLOOR,
    Example,
    baum_welch_round,
    by_state,
    refined,
    staying,
    transition_counts,
)
from steno_models.types import FloatArray, IntArray

Method = Literal["viterbi", "baum-welch"]
Report = Callable[[int, dict[str, float]], None]
"""Is told the number of a round that ended and what is known after it."""

GROWTH_SHARE = 0.75  # of the rounds, in which the mixtures grow; in the others they settle


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How a stage runs.

    Attributes:
        gaussians: of all states together, at the end.
        rounds: of EM.
        align_at: the rounds before which the recordings are aligned anew.
        rotate_at: the rounds before which the features are rotated (semi-tied covariances).
        adapt_at: the rounds before which the speakers' maps are estimated anew.
        method: EM inside the states of the best path, or over all paths.
    """

    gaussians: int
    rounds: int = 16
    align_at: tuple[int, ...] = (4, 8, 12)
    rotate_at: tuple[int, ...] = ()
    adapt_at: tuple[int, ...] = ()
    method: Method = "viterbi"


@dataclass(slots=True)
class Course:
    """A stage while it runs.

    Attributes:
        speech: what is learned from.
        graphs: the words of each recording in the states that are trained.
        paths: (T,) the node at each frame of each recording.
        front_end: from cepstra to `base`.
        base: (T, D) frames of each recording.
        frames: those after the speaker's map; the same where no speaker has one.
        model: as trained so far.
        log_likelihood: of a frame, on the best paths or over all, when it was last measured;
            None before.
    """

    speech: Sequence[Recording]
    graphs: Sequence[Graph]
    paths: list[IntArray]
    front_end: FrontEnd
    base: list[FloatArray]
    frames: list[FloatArray]
    model: PhoneModel
    log_likelihood: float | None = None
    _parts: list[FloatArray] = field(init=False)

    def __post_init__(self) -> None:
        """Sort the frames by their states."""
        self._regroup()

    def run(self, schedule: Schedule, report: Report) -> None:
        """Train as `schedule` says, telling `report` of every round."""
        S = self.model.gmm.num_states
        for number in range(1, schedule.rounds + 1):
            if number in schedule.adapt_at:
                self.adapt()
            if number in schedule.rotate_at:
                self.rotate()
            if number in schedule.align_at:
                self.align()
            grown = min(1.0, number / (GROWTH_SHARE * schedule.rounds))
            self.grow(round(S + grown * max(schedule.gaussians - S, 0)))
            if schedule.method == "baum-welch":
                self.sum_over_paths()
            else:
                gmm = refined(self.model.gmm, self._parts, rounds=1)
                self.model = replace(self.model, gmm=gmm)
            told: dict[str, float] = {"gaussians": len(self.model.gmm.means)}
            if self.log_likelihood is not None:
                told["log_likelihood"] = self.log_likelihood
            report(number, told)

    def align(self) -> None:
        """Find the best paths, and how long the states last on them."""
        found = [self.model.viterbi(f, g) for f, g in zip(self.frames, self.graphs, strict=True)]
        self.paths = [path for path, _ in found]
        self.log_likelihood = sum(score for _, score in found) / sum(map(len, self.paths))
        self._regroup()

    def grow(self, gaussians: int) -> None:
        """Share out `gaussians` among the states by what they are met."""
        counts = np.array([len(part) for part in self._parts], np.float64)
        self.model = replace(self.model, gmm=self.model.gmm.grown(shares(counts, gaussians)))

    def sum_over_paths(self) -> None:
        """One round of EM over all paths (Baum et al. 1970)."""
        pairs = zip(self.frames, self.graphs, strict=True)
        floor = VARIANCE_FLOOR * _variance(self.frames)
        self.model, total = baum_welch_round(self.model, [Example(*p) for p in pairs], floor)
        self.log_likelihood = total / sum(map(len, self.frames))

    def rotate(self) -> None:
        """Rotate the features to where diagonal Gaussians fit them best."""
        if self.front_end.matrix is None:
            raise ConfigError("expected discriminants to rotate, found slopes")
        statistics = FullStatistics(self.model.gmm)
        statistics.add(self._parts)
        A = semi_tied(*statistics.covariances())
        self.base = [np.asarray(frames @ A.T.astype(np.float32)) for frames in self.base]
        self.front_end = FrontEnd(A @ self.front_end.matrix)
        gmm = self.model.gmm
        turned = DiagonalGmm(
            gmm.offsets, gmm.log_weights, gmm.means @ A.T, gmm.variances @ (A**2).T
        )
        self.model = replace(self.model, gmm=turned)
        self.frames = self.base
        self._regroup()

    def adapt(self) -> None:
        """Estimate the map of every speaker from the features without one."""
        pairs = zip(self.graphs, self.paths, strict=True)
        states = [graph.states[path] for graph, path in pairs]
        self.frames = speaker_frames(self.model.gmm, self.speech, self.base, states)
        self._regroup()

    def _regroup(self) -> None:
        """Sort the frames by the states of the paths; count how long states last."""
        S = self.model.gmm.num_states
        pairs = zip(self.graphs, self.paths, strict=True)
        states = np.concatenate([graph.states[path] for graph, path in pairs])
        self._parts = by_state(np.concatenate(self.frames), states, S)
        counts = transition_counts(S, self.graphs, self.paths)
        probs = staying(*counts, self.model.stay_probs)
        self.model = replace(self.model, stay_probs=probs)


def first_model(
    frames: Sequence[FloatArray], graphs: Sequence[Graph], paths: Sequence[IntArray], units: Units
) -> PhoneModel:
    """Return one Gaussian for each state of `units`, of its frames on `paths`.

    States that were never met get the Gaussian of all frames.
    """
    S = units.num_states
    everything = np.concatenate(frames)
    mean = everything.mean(axis=0, dtype=np.float64)
    variance = everything.var(axis=0, dtype=np.float64)
    shape = (S, 1, len(mean))
    flat = DiagonalGmm.uniform(
        np.zeros((S, 1)), np.broadcast_to(mean, shape), np.broadcast_to(variance, shape)
    )
    states = np.concatenate([g.states[p] for g, p in zip(graphs, paths, strict=True)])
    gmm = refined(flat, by_state(everything, states, S), rounds=1)
    stays = transition_counts(S, graphs, paths)
    return PhoneModel(gmm, staying(*stays, np.full(S, 0.7)))


def _variance(recordings: Sequence[FloatArray]) -> F64:
    """Return (D,) the variance of all frames."""
    return np.asarray(np.concatenate(recordings).var(axis=0, dtype=np.float64))
