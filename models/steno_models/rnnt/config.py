"""What a TOML file may say about a training of the transducer.

Paths are relative to the file; `~` and `$VARIABLES` are filled in. Whatever has a default may be
left out; whatever is not listed here is refused.
"""

import os
import re
import tomllib
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from steno_models.errors import ConfigError

Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1)]
Amount = Annotated[float, Meta(ge=0)]

_UNSET = re.compile(r"\$\{?(\w+)")


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


class Encoder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The encoder's shape, field by field that of `ConformerOptions`; it hears 80 mel bins."""

    width: Count = 256
    layers: Count = 8
    heads: Count = 4
    feed_forward: Count = 768
    kernel: Count = 15
    subsampling_channels: Count = 32
    dropout: Share = 0.1

    def __post_init__(self) -> None:
        """Check what the fields must be together."""
        if self.width % (2 * self.heads):
            raise ValueError(
                f"expected width to be a multiple of 2 x {self.heads} heads, found {self.width}"
            )


class Transducer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Predictor and joiner, field by field those of `TransducerOptions`."""

    predictor: Literal["stateless", "recurrent"] = "stateless"
    predictor_width: Count = 256
    predictor_layers: Count = 1
    context: Count = 2
    joiner: Literal["softmax", "factorised"] = "softmax"
    joiner_width: Count = 256
    dropout: Share = 0.1


class Chunks(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far the encoder looks, in steps of 40 ms: field by field `Contexts`."""

    dev_chunk: Count = 16
    dev_left: Count = 64
    unlimited_share: Share = 0.15
    chunk: Annotated[tuple[Count, ...], Meta(min_length=1)] = (8, 12, 16, 16, 16, 24, 32)
    left: Annotated[tuple[Count, ...], Meta(min_length=1)] = (32, 64, 64, 128)


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


class Optim(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How weights are moved, field by field that of `OptimOptions`."""

    total_steps: Count
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    final_share: Share = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: Amount = 0.03
    clip_norm: float = 2.0
    ema_decay: float = 0.999


class Run(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the training runs: most frames of a batch of all processes together, and how often what.

    Attributes:
        accumulate: batches that make a step.
        bf16: whether to compute in bfloat16 where that is safe.
        threads: how many prepare batches ahead.
        seed: of everything random.
    """

    frames_per_batch: Count = 6400
    accumulate: Count = 1
    report_every: Count = 50
    evaluate_every: Count = 1000
    checkpoint_every: Count = 500
    bf16: bool = True
    threads: Annotated[int, Meta(ge=0)] = 1
    seed: Annotated[int, Meta(ge=0)] = 1


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
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
        base = path.resolve().parent
        return msgspec.convert(found, TrainConfig, dec_hook=partial(_located, base=base))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"expected a TOML file at {path}, found: {error}") from error
    except msgspec.ValidationError as error:
        message = str(error)
        raise ConfigError(f"{path}: {message[:1].lower()}{message[1:]}") from error


def _located(kind: type, value: object, *, base: Path) -> Path:
    """Return the path that `value` writes, seen from the folder `base`."""
    if kind is not Path or not isinstance(value, str):
        raise ValueError(f"expected {kind.__name__}, found {value!r}")
    filled = os.path.expandvars(value)
    unset = _UNSET.search(filled)
    if unset:
        raise ValueError(f"expected the environment variable {unset[1]} to be set, found it unset")
    return base / Path(filled).expanduser()
