"""What the TOML files of trainings may say about a fusion, whichever family they are of."""

from pathlib import Path
from typing import Literal

from msgspec import Struct

from steno_models.fusion.layers import FusionOptions
from steno_models.training.sections import Count


class FusionSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A language model that is joined to a decoder.

    Attributes:
        kind: `deep`: its gate and the decoder's output are all that is trained, after another
            training; `cold`: all but the language model is, from the start.
        language_model: the folder of a network of the decoder's tokens, from
            `steno-models lm train`.
        width: of what cold fusion projects its logits to.
        after: the folder of the training, without a fusion, that deep fusion goes on from.
    """

    kind: Literal["deep", "cold"]
    language_model: Path
    width: Count = 128
    after: Path | None = None

    def __post_init__(self) -> None:
        """Check what the fields must be together."""
        if self.kind == "deep" and self.after is None:
            raise ValueError("expected a training that deep fusion comes after, found none")
        if self.kind == "cold" and self.after is not None:
            raise ValueError(
                f"expected cold fusion to begin by itself, found it after {self.after}"
            )

    def options(self) -> FusionOptions:
        """Return how it is joined."""
        return FusionOptions(kind=self.kind, width=self.width)


def check_encoder(fusion: FusionSection | None, init_encoder: Path | None) -> None:
    """Check that there is one encoder to begin with.

    Raises:
        ValueError: there are two.
    """
    if fusion is not None and fusion.after is not None and init_encoder is not None:
        raise ValueError(
            "expected no init_encoder beside a training to go on from, which has one, found "
            f"{init_encoder}"
        )
