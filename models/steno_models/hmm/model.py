"""Phones as hidden Markov models: emissions and transitions together."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steno_models.errors import DataError
from steno_models.hmm import kernels
from steno_models.hmm.gmm import DiagonalGmm
from steno_models.hmm.kernels import F64
from steno_models.hmm.topology import Graph
from steno_models.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Posteriors:
    """Where an utterance may be, all paths together.

    Attributes:
        log_likelihood: log p(x) of the whole utterance.
        occupancy: (T, N) float64 p(node at t = n | x).
        loops: (N,) float64 expected number of self-loops of each node.
    """

    log_likelihood: float
    occupancy: F64
    loops: F64


@dataclass(frozen=True, slots=True)
class PhoneModel:
    """A mixture and a probability of staying for each emitting state.

    Attributes:
        gmm: the emissions of S states.
        stay_probs: (S,) float64, between 0 and 1.
    """

    gmm: DiagonalGmm
    stay_probs: F64

    def best_path(self, frames: FloatArray, graph: Graph) -> IntArray:
        """Return (T,) int32: the node of `graph` at each of `frames`, (T, D), on the best path.

        Raises:
            DataError: the graph needs more frames than there are.
        """
        return self.viterbi(frames, graph)[0]

    def viterbi(self, frames: FloatArray, graph: Graph) -> tuple[IntArray, float]:
        """Return the best path as `best_path` does, and its log probability.

        Raises:
            DataError: the graph needs more frames than there are.
        """
        return viterbi(*self._emissions(frames, graph), self.stay_probs, graph)

    def posteriors(self, frames: FloatArray, graph: Graph) -> Posteriors:
        """Return the posteriors of all nodes of `graph` for `frames`, (T, D).

        Raises:
            DataError: the graph needs more frames than there are.
        """
        emissions, columns = self._emissions(frames, graph)
        loops, arcs, finals = self._transitions(graph)
        links = (graph.arc_offsets, graph.arc_sources, arcs)
        alpha = kernels.forward(emissions, columns, loops, *links, graph.start_log_probs)
        beta = kernels.backward(emissions, columns, loops, *links, finals)
        total = float(np.logaddexp.reduce(alpha[-1] + finals))
        if not np.isfinite(total):
            raise DataError(f"expected frames for all words, found only {len(frames)} frames")
        ahead = emissions[1:, columns] + beta[1:]
        stays = np.exp(alpha[:-1] + loops + ahead - total).sum(axis=0)
        return Posteriors(total, np.exp(alpha + beta - total), stays)

    def save(self, path: Path) -> None:
        """Write the model as one `.npz` file."""
        np.savez(
            path,
            offsets=self.gmm.offsets,
            log_weights=self.gmm.log_weights,
            means=self.gmm.means,
            variances=self.gmm.variances,
            stay_probs=self.stay_probs,
        )

    def _emissions(self, frames: FloatArray, graph: Graph) -> tuple[FloatArray, IntArray]:
        """Return (T, C) log-likelihoods of the states in the graph, and each node's column."""
        if len(frames) == 0:
            raise DataError("expected frames for all words, found none")
        states, columns = np.unique(graph.states, return_inverse=True)
        return self.gmm.log_likelihoods(frames, states), columns.astype(np.int32)

    def _transitions(self, graph: Graph) -> tuple[F64, F64, F64]:
        return transitions(self.stay_probs, graph)


def transitions(stay_probs: F64, graph: Graph) -> tuple[F64, F64, F64]:
    """Return log probabilities of staying (N,), of each arc (E,) and of ending (N,)."""
    leave = np.log1p(-stay_probs)[graph.states]
    arcs = graph.arc_log_probs + leave[graph.arc_sources]
    return np.log(stay_probs)[graph.states], arcs, graph.final_log_probs + leave


def viterbi(
    emissions: FloatArray, columns: IntArray, stay_probs: F64, graph: Graph
) -> tuple[IntArray, float]:
    """Return (T,) int32, the node of `graph` at each frame of the best path, and its log score.

    Args:
        emissions: (T, C) log-likelihoods, whatever they come from.
        columns: (N,) which of them is that of each node.
        stay_probs: (S,) probability of each state's self loop.
        graph: of the words.

    Raises:
        DataError: the graph needs more frames than there are.
    """
    if len(emissions) == 0:
        raise DataError("expected frames for all words, found none")
    loops, arcs, finals = transitions(stay_probs, graph)
    links = (graph.arc_offsets, graph.arc_sources, arcs)
    path, total = kernels.viterbi(emissions, columns, loops, *links, graph.start_log_probs, finals)
    if not np.isfinite(total):
        raise DataError(f"expected frames for all words, found only {len(emissions)} frames")
    return np.asarray(path), float(total)


def load_phone_model(path: Path) -> PhoneModel:
    """Return the model that `PhoneModel.save` wrote."""
    try:
        with np.load(path) as arrays:
            values = (arrays["log_weights"], arrays["means"], arrays["variances"])
            # Files without offsets are older: all their states have equally many Gaussians.
            ragged = "offsets" in arrays
            gmm = (
                DiagonalGmm(arrays["offsets"], *values) if ragged else DiagonalGmm.uniform(*values)
            )
            return PhoneModel(gmm, arrays["stay_probs"])
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"expected a phone model in {path}, found {error}") from error
