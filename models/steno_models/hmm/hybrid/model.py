"""The network at inference: features in, log posteriors of tied states out."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from steno_models.encoders.protocol import AnyEncoder, Context
from steno_models.errors import ConfigError, DataError
from steno_models.types import FloatArray


class StateClassifier(nn.Module):
    """An encoder and a linear layer to the tied states, perhaps with a bottleneck between them.

    A bottleneck is a linear layer of few units; what passes through it is all that the states are
    told apart by, and so a feature for Gaussians (Grezl et al. 2007).

    Args:
        encoder: the encoder, of D wide steps.
        states: A, how many states there are.
        bottleneck: width of the bottleneck; none if None.
    """

    def __init__(self, encoder: AnyEncoder, states: int, bottleneck: int | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.bottleneck = None if bottleneck is None else nn.Linear(encoder.width, bottleneck)
        self.output = nn.Linear(bottleneck or encoder.width, states)

    def forward(self, features: Tensor, lengths: Tensor, context: Context | None = None) -> Tensor:
        """Return (B, S, A) logits of whole utterances.

        Args:
            features: (B, T, F) normalised, padded at the end.
            lengths: (B,) encoder steps of each.
            context: how far steps may look; without one as far as the encoder can.
        """
        logits: Tensor = self.output(self.narrow(self.encoder(features, lengths, context)[-1]))
        return logits

    def narrow(self, steps: Tensor) -> Tensor:
        """Return (…, C) what the output layer sees of encoder steps, (…, D)."""
        return steps if self.bottleneck is None else self.bottleneck(steps)

    def log_posteriors(self, steps: Tensor) -> Tensor:
        """Return (…, A) log P(state | x) of encoder steps, (…, D)."""
        return torch.log_softmax(self.output(self.narrow(steps)).float(), dim=-1)


@dataclass(frozen=True, slots=True)
class Network:
    """A trained network as a map of whole recordings.

    Attributes:
        model: the network, in evaluation mode.
        context: how far its steps look, the same for whole recordings as for streams.
    """

    model: StateClassifier
    context: Context

    def __call__(self, features: FloatArray) -> FloatArray:
        """Return (S, A) float32 log posteriors of the states for `features`, (T, F)."""
        return self._run(features, narrow=False)

    def bottleneck(self, features: FloatArray) -> FloatArray:
        """Return (S, C) float32 what passes through the bottleneck for `features`, (T, F).

        Raises:
            ConfigError: the network has none.
        """
        if self.model.bottleneck is None:
            raise ConfigError("expected a network with a bottleneck, found one without")
        return self._run(features, narrow=True)

    @torch.inference_mode()
    def _run(self, features: FloatArray, *, narrow: bool) -> FloatArray:
        model, grid = self.model, self.model.encoder.grid
        S = grid.steps_of(len(features))
        if S == 0:
            raise DataError(
                f"expected at least {grid.field_frames} frames of features, found {len(features)}"
            )
        steps = model.encoder(
            torch.from_numpy(features).unsqueeze(0), torch.tensor([S]), self.context
        )[-1][0, :S]
        found = model.narrow(steps) if narrow else model.log_posteriors(steps)
        array: FloatArray = found.float().numpy()
        return array
