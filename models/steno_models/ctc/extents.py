"""From the best path of a CTC model to where labels begin and end.

A CTC model needs no label for longer than a step: it puts a spike somewhere in the phone, late
rather than early, and blanks everywhere else (Zeyer, Schlüter & Ney 2021, "Why does CTC result in
peaky behavior?"). Three things make extents of spikes:

- the best path is searched with a penalty on the blank, which takes the place of dividing by the
  blank's prior probability, so that labels are held for as long as they sound;
- between two labels the border is where the posteriors expect it, a fraction of a step, not where
  the best path happens to change:
  Σ_k k p(k), with p(k) ∝ Π_{s<k} p(a | x_s) Π_{s≥k} p(b | x_s);
- a blank between two words is a pause if it is long enough, else it is shared between them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from steno_models.ctc.align import LabelGraph
from steno_models.trellis.viterbi import Tick, best_way, unheard
from steno_models.types import FloatArray, IntArray

BLANK_PENALTY = 4.0
"""Nats. Of 0 to 10 the best for pauses: with less, blanks eat labels, with more, labels pauses."""

BEAM = 600.0
NEAR_STEPS = 3  # the border of two labels is looked for so many steps around the best path's
PAUSE_STEPS = 1.5  # a shorter blank between words is no pause


@dataclass(frozen=True, slots=True)
class LabelSpan:
    """One label in time, in encoder steps and their fractions.

    Attributes:
        label: its number.
        word: position of its word in the text.
        start: step at which it begins.
        end: step at which it ends.
        after_pause: whether a pause, or the recording's begin, comes before it.
        before_pause: whether a pause, or the recording's end, follows.
        score: ln p of the label at its spike, the surest of its steps.
    """

    label: int
    word: int
    start: float
    end: float
    after_pause: bool
    before_pause: bool
    score: float


@dataclass(frozen=True, slots=True)
class _Penalised:
    """Posteriors whose blank, token 0, costs more than it says."""

    log_probs: FloatArray
    penalty: float

    def __len__(self) -> int:
        return len(self.log_probs)

    def block(self, begin: int, end: int) -> FloatArray:
        values = self.log_probs[begin:end].copy()
        values[:, 0] -= self.penalty
        return values


@dataclass(frozen=True, slots=True)
class _Run:
    """A node that the best path stays in for the steps [begin, end)."""

    node: int
    begin: int
    end: int


def label_spans(
    log_probs: FloatArray, graph: LabelGraph, *, tick: Tick = unheard
) -> list[LabelSpan]:
    """Return the labels of the best path of `graph`, whose blank is token 0, in time.

    Args:
        log_probs: (S, V) ln p(token).
        graph: of the text.
        tick: see `best_way`.

    Raises:
        DataError: the text needs more steps than there are.
    """
    emissions = _Penalised(log_probs, BLANK_PENALTY)
    nodes = best_way(graph.network, emissions, beam=BEAM, tick=tick).nodes
    runs = _runs(nodes)
    borders = [_border(emissions, graph.network.columns, *pair) for pair in pairwise(runs)]
    return _spans(runs, [0.0, *borders, float(len(nodes))], graph, log_probs)


def _runs(nodes: IntArray) -> list[_Run]:
    begins = np.flatnonzero(np.diff(nodes, prepend=-1)).tolist()
    ends = [*begins[1:], len(nodes)]
    return [_Run(int(nodes[b]), b, e) for b, e in zip(begins, ends, strict=True)]


def _border(emissions: _Penalised, columns: IntArray, one: _Run, other: _Run) -> float:
    """Return the expected step of the border between two runs."""
    begin, end = max(one.begin, one.end - NEAR_STEPS), min(other.end, other.begin + NEAR_STEPS)
    near = emissions.block(begin, end).astype(np.float64)
    gain = near[:, columns[one.node]] - near[:, columns[other.node]]
    log_scores = np.cumsum(gain)[:-1]  # of the border behind each step but the last
    weights = np.exp(log_scores - log_scores.max())
    return begin + float((weights * np.arange(1, len(near))).sum() / weights.sum())


def _spans(
    runs: Sequence[_Run], borders: Sequence[float], graph: LabelGraph, log_probs: FloatArray
) -> list[LabelSpan]:
    """Return the labels of `runs`, blanks left out; run i is between the borders i and i + 1."""
    labels = [i for i, run in enumerate(runs) if graph.tokens[run.node] >= 0]
    starts, ends, pauses = [borders[labels[0]]], [], [labels[0] > 0]
    for before, behind in pairwise(labels):
        end, start = borders[before + 1], borders[behind]
        inside = graph.words[runs[before].node] == graph.words[runs[behind].node]
        pause = behind > before + 1 and not inside and start - end >= PAUSE_STEPS
        if not pause:
            end = start = 0.5 * (end + start)
        ends.append(end)
        starts.append(start)
        pauses.append(pause)
    ends.append(borders[labels[-1] + 1])
    pauses.append(labels[-1] < len(runs) - 1)
    spans = []
    for place, i in enumerate(labels):
        run, label = runs[i], int(graph.network.columns[runs[i].node])
        spans.append(
            LabelSpan(
                label=label,
                word=int(graph.words[run.node]),
                start=starts[place],
                end=ends[place],
                after_pause=pauses[place],
                before_pause=pauses[place + 1],
                score=float(log_probs[run.begin : run.end, label].max()),
            )
        )
    return spans
