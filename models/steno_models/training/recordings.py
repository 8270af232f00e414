"""Samples of an utterance's recording, whatever the file's format, rate and channels."""

from collections.abc import Iterator
from pathlib import Path

import av
import av.container
import numpy as np
import soundfile
import soxr

from steno_models.errors import DataError
from steno_models.training.utterance import Utterance
from steno_models.types import FloatArray

SAMPLE_RATE = 16_000

# Manifests round durations and codecs pad: a recording may be this much shorter than it says.
SLACK_S = 0.1


def recording_duration_s(path: Path) -> float:
    """Return the length of the recording at `path`, from its header alone where that tells."""
    _check_is_file(path)
    try:
        return float(soundfile.info(str(path)).duration)
    except soundfile.SoundFileError:
        return len(_decode_with_av(path)) / SAMPLE_RATE


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
        samples = _decode_with_av(utterance.audio)[first : first + count]
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
    mono = np.ascontiguousarray(samples.mean(axis=1, dtype=np.float32))
    if rate == SAMPLE_RATE:
        return mono
    return np.asarray(soxr.resample(mono, rate, SAMPLE_RATE), np.float32)


def _decode_with_av(path: Path) -> FloatArray:
    """Return the whole recording at 16 kHz: for what libsndfile does not read (m4a, webm)."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise DataError(f"{path}: expected an audio stream, found none")
            resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
            pieces = [
                piece.to_ndarray().reshape(-1)
                for frame in _frames_and_end(container)
                for piece in resampler.resample(frame)
            ]
    except (av.FFmpegError, ValueError) as error:
        raise DataError(f"{path}: expected a readable audio file, found: {error}") from error
    return np.concatenate([np.zeros(0, np.float32), *pieces]).astype(np.float32)


def _frames_and_end(container: av.container.InputContainer) -> Iterator[av.AudioFrame | None]:
    yield from container.decode(audio=0)
    yield None  # flushes the resampler
