"""The output layer: probabilities in two steps, and the loss that trains it.

    p(w | h) = p(w | h)                      for the S most frequent units,
    p(w | h) = p(class of w | h) p(w | class, h)   for the others,

classes being runs of units of like frequency. Goodman (2001), "Classes for fast maximum entropy
training"; the short list in the first step is that of Grave et al. (2017), "Efficient softmax
approximation for GPUs". The vectors of units are those that the model reads them with (Press & Wolf
2017), so that they are handed in. Sums are exact: nothing is sampled, in training or later.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class TwoStepSoftmax(nn.Module):
    """ln p of units given what a network says of their histories.

    Args:
        V: how many units there are, by falling frequency.
        width: D, of their vectors.
        shortlist: how many are in the first step.
        class_size: how many are in each class of the others.
    """

    def __init__(self, V: int, width: int, *, shortlist: int, class_size: int) -> None:
        super().__init__()
        self.shortlist = min(shortlist, V)
        self.class_size = class_size
        self._rest = V - self.shortlist
        self.classes = nn.Parameter(torch.zeros(-(-self._rest // class_size), width))
        self.bias = nn.Parameter(torch.zeros(V))
        self.class_bias = nn.Parameter(torch.zeros(len(self.classes)))
        self._laid_out: tuple[Tensor, Tensor] | None = None

    def lay_out(self, vectors: Tensor) -> None:
        """Make ready for few histories at a time after `vectors`, (V, D), that no longer change."""
        weight, bias = self._joined(vectors)
        self._laid_out = weight.detach().t().contiguous().t(), bias.detach()

    def forward(self, hidden: Tensor, targets: Tensor, vectors: Tensor) -> Tensor:
        """Return (N,) ln p(target | history).

        Args:
            hidden: (N, D) of the histories.
            targets: (N,) int64 units.
            vectors: (V, D) of the units.
        """
        S = self.shortlist
        rest = targets - S
        first = torch.where(rest < 0, targets, S + rest.div(self.class_size, rounding_mode="floor"))
        log_probs = -functional.cross_entropy(self._first(hidden, vectors), first, reduction="none")
        rare = torch.nonzero(rest >= 0).squeeze(1)
        if len(rare):
            within = self._within(hidden[rare], rest[rare], vectors)
            log_probs = log_probs.index_add(0, rare, within)
        return log_probs

    def all(self, hidden: Tensor, vectors: Tensor) -> Tensor:
        """Return (N, V) ln p of every unit."""
        S, size = self.shortlist, self.class_size
        first = functional.log_softmax(self._first(hidden, vectors), dim=1)
        if not self._rest:
            return first
        logits = _exact(functional.linear(hidden, vectors[S:], self.bias[S:]))
        padding = len(self.classes) * size - self._rest
        logits = functional.pad(logits, (0, padding), value=-torch.inf)
        within = functional.log_softmax(logits.view(len(hidden), -1, size), dim=2)
        rest = (within + first[:, S:, None]).flatten(1)[:, : self._rest]
        return torch.cat((first[:, :S], rest), dim=1)

    def _first(self, hidden: Tensor, vectors: Tensor) -> Tensor:
        """Return (N, S + classes) logits of the first step."""
        S = self.shortlist
        if self._laid_out is not None:
            return _exact(functional.linear(hidden, *self._laid_out))
        if len(hidden) < S:  # then it costs less to join the logits than the weights
            frequent = functional.linear(hidden, vectors[:S], self.bias[:S])
            classes = functional.linear(hidden, self.classes, self.class_bias)
            return _exact(torch.cat((frequent, classes), dim=1))
        return _exact(functional.linear(hidden, *self._joined(vectors)))

    def _joined(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Return (S + classes, D) weights and (S + classes,) biases of the first step."""
        S = self.shortlist
        weight = torch.cat((vectors[:S], self.classes))
        return weight, torch.cat((self.bias[:S], self.class_bias))

    def _within(self, hidden: Tensor, rest: Tensor, vectors: Tensor) -> Tensor:
        """Return (n,) ln p of units, numbered from the end of the short list on, in their class.

        The vectors of a class are fetched once for all histories that ask for it.
        """
        size = self.class_size
        kind = rest.div(size, rounding_mode="floor")
        asked = torch.bincount(kind, minlength=len(self.classes))
        kinds = torch.nonzero(asked).squeeze(1)
        sizes, group = asked[kinds], ((asked > 0).cumsum(0) - 1)[kind]
        order = group.argsort(stable=True)
        place = torch.empty_like(group)
        starts = (sizes.cumsum(0) - sizes)[group[order]]
        place[order] = torch.arange(len(rest), device=rest.device) - starts
        stacked = hidden.new_zeros(len(kinds), int(sizes.max()), hidden.shape[1])
        stacked = stacked.index_put((group, place), hidden)
        places = kinds[:, None] * size + torch.arange(size, device=rest.device)
        units = self.shortlist + places.clamp(max=self._rest - 1)
        rows = functional.embedding(units, vectors)
        logits = _exact(torch.bmm(stacked.to(rows.dtype), rows.transpose(1, 2)))
        logits = logits + self.bias[units][:, None]
        logits = logits.masked_fill((places >= self._rest)[:, None], -torch.inf)
        return -functional.cross_entropy(logits[group, place], rest % size, reduction="none")


def _exact(logits: Tensor) -> Tensor:
    """Return `logits` at single precision at least: sums of many exponentials need it."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
