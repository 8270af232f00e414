"""The detector: WebRTC's opinion on each frame, the level's veto, and the rules on top."""

from dataclasses import dataclass

import numpy as np
import webrtcvad

from steno_models.types import FloatArray
from steno_models.vad.decision import (
    SAMPLE_RATE,
    VadEvent,
    VadOptions,
    VadState,
    decide,
    end,
)
from steno_models.vad.levels import Levels, frame_levels_db


@dataclass(frozen=True, slots=True)
class VadMemory:
    """What a detector knows of the past that another one can go on from.

    WebRTC's own mixtures are not in it: a detector that goes on begins them anew.

    Attributes:
        speaking: whether speech has started and not ended.
        levels: how loud it was lately.
        before: the last sample.
    """

    speaking: bool
    levels: Levels
    before: float


class VoiceActivityDetector:
    """The streaming form: samples in, cut anywhere, and the starts and ends of speech out.

    Args:
        options: how eagerly speech is believed.
        memory: of the detector that this one goes on from.
    """

    def __init__(self, options: VadOptions | None = None, memory: VadMemory | None = None) -> None:
        self.options = options or VadOptions()
        self._webrtc = webrtcvad.Vad(self.options.aggressiveness)
        self._levels = memory.levels if memory else Levels(self.options.frame_ms)
        self._state = VadState(speaking=memory is not None and memory.speaking)
        self._rest = np.zeros(0, np.float32)
        self._before = memory.before if memory else 0.0

    @property
    def memory(self) -> VadMemory:
        """What another detector needs to go on from here."""
        return VadMemory(self._state.speaking, self._levels, self._before)

    @property
    def speaking(self) -> bool:
        """Whether speech has started and not ended."""
        return self._state.speaking

    @property
    def speech_fraction(self) -> float:
        """The share of the last frames that sounded like speech, 0 to 1."""
        return self._state.speech_fraction

    @property
    def noise_floor_db(self) -> float:
        """The level of the noise, in dB of full scale after pre-emphasis."""
        return self._levels.floor_db

    def accept(self, samples: FloatArray) -> list[VadEvent]:
        """Return what `samples`, (N,) float32 in [-1, 1] at 16 kHz, bring about."""
        known = np.concatenate([self._rest, samples])
        frame_samples = self.options.frame_samples
        whole = len(known) - len(known) % frame_samples
        self._rest = known[whole:]
        if whole == 0:
            return []
        levels_db = frame_levels_db(known[:whole], self._before, frame_samples)
        self._before = float(known[whole - 1])
        frames = known[:whole].reshape(-1, frame_samples)
        events = (
            self._hear(frame, level_db)
            for frame, level_db in zip(frames, levels_db.tolist(), strict=True)
        )
        return [event for event in events if event is not None]

    def finish(self) -> list[VadEvent]:
        """Return the end of the speech that the end of the stream cut short, if there is one."""
        self._state, event = end(self._state, self.options)
        return [] if event is None else [event]

    def _hear(self, frame: FloatArray, level_db: float) -> VadEvent | None:
        self._levels = self._levels.heard(level_db)
        margin_db = self.options.stay_db if self._state.speaking else self.options.start_db
        self._state, event = decide(
            self._state,
            self.options,
            candidate=self._sounds_like_speech(frame),
            loud=self._levels.above_floor_db > margin_db,
        )
        return event

    def _sounds_like_speech(self, frame: FloatArray) -> bool:
        scale = 32768 * 10 ** (self._levels.gain_db / 20)
        pcm = np.clip(np.rint(frame * scale), -32768, 32767).astype("<i2")
        return bool(self._webrtc.is_speech(pcm.tobytes(), SAMPLE_RATE))
