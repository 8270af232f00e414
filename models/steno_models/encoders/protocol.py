"""What every encoder is: features in, steps out, whole or as they come.

    forward(features, lengths, context) -> [(B, S, D), …]       whole utterances
    start(context) -> state                                     a stream that has heard nothing
    step([(features, state), …], context) -> [(steps, state), …]
    finish([state, …], context) -> [steps, …]                   what still waited for more sound

All steps of a stream, those of `finish` included, are the last layer's of `forward` under the same
context.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from torch import Tensor, nn

from steno_models.errors import ConfigError

State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class Context:
    """How far a step may look: within its chunk, and `left` steps before the chunk."""

    chunk_steps: int
    left_steps: int


@dataclass(frozen=True, slots=True)
class Grid:
    """Where an encoder's steps lie: step s is about the frames s·factor … s·factor + field − 1.

    Attributes:
        factor: frames from one step to the next.
        field_frames: frames that a step is about; there is no step without all of them.
    """

    factor: int
    field_frames: int

    def steps_of(self, frames: int) -> int:
        """Return S, how many steps T `frames` complete."""
        return max(0, (frames - self.field_frames) // self.factor + 1)

    def steps_of_all(self, frames: Tensor) -> Tensor:
        """Return how many steps each of `frames`, (B,), completes."""
        return ((frames - self.field_frames) // self.factor + 1).clamp(min=0)

    def frames_of(self, steps: int) -> int:
        """Return how many frames it takes to complete `steps`."""
        return (steps - 1) * self.factor + self.field_frames if steps else 0

    @property
    def middle_frame(self) -> int:
        """The frame in the middle of step 0; that of step s comes s·factor later."""
        return (self.field_frames - 1) // 2


class Trained:
    """A module that has to do with the steps of its training; the training loop tells it."""

    def before_step(self, done: float) -> None:
        """Prepare for a step after this share of the training, from 0 to 1."""

    def after_step(self) -> None:
        """Put right the weights that the optimiser has moved."""


class Encoder(nn.Module, ABC, Generic[State]):
    """Normalised features to encoder steps; `State` is what one stream carries from call to call.

    Attributes:
        streaming: whether there are `start`, `step` and `finish`.
    """

    streaming: bool = False

    @property
    @abstractmethod
    def width(self) -> int:
        """D, the width of a step."""

    @property
    @abstractmethod
    def grid(self) -> Grid:
        """Where the steps lie in time."""

    @property
    @abstractmethod
    def delay_frames(self) -> int | None:
        """How many frames a step waits for after its own; None if for the whole utterance.

        Where the context has chunks that are looked at as a whole, a step waits for the end of its
        chunk besides.
        """

    @abstractmethod
    def forward(
        self, features: Tensor, lengths: Tensor, context: Context | None = None
    ) -> list[Tensor]:
        """Return the outputs of the layers that have the last one's pace, each (B, S, D).

        Args:
            features: (B, T, F) normalised, padded at the end.
            lengths: (B,) steps of each utterance, as `grid` has them; what lies beyond changes
                nothing in them.
            context: how far a step may look; without one as far as the encoder can. Encoders whose
                reach is a part of their shape do not ask.
        """

    def start(self, context: Context) -> State:
        """Return the state of a stream that has heard nothing.

        Raises:
            ConfigError: the encoder cannot stream.
        """
        raise self._cannot_stream(context)

    def step(
        self, work: Sequence[tuple[Tensor, State]], context: Context
    ) -> list[tuple[Tensor, State]]:
        """Return each stream's new steps, (S, D), and its next state.

        Args:
            work: normalised features, (T, F), with the stream's state, the streams of a batch.
            context: the one that the states were started with.

        Raises:
            ConfigError: the encoder cannot stream.
        """
        del work
        raise self._cannot_stream(context)

    def finish(self, states: Sequence[State], context: Context) -> list[Tensor]:
        """Return each stream's last steps, (S, D): those that no frame will come for any more."""
        del context
        return [next(self.parameters()).new_zeros(0, self.width) for _ in states]

    def _cannot_stream(self, context: Context) -> ConfigError:
        return ConfigError(
            f"expected an encoder that streams in chunks of {context.chunk_steps} steps, "
            f"found {type(self).__name__}, which needs the whole utterance"
        )


# What a stream carries is the encoder's own business: callers only hand it back.
AnyState: TypeAlias = Any
AnyEncoder: TypeAlias = Encoder[AnyState]
