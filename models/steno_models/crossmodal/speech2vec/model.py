"""Encoder and decoder of Speech2Vec."""

from pathlib import Path

import msgspec
import torch
from msgspec import Struct
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from steno_models.encoders.both_ways import both_ways
from steno_models.errors import DataError
from steno_models.features.mfcc import NUM_CEPSTRA

_WEIGHTS = "model.safetensors"
_OPTIONS = "options.json"


class Speech2VecOptions(Struct, frozen=True, kw_only=True):
    """The shape of the model.

    Attributes:
        dimensions: of a vector.
        width: of the recurrent layers, in each direction.
        layers: of the encoder.
        longest_frames: of a piece; what is longer is cut.
    """

    dimensions: int = 50
    width: int = 100
    layers: int = 1
    longest_frames: int = 100


class Speech2Vec(nn.Module):
    """From frames of pieces to vectors, and from vectors to frames.

    Args:
        options: its shape.
    """

    def __init__(self, options: Speech2VecOptions) -> None:
        super().__init__()
        self.options = options
        D, H = options.dimensions, options.width
        self.encoder = nn.LSTM(NUM_CEPSTRA, H, options.layers, batch_first=True, bidirectional=True)
        self.to_vector = nn.Linear(2 * H, D)
        self.from_vector = nn.Linear(D, 2 * H)
        self.decoder = nn.LSTM(D, H, batch_first=True)
        self.to_frames = nn.Linear(H, NUM_CEPSTRA)

    def encode(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return (B, D) vectors.

        Args:
            features: (B, T, 13) normalised cepstra.
            lengths: (B,) frames of each piece, at least one.
        """
        lengths = lengths.to(features.device).long()
        steps = both_ways(self.encoder, features, lengths)
        H = self.options.width
        ends = steps[torch.arange(len(steps), device=steps.device), lengths - 1, :H]
        both = torch.cat([ends, steps[:, 0, H:]], dim=1)
        vectors: Tensor = self.to_vector(both)
        return vectors

    def decode(self, vectors: Tensor, frames: int) -> Tensor:
        """Return (B, T, 13) the `frames` frames that (B, D) `vectors` stand for.

        The decoder begins with a state made of the vector and is given it again at each frame; it
        never sees frames, neither its own nor true ones.
        """
        state, cell = self.from_vector(vectors).tanh().chunk(2, dim=1)
        inputs = vectors[:, None].expand(-1, frames, -1)
        drawn, _ = self.decoder(inputs, (state[None].contiguous(), cell[None].contiguous()))
        found: Tensor = self.to_frames(drawn)
        return found

    def save(self, folder: Path) -> None:
        """Write weights and shape into `folder`."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            save_file({k: v.contiguous() for k, v in self.state_dict().items()}, folder / _WEIGHTS)
            (folder / _OPTIONS).write_bytes(msgspec.json.encode(self.options))
        except OSError as error:
            raise DataError(f"expected to write to {folder}, found: {error}") from error

    @classmethod
    def load(cls, folder: Path) -> "Speech2Vec":
        """Return what `save` wrote into `folder`, ready to encode.

        Raises:
            DataError: there is none, or its parts do not belong together.
        """
        try:
            options = msgspec.json.decode((folder / _OPTIONS).read_bytes(), type=Speech2VecOptions)
            model = cls(options)
            model.load_state_dict(load_file(folder / _WEIGHTS))
        except (OSError, SafetensorError, RuntimeError, msgspec.DecodeError) as error:
            raise DataError(f"{folder}: expected a Speech2Vec model, found: {error}") from error
        return model.eval()
