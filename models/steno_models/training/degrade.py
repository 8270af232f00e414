"""Clean recordings made as those of real rooms: some with an echo, some with noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from steno_models.audio import read_file
from steno_models.errors import ConfigError
from steno_models.training.augment import add_noise, reverberate
from steno_models.types import FloatArray


@dataclass(frozen=True, slots=True)
class Degrade:
    """A change of samples for `feature_cache.Variant`.

    Attributes:
        noises: Recordings to mix in, any lengths.
        room_share: Of the utterances, that stand in a room.
        noise_share: Of the utterances, that stand in noise.
        snr_db: The lowest and the highest ratio of speech to noise.
    """

    noises: tuple[Path, ...]
    room_share: float = 0.25
    noise_share: float = 0.4
    snr_db: tuple[float, float] = (5.0, 25.0)

    def __post_init__(self) -> None:
        if self.noise_share > 0 and not self.noises:
            raise ConfigError("expected recordings of noise to mix in, found none")

    def __call__(self, samples: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return `samples`, (N,), with or without an echo and noise, as `rng` has it."""
        if rng.random() < self.room_share:
            samples = reverberate(samples, rng)
        if rng.random() < self.noise_share:
            noise = _noise(self.noises[int(rng.integers(len(self.noises)))])
            samples = add_noise(samples, noise, rng.uniform(*self.snr_db), rng)
        return samples


def find_recordings(
    folder: Path, endings: Sequence[str] = (".opus", ".flac", ".wav")
) -> list[Path]:
    """Return the recordings below `folder`, in an order that does not depend on the disk."""
    return sorted(path for path in folder.rglob("*") if path.suffix in endings)


@lru_cache(maxsize=512)
def _noise(path: Path) -> FloatArray:
    return read_file(path)
