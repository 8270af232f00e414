"""What a recogniser of letters hears: steps of 40 ms, of a filter bank or a trained encoder."""

from pathlib import Path

import numpy as np
import torch

from steno_models.encoders.build import build_encoder
from steno_models.encoders.section import ConformerSection, Encoder
from steno_models.features.fbank import fbank
from steno_models.training.sections import with_encoder_kind
from steno_models.training.start import EncoderStart
from steno_models.training.toml_file import converted, read_table
from steno_models.types import FloatArray

STACKED = 4  # frames


def stacked_frames(samples: FloatArray) -> FloatArray:
    """Return (S, 320) four log-mel frames a step, of (N,) `samples` at 16 kHz."""
    frames = fbank(samples)
    steps = len(frames) // STACKED
    return frames[: steps * STACKED].reshape(steps, -1)


class EncoderSteps:
    """Samples to what the encoder in a bundle makes of them; its weights never change.

    Two layers stand beside each other: the last, and the one in the middle, in which less is lost
    of what the language that the encoder was trained on does not tell apart.

    Args:
        bundle: its folder.

    Raises:
        ConfigError: it holds no encoder.
    """

    def __init__(self, bundle: Path) -> None:
        self.__qualname__ = type(self).__qualname__  # by which a cache of features names it
        start = EncoderStart.find(bundle)
        table = with_encoder_kind(read_table(bundle / "bundle.toml")).get("encoder", {})
        section: Encoder = converted(table, ConformerSection, bundle / "bundle.toml", "encoder")
        self._encoder = build_encoder(section.options()).eval()
        start.give(self._encoder)
        self._cmvn = start.read_cmvn()

    @torch.no_grad()
    def __call__(self, samples: FloatArray) -> FloatArray:
        """Return (S, 2 D) of (N,) `samples` at 16 kHz."""
        frames = self._cmvn.apply(fbank(samples))
        steps = self._encoder.grid.steps_of(len(frames))
        if steps == 0:
            return np.zeros((0, 2 * self._encoder.width), np.float32)
        layers = self._encoder(torch.from_numpy(frames)[None], torch.tensor([steps]))
        both = torch.cat([layers[len(layers) // 2][0], layers[-1][0]], dim=1)
        found: FloatArray = both.float().numpy()
        return found
