"""Recordings as features, block by block, so that an hour is never in memory as samples."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steno_models.audio import SAMPLE_RATE, stream_file
from steno_models.errors import DataError
from steno_models.features.extractor import StreamingExtractor
from steno_models.training.recordings import read_samples
from steno_models.training.utterance import Utterance
from steno_models.types import FloatArray
from steno_models.vad.webrtc import VoiceActivityDetector

BLOCK_S = 30.0
FULL_SCALE_DB = 1e-10  # what is added to a mean square, so that silence has a level


@dataclass(frozen=True, slots=True)
class Sound:
    """What is known of a recording.

    Attributes:
        features: (T, F).
        duration_s: how long it is.
    """

    features: FloatArray
    duration_s: float


def file_blocks(path: Path) -> Iterator[FloatArray]:
    """Yield the samples of the recording at `path`, (N,) each."""
    return stream_file(path, BLOCK_S)


def utterance_blocks(utterance: Utterance) -> Iterator[FloatArray]:
    """Yield the samples of `utterance`, at once."""
    yield read_samples(utterance)


def heard(name: str, blocks: Iterable[FloatArray], extractor: StreamingExtractor) -> Sound:
    """Return the features that `extractor` makes of `blocks`, (N,) samples each.

    Raises:
        DataError: nobody speaks in the recording, called `name`, or it is not readable.
    """
    detector = VoiceActivityDetector()
    found, samples, square, speech = [], 0, 0.0, False
    for block in blocks:
        found.append(extractor.accept(block))
        speech = bool(detector.accept(block)) or speech
        samples += len(block)
        square = max(square, float(np.mean(block**2)) if len(block) else 0.0)
    duration_s = samples / SAMPLE_RATE
    if not speech:
        level_db = 10 * np.log10(square + FULL_SCALE_DB)
        raise DataError(
            f"{name}: expected speech, found none in {duration_s:.2f} s of sound "
            f"(level {level_db:.0f} dB of full scale)"
        )
    return Sound(np.concatenate(found), duration_s)
