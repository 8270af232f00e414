"""What a client of OpenAI's realtime transcription says, and what a session is set to.

Both forms are read: the present one, and the flat one of before. Members that change nothing here
(a prompt, keywords, a language, noise reduction) are let through, and are missing from what the
daemon says the session is set to.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from steno_daemon.wire import SAMPLE_RATE_MAX, SAMPLE_RATE_MIN, Encoding, Endpointing

Milliseconds = Annotated[int, msgspec.Meta(ge=0)]
LOGPROBS = "item.input_audio_transcription.logprobs"
RATE = 24_000
TELEPHONE_RATE = 8_000
SILENCE_MS = (100, 10_000)
PADDING_MS_MAX = 2_000
PATIENT_MS = 10_000
"""Silence that ends an utterance where the client itself says when one is over."""
EAGERNESS_MS = {"low": 1_200, "high": 400}


class Format(msgspec.Struct, frozen=True, tag_field="type", tag="audio/pcm"):
    """16-bit samples."""

    rate: Annotated[int, msgspec.Meta(ge=SAMPLE_RATE_MIN, le=SAMPLE_RATE_MAX)] = RATE


class MuLaw(msgspec.Struct, frozen=True, tag_field="type", tag="audio/pcmu"):
    """G.711, as in America and Japan."""


class ALaw(msgspec.Struct, frozen=True, tag_field="type", tag="audio/pcma"):
    """G.711, as elsewhere."""


class Transcription(msgspec.Struct, frozen=True):
    """What transcribes."""

    model: str | None = None


class ServerVad(msgspec.Struct, frozen=True, tag_field="type", tag="server_vad"):
    """The daemon ends utterances, after so much silence."""

    threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    prefix_padding_ms: Milliseconds | None = None
    silence_duration_ms: Milliseconds | None = None


class SemanticVad(msgspec.Struct, frozen=True, tag_field="type", tag="semantic_vad"):
    """The daemon ends utterances, more or less eagerly."""

    eagerness: Literal["low", "medium", "high", "auto"] | None = None


AnyFormat: TypeAlias = Format | MuLaw | ALaw
Vad: TypeAlias = ServerVad | SemanticVad


class Input(msgspec.Struct, frozen=True):
    """What comes in; what is left out stays."""

    format: AnyFormat | UnsetType = UNSET
    transcription: Transcription | UnsetType | None = UNSET
    turn_detection: Vad | UnsetType | None = UNSET


class Audio(msgspec.Struct, frozen=True):
    """What comes in; nothing goes out."""

    input: Input = Input()


class Wish(msgspec.Struct, frozen=True):
    """What a session shall be set to."""

    type: Literal["transcription"] = "transcription"
    audio: Audio = Audio()
    include: tuple[str, ...] | UnsetType | None = UNSET


class FlatWish(msgspec.Struct, frozen=True):
    """The same in the form of before."""

    input_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] | UnsetType = UNSET
    input_audio_transcription: Transcription | UnsetType | None = UNSET
    turn_detection: Vad | UnsetType | None = UNSET
    include: tuple[str, ...] | UnsetType | None = UNSET

    def in_present_form(self) -> Wish:
        """Return it as it is said now."""
        formats: dict[str, AnyFormat] = {
            "pcm16": Format(),
            "g711_ulaw": MuLaw(),
            "g711_alaw": ALaw(),
        }
        said = self.input_audio_format
        heard = Input(
            format=said if said is UNSET else formats[str(said)],
            transcription=self.input_audio_transcription,
            turn_detection=self.turn_detection,
        )
        return Wish(audio=Audio(heard), include=self.include)


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What every message has in common."""

    event_id: str | None = None


class Update(_Message, frozen=True, kw_only=True, tag="session.update"):
    """Sets the session to something else."""

    session: Wish


class FlatUpdate(_Message, frozen=True, kw_only=True, tag="transcription_session.update"):
    """The same in the form of before."""

    session: FlatWish


class Append(_Message, frozen=True, kw_only=True, tag="input_audio_buffer.append"):
    """More audio, in base64."""

    audio: bytes


