"""What the daemon and the evaluation know of a model of any family, and the values they exchange.

State is a value: a stream owns its state, hands it in with its next features and gets the next
state back; models are shared and immutable. `lexicon_recogniser.py` is the recogniser of CTC
models; `transducer_recogniser.py`, `hmm_recogniser.py` and `speller_recogniser.py` are the others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from steno_models.features.extractor import StreamingExtractor
from steno_models.search.search import BeamSearch
from steno_models.types import FloatArray
from steno_models.vad.speech_gate import Evidence

if TYPE_CHECKING:
    from steno_models.mixture import Joint
    from steno_models.personal import Personal

# Normalised features stay within this many standard deviations, so that digital silence, far
# below anything recorded, is just the quietest sound there is.
FEATURE_LIMIT = 4.0
# Frames of silence after the last sample of a segment: the encoder's look-ahead, and time for the
# last phone's spike, which a streaming CTC model places late.
TAIL_FRAMES = 32

# What the parts of a recogniser carry from call to call: nobody else looks inside.
AnyState: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word.

    Attributes:
        text: as the lexicon spells it.
        start_step: step of 40 ms (since the start of the segment) at which it begins.
        end_step: step after its last one.
        confidence: 0 to 1, the calibrated probability that the word is right.
    """

    text: str
    start_step: int
    end_step: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Alternative:
    """One entry of the n-best list: its words and its total log score."""

    words: tuple[Word, ...]
    log_score: float


@dataclass(frozen=True, slots=True)
class CandidateWord:
    """A word that an unknown one could be.

    Attributes:
        text: its spelling.
        phones: of its pronunciations the one that fits best.
        score: its share among those that were looked at.
        spelling: minus the weighted edits between these and the phones heard.
        sound: nats behind the likeliest tokens.
        context: ln of how often it is written, and how well its ending goes with its neighbours.
        meaning: how near it is in meaning; None where nobody can tell.
    """

    text: str
    phones: tuple[str, ...]
    score: float
    spelling: float
    sound: float
    context: float
    meaning: float | None = None


@dataclass(frozen=True, slots=True)
class UnknownWord:
    """A word that the lexicon lacks.

    Attributes:
        text: the words that stand in its place.
        start_step: step of 40 ms at which it begins.
        end_step: step after its last one.
        phones: what was heard.
        confidence: 0 to 1, that it is unknown.
        candidates: what it could be, the likeliest first.
    """

    text: str
    start_step: int
    end_step: int
    phones: tuple[str, ...]
    confidence: float
    candidates: tuple[CandidateWord, ...]


@dataclass(frozen=True, slots=True)
class Update:
    """What is known about a segment after a step.

    Attributes:
        words: the best hypothesis so far, whole; none while the segment may hold no speech.
        stable_words: how many of its leading words can no longer change.
        steps: steps of 40 ms decoded so far in this segment.
        trailing_blank_steps: how many of the last steps the model called silence (blank).
        alternatives: the n-best list, best first; filled at the end of a segment only.
        missing_frames: features without which nothing more can be known, unless the segment ends.
        unscored: at the end of a segment, how many of its hypotheses the second pass had no time
            for; None where there was no second pass.
        unknown: at the end of a segment, the words that the lexicon lacks.
        unknown_s: how long the search for them took; None where nobody looked.
    """

    words: tuple[Word, ...]
    stable_words: int
    steps: int
    trailing_blank_steps: int
    alternatives: tuple[Alternative, ...] = ()
    missing_frames: int = 0
    unscored: int | None = None
    unknown: tuple[UnknownWord, ...] = ()
    unknown_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeOptions:
    """What a stream may ask for.

    Attributes:
        n_best: how many alternatives at the end of a segment.
        chunk_steps: encoder steps decoded at a time; the recogniser's own where None.
        first_chunk_steps: of 40 ms, of the first chunk where it shall be shorter; as a chunk after
            it sees no more than itself and what was before, its words can be others.
        language_model: the name of one of the recogniser's own, or one that it never heard of: who
            decodes with it keeps it in memory, and nobody else.
        beam_scale: factor on the beam; below 1 is faster and worse.
        second_pass: whether the final may be another than that of the search, where the bundle has
            models that read whole sentences.
        finals: the words of finals before, the oldest first, for those models.
        unknown_words: whether words that the lexicon lacks are looked for, where that can be.
    """

    n_best: int = 1
    chunk_steps: int | None = None
    first_chunk_steps: int | None = None
    language_model: "str | LanguageModel" = "general"
    beam_scale: float = 1.0
    second_pass: bool = True
    finals: tuple[tuple[str, ...], ...] = ()
    unknown_words: bool = True


