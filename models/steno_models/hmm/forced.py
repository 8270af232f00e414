"""Forced alignment by any acoustic model of states, however long the recording is.

A phone's score is ln of the mean over its frames of p(phone | frame), the share of the phone's
states in all of them: a goodness of pronunciation (Witt & Young 2000) that a few frames at its
edges do not decide. Likelihoods of diagonal Gaussians are too sure of themselves, so they are
scaled down for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steno_models.errors import DataError
from steno_models.hmm import kernels
from steno_models.hmm.align import PhoneSpan
from steno_models.hmm.fmllr import FmllrStatistics, applied, fmllr
from steno_models.hmm.model import transitions
from steno_models.hmm.system import Acoustics, System
from steno_models.hmm.topology import NUM_PHONES, SILENCE, Graph, Units
from steno_models.hmm.train import by_state
from steno_models.trellis.network import F64, Network
from steno_models.trellis.viterbi import Tick, best_way, unheard
from steno_models.types import FloatArray, IntArray

BEAM = 4000.0
SCORE_SCALE = 0.5
BLOCK_FRAMES = 1000
MAP_FRAMES = 60_000  # ten minutes tell enough of a voice


@dataclass(frozen=True, slots=True)
class ScoredSpan:
    """A phone of the best path, and its score (see above)."""

    span: PhoneSpan
    score: float


@dataclass(slots=True)
class StateEmissions:
    """Log-likelihoods of all states, computed block by block; the last block is remembered."""

    acoustics: Acoustics
    frames: FloatArray
    _place: tuple[int, int] = (0, 0)
    _values: FloatArray | None = None

    def __len__(self) -> int:
        """Return T, how many frames there are."""
        return len(self.frames)

    def block(self, begin: int, end: int) -> FloatArray:
        """Return (end − begin, S) log-likelihoods of the frames [begin, end)."""
        if self._values is None or self._place != (begin, end):
            self._values = self.acoustics.log_likelihoods(self.frames[begin:end])
            self._place = (begin, end)
        return self._values


def network(graph: Graph, stay_probs: F64) -> Network:
    """Return `graph` with transitions; (S,) `stay_probs` are those of its states' self loops."""
    loops, arcs, finals = transitions(stay_probs, graph)
    return Network(
        columns=graph.states,
        loops=loops,
        offsets=graph.arc_offsets,
        sources=graph.arc_sources,
        arcs=arcs,
        starts=graph.start_log_probs,
        finals=finals,
    )


def forced_alignment(
    acoustics: Acoustics, frames: FloatArray, graph: Graph, *, tick: Tick = unheard
) -> list[ScoredSpan]:
    """Return the phones of the best path of `frames`, (T, D), through `graph`, silences too.

    Args:
        acoustics: whose states `graph` has.
        frames: the recording.
        graph: of the text.
        tick: see `best_way`.

    Raises:
        DataError: the words need more frames than there are.
    """
    emissions = StateEmissions(acoustics, frames)
    path = best_way(network(graph, acoustics.stay_probs), emissions, beam=BEAM, tick=tick).nodes
    tokens = graph.tokens[path]
    starts = np.flatnonzero(np.diff(tokens, prepend=-1))
    ends = [*starts[1:].tolist(), len(path)]
    nodes = path[starts]
    phones = graph.phones[path]
    sums = np.add.reduceat(np.exp(_log_shares(acoustics.units, emissions, phones)), starts)
    columns = (graph.phones[nodes].tolist(), graph.words[nodes].tolist(), starts.tolist(), ends)
    return [
        ScoredSpan(PhoneSpan(*values), float(np.log(total / (values[3] - values[2]))))
        for *values, total in zip(*columns, sums.tolist(), strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Ways:
    """All paths of an utterance together.

    Attributes:
        log_score: ln p(frames), summed over all paths.
        log_occupancy: (T, N) float64 ln p(node at frame t | frames).
    """

    log_score: float
    log_occupancy: F64


def ways(acoustics: Acoustics, frames: FloatArray, graph: Graph) -> Ways:
    """Return the forward-backward occupancies of `graph` for `frames`, (T, D).

    Raises:
        DataError: the words need more frames than there are.
    """
    net = network(graph, acoustics.stay_probs)
    least = net.least_frames()
    if least > len(frames):
        raise DataError(f"expected at least {least} frames for the text, found {len(frames)}")
    emissions = acoustics.log_likelihoods(frames)
    links = (net.columns, net.loops, net.offsets, net.sources, net.arcs)
    alpha = kernels.forward(emissions, *links, net.starts)
    beta = kernels.backward(emissions, *links, net.finals)
    log_score = float(np.logaddexp.reduce(alpha[-1] + net.finals))
    return Ways(log_score, alpha + beta - log_score)


def adapted_frames(system: System, speech: Sequence[tuple[FloatArray, Graph]]) -> list[FloatArray]:
    """Return the frames of one speaker's recordings mapped for that speaker.

    The map is that of constrained MLLR, estimated from alignments of the frames as they are.

    Args:
        system: was trained on mapped frames.
        speech: (T, D) frames and the words said, of each recording; where these do not fit, the
            recording does not count for the map.
    """
    gmm = system.model.gmm
    found, states = [], []
    for frames, graph in speech:
        net = network(graph, system.stay_probs)
        if net.least_frames() > len(frames):
            continue
        way = best_way(net, StateEmissions(system, frames), beam=BEAM)
        found.append(frames)
        states.append(graph.states[way.nodes])
    every = 1 + sum(map(len, found)) // MAP_FRAMES
    if not found:
        return [frames for frames, _ in speech]
    parts = by_state(
        np.concatenate(found)[::every], np.concatenate(states)[::every], gmm.num_states
    )
    W = fmllr(FmllrStatistics.of(gmm, parts))
    return [applied(W, frames) for frames, _ in speech]


def phones_of_states(units: Units) -> IntArray:
    """Return (S,) int32 the phone that each state of `units` is part of."""
    owners = np.zeros(units.num_states, np.int32)
    for phone in range(NUM_PHONES):
        if phone == SILENCE:
            owners[list(units.states(SILENCE, SILENCE, SILENCE))] = SILENCE
            continue
        for left in range(NUM_PHONES):
            for right in range(NUM_PHONES):
                owners[list(units.states(left, phone, right))] = phone
    return owners


def _log_shares(units: Units, emissions: StateEmissions, phones: IntArray) -> F64:
    """Return (T,) ln p(phone | frame) of the `phones`, (T,), on the path."""
    owners = phones_of_states(units)
    order = np.argsort(owners, kind="stable")
    known, begins = np.unique(owners[order], return_index=True)
    bounds = np.append(begins, len(owners)).astype(np.int32)
    places = np.searchsorted(known, phones)
    found = np.empty(len(phones))
    for begin in range(0, len(phones), BLOCK_FRAMES):
        here = slice(begin, begin + BLOCK_FRAMES)
        block = emissions.block(begin, min(len(phones), begin + BLOCK_FRAMES))
        scaled = np.ascontiguousarray(block[:, order] * np.float32(SCORE_SCALE))
        groups = kernels.log_sum_exp_groups(scaled, bounds).astype(np.float64)
        own = groups[np.arange(len(groups)), places[here]]
        found[here] = own - np.logaddexp.reduce(groups, axis=1)
    return found
