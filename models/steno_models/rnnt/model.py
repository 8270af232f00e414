"""The transducer at inference: encoder, predictor and joiner, and the shape that they have."""

from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor, nn

from steno_models.encoders.build import EncoderOptions, build_encoder
from steno_models.encoders.conformer import ConformerOptions
from steno_models.encoders.protocol import Context
from steno_models.errors import ConfigError
from steno_models.fusion.language import LanguageNetwork
from steno_models.fusion.layers import FusionOptions, build_fusion, check_fusion
from steno_models.rnnt.fused import FusedPredictor
from steno_models.rnnt.joiner import FactorisedJoiner, Joiner
from steno_models.rnnt.predictor import Cell, RecurrentPredictor, StatelessPredictor


@dataclass(frozen=True, slots=True, kw_only=True)
class TransducerOptions:
    """The shape of a transducer.

    Attributes:
        encoder: of the encoder.
        predictor: `stateless` sees the last `context` labels, `recurrent` all.
        predictor_width: of its embedding and outputs.
        predictor_layers: of a recurrent one.
        cell: of a recurrent one.
        context: of a stateless one.
        joiner: `softmax` over tokens and blank, or `factorised`, which decides about the blank
            first.
        joiner_width: of what encoder and predictor are projected to.
        dropout: of the predictor.
        fusion: of what lets a language model in beside the predictor, None if none is.
    """

    encoder: EncoderOptions = field(default_factory=ConformerOptions)
    predictor: Literal["stateless", "recurrent"] = "stateless"
    predictor_width: int = 256
    predictor_layers: int = 1
    cell: Cell = "lstm"
    context: int = 2
    joiner: Literal["softmax", "factorised"] = "softmax"
    joiner_width: int = 256
    dropout: float = 0.1
    fusion: FusionOptions | None = None

    def __post_init__(self) -> None:
        for name in ("predictor_width", "predictor_layers", "context", "joiner_width"):
            if getattr(self, name) < 1:
                raise ConfigError(f"expected {name} of 1 or more, found {getattr(self, name)}")


class TransducerModel(nn.Module):
    """An encoder, a predictor and a joiner.

    Args:
        options: its shape.
        tokens: V, the number of tokens with the blank, which is token 0.
        language: the language model, where `options` have a fusion.

    Attributes:
        encoder: the encoder.
        predictor: the predictor.
        joiner: the joiner.
    """

    predictor: RecurrentPredictor | StatelessPredictor | FusedPredictor

    def __init__(
        self, options: TransducerOptions, tokens: int, language: LanguageNetwork | None = None
    ) -> None:
        super().__init__()
        self.encoder = build_encoder(options.encoder)
        predictor = _predictor(options, tokens)
        self.predictor = _fused(predictor, options.fusion, language, tokens)
        joiner = {"softmax": Joiner, "factorised": FactorisedJoiner}[options.joiner]
        self.joiner = joiner(
            encoder=self.encoder.width,
            predictor=options.predictor_width,
            width=options.joiner_width,
            tokens=tokens,
        )

    def forward(
        self, features: Tensor, lengths: Tensor, targets: Tensor, context: Context | None = None
    ) -> Tensor:
        """Return (B, S, U + 1, V) logits of whole utterances.

        Args:
            features: (B, T, F) normalised, padded at the end.
            lengths: (B,) encoder steps of each.
            targets: (B, U) token ids, padded.
            context: how far a step may look; see `Encoder.forward`.
        """
        steps = self.encoder(features, lengths, context)[-1]
        predicted = self.predictor(targets)
        logits: Tensor = self.joiner(
            self.joiner.encoder(steps).unsqueeze(2), self.joiner.predictor(predicted).unsqueeze(1)
        )
        return logits


def _predictor(options: TransducerOptions, tokens: int) -> RecurrentPredictor | StatelessPredictor:
    match options.predictor:
        case "recurrent":
            return RecurrentPredictor(
                tokens,
                options.predictor_width,
                layers=options.predictor_layers,
                cell=options.cell,
                dropout=options.dropout,
            )
        case "stateless":
            return StatelessPredictor(
                tokens,
                options.predictor_width,
                context=options.context,
                dropout=options.dropout,
            )


def _fused(
    predictor: RecurrentPredictor | StatelessPredictor,
    fusion: FusionOptions | None,
    language: LanguageNetwork | None,
    tokens: int,
) -> RecurrentPredictor | StatelessPredictor | FusedPredictor:
    """Return `predictor`, with a language model where there is a fusion."""
    check_fusion(fusion, language, tokens)
    if fusion is None or language is None:
        return predictor
    layers = build_fusion(fusion, language, heard=predictor.width, width=predictor.width)
    return FusedPredictor(predictor, layers)
