"""From manifests to what models that write are trained on: features, changed at random, and tokens.

Features are normalised and limited as the recogniser does it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steno_models.features.cmvn import GlobalCmvn
from steno_models.training.augment import Masks, spec_augment
from steno_models.training.feature_cache import Features
from steno_models.training.utterance import Utterance
from steno_models.types import FloatArray, IntArray

# As the recogniser does: the families below it cannot ask it.
FEATURE_LIMIT = 4.0
TAIL_FRAMES = 32


@dataclass(frozen=True, slots=True)
class Material:
    """Utterances, the tokens of each, (U,) int32, and how often they come in an epoch."""

    utterances: Sequence[Utterance]
    targets: Sequence[IntArray]
    turns: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """How features differ each time they are used.

    Attributes:
        volume: standard deviation of the shift of all log energies, in nats.
        mask_share: of the utterances, in which frequencies are masked, and likewise times.
        frequency_masks: how many bands are.
        frequency_bins: the widest band.
        frames_per_time_mask: one stretch is masked for so many frames.
        time_frames: the longest stretch, at most an eighth of the utterance.
    """

    volume: float = 1.0
    mask_share: float = 0.4
    frequency_masks: int = 2
    frequency_bins: int = 20
    frames_per_time_mask: int = 120
    time_frames: int = 35


@dataclass(frozen=True, slots=True)
class Varied:
    """Normalised features, changed at random, with a random stretch of silence around them."""

    cmvn: GlobalCmvn
    changes: Changes

    def __call__(
        self, features: FloatArray, rng: np.random.Generator, _batches_before: int = 0
    ) -> FloatArray:
        """Return (T', F) of (T, F) log-mel energies."""
        changes = self.changes
        shift = np.float32(changes.volume * rng.standard_normal())
        chosen = rng.random(2) < changes.mask_share
        masks = Masks(
            frequency_masks=changes.frequency_masks if chosen[0] else 0,
            frequency_bins=changes.frequency_bins,
            time_masks=max(1, len(features) // changes.frames_per_time_mask) if chosen[1] else 0,
            time_frames=changes.time_frames,
            time_share=0.125,
        )
        masked = spec_augment(_normalised(features + shift, self.cmvn), rng, masks)
        before = int(rng.integers(30)) if rng.random() < 0.5 else 0
        level = -FEATURE_LIMIT if rng.random() < 0.5 else rng.uniform(-FEATURE_LIMIT, -1.0)
        return _padded(masked, (before, int(rng.integers(6, 60))), level)


@dataclass(frozen=True, slots=True)
class Plain:
    """Normalised features with the silence after them that the recogniser adds."""

    cmvn: GlobalCmvn

    def __call__(
        self, features: FloatArray, _rng: np.random.Generator, _batches_before: int = 0
    ) -> FloatArray:
        """Return `of(features)`, whatever the generator."""
        return self.of(features)

    def of(self, features: FloatArray) -> FloatArray:
        """Return (T + 32, F) of (T, F) log-mel energies."""
        return _padded(_normalised(features, self.cmvn), (0, TAIL_FRAMES), -FEATURE_LIMIT)


def measure_cmvn(features: Features, utterances: int = 1500) -> GlobalCmvn:
    """Return the normalisation by about so many `utterances`, evenly spread over all."""
    every = max(1, len(features.keys) // utterances)
    return GlobalCmvn.accumulate(
        features.read(utterance, 0) for utterance in range(0, len(features.keys), every)
    )


def _normalised(features: FloatArray, cmvn: GlobalCmvn) -> FloatArray:
    """Return `features`, (T, F), normalised and limited as the recogniser does."""
    limited: FloatArray = np.clip(cmvn.apply(features), -FEATURE_LIMIT, FEATURE_LIMIT)
    return limited


def _padded(features: FloatArray, frames: tuple[int, int], level: float) -> FloatArray:
    return np.pad(features, (frames, (0, 0)), constant_values=np.float32(level))
