"""What a client says; read strictly: an unknown field is an error that names it."""

from typing import Annotated, TypeAlias

import msgspec

from steno_daemon.wire.names import CHANNELS_MAX, SAMPLE_RATE_MAX, SAMPLE_RATE_MIN, Encoding, When
from steno_daemon.wire.words import NewWord, Phrase, WordText


class Endpointing(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Rules that end an utterance; what is left out keeps its present value."""

    trailing_silence_ms: Annotated[int, msgspec.Meta(ge=100, le=10_000)] | None = None
    """Silence after words that ends the utterance."""
    empty_silence_ms: Annotated[int, msgspec.Meta(ge=100, le=60_000)] | None = None
    """Silence that ends a segment in which nothing was decoded yet."""
    max_utterance_s: Annotated[float, msgspec.Meta(ge=1, le=120)] | None = None
    """Length at which an utterance is cut at the latest."""
    blank_silence_ms: Annotated[int, msgspec.Meta(ge=0, le=10_000)] | None = None
    """Silence by the model's own judgement that ends the utterance; 0 switches the rule off."""
    vad_aggressiveness: Annotated[int, msgspec.Meta(ge=0, le=3)] | None = None
    """How readily the voice activity detector calls sound silence, 0 to 3."""
    pre_roll_ms: Annotated[int, msgspec.Meta(ge=0, le=2_000)] | None = None
    """Audio before the detected start of speech that is decoded too."""


class _Client(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="type",
):
    """What every message of a client has in common."""


Weights = Annotated[
    dict[
        Annotated[str, msgspec.Meta(min_length=1, max_length=100)],
        Annotated[float, msgspec.Meta(ge=0, le=1)],
    ],
    msgspec.Meta(min_length=1, max_length=4),
]
"""Language models and how much each counts; together 1."""


class Start(_Client, frozen=True, kw_only=True, tag="start"):
    """Opens the session: the form of the audio and what to send back."""

    encoding: Encoding = Encoding.PCM_S16LE
    rate: Annotated[int, msgspec.Meta(ge=SAMPLE_RATE_MIN, le=SAMPLE_RATE_MAX)] = 16_000
    """Samples a second of each channel."""
    channels: Annotated[int, msgspec.Meta(ge=1, le=CHANNELS_MAX)] = 1
    """Interleaved channels."""
    separate_channels: bool = False
    """Whether each channel is a transcript of its own, told apart by `channel`, on one clock;
    otherwise they are mixed to one."""
    language_model: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] = "general"
    language_model_weights: Weights | None = None
    """Several language models instead, each with its weight; the weights sum to 1. Their
    probabilities are added up word by word."""
    personal: Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")] | None = None
    """Name under which the daemon shall remember, for the sessions of this token, which words are
    said, so that it expects them again; left out, it remembers nothing."""
    partials: bool = True
    """Whether hypotheses come while the utterance lasts."""
    endpointing: Endpointing = Endpointing()
    n_best: Annotated[int, msgspec.Meta(ge=1, le=20)] = 1
    """How many hypotheses a `final` may carry; above 1 it has `alternatives`."""
    word_times: bool = False
    """Whether `partial` and `final` carry `words`."""
    punctuate: bool | None = None
    """Whether finals come with marks and capitals as well, in `written`; left out, the daemon's
    choice, mostly yes."""
    written_numbers: bool | None = None
    """Whether `written` has figures: 25, 1984, $5.10, 10:30 am, 3%, 1 May; likewise."""
    chunk_ms: Annotated[int, msgspec.Meta(ge=40, le=5_000)] | None = None
    """Decoding step: shorter is earlier, longer is better; the daemon rounds to what it can."""
    second_pass: bool = True
    """Whether models that read whole sentences may rank the hypotheses of a `final` anew, where the
    daemon has such. What was stable stays."""
    unknown_words: bool = True
    """Whether an `unknown_word` tells of words that the lexicon lacks, where the daemon has a
    vocabulary of candidates."""
    label: Annotated[str, msgspec.Meta(max_length=100)] = ""
    """What those who watch the session see as its name."""
    phrases: tuple[Phrase, ...] = ()
    """What is likely to be said; a `vocabulary` says what was taken."""
    record: bool = False
    """Whether the speaker consents that the daemon keeps the audio, if it is set up to."""


class Resume(_Client, frozen=True, kw_only=True, tag="resume"):
    """Opens another connection to a session whose connection broke."""

    token: Annotated[str, msgspec.Meta(max_length=200)]
    """From `ready`."""
    seq: Annotated[int, msgspec.Meta(ge=-1)] = -1
    """Number of the last event that arrived, -1 for none."""


class Configure(_Client, frozen=True, kw_only=True, tag="configure"):
    """Changes a running session, from the audio sent after it on."""

    endpointing: Endpointing = Endpointing()
    language_model: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    """Another one; a `switched` follows where it begins to count. The name that the session has
    brings the newest version of it."""
    language_model_weights: Weights | None = None
    """Several instead, as in `start`; not beside `language_model`."""
    phrases: tuple[Phrase, ...] | None = None
    """What is likely to be said from now on, instead of what was before; none with an empty list. A
    `vocabulary` says what was taken, a `switched` where it begins to count."""
    at: When = When.SEGMENT
    """From when on; with "now" the open segment is scored again from its start."""


class AddWords(_Client, frozen=True, kw_only=True, tag="add_words"):
    """Adds words to what the session knows, beside those added before; a `vocabulary` answers."""

    words: Annotated[tuple[NewWord, ...], msgspec.Meta(min_length=1)]
    at: When = When.SEGMENT
    """From when on they may be heard; with "now" the open segment is scored again."""


class ConfirmWord(_Client, frozen=True, kw_only=True, tag="confirm_word"):
    """Says what an unknown word is: it is added to what the session knows, as it was heard.

    A `vocabulary` answers. For a language model and all who use it, an administrator adds it.
    """

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    """Of the `unknown_word`."""
    text: WordText
    """One of its candidates or any other word."""
    at: When = When.SEGMENT
    """From when on it may be heard; with "now" the open segment is scored again."""


class Finalize(_Client, frozen=True, kw_only=True, tag="finalize"):
    """Ends the utterance now; the session goes on. A `finalized` follows."""


class Stop(_Client, frozen=True, kw_only=True, tag="stop"):
    """No more audio comes: the daemon sends what is left, then `closed`."""


class Ping(_Client, frozen=True, kw_only=True, tag="ping"):
    """Asks for a `pong` with the same id."""

    id: int = 0


ClientMessage: TypeAlias = (
    Start | Resume | Configure | AddWords | ConfirmWord | Finalize | Stop | Ping
)
