"""Whole sequences instead of frames: maximum mutual information without lattices (LF-MMI).

Cross-entropy asks each step for its own state. What decoding asks for is that the states of the
words said outweigh all others together (Povey et al. 2016):

    F = ln Σ over paths of the words said  −  ln Σ over all paths,

    each path of weight  p(path) e^(k Σ over steps of log p(x | a))

The paths of the words said are those through the states of the alignment, in their order, each for
as long as it likes. All paths are those of a bigram of such states, estimated on the alignments:
states carry their phone's context, so few follow each other, and the sum stays small enough to be
done whole. It contains the paths of the words said, so F is never above zero. The gradient of F by
the log-likelihoods is k times the difference of the two sums' posteriors.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from steno_models.hmm.hybrid.data import NO_LABEL
from steno_models.hmm.kernels import F64, backward, forward
from steno_models.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class StateNet:
    """States as nodes, and the arcs between them, in the arrays of hmm/kernels.py.

    Attributes:
        states: (N,) int32 the state of each node.
        loops: (N,) float64 log probability of staying.
        offsets: (N + 1,) int32; the arcs into node n are `offsets[n]:offsets[n + 1]`.
        sources: (E,) int32 node that each comes from.
        arcs: (E,) float64 its log probability, with that of leaving its source.
        starts: (N,) float64 log probability of beginning there.
        finals: (N,) float64 log probability of ending there.
    """

    states: IntArray
    loops: F64
    offsets: IntArray
    sources: IntArray
    arcs: F64
    starts: F64
    finals: F64

    def sum_paths(self, emissions: FloatArray) -> tuple[float, FloatArray]:
        """Return the log of the sum over all paths, -inf if there is none, and (S, A) posteriors.

        Args:
            emissions: (S, A) log-likelihoods of the states.
        """
        links = (self.offsets, self.sources, self.arcs)
        alpha = forward(emissions, self.states, self.loops, *links, self.starts)
        total = float(np.logaddexp.reduce(alpha[-1] + self.finals))
        posteriors = np.zeros_like(emissions)
        if np.isfinite(total):
            beta = backward(emissions, self.states, self.loops, *links, self.finals)
            columns = np.exp(alpha + beta - total).T
            np.add.at(posteriors.T, self.states, columns.astype(np.float32))
        return total, posteriors


@dataclass(frozen=True, slots=True)
class StateBigram:
    """How states follow each other, and how long they last.

    Attributes:
        log_probs: log p(state | state before) of the pairs that were met; A is the edge.
        stay_probs: (A,) probability of each state's self loop.
    """

    log_probs: dict[tuple[int, int], float]
    stay_probs: F64

    @classmethod
    def of(cls, recordings: Iterable[IntArray], stay_probs: F64) -> "StateBigram":
        """Return the bigram of `recordings`, (T,) the state of each frame of each."""
        edge = len(stay_probs)
        counts: dict[tuple[int, int], int] = {}
        totals = np.zeros(edge + 1)
        for states in recordings:
            order = [edge, *in_order(states).tolist(), edge]
            for pair in pairwise(order):
                counts[pair] = counts.get(pair, 0) + 1
                totals[pair[0]] += 1
        log_probs = {pair: float(np.log(n / totals[pair[0]])) for pair, n in counts.items()}
        return cls(log_probs, stay_probs)

    @property
    def edge(self) -> int:
        """A: what is before the first and behind the last state."""
        return len(self.stay_probs)

    def everything(self) -> StateNet:
        """Return the net of all paths: each state a node."""
        A, leave = self.edge, np.log1p(-self.stay_probs)
        into: list[list[tuple[int, float]]] = [[] for _ in range(A + 1)]
        for (before, behind), log_prob in sorted(self.log_probs.items()):
            into[behind].append((before, log_prob))
        starts, finals = np.full(A, -np.inf), np.full(A, -np.inf)
        for before, log_prob in into[A]:
            finals[before] = log_prob + leave[before]
        for state in range(A):
            for before, log_prob in into[state]:
                if before == A:
                    starts[state] = log_prob
        inner = [[(s, p + leave[s]) for s, p in arcs if s != A] for arcs in into[:A]]
        return StateNet(
            states=np.arange(A, dtype=np.int32),
            loops=np.log(self.stay_probs),
            offsets=np.cumsum([0, *map(len, inner)], dtype=np.int32),
            sources=np.array([s for arcs in inner for s, _ in arcs], np.int32),
            arcs=np.array([p for arcs in inner for _, p in arcs], np.float64),
            starts=starts,
            finals=finals,
        )

    def said(self, order: IntArray) -> StateNet:
        """Return the net of the one sequence `order`, (N,) states, each for as long as it likes.

        A pair that was never met makes it a net without a path.
        """
        N, leave = len(order), np.log1p(-self.stay_probs)[order]
        pairs = zip([self.edge, *order.tolist()], [*order.tolist(), self.edge], strict=True)
        log_probs = np.array([self.log_probs.get(pair, -np.inf) for pair in pairs])
        starts, finals = np.full(N, -np.inf), np.full(N, -np.inf)
        starts[0], finals[-1] = log_probs[0], log_probs[-1] + leave[-1]
        return StateNet(
            states=order.astype(np.int32),
            loops=np.log(self.stay_probs)[order],
            offsets=np.array([0, *range(N)], np.int32),
            sources=np.arange(N - 1, dtype=np.int32),
            arcs=log_probs[1:-1] + leave[:-1],
            starts=starts,
            finals=finals,
        )


def in_order(states: IntArray) -> IntArray:
    """Return the states of frames, (T,), in their order, each once for as long as it lasts."""
    return states[np.flatnonzero(np.diff(states, prepend=-1))]


@dataclass(frozen=True, slots=True)
class Criterion:
    """The negative F of batches.

    Attributes:
        bigram: of the states.
        everything: its net.
        log_priors: (A,) float32 log P(a).
        scale: k, of log-likelihoods.
    """

    bigram: StateBigram
    everything: StateNet
    log_priors: Tensor
    scale: float

    def __call__(self, logits: Tensor, labels: Tensor, orders: Sequence[IntArray]) -> Tensor:
        """Return −F summed over the batch, by labelled step.

        Args:
            logits: (B, S, A).
            labels: (B, S) states of steps, `NO_LABEL` beyond the end of an utterance.
            orders: (N,) of each, its states in their order; an utterance without a path through
                them counts nothing.
        """
        steps = (labels != NO_LABEL).sum(dim=1)
        likely = torch.log_softmax(logits.float(), dim=-1) - self.log_priors.to(logits.device)
        total: Tensor = _Sum.apply(  # type: ignore[no-untyped-call]
            likely * self.scale, steps.tolist(), self, orders
        )
        return -total / steps.sum().clamp(min=1)


class _Sum(torch.autograd.Function):
    """F of a batch; its gradient by the log-likelihoods are differences of posteriors."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        emissions: Tensor,
        steps: Sequence[int],
        criterion: Criterion,
        orders: Sequence[IntArray],
    ) -> Tensor:
        """Return F summed over the batch, (), and keep its gradient, (B, S, A)."""
        found = emissions.detach().cpu().numpy()
        gradient = np.zeros_like(found)
        totals = np.zeros(len(found))

        def recur(i: int) -> None:
            own = np.ascontiguousarray(found[i, : steps[i]])
            if not len(own):
                return
            of_said, said = criterion.bigram.said(orders[i]).sum_paths(own)
            if np.isfinite(of_said):
                of_all, everything = criterion.everything.sum_paths(own)
                totals[i] = of_said - of_all
                gradient[i, : steps[i]] = said - everything

        with ThreadPoolExecutor(torch.get_num_threads()) as pool:  # the kernels release the GIL
            list(pool.map(recur, range(len(found))))
        ctx.save_for_backward(torch.from_numpy(gradient).to(emissions.device))
        return emissions.new_tensor(totals.sum())

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        """Return the kept gradient times that of F."""
        (kept,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return kept * gradients[0], None, None, None
