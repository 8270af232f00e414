"""The tables that the TOML files of all families share, and what the library makes of them."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from steno_models.encoders.protocol import Context
from steno_models.encoders.section import (
    ConformerSection,
    Count,
    Encoder,
    Share,
    with_encoder_kind,
)
from steno_models.training.contexts import Contexts
from steno_models.training.loop import FitOptions
from steno_models.training.optim import OptimOptions

__all__ = [
    "Amount",
    "Chunks",
    "ConformerSection",
    "Count",
    "Encoder",
    "Optim",
    "Run",
    "Share",
    "with_encoder_kind",
]

Amount = Annotated[float, Meta(ge=0)]


class Chunks(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far the encoder looks, in steps of 40 ms.

    Attributes:
        dev_chunk: at a time, when the error is measured: what the bundle will have.
        dev_left: before the chunk, likewise.
        unlimited_share: of the batches, in which every step sees every other.
        chunk: what the other batches draw from.
        left: likewise.
    """

    dev_chunk: Count = 16
    dev_left: Count = 64
    unlimited_share: Share = 0.15
    chunk: Annotated[tuple[Count, ...], Meta(min_length=1)] = (8, 12, 16, 16, 16, 24, 32)
    left: Annotated[tuple[Count, ...], Meta(min_length=1)] = (32, 64, 64, 128)

    def contexts(self) -> Contexts:
        """Return what batches draw from."""
        return Contexts(
            dev=Context(self.dev_chunk, self.dev_left),
            unlimited_share=self.unlimited_share,
            chunk_steps=self.chunk,
            left_steps=self.left,
        )


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
    """How the training runs.

    Attributes:
        frames_per_batch: most frames of a batch, all processes together.
        accumulate: batches that make a step.
        report_every: steps between two lines of the log.
        evaluate_every: steps between two measurements on the held-out speech.
        checkpoint_every: steps between two checkpoints.
        bf16: whether to compute in bfloat16 where that is safe and the processor has it.
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

    def fit_options(self, folder: Path, optim: Optim) -> FitOptions:
        """Return how the loop goes in `folder`.

        Raises:
            ConfigError: what `optim` says does not fit together.
        """
        return FitOptions(
            folder=folder,
            optim=OptimOptions(**msgspec.structs.asdict(optim)),
            accumulate=self.accumulate,
            report_every=self.report_every,
            evaluate_every=self.evaluate_every,
            checkpoint_every=self.checkpoint_every,
            bf16=self.bf16,
            seed=self.seed,
        )
