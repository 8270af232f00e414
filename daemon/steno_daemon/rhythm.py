"""When the chunks of live sessions end, so that those of several can be decoded together.

A chunk is complete when its last frame has been spoken. Sessions that began at different moments
would complete theirs at different moments, and wait for each other or go through the encoder one by
one, at more than twice the cost. So the period of a chunk has a few beats, each session is given
one, and the first chunk of each of its segments is as short as it takes to end with the beat; the
others keep to it by themselves, and nobody has to wait.

Where a segment's chunks end changes its words now and then. A session therefore keeps its phase, on
disk too; and whoever comes first sets the beat, so that what a lone session hears is a function of
its audio.
"""

from collections.abc import Callable
from dataclasses import dataclass

from steno_daemon.endpoint import SAMPLE_RATE
from steno_daemon.happenings import BLOCK_SAMPLES, STEP_SAMPLES

STEP_FRAMES = 4
BEYOND_FRAMES = 3
"""What the encoder must see behind a step; where one needs more, its work comes back to say so."""
LOOK_SAMPLES = 8 * BLOCK_SAMPLES
"""How often a session looks at what came in, unless it was told something."""
LATE_SAMPLES = 5 * BLOCK_SAMPLES
"""How long after the end of a chunk the frames behind it are complete."""

BEATS = (0, 2, 1, 3)
"""Quarters of a chunk, in the order in which they fill."""


def first_chunk_steps(origin: int, phase: int | None, chunk_steps: int) -> int:
    """Return of how many steps of 40 ms the first chunk of a segment is.

    Args:
        origin: the segment's first sample.
        phase: sample at which a chunk should end, or any number of chunks before or after it; None
            where it makes no difference.
        chunk_steps: of the chunks after the first.
    """
    if phase is None:
        return chunk_steps
    return (phase - origin) % (chunk_steps * STEP_SAMPLES) // STEP_SAMPLES or chunk_steps


@dataclass(frozen=True, slots=True)
class Pace:
    """When a session looks at what came in: at positions of its audio that fit its chunks.

    Attributes:
        phase: as above.
        chunk_steps: of the chunks after the first.
    """

    phase: int | None = None
    chunk_steps: int = 16

    def next_look(self, position: int) -> int:
        """Return the first position behind `position` to look at, in samples.

        Among them are those where a chunk has ended and the frames behind it are complete.
        """
        late = (self.phase or 0) + LATE_SAMPLES - position
        return position + (late % LOOK_SAMPLES or LOOK_SAMPLES)

    def first_frames(self, origin: int) -> int:
        """Return how many frames complete the first chunk of a segment."""
        return STEP_FRAMES * first_chunk_steps(origin, self.phase, self.chunk_steps) + BEYOND_FRAMES


@dataclass(eq=False, slots=True)
class Part:
    """The part of a session in the rhythm.

    Attributes:
        beat: its index in BEATS.
        transcripts: how many the session makes.
        phase: sample of its audio, spoken from when it joined on, that falls on the beat.
    """

    beat: int
    transcripts: int
    phase: int


class Rhythm:
    """Gives beats to sessions.

    Args:
        chunk_steps: of 40 ms, the period.
        most: transcripts that can be decoded together; a beat is full with them. With 0 all are as
            if alone.
        clock: seconds.
    """

    def __init__(self, chunk_steps: int, most: int, clock: Callable[[], float]) -> None:
        self._steps = chunk_steps
        self._most = most
        self._clock = clock
        self._began_s = 0.0
        self._counts = [0] * len(BEATS)

    def join(self, transcripts: int) -> Part:
        """Return the part of a session that begins: on the first beat that has room for it."""
        now_s = self._clock()
        if not (self._most and any(self._counts)):
            self._began_s = now_s
        room = [
            beat for beat, count in enumerate(self._counts) if count + transcripts <= self._most
        ]
        if not self._most:
            room = [0]
        beat = room[0] if room else min(range(len(BEATS)), key=self._counts.__getitem__)
        self._counts[beat] += transcripts
        steps = BEATS[beat] * self._steps // len(BEATS)
        since = round((now_s - self._began_s) * SAMPLE_RATE / STEP_SAMPLES)
        return Part(beat, transcripts, (steps - since) % self._steps * STEP_SAMPLES)

    def leave(self, part: Part) -> None:
        """Make room where a session ends."""
        self._counts[part.beat] -= part.transcripts