class Commit(_Message, frozen=True, kw_only=True, tag="input_audio_buffer.commit"):
    """What was said since the last time is one item."""


class Clear(_Message, frozen=True, kw_only=True, tag="input_audio_buffer.clear"):
    """What was said since the last time is forgotten."""


Message: TypeAlias = Update | FlatUpdate | Append | Commit | Clear
TYPES: dict[str, type] = {
    str(kind.__struct_config__.tag): kind for kind in (Update, FlatUpdate, Append, Commit, Clear)
}


PCM = Format()
SERVER_VAD = ServerVad()


@dataclass(frozen=True, slots=True)
class Settings:
    """What a session is set to.

    Attributes:
        model: as the client calls it.
        format: of the samples.
        vad: what ends utterances; None where the client says so itself.
        include: what else events carry.
    """

    model: str
    format: AnyFormat = PCM
    vad: Vad | None = SERVER_VAD
    include: tuple[str, ...] = ()

    def changed(self, wish: Wish) -> "Settings":
        """Return the settings after a wish; what it leaves out stays."""
        heard, found = wish.audio.input, self
        if not isinstance(heard.format, UnsetType):
            found = replace(found, format=heard.format)
        if isinstance(heard.transcription, Transcription) and heard.transcription.model:
            found = replace(found, model=heard.transcription.model)
        if not isinstance(heard.turn_detection, UnsetType):
            found = replace(found, vad=heard.turn_detection)
        if not isinstance(wish.include, UnsetType):
            found = replace(found, include=wish.include or ())
        return found

    @property
    def encoding(self) -> Encoding:
        """What the samples are."""
        match self.format:
            case MuLaw():
                return Encoding.MULAW
            case ALaw():
                return Encoding.ALAW
            case _:
                return Encoding.PCM_S16LE

    @property
    def rate(self) -> int:
        """Samples a second."""
        return self.format.rate if isinstance(self.format, Format) else TELEPHONE_RATE

    @property
    def endpointing(self) -> Endpointing:
        """The rules that end an utterance."""
        match self.vad:
            case None:
                return Endpointing(trailing_silence_ms=PATIENT_MS, blank_silence_ms=PATIENT_MS)
            case SemanticVad(eagerness=eagerness):
                return Endpointing(trailing_silence_ms=EAGERNESS_MS.get(eagerness or "auto"))
            case ServerVad():
                silence, padding = self.vad.silence_duration_ms, self.vad.prefix_padding_ms
                threshold = self.vad.threshold
                return Endpointing(
                    trailing_silence_ms=None if silence is None else _within(silence, *SILENCE_MS),
                    pre_roll_ms=None if padding is None else min(padding, PADDING_MS_MAX),
                    vad_aggressiveness=None if threshold is None else round(3 * threshold),
                )

    def described(self) -> dict[str, object]:
        """Return them as the present form says them."""
        heard: dict[str, object] = {
            "format": {"type": self.format.__struct_config__.tag, "rate": self.rate}
            if isinstance(self.format, Format)
            else {"type": self.format.__struct_config__.tag},
            "transcription": {"model": self.model},
            "turn_detection": self._described_vad(),
            "noise_reduction": None,
        }
        return {"type": "transcription", "audio": {"input": heard}, "include": self.include}

    def described_flat(self) -> dict[str, object]:
        """Return them as the form of before says them."""
        names = {Encoding.MULAW: "g711_ulaw", Encoding.ALAW: "g711_alaw"}
        return {
            "input_audio_format": names.get(self.encoding, "pcm16"),
            "input_audio_transcription": {"model": self.model},
            "turn_detection": self._described_vad(),
            "input_audio_noise_reduction": None,
            "include": self.include,
        }

    def _described_vad(self) -> dict[str, object] | None:
        """Return what ends utterances, without what the client left to the daemon."""
        if self.vad is None:
            return None
        said: dict[str, object] = msgspec.to_builtins(self.vad)
        return {name: value for name, value in said.items() if value is not None}


def _within(value: int, least: int, most: int) -> int:
    return min(max(value, least), most)
