"""Listen, attend and spell at inference: encoder, speller, and CTC on the same encoder."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from steno_models.encoders.build import EncoderOptions, build_encoder
from steno_models.encoders.conformer import ConformerOptions
from steno_models.encoders.protocol import Context
from steno_models.fusion.language import LanguageNetwork
from steno_models.fusion.layers import FusionOptions
from steno_models.las.attention import Memory
from steno_models.las.speller import Speller, SpellerOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class LasOptions:
    """The shape of the whole.

    Attributes:
        encoder: of what listens.
        speller: of what attends and spells.
        fusion: of what lets a language model in, None if none is.
    """

    encoder: EncoderOptions = field(default_factory=ConformerOptions)
    speller: SpellerOptions = field(default_factory=SpellerOptions)
    fusion: FusionOptions | None = None


@dataclass(frozen=True, slots=True)
class Encoded:
    """What the encoder makes of B utterances.

    Attributes:
        steps: (B, S, D), padded at the end.
        lengths: (B,) steps of each.
    """

    steps: Tensor
    lengths: Tensor


class LasModel(nn.Module):
    """An encoder, a speller, and a linear layer to the tokens for CTC, the blank first.

    Args:
        options: its shape.
        tokens: V; token 0 is CTC's blank and the speller's end.
        language: the language model, where `options` have a fusion.

    Attributes:
        encoder: the listener.
        speller: the speller.
        ctc_output: (D → V).
    """

    def __init__(
        self, options: LasOptions, tokens: int, language: LanguageNetwork | None = None
    ) -> None:
        super().__init__()
        self.encoder = build_encoder(options.encoder)
        self.speller = Speller(
            options.speller,
            tokens=tokens,
            values=self.encoder.width,
            fusion=options.fusion,
            language=language,
        )
        self.ctc_output = nn.Linear(self.encoder.width, tokens)

    def encode(self, features: Tensor, frames: Tensor, context: Context | None = None) -> Encoded:
        """Return the encoder steps of whole utterances.

        Args:
            features: (B, T, F) normalised, padded at the end.
            frames: (B,) frames of each.
            context: how far a step may look; without one as far as the encoder can.
        """
        lengths = self.encoder.grid.steps_of_all(frames)
        steps = self.encoder(features, lengths, context)[-1]
        return Encoded(steps[:, : max(1, int(lengths.max()))], lengths)

    def memory(self, encoded: Encoded) -> Memory:
        """Return what the speller looks at."""
        return self.speller.attention.memory(encoded.steps, encoded.lengths)

    def ctc_log_probs(self, steps: Tensor) -> Tensor:
        """Return (…, V) log probabilities by CTC at encoder steps, (…, D)."""
        return torch.log_softmax(self.ctc_output(steps).float(), dim=-1)
