"""From equal parts to phone models: flat start, Viterbi training, growing mixtures; Baum-Welch."""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from rich.progress import Progress

from steno_models.errors import DataError
from steno_models.hmm.gmm import DiagonalGmm, Statistics
from steno_models.hmm.kernels import F64
from steno_models.hmm.model import PhoneModel
from steno_models.hmm.topology import (
    MONOPHONES,
    SILENCE,
    Graph,
    Monophones,
    shortest_path,
)
from steno_models.types import FloatArray, IntArray

VARIANCE_FLOOR = 0.01  # of the variance of all frames
LEAST_OCCUPANCY = 1e-8  # posterior of a state below which a frame is passed over
PAUSE_LEVEL = 0.3  # of the way from the quiet to the loud frames of an utterance


@dataclass(frozen=True, slots=True)
class Example:
    """What one recording teaches: `frames`, (T, D), and the `graph` of its words."""

    frames: FloatArray
    graph: Graph


@dataclass(frozen=True, slots=True)
class Stage:
    """Part of a training.

    Attributes:
        splits: how often the mixtures are doubled at its beginning.
        rounds: how often the utterances are aligned and the model estimated.
        share: part of the utterances used, from the first on.
    """

    splits: int
    rounds: int
    share: float = 1.0


SCHEDULE = (
    Stage(splits=0, rounds=8, share=0.3),
    Stage(splits=1, rounds=3, share=0.5),
    Stage(splits=1, rounds=3),
    Stage(splits=1, rounds=4),
)


def train(
    examples: Sequence[Example],
    schedule: Sequence[Stage] = SCHEDULE,
    units: Monophones = MONOPHONES,
    progress: Progress | None = None,
) -> PhoneModel:
    """Return a model of the phones, trained from a flat start.

    Args:
        examples: the easy (short) ones first; those too short for their words are left out.
        schedule: how the mixtures grow.
        units: the states of the phones; the graphs of the examples are made of them.
        progress: where to show it; on a line of its own where None.
    """
    usable = [u for u in examples if len(u.frames) >= len(shortest_path(u.graph))]
    if not usable:
        raise DataError("expected recordings that are long enough for their words, found none")
    first = _first(usable, schedule[0].share)
    model = _estimate(_flat_model(first, units), first, [flat_path(u) for u in first])
    with nullcontext(progress) if progress else Progress() as shown:
        task = shown.add_task("phone models", total=sum(s.rounds for s in schedule))
        for stage in schedule:
            part = _first(usable, stage.share)
            for _ in range(stage.splits):
                model = PhoneModel(model.gmm.split(), model.stay_probs)
            for _ in range(stage.rounds):
                model = viterbi_round(model, part)
                shown.advance(task)
    return model


def viterbi_round(model: PhoneModel, examples: Sequence[Example]) -> PhoneModel:
    """Return the model estimated from the best paths of `model`."""
    return _estimate(model, examples, [model.best_path(u.frames, u.graph) for u in examples])


def baum_welch_round(
    model: PhoneModel, examples: Iterable[Example], variance_floor: F64
) -> tuple[PhoneModel, float]:
    """Return the model estimated from all paths, and the log-likelihood of the old one.

    That is EM proper: the likelihood never falls (Baum et al. 1970).
    """
    statistics = Statistics(model.gmm)
    stays, visits = np.zeros(len(model.stay_probs)), np.zeros(len(model.stay_probs))
    total = 0.0
    for u in examples:
        posteriors = model.posteriors(u.frames, u.graph)
        total += posteriors.log_likelihood
        np.add.at(stays, u.graph.states, posteriors.loops)
        np.add.at(visits, u.graph.states, posteriors.occupancy.sum(axis=0))
        for state in np.unique(u.graph.states).tolist():
            occupancy = posteriors.occupancy[:, u.graph.states == state].sum(axis=1)
            there = occupancy > LEAST_OCCUPANCY
            statistics.add(state, u.frames[there], occupancy[there].astype(np.float32))
    gmm = statistics.estimate(variance_floor)
    return PhoneModel(gmm, staying(stays, visits, model.stay_probs)), total


