"""Samples of an utterance's recording, whatever the file's format, rate and channels."""

from pathlib import Path

import numpy as np
import soundfile

from steno_models.audio import SAMPLE_RATE, mix_down, read_file, resample
from steno_models.errors import DataError
from steno_models.training.utterance import Utterance
from steno_models.types import FloatArray

# Manifests round durations and codecs pad: a recording may be this much shorter than it says.
SLACK_S = 0.1


def recording_duration_s(path: Path) -> float:
    """Return the length of the recording at `path`, from its header alone where that tells."""
    _check_is_file(path)
    try:
        return float(soundfile.info(str(path)).duration)
    except soundfile.SoundFileError:
        return len(read_file(path)) / SAMPLE_RATE


def read_samples(utterance: Utterance) -> FloatArray:
    """Return the utterance's samples, (N,) float32 in [-1, 1] at 16 kHz, channels averaged.

    Raises:
        DataError: The file is missing, cannot be decoded or ends before the utterance does.
    """
    _check_is_file(utterance.audio)
    try:
        samples = _read_with_soundfile(utterance)
    except soundfile.SoundFileError:
        first = round(utterance.offset_s * SAMPLE_RATE)
        count = round(utterance.duration_s * SAMPLE_RATE)
        samples = read_file(utterance.audio)[first : first + count]
    found_s = len(samples) / SAMPLE_RATE
    if found_s < utterance.duration_s - SLACK_S:
        raise DataError(
            f"{utterance.audio}: expected {utterance.duration_s:.2f} s of audio from "
            f"{utterance.offset_s:.2f} s on, found {found_s:.2f} s"
        )
    if not np.isfinite(samples).all():
        raise DataError(f"{utterance.audio}: expected finite samples, found nan or infinity")
    return samples


def _check_is_file(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"{path}: expected an audio file, found {_what_is_at(path)}")


def _what_is_at(path: Path) -> str:
    return "a folder" if path.is_dir() else "nothing"


def _read_with_soundfile(utterance: Utterance) -> FloatArray:
    with soundfile.SoundFile(str(utterance.audio)) as file:
        rate = int(file.samplerate)
        first = min(round(utterance.offset_s * rate), len(file))
        file.seek(first)
        samples = file.read(round(utterance.duration_s * rate), dtype="float32", always_2d=True)
    return resample(mix_down(samples), rate, SAMPLE_RATE)
