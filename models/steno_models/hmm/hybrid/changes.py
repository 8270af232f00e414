"""What features are changed into each time the network sees them.

An utterance is spoken at another tempo by another voice and masked, in this order, each by chance.
Louder or quieter it cannot become: its speaker's mean is taken away. The functions are those of
`training/feature_augment.py` and `training/augment.py`.
"""

from dataclasses import dataclass

import numpy as np

from steno_models.hmm.hybrid.config import Augment
from steno_models.training.augment import Masks, spec_augment
from steno_models.training.feature_augment import tempo_positions, warp_frequency, warp_tempo
from steno_models.types import FloatArray


@dataclass(frozen=True, slots=True)
class Changed:
    """Changes labelled features at random, as `options` says."""

    options: Augment

    def __call__(
        self, labelled: FloatArray, rng: np.random.Generator, _batches_before: int
    ) -> FloatArray:
        """Return (T', F + 1) of (T, F + 1) normalised features and the states of frames."""
        options = self.options
        features, labels = labelled[:, :-1], labelled[:, -1]
        if rng.random() < options.tempo_share:
            factor = _factor(rng, options.tempo_range)
            labels = labels[tempo_positions(len(labels), factor).astype(np.int64)]
            features = warp_tempo(features, factor)
        if rng.random() < options.warp_share:
            features = warp_frequency(features, _factor(rng, options.warp_range))
        return np.column_stack([self._masked(features, rng), labels])

    def _masked(self, features: FloatArray, rng: np.random.Generator) -> FloatArray:
        options = self.options
        if rng.random() >= options.mask_share:
            return features
        masks = Masks(
            frequency_masks=options.frequency_masks,
            frequency_bins=options.frequency_bins,
            time_masks=max(1, len(features) // options.frames_per_time_mask),
            time_frames=options.time_frames,
            time_share=0.125,
        )
        return spec_augment(features, rng, masks)


def _factor(rng: np.random.Generator, widest: float) -> float:
    return float(rng.uniform(1 - widest, 1 + widest))
