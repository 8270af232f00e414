"""Features of utterances, computed once by several processes and memory-mapped from then on.

A cache is a folder named by a hash of all that its numbers depend on: the recordings (path, size,
time of change, stretch) and what each variant makes of a fixed probe. It holds

    features.f16   (frames of all, F) float16, utterance by utterance, variant by variant
    lengths.npy    (utterances, variants) int32: frames of each
    settings.json  what the hash was taken of, for people
"""

import hashlib
import json
import multiprocessing
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from steno_models.audio import SAMPLE_RATE
from steno_models.errors import DataError
from steno_models.features.fbank import fbank
from steno_models.training.augment import speed_perturb
from steno_models.training.folders import finished_folder
from steno_models.training.lines import raise_complaints
from steno_models.training.recordings import read_samples
from steno_models.training.utterance import Utterance
from steno_models.types import FloatArray, IntArray, LongArray

HalfArray = NDArray[np.float16]

_FORMAT = 1
_LARGEST_HALF = 65_504.0


class Features(Protocol):
    """Features of utterances, each in one or more variants."""

    @property
    def keys(self) -> Sequence[str]:
        """The utterances' keys."""

    @property
    def lengths(self) -> IntArray:
        """(utterances, variants) int32: frames of each."""

    def read(self, utterance: int, variant: int) -> FloatArray:
        """Return (T, F) float32 features."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way in which an utterance is stored: faster or slower, in noise, in a room.

    Attributes:
        speed: 1.1 is faster and higher. Ko et al., "Audio augmentation for speech recognition",
            Interspeech 2015.
        change: What else happens to the samples, (N,) to (M,), before features are taken, with
            random numbers that the utterance's key decides. It can be pickled: a function of a
            module or an instance of a module's class.
    """

    speed: float = 1.0
    change: Callable[[FloatArray, np.random.Generator], FloatArray] | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """How features are made of samples.

    Attributes:
        extract: From (N,) float32 samples at 16 kHz to (T, F) float32; a function of a module, so
            that other processes find it.
        variants: Each utterance is stored once in every one.
    """

    extract: Callable[[FloatArray], FloatArray] = fbank
    variants: tuple[Variant, ...] = (Variant(),)


class FeatureCache:
    """The features of `utterances`, read from the memory-mapped file of a finished cache."""

    def __init__(self, folder: Path, keys: Sequence[str]) -> None:
        lengths = np.load(folder / "lengths.npy", allow_pickle=False)
        num_bins = json.loads((folder / "settings.json").read_text("utf-8"))["num_bins"]
        path = folder / "features.f16"
        expected = int(lengths.sum()) * num_bins * 2
        if path.stat().st_size != expected:
            raise DataError(
                f"{path}: expected {expected} bytes, found {path.stat().st_size}; "
                "delete its folder to build it again"
            )
        self._frames = np.memmap(path, np.float16, "r").reshape(-1, num_bins)
        self._starts: LongArray = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        self._lengths: IntArray = lengths
        self._keys = tuple(keys)

    @property
    def keys(self) -> Sequence[str]:
        """The utterances' keys."""
        return self._keys

    @property
    def lengths(self) -> IntArray:
        """(utterances, variants) int32: frames of each."""
        return self._lengths

    def read(self, utterance: int, variant: int) -> FloatArray:
        """Return (T, F) float32 features of the utterance in the variant of that number."""
        place = utterance * self._lengths.shape[1] + variant
        frames = self._frames[self._starts[place] : self._starts[place + 1]]
        return frames.astype(np.float32)


class JoinedFeatures:
    """Several caches as one: each corpus keeps its own, and trainings combine them."""

    def __init__(self, parts: Sequence[Features]) -> None:
        if len({part.lengths.shape[1] for part in parts}) != 1:
            variants = [part.lengths.shape[1] for part in parts]
            raise DataError(f"expected parts with equally many variants, found {variants}")
        self._parts = tuple(parts)
        self._keys = tuple(key for part in parts for key in part.keys)
        self._lengths: IntArray = np.concatenate([part.lengths for part in parts])
        self._starts = np.cumsum([0] + [len(part.keys) for part in parts])

    @property
    def keys(self) -> Sequence[str]:
        """The utterances' keys, part by part."""
        return self._keys

    @property
    def lengths(self) -> IntArray:
        """(utterances, variants) int32: frames of each."""
        return self._lengths

    def read(self, utterance: int, variant: int) -> FloatArray:
        """Return (T, F) float32 features."""
        part = int(np.searchsorted(self._starts, utterance, side="right")) - 1
        return self._parts[part].read(utterance - int(self._starts[part]), variant)


