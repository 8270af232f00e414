"""The denominator of CTC-CRF: all label sequences, weighed by what the phones usually do.

CTC takes its labels for independent, so it learns nothing from the sequences that it should have
ruled out. CTC-CRF (Xiang & Ou 2019, arXiv:1911.11577) keeps CTC's topology and gives each path π
of a recording the potential Σ ln y(π_t) + ln p(B(π)), p a language model of the labels, and
normalises over all paths:

    loss = CTC(targets) + ln Z + constant,     Z = Σ_π p(B(π)) Π_t y_t(π_t)

It is lattice-free maximum mutual information (Povey et al. 2016) with one state a label. `LabelLm`
is a trigram held as a dense table, so that one step of the forward and the backward recursion is
one small matrix product for each of the labels.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from steno_models.ctc.crf.kernels import backward, best_labels, forward


@dataclass(frozen=True, slots=True)
class LabelLm:
    """A trigram of labels: p(q | a, b) for labels 1 … V - 1; 0 stands for the sentence's start.

    Attributes:
        other: (V, V, V) [b, a, q] the probability of q ≠ b after a, b; q = 0 has none.
        again: (V, V) [b, a] the probability of b once more: CTC needs a blank before it.
    """

    other: Tensor
    again: Tensor

    @classmethod
    def of_table(cls, table: Tensor) -> "LabelLm":
        """Return the model of `table`, (V, V, V): [a, b, q] = p(q | a, b)."""
        other = table.float().transpose(0, 1).contiguous().clone()
        other[:, :, 0] = 0.0
        labels = torch.arange(len(table))
        again = other[labels, :, labels].clone()
        again[0] = 0.0  # nothing can be the start once more
        other[labels, :, labels] = 0.0
        return cls(other, again)


def log_partition(log_probs: Tensor, lengths: Tensor, lm: LabelLm) -> Tensor:
    """Return ln Z of each recording, (B,), over all label sequences of any length.

    Args:
        log_probs: (B, S, V) ln y, the blank at 0; float32 or float64. Computed on the CPU,
            whatever the device: one step depends on the one before.
        lengths: (B,) steps; those behind count nothing.
        lm: of the same labels.
    """
    total: Tensor = _LogPartition.apply(log_probs, lengths, lm)  # type: ignore[no-untyped-call]
    return total


def transcribe(log_probs: Tensor, lengths: Tensor, lm: LabelLm) -> list[list[int]]:
    """Return the labels of each recording's likeliest path; see `log_partition`."""
    found = log_probs.detach().cpu().double().numpy()
    with np.errstate(divide="ignore"):
        other, again = (np.log(part.cpu().double().numpy()) for part in (lm.other, lm.again))
    texts = []
    for one, steps in zip(found, lengths.tolist(), strict=True):
        labels = np.empty(steps, np.int64)
        texts.append(labels[: best_labels(one[:steps], other, again, labels)].tolist())
    return texts


class _LogPartition(torch.autograd.Function):
    """Forward and backward recursion; the gradient by ln y are the posteriors of the labels."""

    @staticmethod
    def forward(ctx: FunctionCtx, log_probs: Tensor, lengths: Tensor, lm: LabelLm) -> Tensor:
        """Return ln Z, and keep the posteriors, (B, S, V)."""
        found = log_probs.detach().cpu().numpy()
        other, again = (part.cpu().numpy().astype(found.dtype) for part in (lm.other, lm.again))
        totals = np.empty(len(found), found.dtype)
        posteriors = np.zeros_like(found)

        def recur(i: int, steps: int) -> None:
            peak = found[i, :steps].max(axis=-1, keepdims=True)
            y = np.exp(found[i, :steps] - peak)
            label, blank = np.empty((2, steps + 1, *again.shape), found.dtype)
            totals[i] = forward(y, other, again, label, blank) + peak.sum()
            backward(y, other, again, label, blank, posteriors[i, :steps])

        with ThreadPoolExecutor(torch.get_num_threads()) as pool:  # the kernels release the GIL
            list(pool.map(recur, range(len(found)), lengths.tolist()))
        ctx.save_for_backward(torch.from_numpy(posteriors).to(log_probs.device))
        return torch.from_numpy(totals).to(log_probs.device)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Return the posteriors times the gradient of ln Z."""
        (posteriors,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return posteriors * gradients[0][:, None, None], None, None
