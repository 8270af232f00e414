"""The detector: WebRTC's opinion on each frame, the level's veto, and the rules on top."""

from dataclasses import dataclass

import numpy as np
import webrtcvad

from steno_models.types import FloatArray
from steno_models.vad.decision import SAMPLE_RATE, Decision, VadEvent, VadOptions
from steno_models.vad.levels import LevelMeter, Levels


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
        self._meter = LevelMeter(memory.levels if memory else Levels(self.options.frame_ms))
        self._decision = Decision(self.options, speaking=memory is not None and memory.speaking)
        self._rest = np.zeros(0, np.float32)
        self._before = memory.before if memory else 0.0

    @property
    def memory(self) -> VadMemory:
        """What another detector needs to go on from here."""
        return VadMemory(self._decision.speaking, self._meter.levels, self._before)

    @property
    def speaking(self) -> bool:
        """Whether speech has started and not ended."""
        return self._decision.speaking

    @property
    def speech_fraction(self) -> float:
        """The share of the last frames that sounded like speech, 0 to 1."""
        return self._decision.speech_fraction

    @property
    def noise_floor_db(self) -> float:
        """The level of the noise, in dB of full scale after pre-emphasis."""
        return self._meter.floor_db

    def accept(self, samples: FloatArray) -> list[VadEvent]:
        """Return what `samples`, (N,) float32 in [-1, 1] at 16 kHz, bring about."""
        known = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        size = self.options.frame_samples
        whole = len(known) - len(known) % size
        self._rest = known[whole:].copy()
        if not whole:
            return []
        pcm, above_db = self._meter.hear(known[:whole].reshape(-1, size), self._before)
        self._before = float(known[whole - 1])
        heard = (self._hear(pcm[2 * size * k :][: 2 * size], db) for k, db in enumerate(above_db))
        return [event for event in heard if event is not None]

    def finish(self) -> list[VadEvent]:
        """Return the end of the speech that the end of the stream cut short, if there is one."""
        event = self._decision.end()
        return [] if event is None else [event]

    def _hear(self, pcm: bytes, above_db: float) -> VadEvent | None:
        speaking = self._decision.speaking
        margin_db = self.options.stay_db if speaking else self.options.start_db
        return self._decision.hear(
            candidate=bool(self._webrtc.is_speech(pcm, SAMPLE_RATE)), loud=above_db > margin_db
        )
