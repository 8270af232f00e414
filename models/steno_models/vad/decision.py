"""From votes of single frames to the starts and ends of speech: rules that know no sound.

Speech starts when enough of the last frames voted for it, and ends when none has for a while
(the hangover). Starts are dated back to the first frame that could have been speech, ends to the
last one that was, so times do not depend on how long the rules took to be sure.
"""

from collections import deque
from dataclasses import dataclass

from steno_models.errors import ConfigError

SAMPLE_RATE = 16_000
_FRAME_MS = (10, 20, 30)


@dataclass(frozen=True, slots=True)
class SpeechStart:
    """Speech may have begun as early as `sample`, counted from the start of the stream."""

    sample: int


@dataclass(frozen=True, slots=True)
class SpeechEnd:
    """No speech was heard from `sample` on, counted from the start of the stream."""

    sample: int


VadEvent = SpeechStart | SpeechEnd


@dataclass(frozen=True, slots=True)
class VadOptions:
    """How eagerly speech is believed and how long it is waited for.

    Attributes:
        aggressiveness: WebRTC's mode, 0 (believes everything) to 3.
        frame_ms: the length of a frame, 10, 20 or 30.
        start_ms: speech needed within the window to start.
        window_ms: how far back a start looks for that speech.
        hangover_ms: silence needed to end.
        lead_ms: sound before the first vote that belongs to the start: votes miss soft onsets.
        start_db: how far above the noise floor a frame must be to count before speech has started.
        stay_db: the same afterwards.
    """

    aggressiveness: int = 2
    frame_ms: int = 10
    start_ms: int = 100
    window_ms: int = 300
    hangover_ms: int = 500
    lead_ms: int = 100
    start_db: float = 3.0
    stay_db: float = 2.0

    def __post_init__(self) -> None:
        if self.aggressiveness not in range(4):
            raise ConfigError(f"expected an aggressiveness of 0 to 3, found {self.aggressiveness}")
        if self.frame_ms not in _FRAME_MS:
            raise ConfigError(f"expected frames of 10, 20 or 30 ms, found {self.frame_ms}")
        if not self.frame_ms <= self.start_ms <= self.window_ms:
            raise ConfigError(
                f"expected frame_ms <= start_ms <= window_ms, "
                f"found {self.frame_ms}, {self.start_ms}, {self.window_ms}"
            )
        if self.hangover_ms < self.frame_ms or self.lead_ms < 0:
            raise ConfigError(
                f"expected a hangover of a frame or more and a lead of 0 or more, "
                f"found {self.hangover_ms} and {self.lead_ms} ms"
            )

    @property
    def frame_samples(self) -> int:
        """Samples of one frame."""
        return self.frame_ms * SAMPLE_RATE // 1000

    @property
    def window_frames(self) -> int:
        """Frames of the window in which votes are counted."""
        return self.window_ms // self.frame_ms

    @property
    def lookback_samples(self) -> int:
        """The most by which a start lies before the newest sample: what a pre-roll must hold."""
        lead_frames = -(-self.lead_ms // self.frame_ms)
        return (2 * self.window_frames + lead_frames + 1) * self.frame_samples


_NO_VOTE = -1


class Decision:
    """The rules at work: votes in, one frame after the other, and the events that they bring about.

    It runs for every 10 ms of every stream, so it counts what changes and looks for nothing.

    Args:
        options: how eagerly speech is believed.
        speaking: whether speech has started before the first frame.

    Attributes:
        speaking: whether speech has started and not ended.
    """

    def __init__(self, options: VadOptions, *, speaking: bool = False) -> None:
        self.speaking = speaking
        self._options = options
        self._frames = 0
        # One entry for each of the last frames: where the unbroken run of candidates that it
        # belongs to began if it voted for speech, _NO_VOTE if it did not.
        self._votes: deque[int] = deque(maxlen=options.window_frames)
        self._voted = 0  # how many of them are votes for speech
        self._run_start = 0  # first frame of the present run of candidates, or the next frame
        self._last_speech = 0  # the last frame that voted for speech
        self._free_from = 0  # the frame before which a start would overlap the speech before it

    @property
    def speech_fraction(self) -> float:
        """The share of the window's frames that voted for speech, 0 to 1."""
        return self._voted / len(self._votes) if self._votes else 0.0

    def hear(self, *, candidate: bool, loud: bool) -> VadEvent | None:
        """Return what one more frame brings about.

        A `candidate` sounds like speech; it votes for speech if it is `loud` enough as well.
        """
        if not candidate:
            self._run_start = self._frames + 1
        votes = self._votes
        if len(votes) == votes.maxlen and votes[0] != _NO_VOTE:
            self._voted -= 1
        if candidate and loud:
            votes.append(self._run_start)
            self._voted += 1
            self._last_speech = self._frames
        else:
            votes.append(_NO_VOTE)
        self._frames += 1
        return self._while_speaking() if self.speaking else self._while_silent()

    def end(self) -> SpeechEnd | None:
        """End the present speech, if there is any, and return the event of its end."""
        if not self.speaking:
            return None
        self.speaking = False
        self._votes.clear()
        self._voted = 0
        self._free_from = self._last_speech + 1
        return SpeechEnd(self._free_from * self._options.frame_samples)

    def _while_silent(self) -> SpeechStart | None:
        options = self._options
        if self._voted * options.frame_ms < options.start_ms:
            return None
        first = next(i for i, vote in enumerate(self._votes) if vote != _NO_VOTE)
        earliest = self._frames - len(self._votes) + first - options.window_frames
        run_start = max(self._votes[first], earliest)
        sample = run_start * options.frame_samples - options.lead_ms * SAMPLE_RATE // 1000
        self.speaking = True
        return SpeechStart(max(sample, self._free_from * options.frame_samples))

    def _while_speaking(self) -> SpeechEnd | None:
        silent_frames = self._frames - 1 - self._last_speech
        if silent_frames * self._options.frame_ms < self._options.hangover_ms:
            return None
        return self.end()
