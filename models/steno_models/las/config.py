"""What a TOML file may say about a training of listen, attend and spell.

Paths are relative to the file; `~` and `$VARIABLES` are filled in. Whatever has a default may be
left out; whatever is not listed here is refused.
"""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, structs

from steno_models.fusion.section import FusionSection, check_encoder
from steno_models.las.attention import AttentionKind, AttentionOptions
from steno_models.las.model import LasOptions
from steno_models.las.ranking import Ranking
from steno_models.las.search import SearchOptions
from steno_models.las.speller import ContextFeeds, SpellerOptions
from steno_models.training.sections import Amount, Count, Share, with_encoder_kind
from steno_models.training.speech_sections import SpeechConfig
from steno_models.training.toml_file import converted, read_table


class Attention(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the speller looks, field by field `AttentionOptions`."""

    kind: AttentionKind = AttentionKind.LOCATION
    width: Count = 128
    channels: Count = 10
    kernel: Count = 31

    def __post_init__(self) -> None:
        """Check what the field must be besides."""
        if self.kernel % 2 == 0:
            raise ValueError(f"expected an odd kernel, with a middle, found {self.kernel}")


class Speller(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The decoder, field by field `SpellerOptions`."""

    width: Count = 256
    layers: Count = 1
    feeds: ContextFeeds = ContextFeeds.BOTH
    attention: Attention = Attention()
    dropout: Share = 0.1


class Loss(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the losses are weighed and taken.

    Attributes:
        ctc: λ; the speller has the rest.
        middle_ctc: of CTC on the encoder's middle layer, on top.
        guide: of what the attention wanders from the diagonal, on top.
        smoothing: of the speller's targets.
        sampling: the share of tokens before that the speller drew itself, in the end …
        sampling_from: … beginning with none after this share of the training …
        sampling_until: … and rising to this one.
    """

    ctc: Share = 0.3
    middle_ctc: Amount = 0.0
    guide: Amount = 0.0
    smoothing: Share = 0.1
    sampling: Share = 0.0
    sampling_from: Share = 0.2
    sampling_until: Share = 0.6

    def __post_init__(self) -> None:
        """Check what the fields must be together."""
        if self.sampling_from > self.sampling_until:
            raise ValueError(
                f"expected sampling_from <= sampling_until, found {self.sampling_from} and "
                f"{self.sampling_until}"
            )


class Search(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the error is measured; see `SearchOptions` and `Ranking`."""

    beam: Count = 1
    ctc_weight: Share = 0.0
    length_power: Amount = 0.0
    coverage: Amount = 0.0
    labels_per_step: Annotated[float, Meta(gt=0)] = 1.0

    def options(self) -> SearchOptions:
        """Return how to search."""
        return SearchOptions(
            beam=self.beam,
            ctc_weight=self.ctc_weight,
            ranking=Ranking(length_power=self.length_power, coverage=self.coverage),
            labels_per_step=self.labels_per_step,
        )


class TrainConfig(SpeechConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training; `family` says which kind of model the file is about.

    Attributes:
        freeze_encoder: whether the encoder of `init_encoder` stays as it is: of one that hears
            well a speller learns to write within an hour.
    """

    family: Literal["las"]
    freeze_encoder: bool = False
    speller: Speller = Speller()
    loss: Loss = Loss()
    search: Search = Search()
    fusion: FusionSection | None = None

    def __post_init__(self) -> None:
        """Check what the fields must be together."""
        check_encoder(self.fusion, self.init_encoder)
        if self.freeze_encoder and self.init_encoder is None:
            raise ValueError("expected init_encoder, an encoder that stays as it is, found none")

    def options(self) -> LasOptions:
        """Return the shape of the model."""
        speller = structs.asdict(self.speller)
        speller["attention"] = AttentionOptions(**structs.asdict(self.speller.attention))
        return LasOptions(
            encoder=self.encoder.options(),
            speller=SpellerOptions(**speller),
            fusion=None if self.fusion is None else self.fusion.options(),
        )


def read_config(path: Path) -> TrainConfig:
    """Return what the TOML file at `path` says.

    Raises:
        ConfigError: it cannot be read, is not TOML, or says something else than expected.
    """
    return converted(with_encoder_kind(read_table(path)), TrainConfig, path)
