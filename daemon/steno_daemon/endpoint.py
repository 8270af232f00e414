"""Rules that end an utterance, in the manner of Kaldi's endpointing: a few thresholds, no model.

    trailing silence    words, then silence by the voice activity detector
    blank silence       words, then nothing but blanks by the model's own judgement (noise, music)
    empty silence       silence in a segment in which nothing was decoded
    maximum utterance   long speech: from 60 % of the maximum on the next short pause ends it, at
                        the maximum it is cut between two words

The rules see positions in samples and what the model has said so far, never a clock.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from steno_daemon.wire import Endpointing, EndpointReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steno_models.recogniser import Word

SAMPLE_RATE = 16_000
SHORT_PAUSE_SAMPLES = 120 * SAMPLE_RATE // 1000
SOFT_SHARE = 0.6
SMALL_GAP_STEPS = 2


@dataclass(frozen=True, slots=True)
class Rules:
    """The thresholds of one session, in samples at 16 kHz; `blank_silence_samples` 0 is off."""

    trailing_silence_samples: int = 700 * SAMPLE_RATE // 1000
    empty_silence_samples: int = 1_200 * SAMPLE_RATE // 1000
    blank_silence_samples: int = 1_600 * SAMPLE_RATE // 1000
    max_utterance_samples: int = 25 * SAMPLE_RATE
    pre_roll_samples: int = 400 * SAMPLE_RATE // 1000
    vad_aggressiveness: int = 2

    @property
    def soft_utterance_samples(self) -> int:
        """Length from which on a short pause ends the utterance."""
        return int(self.max_utterance_samples * SOFT_SHARE)

    def changed(self, wish: Endpointing) -> "Rules":
        """Return the rules after a client's wish; what it leaves out stays."""
        wishes = {
            "trailing_silence_samples": _samples(wish.trailing_silence_ms),
            "empty_silence_samples": _samples(wish.empty_silence_ms),
            "blank_silence_samples": _samples(wish.blank_silence_ms),
            "max_utterance_samples": _samples(wish.max_utterance_s, scale=1.0),
            "pre_roll_samples": _samples(wish.pre_roll_ms),
            "vad_aggressiveness": wish.vad_aggressiveness,
        }
        return replace(self, **{name: value for name, value in wishes.items() if value is not None})


def _samples(amount: float | None, scale: float = 1e-3) -> int | None:
    """Return an amount of `scale` seconds in samples."""
    return None if amount is None else round(amount * scale * SAMPLE_RATE)


@dataclass(frozen=True, slots=True)
class Situation:
    """What the rules look at, at one position of a segment.

    Attributes:
        length_samples: from the start of the segment to here.
        silence_samples: since when the voice activity detector hears silence; 0 in speech.
        blank_samples: how much of the decoded end the model calls silence.
        has_words: whether anything was decoded.
    """

    length_samples: int
    silence_samples: int
    blank_samples: int
    has_words: bool


def decide(rules: Rules, here: Situation) -> EndpointReason | None:
    """Return the rule that ends the segment here, if one does."""
    if here.has_words and here.silence_samples >= rules.trailing_silence_samples:
        return EndpointReason.TRAILING_SILENCE
    if not here.has_words and here.silence_samples >= rules.empty_silence_samples:
        return EndpointReason.EMPTY_SILENCE
    if here.has_words and 0 < rules.blank_silence_samples <= here.blank_samples:
        return EndpointReason.BLANK_SILENCE
    if here.length_samples >= rules.max_utterance_samples:
        return EndpointReason.MAX_UTTERANCE
    long = here.length_samples >= rules.soft_utterance_samples
    if long and here.silence_samples >= SHORT_PAUSE_SAMPLES:
        return EndpointReason.MAX_UTTERANCE
    return None


def widest_gap(words: "Sequence[Word]", *, steps: int, first: int) -> int:
    """Return the encoder step in the middle of the widest gap between words, the latest of equals.

    Args:
        words: of the segment, which has `steps` encoder steps.
        steps: where the segment ends if no gap is found in its last two thirds.
        first: how many leading words are promised already and stay before the cut.
    """
    starts = [*(word.start_step for word in words[1:]), steps]
    gaps = [
        (start - word.end_step, (word.end_step + start) // 2)
        for word, start in list(zip(words, starts, strict=False))[max(first, 1) - 1 :]
    ]
    if words and first == 0:
        # Before the first word, if between words there is no gap to speak of.
        lead = words[0].start_step
        gaps.insert(0, (min(lead, SMALL_GAP_STEPS), lead - min(lead, SMALL_GAP_STEPS) // 2))
    return max((gap for gap in gaps if gap[1] > steps // 3), default=(0, steps))[1]
