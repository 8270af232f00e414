"""Recordings as a recogniser's acoustic model hears them: ln p(token) every 40 ms."""

from collections.abc import Sequence
from pathlib import Path

from steno_models.crossmodal.phones_heard import phones_heard
from steno_models.crossmodal.sounds import Sounds
from steno_models.crossmodal.speech import SHARDS, read_shards, read_speech
from steno_models.crossmodal.synthesis.shards import heard_by
from steno_models.errors import ConfigError
from steno_models.training.feature_cache import Features, JoinedFeatures
from steno_models.types import FloatArray, LongArray

STEP_S = 0.04


class Posteriors:
    """Recordings, each with a key and (S, V) ln p(token), the blank first.

    Args:
        features: the posteriors of the recordings, in one variant.
    """

    def __init__(self, features: Features) -> None:
        self.keys: tuple[str, ...] = tuple(features.keys)
        self._features = features

    def __len__(self) -> int:
        return len(self.keys)

    def frames(self, place: int) -> int:
        """Return how many steps recording number `place` has."""
        return int(self._features.lengths[place, 0])

    def frame_at(self, place: int, second: float) -> int:
        """Return the step whose beginning is nearest to `second`."""
        return min(max(round(second / STEP_S), 0), self.frames(place))

    def log_probs(self, place: int) -> FloatArray:
        """Return (S, V) ln p(token) of recording number `place`."""
        return self._features.read(place, 0)

    def vectors(self, place: int, firsts: LongArray, lasts: LongArray) -> FloatArray:
        """Return (P, D) what is heard in pieces of a recording; see `phones_heard`."""
        return phones_heard(self.log_probs(place), firsts, lasts)


def read_sounds(paths: Sequence[Path], cache: Path) -> Sounds:
    """Return the recordings of manifests and of folders of synthesised speech.

    Args:
        paths: of both; folders of posteriors stand alone, and are of one bundle.
        cache: where frames of manifests are kept.

    Raises:
        ConfigError: posteriors stand beside something else.
        DataError: something cannot be read, or there is nothing.
    """
    bundles = {heard_by(path) if (path / SHARDS).is_dir() else None for path in paths}
    if bundles <= {None}:
        return read_speech(paths, cache)
    if len(bundles) > 1:
        found = ", ".join(sorted("frames" if name is None else name for name in bundles))
        raise ConfigError(f"expected frames, or posteriors of one bundle, found both: {found}")
    return Posteriors(JoinedFeatures([part for path in paths for part in read_shards(path)[0]]))
