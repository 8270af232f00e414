"""Speech with somebody else's noise in it, at a ratio that is known.

    steno-models evaluate --bundle en --manifest dev.jsonl --noise noise/street noise/dog.wav

Every recording is in one of the sounds, from a place on: which ones, the recording itself decides,
so that whoever listens hears the same.
"""

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from steno_models.audio import read_file
from steno_models.errors import DataError
from steno_models.evaluate_wordless import sounds
from steno_models.training.augment import add_noise
from steno_models.types import FloatArray


def noises(names: Sequence[str]) -> list[FloatArray]:
    """Return the sounds of folders, of manifests and of single recordings, each (N,) at 16 kHz.

    Raises:
        DataError: one is missing, cannot be decoded or is silent from end to end.
    """
    found = []
    for name in names:
        path = Path(name)
        is_recording = path.is_file() and path.suffix != ".jsonl"
        found += [(name, sound) for sound in ([read_file(path)] if is_recording else sounds(name))]
    for name, sound in found:
        if not np.any(sound):
            raise DataError(f"--noise: expected a sound, found silence alone in {name}")
    return [sound for _, sound in found]


def in_noise(noises: Sequence[FloatArray], snr_db: float) -> Callable[[FloatArray], FloatArray]:
    """Return what puts a recording, (N,), into one of `noises`, weaker than it by `snr_db`."""

    def mixed(samples: FloatArray) -> FloatArray:
        rng = np.random.default_rng(zlib.crc32(samples.tobytes()))
        return add_noise(samples, noises[int(rng.integers(len(noises)))], snr_db, rng)

    return mixed
