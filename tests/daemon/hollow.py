"""`stenod` with a recogniser that hears the same words whatever is said, from features made of air.

    python -m tests.daemon.hollow --config stenod.toml

What is left is sockets, dialects, detection of speech and bookkeeping: next to real features and
real decoding, what one dialect takes more than another would drown.
"""

import sys
from typing import TYPE_CHECKING, cast

import numpy as np
from tests.daemon.fakes import LOUD, FakeRecogniser

from steno_daemon import __main__ as stenod
from steno_daemon.config import EngineConfig
from steno_daemon.server import Model
from steno_models.types import FloatArray

if TYPE_CHECKING:
    from steno_models.recogniser import Recogniser

FRAME_SAMPLES, SHIFT_SAMPLES = 400, 160
WORD_FRAMES, WORDS, LOOP_FRAMES = 36, 6, 600
BINS = (10, 20, 30, 40, 50)


def _loop() -> FloatArray:
    """Frames, (600, 80), of a few words in six seconds."""
    frames = np.full((LOOP_FRAMES, 80), LOUD - 8, np.float32)
    for word in range(WORDS):
        start = word * 2 * WORD_FRAMES
        frames[start : start + WORD_FRAMES, BINS[word % len(BINS)]] = LOUD + 8
    return frames


class HollowExtractor:
    """Gives as many frames as there should be, always the same ones, in place of an extractor."""

    frames = _loop()

    def __init__(self) -> None:
        self._samples = 0
        self._taken = 0

    def accept(self, samples: FloatArray) -> FloatArray:
        """Return the frames that `samples`, (N,), complete."""
        self._samples += len(samples)
        ready = max(0, 1 + (self._samples - FRAME_SAMPLES) // SHIFT_SAMPLES)
        at = np.arange(self._taken, ready) % LOOP_FRAMES
        self._taken = ready
        return self.frames[at]


class HollowRecogniser(FakeRecogniser):
    """Hears what the extractor makes up."""

    features = HollowExtractor  # type: ignore[assignment]


def _load(engine: EngineConfig) -> Model:
    return Model(engine.bundle, "1", ("general",), cast("Recogniser", HollowRecogniser()))


def main() -> int:
    """Run it; returns the exit status."""
    stenod._load = _load
    return stenod.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
