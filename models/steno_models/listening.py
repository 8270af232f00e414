"""Features through an encoder, chunk by chunk, as all recognisers with an encoder do it.

Whatever the pace of the encoder's own steps, streams wish chunks, and are told times, in steps of
40 ms.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from steno_models.encoders.protocol import AnyEncoder, AnyState, Context
from steno_models.search.hypothesis import ordered
from steno_models.types import FloatArray

STEP_FRAMES = 4
"""Frames of a step of 40 ms, in which times are told."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Where a stream through an encoder stands.

    Attributes:
        state: the encoder's own.
        steps: how many of the encoder's steps it was given frames for.
        chunk_steps: of the next chunk.
    """

    state: AnyState
    steps: int
    chunk_steps: int


@dataclass(frozen=True, slots=True)
class Ear:
    """An encoder that is given whole chunks, and the last one as it is.

    Attributes:
        encoder: from normalised features to steps.
    """

    encoder: AnyEncoder

    def context(self, chunk_steps: int, left_steps: int) -> Context:
        """Return how far steps look, for chunks of so many steps of 40 ms.

        Args:
            chunk_steps: of 40 ms; 1 or more.
            left_steps: of the encoder's own.
        """
        own = round(STEP_FRAMES * chunk_steps / self.encoder.grid.factor)
        return Context(max(1, own), left_steps)

    def start(self, context: Context, first_steps: int | None = None) -> Heard:
        """Return the state of a stream that has heard nothing.

        Args:
            context: how far steps look.
            first_steps: of 40 ms, of the first chunk, where it shall be shorter than the others.
        """
        first = context if first_steps is None else self.context(first_steps, context.left_steps)
        steps = min(first.chunk_steps, context.chunk_steps)
        return Heard(self.encoder.start(context), 0, steps)

    def frames_of_chunk(self, heard: Heard) -> int:
        """Return how many frames complete the next chunk."""
        grid = self.encoder.grid
        return grid.frames_of(heard.steps + heard.chunk_steps) - grid.frames_of(heard.steps)

    @torch.inference_mode()
    def step(
        self, work: Sequence[tuple[FloatArray, Heard]], context: Context
    ) -> list[tuple[Tensor, Heard]]:
        """Return each stream's new steps, (S, D), and its state.

        Args:
            work: of each stream the frames of its next chunk, (T, F), or the last ones.
            context: the one that the streams were started with.
        """
        found = self.encoder.step(
            [(torch.from_numpy(frames), heard.state) for frames, heard in work], context
        )
        return [
            (steps, Heard(state, heard.steps + heard.chunk_steps, context.chunk_steps))
            for (_, heard), (steps, state) in zip(work, found, strict=True)
        ]

    @torch.inference_mode()
    def finish(self, heard: Sequence[Heard], context: Context) -> list[Tensor]:
        """Return each stream's last steps, (S, D), which still waited for more sound."""
        return self.encoder.finish([each.state for each in heard], context)

    def told_steps(self, own: int) -> int:
        """Return how many whole steps of 40 ms so many of the encoder's are."""
        return own * self.encoder.grid.factor // STEP_FRAMES

    def told_spans(self, own: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return `own`, first steps and those after the last one, in steps of 40 ms."""
        if self.encoder.grid.factor == STEP_FRAMES:
            return list(own)
        return ordered([(self.told_steps(start), -self.told_steps(-end)) for start, end in own])
