"""Small encoders of every kind, their weights drawn by chance."""

from functools import cache

import torch
from torch import Tensor

from steno_models.encoders.build import EncoderOptions, build_encoder
from steno_models.encoders.cnn import CnnOptions
from steno_models.encoders.conformer import ConformerOptions
from steno_models.encoders.lstm import BlstmOptions, LstmOptions, PyramidOptions
from steno_models.encoders.protocol import AnyEncoder, Context
from steno_models.encoders.tdnn import TdnnfOptions, TdnnOptions
from steno_models.encoders.transformer import TransformerOptions

BINS, WIDTH = 16, 12
CONTEXT = Context(3, 6)

SHAPES: dict[str, EncoderOptions] = {
    "conformer": ConformerOptions(
        bins=BINS,
        width=WIDTH,
        layers=2,
        heads=2,
        feed_forward=16,
        kernel=3,
        subsampling_channels=2,
    ),
    "blstm": BlstmOptions(bins=BINS, width=WIDTH, layers=2, factors=(3, 1)),
    "pyramid": PyramidOptions(bins=BINS, width=WIDTH, halvings=2),
    "transformer": TransformerOptions(
        bins=BINS,
        width=WIDTH,
        layers=2,
        heads=2,
        feed_forward=16,
        left_steps=None,
        right_steps=None,
        subsampling_channels=2,
    ),
    "transformer truncated": TransformerOptions(
        bins=BINS,
        width=WIDTH,
        layers=3,
        heads=2,
        feed_forward=16,
        left_steps=4,
        right_steps=2,
        subsampling_channels=2,
    ),
    "transformer causal": TransformerOptions(
        bins=BINS,
        width=WIDTH,
        layers=2,
        heads=2,
        feed_forward=16,
        left_steps=3,
        right_steps=0,
        downsampling="average",
        factor=3,
    ),
    "lstm": LstmOptions(bins=BINS, width=WIDTH, layers=3, factors=(2, 1, 2)),
    "lstm pooled": LstmOptions(
        bins=BINS, width=WIDTH, layers=2, factors=(1, 3), downsampling="max"
    ),
    "tdnn strided": TdnnOptions(
        bins=BINS,
        width=WIDTH,
        offsets=((-2, 0, 1), (-1, 1), (0,), (-3, 2)),
        factors=(1, 3, 1, 1),
    ),
    "tdnn pooled": TdnnOptions(
        bins=BINS,
        width=WIDTH,
        offsets=((-1, 1), (-1, 0, 3), (0, 1)),
        factors=(1, 2, 2),
        downsampling="max",
    ),
    "tdnn beside": TdnnOptions(
        bins=BINS, width=WIDTH, offsets=((-2, 1), (0, 2)), factors=(3, 1), downsampling="pyramid"
    ),
    "tdnnf": TdnnfOptions(
        bins=BINS, width=WIDTH, bottleneck=4, spans=((1, 1), (2, 1), (3, 0)), factors=(1, 2, 2, 1)
    ),
    "tdnnf late": TdnnfOptions(
        bins=BINS,
        width=WIDTH,
        bottleneck=4,
        offsets=(0,),
        spans=((0, 0), (0, 1)),
        factors=(1, 3, 2),
        downsampling="average",
    ),
    "cnn": CnnOptions(bins=BINS, width=WIDTH, inner=16, kernel=3, factors=(1, 2, 2, 1, 1)),
    "cnn chunked": CnnOptions(
        bins=BINS, width=WIDTH, inner=16, kernel=6, ahead="chunk", factors=(1, 2, 2, 1, 1)
    ),
    "cnn ahead": CnnOptions(
        bins=BINS,
        width=WIDTH,
        inner=16,
        kernel=4,
        ahead=2,
        factors=(1, 1, 3, 1),
        full_kernel=2,
        downsampling="max",
    ),
}
CHUNKED = ("conformer", "cnn chunked")  # a step waits for the end of its chunk
WHOLE = ("blstm", "pyramid", "transformer")
STREAMING = tuple(name for name in SHAPES if name not in WHOLE)


@cache
def encoder(name: str) -> AnyEncoder:
    """The encoder of that name, ready to listen."""
    torch.manual_seed(sum(map(ord, name)))
    return build_encoder(SHAPES[name]).eval().requires_grad_(requires_grad=False)


def noise(frames: int, seed: int = 0) -> Tensor:
    """(frames, F) normalised features."""
    return torch.randn(frames, BINS, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def whole(encoder: AnyEncoder, features: Tensor, context: Context = CONTEXT) -> Tensor:
    """(S, D) the last layer's output for one utterance."""
    lengths = torch.tensor([encoder.grid.steps_of(len(features))])
    out: Tensor = encoder(features.unsqueeze(0), lengths, context)[-1][0]
    return out
