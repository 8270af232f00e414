"""What a TOML file may say about a training of the transducer.

Paths are relative to the file; `~` and `$VARIABLES` are filled in. Whatever has a default may be
left out; whatever is not listed here is refused.
"""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from steno_models.training.sections import (
    Amount,
    Chunks,
    Count,
    Encoder,
    Optim,
    Run,
    Share,
)
from steno_models.training.toml_file import converted, read_table


class Corpus(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Speech to learn from: a manifest, and how often each utterance comes in an epoch."""

    manifest: Path
    turns: Amount = 1.0


class Dev(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Speech to measure the error rate on."""

    manifest: Path


class UnitsSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is written: `subwords`, `size` of them learnt from the transcripts, or `phones`."""

    kind: Literal["subwords", "phones"] = "subwords"
    size: Annotated[int, Meta(ge=29)] = 256


class Transducer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Predictor and joiner, field by field those of `TransducerOptions`."""

    predictor: Literal["stateless", "recurrent"] = "stateless"
    predictor_width: Count = 256
    predictor_layers: Count = 1
    context: Count = 2
    joiner: Literal["softmax", "factorised"] = "softmax"
    joiner_width: Count = 256
    dropout: Share = 0.1


class Augment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens to features each time they are used, field by field that of `Changes`."""

    volume: Amount = 1.0
    mask_share: Share = 0.4
    frequency_masks: Annotated[int, Meta(ge=0)] = 2
    frequency_bins: Annotated[int, Meta(ge=0)] = 20
    frames_per_time_mask: Count = 120
    time_frames: Annotated[int, Meta(ge=0)] = 35


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


class TrainConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training.

    Attributes:
        family: says which kind of model the file is about.
        folder: of the run: checkpoints, log, learning curves, and at the end `acoustic/`.
        cache: of features, shared by all trainings.
        init_encoder: whose encoder to begin with: the folder of a training, a bundle or a
            `.safetensors` file, of any family with this encoder.
        speeds: at which speech is stored.
    """

    family: Literal["rnnt"]
    folder: Path
    cache: Path
    corpora: Annotated[tuple[Corpus, ...], Meta(min_length=1)]
    dev: Annotated[tuple[Dev, ...], Meta(min_length=1)]
    optim: Optim
    init_encoder: Path | None = None
    speeds: Annotated[tuple[Annotated[float, Meta(ge=0.5, le=2)], ...], Meta(min_length=1)] = (1.0,)
    units: UnitsSection = UnitsSection()
    encoder: Encoder = Encoder()
    transducer: Transducer = Transducer()
    chunks: Chunks = Chunks()
    augment: Augment = Augment()
    loss: Loss = Loss()
    run: Run = Run()


def read_config(path: Path) -> TrainConfig:
    """Return what the TOML file at `path` says.

    Raises:
        ConfigError: it cannot be read, is not TOML, or says something else than expected.
    """
    return converted(read_table(path), TrainConfig, path)
