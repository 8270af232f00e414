"""Recordings as frames: cepstra, normalised by speaker, and how sonorous each moment is.

Frames come every 10 ms. The border between two is where the middles of their windows are equally
far; the first frame begins with the recording, and the last one ends with it.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from steno_models.crossmodal.segmentation.embedding import downsampled
from steno_models.crossmodal.segmentation.syllables import sonority
from steno_models.errors import DataError
from steno_models.features.cmvn import CmvnStats, GlobalCmvn
from steno_models.features.extractor import (
    FRAME_LENGTH_SAMPLES,
    FRAME_SHIFT_SAMPLES,
    SAMPLE_RATE,
)
from steno_models.features.mfcc import NUM_CEPSTRA, mfcc
from steno_models.training.feature_cache import (
    FeatureCache,
    Features,
    JoinedFeatures,
    Recipe,
    cached_features,
)
from steno_models.training.manifest import read_manifest
from steno_models.types import FloatArray, LongArray

SHIFT_S = FRAME_SHIFT_SAMPLES / SAMPLE_RATE
BORDER_S = (FRAME_LENGTH_SAMPLES - FRAME_SHIFT_SAMPLES) / SAMPLE_RATE / 2
WIDTH = NUM_CEPSTRA + 1
SHARDS = "shards"
KEYS = "keys.txt"


def cepstra_and_sonority(samples: FloatArray) -> FloatArray:
    """Return (T, 14) float32 of `samples`, (N,) at 16 kHz: 13 cepstra, then sonority, 0 to 1."""
    cepstra = mfcc(samples)
    curve = sonority(samples)
    middles = np.arange(len(cepstra)) * SHIFT_S + FRAME_LENGTH_SAMPLES / SAMPLE_RATE / 2
    at = np.interp(middles, np.arange(len(curve)) / 1000, curve) if len(cepstra) else middles
    return np.concatenate([cepstra, at[:, None].astype(np.float32)], axis=1)


class Speech:
    """Recordings, each with a key, a speaker and (T, 14) frames.

    Args:
        features: of the recordings, in one variant.
        speakers: of each; recordings without a speaker are normalised each by itself.

    Raises:
        DataError: frames of another width than `cepstra_and_sonority` makes.
    """

    def __init__(self, features: Features, speakers: Sequence[str]) -> None:
        self.keys: tuple[str, ...] = tuple(features.keys)
        self._features = features
        width = features.read(0, 0).shape[1]
        if width != WIDTH:
            raise DataError(
                f"expected frames of {WIDTH} numbers, found {width}: posteriors of a bundle are "
                "for `crossmodal cluster` alone"
            )
        owners = [name or f"recording {place}" for place, name in enumerate(speakers)]
        stats: dict[str, CmvnStats] = {}
        for place, name in enumerate(owners):
            own = CmvnStats.of(features.read(place, 0)[:, :NUM_CEPSTRA])
            stats[name] = stats[name] + own if name in stats else own
        self._normal = {name: GlobalCmvn.from_stats(each) for name, each in stats.items()}
        self._owners = owners

    def __len__(self) -> int:
        return len(self.keys)

    def frames(self, place: int) -> int:
        """Return how many frames recording number `place` has."""
        return int(self._features.lengths[place, 0])

    def frame_at(self, place: int, second: float) -> int:
        """Return the frame, 0 to `frames`, whose border is nearest to `second`."""
        return frame_at(second, self.frames(place))

    def vectors(self, place: int, firsts: LongArray, lasts: LongArray) -> FloatArray:
        """Return (P, D) evenly spaced frames of pieces of a recording; see `downsampled`."""
        return downsampled(self.cepstra(place), firsts, lasts)

    def cepstra(self, place: int) -> FloatArray:
        """Return (T, 13) cepstra with mean 0 and variance 1 over their speaker's frames."""
        raw = self._features.read(place, 0)[:, :NUM_CEPSTRA]
        return self._normal[self._owners[place]].apply(raw)

    def loudness(self, place: int) -> FloatArray:
        """Return (T,) the first cepstrum as it is: a mean of log energies."""
        return self._features.read(place, 0)[:, 0]

    def sonority(self, place: int) -> FloatArray:
        """Return (T,) from 0 to 1."""
        return self._features.read(place, 0)[:, NUM_CEPSTRA]


def read_speech(paths: Sequence[Path], cache: Path) -> Speech:
    """Return the recordings of manifests and of folders of synthesised speech.

    Args:
        paths: of both.
        cache: where frames of manifests are kept.

    Raises:
        DataError: something cannot be read, or there is nothing.
    """
    parts: list[Features] = []
    speakers: list[str] = []
    for path in paths:
        if (path / SHARDS).is_dir():
            shards, names = read_shards(path)
            parts += shards
            speakers += names
        else:
            utterances = read_manifest(path)
            if not utterances:
                raise DataError(f"{path}: expected recordings, found none")
            parts.append(cached_features(utterances, cache, recipe=Recipe(cepstra_and_sonority)))
            speakers += [each.speaker for each in utterances]
    if not parts:
        raise DataError("expected manifests or folders of synthesised speech, found none")
    return Speech(JoinedFeatures(parts), speakers)


def read_shards(folder: Path) -> tuple[list[Features], list[str]]:
    """Return the shards in `folder` that are whole, and the speaker of each recording.

    Raises:
        DataError: there is none, or one is damaged.
    """
    parts: list[Features] = []
    speakers: list[str] = []
    for shard in sorted((folder / SHARDS).glob("[0-9]*")):
        if not shard.is_dir() or shard.suffix:
            continue
        try:
            lines = (shard / KEYS).read_text("utf-8").splitlines()
            keys, names = zip(*(line.split("\t") for line in lines), strict=True)
            parts.append(FeatureCache(shard, keys))
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{shard}: expected a shard of speech, found: {error}") from error
        speakers += names
    if not parts:
        raise DataError(f"{folder}: expected shards of speech, found none that is whole")
    return parts, speakers


def border_s(frame: int, frames: int) -> float:
    """Return when `frame` begins, of a recording of `frames`; `frames` is its end."""
    if frame <= 0:
        return 0.0
    inside = frame * SHIFT_S + BORDER_S
    return inside + BORDER_S if frame >= frames else inside


def frame_at(second: float, frames: int) -> int:
    """Return the frame, 0 to `frames`, whose border is nearest to `second`."""
    return min(max(round((second - BORDER_S) / SHIFT_S), 0), frames)