def cached_features(
    utterances: Sequence[Utterance],
    root: Path,
    *,
    recipe: Recipe | None = None,
    processes: int | None = None,
) -> FeatureCache:
    """Return the features of `utterances` from the cache below `root`, built where it is missing.

    Processes that ask for the same cache at the same time wait for the first of them.

    Args:
        utterances: What to give features of; the order is part of the cache.
        root: The folder of all caches.
        recipe: How to make the features; log-mel energies at their own speed if left out.
        processes: How many compute; one for each core if left out.

    Raises:
        DataError: Naming every utterance whose recording is bad.
    """
    recipe = recipe or Recipe()
    if not utterances:
        raise DataError("expected utterances to make features of, found none")
    settings = _settings(utterances, recipe)
    folder = root / _digest(settings)
    with finished_folder(folder) as draft:
        if draft is not None:
            _write(draft, settings, _computed(utterances, recipe, processes))
    return FeatureCache(folder, [utterance.key for utterance in utterances])


def _settings(utterances: Sequence[Utterance], recipe: Recipe) -> dict[str, object]:
    complaints = [
        f"{each.key}: {each.audio}: expected an audio file, found none"
        for each in utterances
        if not each.audio.is_file()
    ]
    raise_complaints(complaints, kind="missing recordings")
    probes = [_features(_probe_samples(), variant, "probe", recipe) for variant in recipe.variants]
    return {
        "format": _FORMAT,
        "num_bins": probes[0].shape[1],
        "extract": f"{recipe.extract.__module__}.{recipe.extract.__qualname__}",
        # Rounded: another processor's last bits are not another recipe.
        "probes": _digest([np.round(each.astype(np.float64), 1).tolist() for each in probes]),
        # A change that draws at random shows the probe one of its sides alone.
        "changes": [hashlib.sha256(pickle.dumps(each)).hexdigest() for each in recipe.variants],
        "recordings": _digest([_identity(utterance) for utterance in utterances]),
        "utterances": len(utterances),
    }


def _probe_samples() -> FloatArray:
    """Return half a second of a fixed rising tone in fixed noise, (N,) float32."""
    times_s = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    noise = np.random.default_rng(0).normal(0, 0.01, len(times_s))
    tone = 0.1 * np.sin(2 * np.pi * (200 + 3000 * times_s) * times_s)
    return (tone + noise).astype(np.float32)


def _identity(utterance: Utterance) -> list[object]:
    stat = utterance.audio.stat()
    place = str(utterance.audio.resolve())
    return [place, stat.st_size, stat.st_mtime_ns, utterance.offset_s, utterance.duration_s]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:20]


def _write(
    folder: Path, settings: dict[str, object], computed: Iterator[list[HalfArray] | str]
) -> None:
    """Write what `computed` gives for each utterance: its features in every variant, or why not."""
    lengths: list[list[int]] = []
    complaints: list[str] = []
    total = int(str(settings["utterances"]))
    with (folder / "features.f16").open("wb") as file:
        for found in track(computed, "computing features", total, console=Console(stderr=True)):
            if isinstance(found, str):
                complaints.append(found)
                continue
            file.writelines(np.ascontiguousarray(frames).data for frames in found)
            lengths.append([len(frames) for frames in found])
    raise_complaints(complaints, kind="bad recordings")
    np.save(folder / "lengths.npy", np.array(lengths, np.int32))
    (folder / "settings.json").write_text(json.dumps(settings, indent=1), "utf-8")


def _computed(
    utterances: Sequence[Utterance], recipe: Recipe, processes: int | None
) -> Iterator[list[HalfArray] | str]:
    compute = partial(_compute, recipe=recipe)
    count = processes or len(os.sched_getaffinity(0))
    if count == 1:
        yield from map(compute, utterances)
        return
    # Forked copies of a program with threads (torch has some) may hang: start fresh ones.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=fresh) as pool:
        yield from pool.map(compute, utterances, chunksize=16)


def _compute(utterance: Utterance, recipe: Recipe) -> list[HalfArray] | str:
    try:
        samples = read_samples(utterance)
        return [
            _half(_features(samples, variant, utterance.key, recipe)) for variant in recipe.variants
        ]
    except DataError as error:
        return f"{utterance.key}: {error}"


def _features(samples: FloatArray, variant: Variant, key: str, recipe: Recipe) -> FloatArray:
    if variant.speed != 1:
        samples = speed_perturb(samples, variant.speed)
    if variant.change is not None:
        seed = [recipe.variants.index(variant), *key.encode()]
        samples = variant.change(samples, np.random.default_rng(seed))
    return recipe.extract(samples)


def _half(features: FloatArray) -> HalfArray:
    if len(features) == 0:
        raise DataError("expected at least one frame of features, found none: too short")
    largest = float(np.abs(features).max())
    if not largest <= _LARGEST_HALF:  # nan is not either
        raise DataError(f"expected features within ±{_LARGEST_HALF:g}, found {largest:g}")
    return features.astype(np.float16)
