"""A trained network as a folder: its description, its units, its weights at half precision."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
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


def write_weights(folder: Path, weights: Mapping[str, Tensor]) -> None:
    """Write `weights` at half precision."""
    halves = {name: weight.half().contiguous() for name, weight in weights.items()}
    save_file(halves, folder / WEIGHTS)


def read_weights(folder: Path, network: nn.Module) -> None:
    """Give `network` the weights in `folder`, at single precision, for inference.

    Raises:
        DataError: they are damaged, or another network's.
    """
    path = folder / WEIGHTS
    try:
        weights = load_file(path)
        network.load_state_dict({name: weight.float() for name, weight in weights.items()})
    except (OSError, SafetensorError, RuntimeError) as error:
        raise DataError(f"{path}: expected the model's weights, found: {error}") from error
    network.eval()
    network.requires_grad_(requires_grad=False)
