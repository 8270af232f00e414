"""What a segmenter works on: a segment, and what it was told to do and where."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from steno_daemon.domains import Version
from steno_daemon.endpoint import (
    SAMPLE_RATE,
    SHORT_PAUSE_SAMPLES,
    Rules,
    Situation,
    widest_gap,
)
from steno_daemon.happenings import BLOCK_SAMPLES, STEP_SAMPLES, Work
from steno_daemon.wire import EndpointReason, When
from steno_models.features.extractor import StreamingExtractor, frames_of
from steno_models.types import FloatArray
from steno_models.vad.decision import VadOptions
from steno_models.vad.webrtc import VadMemory, VoiceActivityDetector

if TYPE_CHECKING:
    from steno_models.recogniser import Alternative, LanguageModel, State, UnknownWord, Update, Word


def detector(rules: Rules, memory: VadMemory | None = None) -> VoiceActivityDetector:
    """Return a detector that tells of every short pause; the rules wait for longer ones."""
    return VoiceActivityDetector(
        VadOptions(
            aggressiveness=rules.vad_aggressiveness,
            hangover_ms=1000 * SHORT_PAUSE_SAMPLES // SAMPLE_RATE,
        ),
        memory,
    )


SAID_WORDS = 100
"""So many words of a stream's finals are kept for models that read on from there."""

Said = tuple[tuple[str, ...], ...]
"""The words of finals, the oldest first."""


def said_after(said: Said, words: "tuple[Word, ...]") -> Said:
    """Return the newest finals with no more words than SAID_WORDS, `words` among them."""
    finals = (*said, tuple(word.text for word in words))
    while finals and sum(map(len, finals)) > SAID_WORDS:
        finals = finals[1:]
    return finals


@dataclass(frozen=True, slots=True)
class Switch:
    """Another version of a language model, from the open segment on or from the next."""

    version: Version
    at: When


@dataclass(frozen=True, slots=True)
class Command:
    """Something to do when the cursor comes to `position`: new rules, a new model, or an end."""

    position: int
    rules: Rules | None = None
    end: EndpointReason | None = None
    switch: Switch | None = None

    @property
    def is_ready(self) -> bool:
        """Whether what it brings is there; the cursor waits for that."""
        return self.switch is None or self.switch.version.is_ready

    @property
    def is_pressing(self) -> bool:
        """Whether somebody waits to see another language model count, and it is there."""
        return self.switch is not None and self.switch.at is When.NOW and self.is_ready

    def due_at(self, cursor: int) -> int:
        """Return where to do it if the cursor goes on, from where it is, in whole blocks.

        A switch cuts no block in two: the endpoints behind it stay where they would have been.
        """
        ahead = max(0, self.position - cursor)
        return cursor + (ahead if self.switch is None else ahead - ahead % BLOCK_SAMPLES)


@dataclass(slots=True)
class Segment:
    """The segment that is being decoded.

    Attributes:
        origin: its first sample.
        fed: sample up to which features went out.
        given: how many features went out.
        extractor: makes the features.
        version: of its language model; None for the one that the session began with.
        number: None as long as nobody heard of it: it continues another, and may stay silent.
        update: the newest one.
        first_frames: how many complete its first chunk.
        stable_words: how many words were called stable so far.
        ending: why it ends, once that is decided.
        is_rescored: whether its next work lets the language model score again what was heard.
    """

    origin: int
    fed: int
    extractor: StreamingExtractor
    version: Version | None = None
    number: int | None = None
    state: "State | None" = None
    update: "Update | None" = None
    first_frames: int = 0
    given: int = 0
    stable_words: int = 0
    ending: EndpointReason | None = None
    is_rescored: bool = False

    @property
    def language_model(self) -> "LanguageModel | str | None":
        """What it is decoded with."""
        return None if self.version is None else self.version.language_model

    @property
    def is_due(self) -> bool:
        """Whether its next work goes out whatever there is of it."""
        return self.ending is not None or self.is_rescored

    def is_enough(self, position: int) -> bool:
        """Whether the recogniser can say anything new once it hears up to `position`."""
        missing = self.update.missing_frames if self.update else self.first_frames
        return frames_of(position - self.origin) - self.given >= missing

    def work(self, samples: FloatArray, *, silence: int, in_speech: bool, said: Said) -> Work:
        """Return as work the features that `samples`, those since the last work, complete.

        Args:
            samples: (N,).
            silence: how many samples it has been silent for.
            in_speech: whether speech goes on.
            said: in earlier segments.
        """
        features = self.extractor.accept(samples)
        self.fed += len(samples)
        self.given += len(features)
        is_rescored, self.is_rescored = self.is_rescored, False
        decoded = self.origin + (self.update.steps if self.update else 0) * STEP_SAMPLES
        return Work(
            features,
            self.state,
            is_last=self.ending is not None,
            position=self.fed,
            origin=self.origin,
            in_speech=in_speech,
            is_silent=silence >= self.fed - decoded,
            language_model=self.language_model,
            is_rescored=is_rescored,
            finals=said,
        )

    def rescore(self, version: Version) -> None:
        """Give it another version; nothing of it is certain any more."""
        if version is not self.version:
            self.version = version
            self.is_rescored = self.state is not None
            self.stable_words = 0

    def situation(self, update: "Update", *, cursor: int, silence: int) -> Situation:
        """Return what the rules look at when this much was heard and was silent, in samples."""
        return Situation(
            length_samples=cursor - self.origin,
            silence_samples=silence,
            blank_samples=update.trailing_blank_steps * STEP_SAMPLES,
            has_words=bool(update.words),
        )

    def steps_to(self, position: int) -> int:
        """Return how many encoder steps begin before a position."""
        return -(-(position - self.origin) // STEP_SAMPLES)

    def words_before(self, end: int, update: "Update | None") -> "tuple[Word, ...]":
        """Return the words that are stable or begin before the end."""
        return tuple(
            word
            for index, word in enumerate(update.words if update else ())
            if index < self.stable_words or word.start_step < self.steps_to(end)
        )

    def cut(self, reason: EndpointReason, update: "Update", cursor: int) -> int | None:
        """Return the encoder step to cut at while speech goes on, None for right at the cursor."""
        if self.update is None:
            return None
        if reason is EndpointReason.BLANK_SILENCE:
            return self.update.steps - self.update.trailing_blank_steps // 2
        if reason is EndpointReason.MAX_UTTERANCE:
            steps = (cursor - self.origin) // STEP_SAMPLES
            return widest_gap(update.words, steps=steps, first=self.stable_words)
        return None


def unknown_before(last_step: int, update: "Update | None") -> "tuple[UnknownWord, ...]":
    """Return the unknown words that end at a step or before."""
    return tuple(word for word in (update.unknown if update else ()) if word.end_step <= last_step)


def alternatives_before(last_step: int, update: "Update | None") -> "tuple[Alternative, ...]":
    """Return the n-best list with the words that begin before a step."""
    return tuple(
        replace(entry, words=tuple(w for w in entry.words if w.start_step < last_step))
        for entry in (update.alternatives if update else ())
    )
