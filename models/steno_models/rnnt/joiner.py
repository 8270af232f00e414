"""The joiner: logits of tokens from an encoder step and the labels so far.

    logits = W tanh(A encoder + B predictor)        (Graves et al. 2013)

With the encoder left out it tells what the transducer has learnt of its training texts, its
internal language model; a search subtracts that where another language model is to speak.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax


class Joiner(nn.Module):
    """Adds projections of both sides and scores tokens and blank in one softmax.

    Args:
        encoder: width of an encoder step.
        predictor: width of the predictor's outputs.
        width: J, of what both are projected to.
        tokens: V, the number of tokens with the blank.
    """

    def __init__(self, *, encoder: int, predictor: int, width: int, tokens: int) -> None:
        super().__init__()
        self.encoder = nn.Linear(encoder, width)
        self.predictor = nn.Linear(predictor, width, bias=False)
        self.output = nn.Linear(width, tokens)

    def forward(self, encoder: Tensor, predictor: Tensor) -> Tensor:
        """Return (…, V) logits of projected steps and outputs that broadcast, (…, J) each."""
        logits: Tensor = self.output(torch.tanh(encoder + predictor))
        return logits

    def internal_log_probs(self, predictor: Tensor) -> Tensor:
        """Return (…, V) ln p(label | labels before) without sound; the blank's is 0.

        Meng et al. (2021, arXiv:2011.01991): the encoder's part is zero, the blank is left out.

        Args:
            predictor: (…, J) projected outputs.
        """
        logits = self.output(torch.tanh(predictor))[..., 1:]
        return nn.functional.pad(log_softmax(logits.float(), dim=-1), (1, 0))


class FactorisedJoiner(Joiner):
    """Decides about the blank first (Variani et al. 2020, hybrid autoregressive transducer).

    p(blank) = σ(z_0) and p(k) = (1 − p(blank)) softmax(z_1 …)_k. One softmax of all says the same
    when the blank's logit is z_0 + ln Σ exp(z_1 …), so losses and searches need not know.
    """

    def forward(self, encoder: Tensor, predictor: Tensor) -> Tensor:
        """Return (…, V) logits of projected steps and outputs that broadcast, (…, J) each."""
        logits = super().forward(encoder, predictor)
        blank, labels = logits[..., :1], logits[..., 1:]
        return torch.cat((blank + labels.logsumexp(-1, keepdim=True), labels), dim=-1)
