"""The messages of results to Deepgram clients, on the time line of each channel."""

from collections.abc import Iterable, Sequence
from statistics import fmean

from steno_daemon.complaints import shorten
from steno_daemon.dialects.deepgram_request import Wishes
from steno_daemon.dialects.dialect import Frame
from steno_daemon.dialects.door import About, Hello, text_of
from steno_daemon.wire import EndpointReason, Final, Start, Word

_PAUSES = {
    EndpointReason.TRAILING_SILENCE,
    EndpointReason.BLANK_SILENCE,
    EndpointReason.EMPTY_SILENCE,
    EndpointReason.FINALIZE,
    EndpointReason.STOP,
}


class Channel:
    """The time line of one channel.

    Attributes:
        index: its number and how many there are, as messages have it.
        span_s: where the span begins that no final result covers yet.
        final: the words of an utterance whose end is told next.
        last_word_s: end of the last word that is final and of which no end was told.
        speaks: whether an utterance is open.
    """

    def __init__(self, index: tuple[int, int]) -> None:
        self.index = index
        self.span_s = 0.0
        self.final: Final | None = None
        self.last_word_s: float | None = None
        self.speaks = False


class Results:
    """Writes the results of one connection.

    Args:
        wishes: what the client wants.
        hello: its request.
        about: the daemon.
    """

    def __init__(self, wishes: Wishes, hello: Hello, about: About) -> None:
        self._wishes = wishes
        self._hello = hello
        self._about = about
        self._language_model = wishes.start.language_model

    def result(
        self,
        channel: Channel,
        text: str,
        words: Sequence[Word],
        until_s: float,
        *,
        reason: EndpointReason | None = None,
    ) -> Frame:
        """Return a result for the open span of a channel; it is final where it has a reason."""
        alternative = {
            "transcript": text,
            "confidence": _mean(word.confidence for word in words),
            "words": [_word(word) for word in words],
        }
        return text_of(
            {
                "type": "Results",
                "channel_index": channel.index,
                "duration": round(max(0.0, until_s - channel.span_s), 4),
                "start": channel.span_s,
                "is_final": reason is not None,
                "speech_final": self._wishes.tells_pauses and reason in _PAUSES,
                "channel": {"alternatives": [alternative]},
                "metadata": {
                    "request_id": self._hello.id,
                    "model_info": self._model,
                    "model_uuid": self._model_id,
                },
                "from_finalize": reason is EndpointReason.FINALIZE,
            }
        )

    @property
    def _model_id(self) -> str:
        return f"{self._about.bundle}-{self._language_model}"

    @property
    def _model(self) -> dict[str, str]:
        return {
            "name": self._language_model,
            "version": self._about.version,
            "arch": f"steno {self._about.bundle}",
        }

    def metadata(self, start: Start, digest: str, duration_s: float) -> Frame:
        """Return the last message: what was heard in all, and what changed nothing."""
        warnings = [
            {"parameter": shorten(name), "type": "unsupported", "message": why}
            for name, why in self._wishes.ignored.items()
        ]
        said = {
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": self._hello.id,
            "sha256": digest,
            "created": self._hello.at.isoformat(timespec="milliseconds"),
            "duration": round(duration_s, 4),
            "channels": start.channels,
            "models": [self._model_id],
            "model_info": {self._model_id: self._model},
            **({"warnings": warnings} if warnings else {}),
        }
        return text_of(said)


def _word(word: Word) -> dict[str, object]:
    return {
        "word": word.text,
        "start": word.start,
        "end": word.end,
        "confidence": word.confidence,
        "punctuated_word": word.text,
    }


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return round(fmean(found), 4) if found else 0.0
