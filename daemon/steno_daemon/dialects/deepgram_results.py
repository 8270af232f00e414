"""The messages of results to Deepgram clients, on the time line of each channel."""

from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean
from typing import TypedDict

from steno_daemon.complaints import shorten
from steno_daemon.dialects.deepgram_request import Wishes
from steno_daemon.dialects.dialect import Frame
from steno_daemon.dialects.door import About, Hello, text_of
from steno_daemon.wire import EndpointReason, Final, Partial, Start, Word, WrittenWord

MARKS = ".,?!;:"

_PAUSES = {
    EndpointReason.TRAILING_SILENCE,
    EndpointReason.BLANK_SILENCE,
    EndpointReason.EMPTY_SILENCE,
    EndpointReason.FINALIZE,
    EndpointReason.STOP,
}


class Said(TypedDict):
    """A word of a result."""

    word: str
    start: float
    end: float
    confidence: float
    punctuated_word: str


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
        self._lacks_writing = False

    def hypothesis(self, channel: Channel, event: Partial, until_s: float) -> Frame:
        """Return what was heard so far in the open span of a channel; nothing of it is written."""
        words = [_spoken(word) for word in event.words or ()]
        return self._result(channel, event.text, words, until_s)

    def ended(self, channel: Channel, until_s: float, reason: EndpointReason) -> Frame:
        """Return the result that ends the open span of a channel, empty where no words were."""
        final, channel.final = channel.final, None
        if final is None:
            return self._result(channel, "", [], until_s, reason=reason)
        if not self._wishes.writes or final.written_words is None:
            self._lacks_writing |= self._wishes.writes
            words = [_spoken(word) for word in final.words or ()]
            return self._result(channel, final.text, words, until_s, reason=reason)
        words = list(_written(final.words or (), final.written_words))
        return self._result(channel, final.shown, words, until_s, reason=reason)

    def _result(
        self,
        channel: Channel,
        text: str,
        words: Sequence[Said],
        until_s: float,
        *,
        reason: EndpointReason | None = None,
    ) -> Frame:
        """Return a result for the open span of a channel; it is final where it has a reason."""
        alternative = {
            "transcript": text,
            "confidence": _mean(word["confidence"] for word in words),
            "words": words,
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

    def _ignored(self) -> dict[str, str]:
        """Return what the client asked for and did not get, and why."""
        ignored = dict(self._wishes.ignored)
        if self._lacks_writing:
            ignored["punctuate"] = "the bundle writes no marks for this language"
        return ignored

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
            for name, why in self._ignored().items()
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


def _spoken(word: Word) -> Said:
    """Return a word as it was recognised."""
    return {
        "word": word.text,
        "start": word.start,
        "end": word.end,
        "confidence": word.confidence,
        "punctuated_word": word.text,
    }


def _written(words: Sequence[Word], written: Sequence[WrittenWord]) -> Iterator[Said]:
    """Yield words as they are written; a figure stands for several of those that were said."""
    at = 0
    for one in written:
        bare = one.text.strip(MARKS)
        is_figure = one.words != 1 or any(char.isdigit() for char in bare)
        yield {
            "word": bare if is_figure else words[at].text,
            "start": one.start,
            "end": one.end,
            "confidence": one.confidence,
            "punctuated_word": one.text,
        }
        at += one.words


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return round(fmean(found), 4) if found else 0.0
