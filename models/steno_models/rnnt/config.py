"""What a TOML file may say about a training of the transducer.

Paths are relative to the file; `~` and `$VARIABLES` are filled in. Whatever has a default may be
left out; whatever is not listed here is refused.
"""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from steno_models.fusion.section import FusionSection, check_encoder
from steno_models.training.sections import Amount, Count, Share, with_encoder_kind
from steno_models.training.speech_sections import SpeechConfig
from steno_models.training.toml_file import converted, read_table


class Transducer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Predictor and joiner, field by field those of `TransducerOptions`."""

    predictor: Literal["stateless", "recurrent"] = "stateless"
    predictor_width: Count = 256
    predictor_layers: Count = 1
    cell: Literal["lstm", "gru"] = "lstm"
    context: Count = 2
    joiner: Literal["softmax", "factorised"] = "softmax"
    joiner_width: Count = 256
    dropout: Share = 0.1


class Loss(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The weights of the losses, field by field `Weights`, and how they are taken.

    Attributes:
        columns: cells of the lattice that the joiner is run for at each step.
        fast_emit: how much more the gradient of labels counts, so that they come early.
        warm_share: of the training, over which the pruned loss comes in.
    """

    pruned: Amount = 1.0
    simple: Amount = 0.5
    ctc: Amount = 0.5
    middle_ctc: Amount = 0.3
    columns: Annotated[int, Meta(ge=2)] = 5
    fast_emit: Share = 0.0
    warm_share: Share = 0.1


class TrainConfig(SpeechConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training; `family` says which kind of model the file is about."""

    family: Literal["rnnt"]
    transducer: Transducer = Transducer()
    loss: Loss = Loss()
    fusion: FusionSection | None = None

    def __post_init__(self) -> None:
        """Check what the fields must be together."""
        check_encoder(self.fusion, self.init_encoder)


def read_config(path: Path) -> TrainConfig:
    """Return what the TOML file at `path` says.

    Raises:
        ConfigError: it cannot be read, is not TOML, or says something else than expected.
    """
    return converted(with_encoder_kind(read_table(path)), TrainConfig, path)