@dataclass(frozen=True, slots=True)
class State:
    """What one segment carries from call to call.

    Attributes:
        options: what was asked for.
        frames: (t, F) normalised frames that wait for their chunk.
        encoder: the encoder's state.
        search: the search's state.
        log_probs: what the search took since the start of the segment, each (S, V), for another
            language model to take.
        evidence: whether it is speech; None where nobody asks.
        trailing_blank_steps: see `Update`.
        steps: of the encoder, each (S, D), where a second pass looks at them.
        second_pass: what that carries.
    """

    options: DecodeOptions
    frames: FloatArray
    encoder: AnyState
    search: AnyState
    log_probs: tuple[FloatArray, ...] = ()
    evidence: Evidence | None = None
    trailing_blank_steps: int = 0
    steps: tuple[FloatArray, ...] = ()
    second_pass: AnyState = None

    @property
    def is_speech(self) -> bool:
        """Whether the words of the segment may be shown; once they may, they always may."""
        return self.evidence is None or self.evidence.is_open


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Work:
    """New features of one stream.

    Attributes:
        features: (T, F), any T.
        state: of its segment.
        is_last: whether they end the segment.
        asked_s: since when somebody waits, by the monotonic clock; None where nobody does.
        is_silent: whether it is known by other means that nobody speaks in what was not decoded
            yet; it need not be then, if nothing was heard before it either.
        meanwhile: called where a batch can be interrupted, between the encoder and the searches;
            work of other streams may go through the recogniser there.
    """

    features: FloatArray
    state: State
    is_last: bool = False
    asked_s: float | None = None
    is_silent: bool = False
    meanwhile: Callable[[], None] = _nothing


@dataclass(frozen=True, slots=True)
class AddedWord:
    """A word beyond a lexicon, or one of it that is expected.

    Attributes:
        text: its spelling.
        pronunciations: phones with spaces between; none where they shall be found.
        boost: nats that each time it is said earns; None for what suits its length, of a new word.
        recording: how it is said, 16-bit samples at 16 kHz; empty where nobody said it.
        turn: rises with each addition: what was added later is expected more.
    """

    text: str
    pronunciations: tuple[str, ...] = ()
    boost: float | None = None
    recording: bytes = b""
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that are expected one after the other; each of them earns `boost` nats then."""

    text: str
    boost: float


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is expected beside what a language model knows."""

    words: tuple[AddedWord, ...] = ()
    phrases: tuple[Phrase, ...] = ()

    def joined(self, others: "Wishes") -> "Wishes":
        """Return these and others, which came later; of a word that both have, theirs counts."""
        shift = 1 + max((word.turn for word in self.words), default=-1)
        later = [replace(word, turn=word.turn + shift) for word in others.words]
        words = {word.text: word for word in (*self.words, *later)}
        return Wishes(tuple(words.values()), (*self.phrases, *others.phrases))


@dataclass(frozen=True, slots=True, weakref_slot=True)
class LanguageModel:
    """A lexicon and language model ready to search.

    Attributes:
        search: through the lexicon.
        words: the spelling of its word ids.
        neural_share: of the second pass's neural language model beside this one; that of the bundle
            where None.
        plain: the one that this one extends; None where it extends none.
        wishes: what it has beyond that one.
        joint: of several language models, they under one vocabulary.
        personal: what is known of the speaker, to be put beside it where a segment begins.
    """

    search: BeamSearch
    words: Sequence[str]
    neural_share: float | None = None
    plain: "LanguageModel | None" = None
    wishes: Wishes = Wishes()
    joint: "Joint | None" = None
    personal: "Personal | None" = None

    def after(self, finals: tuple[tuple[str, ...], ...]) -> "LanguageModel":
        """Return what a segment is decoded with after such finals of its stream."""
        return self if self.personal is None else self.personal.beside(self, finals)


class HasChunk(Protocol):
    """How much a recogniser decodes at a time."""

    @property
    def chunk_steps(self) -> int:
        """Steps of 40 ms of a chunk."""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Recognised words, and what tells how sure they are: (words, features)."""

    words: tuple[str, ...]
    features: NDArray[np.float64]


class Recogniser(Protocol):
    """A trained model of any family that decodes any number of streams, one call at a time.

    Time is counted in frames of 10 ms on the way in and in steps of 40 ms on the way out.
    """

    @property
    def context(self) -> HasChunk:
        """The chunk of streams that wish none."""

    def features(self) -> StreamingExtractor:
        """Return what turns the samples of a segment into the features that `step` takes."""

    def start(self, options: DecodeOptions) -> State:
        """Return the state before the first frame of a segment.

        Raises:
            ConfigError: no such language model, or an impossible chunk.
        """

    def step(self, work: Sequence[Work]) -> Sequence[tuple[Update, State]]:
        """Return what is known after each piece of work, and the state after it.

        How a segment is cut into work makes no difference to what is known at its end.
        """

    def rescored(self, state: State, language_model: str | LanguageModel) -> State:
        """Return `state` as if its segment had been decoded with another language model.

        Raises:
            ConfigError: no such language model.
        """


class BundledRecogniser(Recogniser, Protocol):
    """What a bundle has: one whose confidences can be calibrated."""

    def measured(self, state: State) -> Measured:
        """Return the words of a segment that ended with `state`, for a calibration."""
