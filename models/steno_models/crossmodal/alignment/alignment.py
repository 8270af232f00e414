"""A map from one space to another as a value and as a file, and how it is found without labels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import torch
from msgspec import Struct, structs
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch import Tensor

from steno_models.crossmodal.alignment.adversarial import (
    AdversarialOptions,
    Epoch,
    adversarial,
)
from steno_models.crossmodal.alignment.gromov_wasserstein import gromov_wasserstein
from steno_models.crossmodal.alignment.keep import Keep, digest
from steno_models.crossmodal.alignment.refinement import Fit, refine
from steno_models.crossmodal.alignment.self_learning import sorted_similarity
from steno_models.crossmodal.space import Space, centre_of, normalised
from steno_models.errors import DataError
from steno_models.types import FloatArray

StartName = Literal["adversarial", "gromov-wasserstein", "sorted-similarity"]
_FILE = "alignment.safetensors"


@dataclass(frozen=True, slots=True)
class Alignment:
    """How a vector of the source space becomes one of the target's.

    Attributes:
        rotation: (D, D) orthogonal W.
        source_centre: (D,) that source vectors of length 1 are taken from.
        target_centre: (D,) likewise.
    """

    rotation: FloatArray
    source_centre: FloatArray
    target_centre: FloatArray

    def map(self, vectors: FloatArray) -> FloatArray:
        """Return (V, D) source `vectors` as unit vectors among the target's normalised ones."""
        return normalised(vectors, self.source_centre) @ self.rotation.T

    def among(self, vectors: FloatArray) -> FloatArray:
        """Return (W, D) target `vectors`, normalised: what mapped vectors are compared with."""
        return normalised(vectors, self.target_centre)

    def save(self, folder: Path) -> None:
        """Write `alignment.safetensors` into `folder`."""
        tensors = {
            "rotation": np.ascontiguousarray(self.rotation),
            "source_centre": self.source_centre,
            "target_centre": self.target_centre,
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            save_file(tensors, folder / _FILE)
        except OSError as error:
            raise DataError(f"expected to write to {folder}, found: {error}") from error

    @classmethod
    def load(cls, folder: Path) -> "Alignment":
        """Return what `save` wrote into `folder`.

        Raises:
            DataError: there is none.
        """
        try:
            found = load_file(folder / _FILE)
            return cls(found["rotation"], found["source_centre"], found["target_centre"])
        except (OSError, SafetensorError, KeyError) as error:
            raise DataError(f"{folder}: expected an alignment, found: {error}") from error


class AlignOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a map is looked for.

    Attributes:
        words: frequent words of each space by which it is refined and judged.
        rounds: of refinement.
        start_words: of the start without adversary and without chance.
        adversarial: of the adversarial start.
    """

    words: int = 10_000
    rounds: int = 5
    start_words: int = 1000
    adversarial: AdversarialOptions = AdversarialOptions()


@dataclass(frozen=True, slots=True)
class Found:
    """A map that a start led to.

    Attributes:
        start: that start.
        seed: of it.
        before: (D, D) the map before refinement.
        rotation: (D, D) after it.
        fit: of `rotation`, without labels.
        rounds: of refinement after which it was best.
    """

    start: StartName
    seed: int
    before: FloatArray
    rotation: FloatArray
    fit: Fit
    rounds: int


def find(
    spaces: tuple[Space, Space],
    start: StartName,
    seed: int,
    options: AlignOptions,
    report: Callable[[Epoch], None] | None = None,
    keep: Path | None = None,
) -> Found:
    """Return the map to which `start` leads, refined; no label is seen.

    Args:
        spaces: the source, which is to be mapped, and the target.
        start: how to begin.
        seed: of whatever is random in that.
        options: how to look.
        report: is told after each epoch of the adversary.
        keep: a folder for what is found, and for the adversary's epochs: found there, it is not
            looked for again.

    Raises:
        ConfigError: `keep` holds the map of other spaces or options.
        DataError: the spaces have other dimensions.
    """
    source, target = spaces
    if source.dimensions != target.dimensions:
        raise DataError(
            "expected spaces of as many dimensions, "
            f"found {source.dimensions} and {target.dimensions}"
        )
    x, y = normalised(source.vectors), normalised(target.vectors)
    of = "" if keep is None else digest((x, y), msgspec.json.encode([start, seed, options]))
    found = None if keep is None else Keep(keep / f"{start}-{seed}.safetensors", of)
    if found is not None and (tensors := found.read()) is not None:
        return _read(tensors, start, seed)
    match start:
        case "adversarial":
            epochs = None if keep is None else Keep(keep / f"{start}-{seed}-epochs.safetensors", of)
            before = adversarial(x, y, options.adversarial, seed=seed, report=report, keep=epochs)
        case "gromov-wasserstein":
            before = gromov_wasserstein(x, y, words=options.start_words)
        case "sorted-similarity":
            before = sorted_similarity(x, y, seed=seed)
    refined = refine(x[: options.words], y[: options.words], before, rounds=options.rounds)
    made = Found(start, seed, before, refined.rotation, refined.fit, refined.rounds)
    if found is not None:
        found.write(_tensors(made))
    return made


def _tensors(found: Found) -> dict[str, Tensor]:
    numbers = [*structs.astuple(found.fit), float(found.rounds)]
    return {
        "before": torch.from_numpy(found.before),
        "rotation": torch.from_numpy(found.rotation),
        "numbers": torch.tensor(numbers, dtype=torch.float64),
    }


def _read(tensors: Mapping[str, Tensor], start: StartName, seed: int) -> Found:
    csls, cosine, mutual, rounds = tensors["numbers"].tolist()
    return Found(
        start, seed, tensors["before"].numpy(), tensors["rotation"].numpy(),
        Fit(csls, cosine, mutual), int(rounds),
    )  # fmt: skip


def best(candidates: Sequence[Found]) -> Found:
    """Return the candidate with the highest mean CSLS of frequent words.

    Raises:
        DataError: there is none.
    """
    if not candidates:
        raise DataError("expected at least one start, found none")
    return max(candidates, key=lambda each: each.fit.csls)


def aligned(source: Space, target: Space, rotation: FloatArray) -> Alignment:
    """Return `rotation` with the centres of both spaces."""
    return Alignment(rotation, centre_of(source.vectors), centre_of(target.vectors))