def flat_path(example: Example) -> IntArray:
    """Return (T,) nodes: pauses at the ends by loudness, the words in equal parts between them."""
    T, graph = len(example.frames), example.graph
    nodes = np.array(shortest_path(graph), np.int32)
    begin, end = _loud_part(example.frames[:, 0])
    if end - begin < len(nodes):
        begin, end = 0, T
    inner = nodes[np.arange(end - begin) * len(nodes) // (end - begin)]
    silence = int((graph.tokens == 0).sum())
    lead = np.arange(begin) * silence // max(begin, 1)
    tail = np.arange(T - end) * silence // max(T - end, 1)
    last = len(graph.states) - silence
    return np.concatenate([lead, inner, last + tail]).astype(np.int32)


def _loud_part(energy: FloatArray) -> tuple[int, int]:
    """Return the first frame and the one after the last that are louder than the pauses."""
    quiet, loud = np.percentile(energy, [5, 95])
    above = np.flatnonzero(energy > quiet + PAUSE_LEVEL * (loud - quiet))
    return (int(above[0]), int(above[-1]) + 1) if len(above) else (0, len(energy))


def _first(examples: Sequence[Example], share: float) -> Sequence[Example]:
    return examples[: max(1, round(share * len(examples)))]


def _flat_model(examples: Sequence[Example], units: Monophones) -> PhoneModel:
    """Return one Gaussian for all states: the mean and variance of all frames."""
    frames = np.concatenate([u.frames for u in examples])
    shape = (units.num_states, 1, frames.shape[1])
    gmm = DiagonalGmm.uniform(
        log_weights=np.zeros(shape[:2]),
        means=np.broadcast_to(frames.mean(axis=0, dtype=np.float64), shape).copy(),
        variances=np.broadcast_to(frames.var(axis=0, dtype=np.float64), shape).copy(),
    )
    stay_probs = np.full(units.num_states, 0.7)
    stay_probs[list(units.states(SILENCE, SILENCE, SILENCE))] = 0.9
    return PhoneModel(gmm, stay_probs)


def _estimate(
    model: PhoneModel, examples: Sequence[Example], paths: Sequence[IntArray]
) -> PhoneModel:
    """Return the model of greatest likelihood for these paths (two rounds of EM inside states)."""
    frames = np.concatenate([u.frames for u in examples])
    counts = transition_counts(model.gmm.num_states, [u.graph for u in examples], paths)
    states = np.concatenate([u.graph.states[p] for u, p in zip(examples, paths, strict=True)])
    gmm = refined(model.gmm, by_state(frames, states, model.gmm.num_states), rounds=2)
    return PhoneModel(gmm, staying(*counts, model.stay_probs))


def transition_counts(
    num_states: int, graphs: Sequence[Graph], paths: Sequence[IntArray]
) -> tuple[F64, F64]:
    """Return (S,) how often each state is stayed in and (S,) how often it is met on `paths`."""
    stays, visits = np.zeros(num_states), np.zeros(num_states)
    for graph, path in zip(graphs, paths, strict=True):
        np.add.at(stays, graph.states[path[1:][path[1:] == path[:-1]]], 1.0)
        np.add.at(visits, graph.states[path], 1.0)
    return stays, visits


def by_state(frames: FloatArray, states: IntArray, num_states: int) -> list[FloatArray]:
    """Return for each state its (T_s, D) part of `frames`, (T, D), by the `states`, (T,)."""
    order = np.argsort(states, kind="stable")
    bounds = np.searchsorted(states[order], np.arange(num_states + 1))
    ordered = frames[order]
    return [ordered[begin:end] for begin, end in pairwise(bounds.tolist())]


def refined(gmm: DiagonalGmm, frames: Sequence[FloatArray], *, rounds: int) -> DiagonalGmm:
    """Return `gmm` after `rounds` of EM inside the states, whose frames are known."""
    floor = VARIANCE_FLOOR * _variance(frames)
    for _ in range(rounds):
        statistics = Statistics(gmm)
        for state, own in enumerate(frames):
            if len(own):
                statistics.add(state, own)
        gmm = statistics.estimate(floor)
    return gmm


def _variance(parts: Sequence[FloatArray]) -> F64:
    """Return (D,) the variance of all frames of `parts` together."""
    count = sum(len(part) for part in parts)
    mean = sum(part.sum(axis=0, dtype=np.float64) for part in parts) / count
    squares = sum(((part - mean) ** 2).sum(axis=0, dtype=np.float64) for part in parts)
    return np.asarray(squares / count, np.float64)


def staying(stays: F64, visits: F64, old: F64) -> F64:
    """Return (S,) probabilities of staying from expected counts; unseen states keep the old one."""
    estimate = stays / np.where(visits > 0.0, visits, 1.0)
    return np.where(visits > 0.0, np.clip(estimate, 1e-3, 1.0 - 1e-3), old)
