"""The compiled loop over the mel bands of frames."""

import numpy as np
from numpy.typing import NDArray

from steno_models.compiled import leaf
from steno_models.types import FloatArray


@leaf
def sum_bands(
    power: FloatArray, weights: FloatArray, begin: NDArray[np.int64], end: NDArray[np.int64],
    energies: FloatArray,
) -> None:  # fmt: skip
    """Write the energy of each band of each frame, (T, F)."""
    for t in range(power.shape[0]):
        for band in range(weights.shape[0]):
            energy = np.float32(0.0)
            for k in range(begin[band], end[band]):
                energy += weights[band, k] * power[t, k]
            energies[t, band] = energy
