"""A trained network as a folder: its description, its units, its weights.

Weights are of half precision, or matrices of eight bits a weight: q = round(w / s) with a scale
s = max |w| / 127 for each row, stored beside it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
import torch
from msgspec import Struct
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from steno_models.errors import DataError
from steno_models.lm.neural.units import SubwordUnits, WordUnits

DESCRIPTION = "lm.toml"
WEIGHTS = "weights.safetensors"
WORDS = "words.txt"
TOKENS = "tokens.txt"

_SCALE = ".scale"
_BYTE = 8
_MATRIX = 2
_MOST = 127
_LEAST = 1e-8
"""The largest weight of a row counts as this at least: rows of zeros have a scale too."""

_Shape = TypeVar("_Shape")


class Description(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model's `lm.toml` says.

    Attributes:
        kind: which network.
        units: what it predicts.
        own: words with vectors of their own, where the units are words.
        carries: whether sentences are read after those before them.
        shape: of the network, field by field.
        step: of the training that the weights are of.
        perplexity: there, on its held-out text.
    """

    kind: Literal["recurrent", "feedforward", "factorized"]
    units: Literal["words", "subwords"]
    own: int
    carries: bool
    shape: dict[str, float | int | str]
    step: int
    perplexity: float


def write_units(folder: Path, units: WordUnits | SubwordUnits) -> None:
    """Write `units` into `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    match units:
        case WordUnits():
            units.write(folder / WORDS)
        case SubwordUnits():
            units.bpe.table.write(folder / TOKENS)


def read_units(folder: Path, description: Description) -> WordUnits | SubwordUnits:
    """Return the units in `folder`."""
    if description.units == "words":
        return WordUnits.read(folder / WORDS, description.own)
    return SubwordUnits.read(folder / TOKENS)


def read_description(folder: Path) -> Description:
    """Return what the model in `folder` is.

    Raises:
        DataError: there is none, or another kind of file.
    """
    path = folder / DESCRIPTION
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Description)
    except (OSError, msgspec.DecodeError) as error:
        raise DataError(f"{path}: expected a language model's description: {error}") from error


def shaped(folder: Path, description: Description, kind: type[_Shape]) -> _Shape:
    """Return the shape that the model in `folder` says it has, as a `kind`.

    Raises:
        DataError: it says something else than such a model needs.
    """
    try:
        return msgspec.convert(description.shape, kind)
    except msgspec.ValidationError as error:
        raise DataError(f"{folder / DESCRIPTION}: expected a shape, found: {error}") from error


def write_weights(folder: Path, weights: Mapping[str, Tensor], *, bits: int = 16) -> None:
    """Write `weights` at half precision, or their matrices at eight `bits`."""
    written: dict[str, Tensor] = {}
    for name, weight in weights.items():
        if bits == _BYTE and weight.ndim == _MATRIX:
            scale = weight.float().abs().amax(dim=1, keepdim=True).clamp(min=_LEAST) / _MOST
            written[name] = (weight.float() / scale).round().to(torch.int8)
            written[name + _SCALE] = scale
        else:
            written[name] = weight.half().contiguous()
    save_file(written, folder / WEIGHTS)


def load_weights(folder: Path) -> dict[str, Tensor]:
    """Return the weights in `folder` at single precision.

    Raises:
        DataError: there are none, or they are damaged.
    """
    path = folder / WEIGHTS
    try:
        stored = load_file(path)
        return {
            name: weight.float() * stored[name + _SCALE]
            if weight.dtype == torch.int8
            else weight.float()
            for name, weight in stored.items()
            if not name.endswith(_SCALE)
        }
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise DataError(f"{path}: expected the model's weights, found: {error}") from error


def read_weights(folder: Path, network: nn.Module) -> None:
    """Give `network` the weights in `folder`, at single precision, for inference.

    Raises:
        DataError: they are damaged, or another network's.
    """
    try:
        network.load_state_dict(load_weights(folder))
    except RuntimeError as error:
        path = folder / WEIGHTS
        raise DataError(f"{path}: expected the model's weights, found: {error}") from error
    network.eval()
    network.requires_grad_(requires_grad=False)
