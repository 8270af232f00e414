"""From votes of single frames to the starts and ends of speech: pure rules on a value.

Speech starts when enough of the last frames voted for it, and ends when none has for a while
(the hangover). Starts are dated back to the first frame that could have been speech, ends to the
last one that was, so times do not depend on how long the rules took to be sure.
"""

from dataclasses import dataclass, replace

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


@dataclass(frozen=True, slots=True)
class VadState:
    """What the rules remember between two frames: a value, never changed.

    Attributes:
        frames: frames decided so far.
        votes: one entry for each of the last frames: where the unbroken run of candidates that
            it belongs to began if it voted for speech, -1 if it did not.
        run_start: the first frame of the present run of candidates, `frames` where there is none.
        speaking: whether speech has started and not ended.
        last_speech: the last frame that voted for speech.
        free_from: the frame before which a start would overlap the speech before it.
    """

    frames: int = 0
    votes: tuple[int, ...] = ()
    run_start: int = 0
    speaking: bool = False
    last_speech: int = 0
    free_from: int = 0

    @property
    def speech_fraction(self) -> float:
        """The share of the window's frames that voted for speech, 0 to 1."""
        return 1 - self.votes.count(_NO_VOTE) / len(self.votes) if self.votes else 0.0


def decide(
    state: VadState, options: VadOptions, *, candidate: bool, loud: bool
) -> tuple[VadState, VadEvent | None]:
    """Return the state after one more frame, and the event that it brings about.

    A `candidate` sounds like speech; it votes for speech if it is `loud` enough as well.
    """
    run_start = state.run_start if candidate else state.frames + 1
    vote = run_start if candidate and loud else _NO_VOTE
    after = replace(
        state,
        frames=state.frames + 1,
        votes=(*state.votes, vote)[-options.window_frames :],
        run_start=run_start,
        last_speech=state.last_speech if vote == _NO_VOTE else state.frames,
    )
    return _while_speaking(after, options) if state.speaking else _while_silent(after, options)


def _while_silent(state: VadState, options: VadOptions) -> tuple[VadState, SpeechStart | None]:
    votes = [i for i, vote in enumerate(state.votes) if vote != _NO_VOTE]
    if len(votes) * options.frame_ms < options.start_ms:
        return state, None
    first = state.frames - len(state.votes) + votes[0]
    run_start = max(state.votes[votes[0]], first - options.window_frames)
    sample = run_start * options.frame_samples - options.lead_ms * SAMPLE_RATE // 1000
    earliest = state.free_from * options.frame_samples
    return replace(state, speaking=True), SpeechStart(max(sample, earliest))


def _while_speaking(state: VadState, options: VadOptions) -> tuple[VadState, SpeechEnd | None]:
    silent_frames = state.frames - 1 - state.last_speech
    if silent_frames * options.frame_ms < options.hangover_ms:
        return state, None
    return end(state, options)


def end(state: VadState, options: VadOptions) -> tuple[VadState, SpeechEnd | None]:
    """Return the state after the present speech, if there is any, and the event of its end."""
    if not state.speaking:
        return state, None
    end_frame = state.last_speech + 1
    after = replace(state, speaking=False, votes=(), free_from=end_frame)
    return after, SpeechEnd(end_frame * options.frame_samples)
