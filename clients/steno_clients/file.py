"""Sound files as blocks of speech: decoded, mixed to one channel, at one rate, paced if wanted."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from steno_clients.errors import AudioError

SAMPLE_RATE = 16_000
"""Samples a second of every block, whatever the source has."""

FloatArray = NDArray[np.float32]


def duration_s(path: Path) -> float:
    """Return how long a sound file is.

    Raises:
        AudioError: it is missing or no sound file.
    """
    with _open(path) as sound:
        seconds: float = sound.frames / sound.samplerate
        return seconds


def read_blocks(path: Path, *, block_ms: int = 100) -> Iterator[FloatArray]:
    """Yield the samples of a sound file, (N,) float32 at `SAMPLE_RATE`, about `block_ms` each.

    Raises:
        AudioError: it is missing, no sound file, or broken at some place.
    """
    with _open(path) as sound:
        resampler = Resampler(sound.samplerate)
        block_frames = max(1, sound.samplerate * block_ms // 1000)
        try:
            while len(frames := sound.read(block_frames, dtype="float32", always_2d=True)):
                yield from resampler.accept(frames.mean(axis=1, dtype=np.float32))
        except soundfile.SoundFileError as error:
            raise AudioError(
                f"expected {sound.frames / sound.samplerate:.1f} s of audio in {path}, found it "
                f"broken at {sound.tell() / sound.samplerate:.1f} s: {error}"
            ) from None
        yield from resampler.finish()


async def at_the_speed_of_speech(
    blocks: Iterable[FloatArray],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[FloatArray]:
    """Yield every block at the moment when a microphone would have its last sample."""
    began = clock()
    samples = 0
    for block in blocks:
        samples += len(block)
        await sleep(max(0.0, began + samples / SAMPLE_RATE - clock()))
        yield block


class Resampler:
    """One channel from any rate to `SAMPLE_RATE`, block by block."""

    def __init__(self, rate: int) -> None:
        self._stream = (
            None
            if rate == SAMPLE_RATE
            else soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
        )

    def accept(self, block: FloatArray) -> Iterator[FloatArray]:
        """Yield what is ready after these samples: one block, or none yet."""
        ready = block if self._stream is None else self._stream.resample_chunk(block)
        if len(ready):
            yield ready

    def finish(self) -> Iterator[FloatArray]:
        """Yield the samples that waited for what follows them."""
        if self._stream is not None:
            rest = self._stream.resample_chunk(np.zeros(0, np.float32), last=True)
            if len(rest):
                yield rest


def _open(path: Path) -> soundfile.SoundFile:
    """Return an open sound file."""
    if not path.exists():
        raise AudioError(f"expected a sound file, found nothing at {path}")
    if path.is_dir():
        raise AudioError(f"expected a sound file, found a folder at {path}")
    try:
        return soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        found = "something else" if path.stat().st_size else "an empty file"
        raise AudioError(
            f"expected a sound file (wav, flac, ogg, mp3 …), found {found} at {path}: "
            f"{error.error_string}"
        ) from None
