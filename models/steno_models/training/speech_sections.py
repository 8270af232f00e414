"""The tables of TOML files that are about a model which writes what it hears."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from steno_models.training.sections import (
    Amount,
    Chunks,
    ConformerSection,
    Count,
    Encoder,
    Optim,
    Run,
    Share,
)


class Corpus(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Speech to learn from: a manifest, and how often each utterance comes in an epoch."""

    manifest: Path
    turns: Amount = 1.0


class Dev(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Speech to measure the error rate on."""

    manifest: Path


class UnitsSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is written: `size` `subwords` learnt from the transcripts, `characters` or `phones`."""

    kind: Literal["subwords", "characters", "phones"] = "subwords"
    size: Annotated[int, Meta(ge=29)] = 256


class Augment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens to features each time they are used, field by field that of `Changes`."""

    volume: Amount = 1.0
    mask_share: Share = 0.4
    frequency_masks: Annotated[int, Meta(ge=0)] = 2
    frequency_bins: Annotated[int, Meta(ge=0)] = 20
    frames_per_time_mask: Count = 120
    time_frames: Annotated[int, Meta(ge=0)] = 35


class SpeechConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the files of all these families say.

    Attributes:
        folder: of the run: checkpoints, log, learning curves, and at the end `acoustic/`.
        cache: of features, shared by all trainings.
        init_encoder: whose encoder to begin with: the folder of a training, a bundle or a
            `.safetensors` file, of any family with this encoder.
        speeds: at which speech is stored.
    """

    folder: Path
    cache: Path
    corpora: Annotated[tuple[Corpus, ...], Meta(min_length=1)]
    dev: Annotated[tuple[Dev, ...], Meta(min_length=1)]
    optim: Optim
    init_encoder: Path | None = None
    speeds: Annotated[tuple[Annotated[float, Meta(ge=0.5, le=2)], ...], Meta(min_length=1)] = (1.0,)
    units: UnitsSection = UnitsSection()
    encoder: Encoder = ConformerSection()
    chunks: Chunks = Chunks()
    augment: Augment = Augment()
    run: Run = Run()
