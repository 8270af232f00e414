"""What features are changed into each time they are used, and what evaluation sees instead.

An utterance is made louder or quieter, put in noise, spoken at another tempo by another voice,
masked, and set between silences, in this order; each by chance, as `Changes` says. The functions
are those of `training/feature_augment.py` and `training/augment.py`.
"""

from dataclasses import dataclass

import numpy as np

from steno_models.ctc.loss import NO_LABEL
from steno_models.features.cmvn import GlobalCmvn
from steno_models.training.augment import Masks, spec_augment
from steno_models.training.feature_augment import (
    add_noise_energies,
    shift_volume,
    tempo_positions,
    warp_frequency,
    warp_tempo,
)
from steno_models.training.feature_cache import Features
from steno_models.types import FloatArray

# As the recogniser does: the families below it cannot ask it.
FEATURE_LIMIT = 4.0
TAIL_FRAMES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """How features differ each time they are used.

    Attributes:
        volume: standard deviation of the shift of all log energies, in nats.
        noise_share: of the utterances, that are put in noise, if there is any.
        noise_snr_db: the lowest and the highest ratio of speech to that noise.
        tempo_share: of the utterances, whose tempo changes.
        tempo_range: by how much at most: 0.08 is from 0.92 to 1.08.
        warp_share: of the utterances, whose mel bins are stretched.
        warp_range: by how much at most, likewise.
        mask_share: of the utterances, in which frequencies are masked, and likewise times.
        mask_after: batches at the beginning of a training without masks …
        mask_ramp: … and batches over which they then become as many as `mask_share` says.
        frequency_masks: how many bands are.
        frequency_bins: the widest band.
        frames_per_time_mask: one stretch is masked for so many frames.
        time_frames: the longest stretch, at most an eighth of the utterance.
    """

    volume: float = 1.0
    noise_share: float = 0.25
    noise_snr_db: tuple[float, float] = (5.0, 25.0)
    tempo_share: float = 0.4
    tempo_range: float = 0.08
    warp_share: float = 0.4
    warp_range: float = 0.1
    mask_share: float = 0.5
    mask_after: int = 100
    mask_ramp: int = 200
    frequency_masks: int = 2
    frequency_bins: int = 20
    frames_per_time_mask: int = 120
    time_frames: int = 35

    def mask_share_at(self, batches_before: int) -> float:
        """Return the share of utterances that are masked after so many batches."""
        grown = (batches_before - self.mask_after) / max(1, self.mask_ramp)
        return self.mask_share * min(1.0, max(0.0, grown))


@dataclass(frozen=True, slots=True)
class Varied:
    """Normalised features, changed at random, with a random stretch of silence around them.

    Attributes:
        cmvn: normalises them.
        changes: how they are changed.
        noises: features of what to put speech in; without them it stays as it is.
    """

    cmvn: GlobalCmvn
    changes: Changes
    noises: Features | None = None

    def __call__(
        self, labelled: FloatArray, rng: np.random.Generator, batches_before: int
    ) -> FloatArray:
        """Return (T', F + 1) of (T, F + 1) log-mel energies and labels."""
        features, labels = labelled[:, :-1], labelled[:, -1]
        features = shift_volume(features, self.changes.volume * rng.standard_normal())
        # What is silence throughout has no words: it teaches the same with more noise or less.
        if self.noises is not None and labels.any() and rng.random() < self.changes.noise_share:
            snr_db = rng.uniform(*self.changes.noise_snr_db)
            features = add_noise_energies(features, _drawn(self.noises, rng), snr_db, rng)
        features = normalised(features, self.cmvn)
        if rng.random() < self.changes.tempo_share:
            factor = _factor(rng, self.changes.tempo_range)
            labels = labels[tempo_positions(len(labels), factor).astype(np.int64)]
            features = warp_tempo(features, factor)
        if rng.random() < self.changes.warp_share:
            features = warp_frequency(features, _factor(rng, self.changes.warp_range))
        features = self._masked(features, rng, batches_before)
        return _between_silences(np.column_stack([features, labels]), rng)

    def _masked(
        self, features: FloatArray, rng: np.random.Generator, batches_before: int
    ) -> FloatArray:
        chosen = rng.random(2) < self.changes.mask_share_at(batches_before)
        time_masks = max(1, len(features) // self.changes.frames_per_time_mask)
        masks = Masks(
            frequency_masks=self.changes.frequency_masks if chosen[0] else 0,
            frequency_bins=self.changes.frequency_bins,
            time_masks=time_masks if chosen[1] else 0,
            time_frames=self.changes.time_frames,
            time_share=0.125,
        )
        return spec_augment(features, rng, masks)


@dataclass(frozen=True, slots=True)
class Plain:
    """Normalised features with the silence after them that the recogniser adds."""

    cmvn: GlobalCmvn

    def __call__(
        self, features: FloatArray, _rng: np.random.Generator, _batches_before: int
    ) -> FloatArray:
        """Return (T + 32, F) of (T, F) log-mel energies."""
        return _padded(normalised(features, self.cmvn), (0, TAIL_FRAMES), -FEATURE_LIMIT)


def normalised(features: FloatArray, cmvn: GlobalCmvn) -> FloatArray:
    """Return `features`, (T, F), normalised and limited as the recogniser does."""
    limited: FloatArray = np.clip(cmvn.apply(features), -FEATURE_LIMIT, FEATURE_LIMIT)
    return limited


def _drawn(noises: Features, rng: np.random.Generator) -> FloatArray:
    """Return (M, F) of one recording in one of its variants, all of them as likely."""
    recordings, variants = noises.lengths.shape
    return noises.read(int(rng.integers(recordings)), int(rng.integers(variants)))


def _factor(rng: np.random.Generator, widest: float) -> float:
    return float(rng.uniform(1 - widest, 1 + widest))


def _between_silences(labelled: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return (T', F + 1) with up to 0.3 s of one level before and 0.6 s after (T, F + 1)."""
    before = int(rng.integers(30)) if rng.random() < 0.5 else 0
    level = -FEATURE_LIMIT if rng.random() < 0.5 else rng.uniform(-FEATURE_LIMIT, -1.0)
    padded = _padded(labelled, (before, int(rng.integers(6, 60))), level)
    # Where the other frames have no label, silence has none: the model would hear of nothing else.
    label = NO_LABEL if labelled[0, -1] == NO_LABEL else 0
    padded[:before, -1] = padded[before + len(labelled) :, -1] = label
    return padded


def _padded(features: FloatArray, frames: tuple[int, int], level: float) -> FloatArray:
    return np.pad(features, (frames, (0, 0)), constant_values=np.float32(level))
