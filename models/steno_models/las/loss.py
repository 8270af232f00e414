"""What the speller and its encoder are trained on.

    loss = (1 − λ) · −ln p_speller(y | x) + λ · −ln p_CTC(y | x) + m · CTC(middle) + g · guide

by the token, the end counted. CTC on the same encoder keeps the attention from wandering while it
does not know yet where to look (Kim et al. 2017); on its middle layer: Lee & Watanabe (2021). The
speller is told what to have written (teacher forcing), now and then what it drew itself (scheduled
sampling, Bengio et al. 2015), and its targets are smoothed (Szegedy et al. 2016, §7).

People speak about as evenly as they write, so where an attention looks is near the diagonal; the
guide tells it so (guided attention, Tachibana et al. 2018, §4).
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax, pad

from steno_models.encoders.protocol import Context
from steno_models.las.model import Encoded, LasModel
from steno_models.las.speller import END
from steno_models.training.data import Batch

_DIAGONAL = 0.2
"""How far from the diagonal one may look, as a share of the utterance: Tachibana's g."""
_NO_TOKEN = -100  # PyTorch's own mark of a place that counts nothing in a cross-entropy


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How the parts of the loss are weighed: λ is `ctc`, and the speller has the rest."""

    ctc: float = 0.3
    middle_ctc: float = 0.0
    guide: float = 0.0


class TrainingLas(nn.Module):
    """The model with the output layer that only training needs.

    It counts its batches itself, in a buffer that checkpoints keep.

    Args:
        model: what is trained.
        smoothing: of the speller's targets: the share of all tokens together.
        only_fusion: whether all weights stay as they are but those of the speller's fusion and of
            its last two layers, which that speaks to.
        freeze_encoder: whether those of the encoder do.
    """

    batches_seen: Tensor

    def __init__(
        self,
        model: LasModel,
        *,
        smoothing: float = 0.1,
        only_fusion: bool = False,
        freeze_encoder: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self._smoothing = smoothing
        self._encoder_learns = not (only_fusion or freeze_encoder)
        self.middle_ctc_output = nn.Linear(model.encoder.width, model.ctc_output.out_features)
        self.register_buffer("batches_seen", torch.zeros((), dtype=torch.int64))
        model.encoder.requires_grad_(requires_grad=self._encoder_learns)
        if only_fusion:
            self.requires_grad_(requires_grad=False)
            speller = model.speller
            for trained in (speller.fusion, speller.hidden, speller.output):
                if trained is not None:
                    trained.requires_grad_()

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - as in PyTorch
        """Begin or end training; an encoder that is not trained hears as it will later."""
        super().train(mode)
        if not self._encoder_learns:
            self.model.encoder.eval()
        return self

    def count_batch(self) -> int:
        """Return how many batches were counted before, and count one more."""
        before = int(self.batches_seen)
        self.batches_seen += 1
        return before

    def forward(
        self, batch: Batch, context: Context | None, *, sampling: float = 0.0
    ) -> dict[str, Tensor]:
        """Return the parts of the loss by name, by the token: speller, ctc, middle_ctc, guide."""
        model = self.model
        lengths = model.encoder.grid.steps_of_all(batch.feature_lengths)
        layers = model.encoder(batch.features, lengths, context)
        longest = max(1, int(lengths.max()))
        middle, last = (each[:, :longest] for each in (layers[len(layers) // 2], layers[-1]))
        # Small steps, one after the other: casting for each costs more than it saves.
        with torch.autocast(last.device.type, enabled=False):
            memory = model.memory(Encoded(last.float(), lengths))
            logits, looks = model.speller(batch.targets.unsqueeze(1), memory, sampling=sampling)
            spelt = spelling_loss(
                logits.squeeze(1), batch.targets, batch.target_lengths, self._smoothing
            )
        found = {
            "speller": spelt,
            "ctc": ctc_loss(model.ctc_output(last), lengths, batch),
            "middle_ctc": ctc_loss(self.middle_ctc_output(middle), lengths, batch),
            "guide": guide_loss(looks.squeeze(1), batch.target_lengths, lengths),
        }
        tokens = (batch.target_lengths + 1).sum()
        return {name: losses.sum() / tokens for name, losses in found.items()}


def spelling_loss(logits: Tensor, targets: Tensor, lengths: Tensor, smoothing: float) -> Tensor:
    """Return the speller's cross-entropies, (B,), summed over each text and its end.

    Args:
        logits: (B, U + 1, V) before each token and at the end.
        targets: (B, U) token ids, padded.
        lengths: (B,) tokens of each.
        smoothing: ε: a target is 1 − ε on its token and ε / V on all.
    """
    place = torch.arange(logits.shape[1], device=logits.device)
    ended = pad(targets.long(), (0, 1), value=END)
    ended = ended.masked_fill(place == lengths.unsqueeze(1), END)
    ended = ended.masked_fill(place > lengths.unsqueeze(1), _NO_TOKEN)
    losses: Tensor = cross_entropy(
        logits.transpose(1, 2),
        ended,
        ignore_index=_NO_TOKEN,
        label_smoothing=smoothing,
        reduction="none",
    )
    return losses.sum(dim=1)


def ctc_loss(logits: Tensor, lengths: Tensor, batch: Batch) -> Tensor:
    """Return the CTC losses, (B,), 0 where an utterance is too short for its target."""
    losses: Tensor = torch.nn.functional.ctc_loss(
        log_softmax(logits.float(), dim=-1).transpose(0, 1),
        batch.targets.long(),
        lengths.long(),
        batch.target_lengths.long(),
        reduction="none",
        zero_infinity=True,
    )
    return losses


def guide_loss(looks: Tensor, target_lengths: Tensor, lengths: Tensor) -> Tensor:
    """Return how far each utterance's attention is from the diagonal, (B,), summed over its tokens.

        sum_s w_us (1 − exp(−(u/U − s/S)² / 2g²)),   g = 0.2

    Args:
        looks: (B, U + 1, S) weights w, which sum to 1 over the steps.
        target_lengths: (B,) tokens of each; the end is one more.
        lengths: (B,) steps of each.
    """
    tokens, steps = (
        torch.arange(size, device=looks.device) + 0.5 for size in (looks.shape[1], looks.shape[2])
    )
    ends = target_lengths.unsqueeze(1) + 1
    written = tokens / ends
    spoken = steps / lengths.clamp(min=1).unsqueeze(1)
    apart = (written.unsqueeze(2) - spoken.unsqueeze(1)) / _DIAGONAL
    wandering = (looks * (1 - torch.exp(-(apart**2) / 2))).sum(dim=2)
    return (wandering * (tokens < ends)).sum(dim=1)


def weighted(found: dict[str, Tensor], weights: Weights) -> Tensor:
    """Return the sum of the parts under `weights`."""
    return (
        (1 - weights.ctc) * found["speller"]
        + weights.ctc * found["ctc"]
        + weights.middle_ctc * found["middle_ctc"]
        + weights.guide * found["guide"]
    )
