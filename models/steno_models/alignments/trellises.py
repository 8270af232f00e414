"""All paths of an utterance's text through the lattice of a model, in numbers to be drawn.

Each word is said in the way that the best path has chosen, so that positions are phones in order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from steno_models.alignments.ctc_route import SHIFT_S, CtcRoute, middle_s
from steno_models.alignments.hmm_route import BORDER_S, HmmRoute
from steno_models.alignments.route import Job
from steno_models.ctc.align import label_graph, occupancy
from steno_models.encoders.protocol import Grid
from steno_models.features.mfcc import mfcc
from steno_models.hmm import forced
from steno_models.hmm.forced import adapted_frames, network
from steno_models.hmm.system import System
from steno_models.hmm.topology import SILENCE, utterance_graph
from steno_models.recogniser import FEATURE_LIMIT, TAIL_FRAMES
from steno_models.rnnt.align import text_lattice
from steno_models.rnnt.align import ways as lattice_ways
from steno_models.text.bpe import WORD_BEGIN, Bpe
from steno_models.text.lexicon import Pronunciation
from steno_models.text.tokens import TokenTable
from steno_models.transducer_recogniser import TransducerRecogniser
from steno_models.trellis.network import F64, Matrix
from steno_models.trellis.viterbi import best_way
from steno_models.types import FloatArray

if TYPE_CHECKING:
    from steno_models.las.trained import TrainedLas


@dataclass(frozen=True, slots=True)
class Trellis:
    """Position in a text against time.

    Attributes:
        title: which model's.
        positions: what the positions are.
        log_weights: (S, P) float64 ln of how likely each position is at each step, given the text;
            of attention, of how much it is looked at.
        edges_s: (S + 1,) when the steps begin, and when the last one ends.
        labels: (P,) what stands at each position; empty for what only parts the others.
        path: (S,) position of the best path at each step; none of attention.
        log_total: log score of all paths; not of attention.
        log_best: log score of the best one.
    """

    title: str
    positions: str
    log_weights: F64
    edges_s: F64
    labels: tuple[str, ...]
    path: F64 | None = None
    log_total: float | None = None
    log_best: float | None = None


def hmm_trellis(
    route: HmmRoute, job: Job, samples: FloatArray
) -> tuple[Trellis, list[Pronunciation]]:
    """Return the trellis of GMM-HMMs, phones against frames, and how the words are said."""
    [frames] = route.frames([mfcc(samples)])
    graph = route.graph(job)
    acoustics = route.acoustics
    if isinstance(acoustics, System) and acoustics.adapted:
        [frames] = adapted_frames(acoustics, [(frames, graph)])
    phones = route.dictionary.phones
    said: list[list[str]] = [[] for _ in job.ways]
    for each in forced.forced_alignment(acoustics, frames, graph):
        if each.span.phone != SILENCE:
            said[each.span.word].append(phones[each.span.phone - 1])
    chosen = [tuple(way) for way in said]
    graph = utterance_graph(
        [route.dictionary.numbers([way]) for way in chosen], units=acoustics.units
    )
    found = forced.ways(acoustics, frames, graph)
    net = network(graph, acoustics.stay_probs)
    best = best_way(net, Matrix(acoustics.log_likelihoods(frames)), beam=forced.BEAM)
    first = np.flatnonzero(np.diff(graph.tokens, prepend=-1))
    numbers = graph.phones[first].tolist()
    T = len(frames)
    return Trellis(
        title="HMM",
        positions="phones",
        log_weights=np.logaddexp.reduceat(found.log_occupancy, first, axis=1),
        edges_s=np.append(0.0, BORDER_S + SHIFT_S * np.arange(1, T + 1)),
        labels=tuple("sil" if p == SILENCE else phones[p - 1] for p in numbers),
        path=graph.tokens[best.nodes].astype(np.float64),
        log_total=found.log_score,
        log_best=best.log_score,
    ), chosen


def ctc_trellis(
    route: CtcRoute, job: Job, features: FloatArray
) -> tuple[Trellis, list[Pronunciation]]:
    """Return the trellis of CTC, labels and blanks against steps, and how the words are said."""
    log_probs = route.log_probs(features, lambda _what, _share: None)
    symbols = route.tokens.symbols
    graph = route.graph(job)
    nodes = best_way(graph.network, Matrix(log_probs), beam=np.inf).nodes
    said: list[list[str]] = [[] for _ in job.ways]
    for node in nodes[np.flatnonzero(np.diff(nodes, prepend=-1))].tolist():
        if graph.tokens[node] >= 0:
            said[graph.words[node]].append(symbols[graph.network.columns[node]])
    chosen = [tuple(way) for way in said]
    graph = label_graph([[route.tokens.ids(way)] for way in chosen])
    found = occupancy(log_probs, graph)
    best = best_way(graph.network, Matrix(log_probs), beam=np.inf)
    return Trellis(
        title="CTC",
        positions="phones, blanks",
        log_weights=found.log_occupancy,
        edges_s=_edges(len(log_probs), route.model.encoder.grid),
        labels=tuple(symbols[n] if n else "" for n in graph.network.columns.tolist()),
        path=best.nodes.astype(np.float64),
        log_total=found.log_score,
        log_best=best.log_score,
    ), chosen


def rnnt_trellis(
    recogniser: TransducerRecogniser,
    table: TokenTable,
    job: Job,
    features: FloatArray,
    said: Sequence[Pronunciation],
) -> Trellis:
    """Return the trellis of a transducer, labels that are out against encoder steps.

    Args:
        recogniser: has the model.
        table: its tokens, subwords or phones.
        job: the text.
        features: (T, F) log-mel energies.
        said: how the words are said, for a model of phones.
    """
    if WORD_BEGIN in table.symbols:
        words = " ".join(word for each in job.written for word in each.spoken)
        tokens = Bpe(table).encode(words)
    else:
        tokens = table.ids([phone for way in said for phone in way])
    frames = np.clip(recogniser.cmvn.apply(features), -FEATURE_LIMIT, FEATURE_LIMIT)
    tail = np.full((TAIL_FRAMES, frames.shape[1]), -FEATURE_LIMIT, np.float32)
    heard = np.concatenate([frames, tail])
    with torch.inference_mode():
        lattice = text_lattice(recogniser.model, heard, tokens, recogniser.context)
    found = lattice_ways(lattice)
    S = len(found.log_occupancy)
    out = np.searchsorted(found.emitted, np.arange(S), side="right")
    return Trellis(
        title="RNN-T",
        positions="tokens that are out",
        log_weights=found.log_occupancy,
        edges_s=_edges(S, recogniser.model.encoder.grid),
        labels=("", *(table.symbols[token] for token in tokens)),
        path=out.astype(np.float64),
        log_total=found.log_score,
        log_best=found.best_log_score,
    )


def las_trellis(trained: "TrainedLas", job: Job, features: FloatArray) -> Trellis:
    """Return where a speller looks while it writes the text, tokens against encoder steps."""
    words = " ".join(word for each in job.written for word in each.spoken)
    symbols, looks = trained.attention_map(features, words)
    with np.errstate(divide="ignore"):
        weights = np.log(looks.T.astype(np.float64))
    return Trellis(
        title="LAS attention",
        positions="tokens",
        log_weights=weights,
        edges_s=_edges(len(weights), trained.model.encoder.grid),
        labels=tuple(symbols),
    )


def frame_edges(frames: int) -> F64:
    """Return (frames + 1,) when frames of 10 ms begin, and when the last one ends."""
    return np.asarray(BORDER_S + SHIFT_S * np.arange(frames + 1), np.float64)


def _edges(steps: int, grid: Grid) -> F64:
    """Return (steps + 1,) when encoder steps of `grid` begin, and when the last one ends."""
    begin_steps = np.arange(steps + 1) - 0.5
    return np.asarray(middle_s(grid) + begin_steps * grid.factor * SHIFT_S, np.float64)
