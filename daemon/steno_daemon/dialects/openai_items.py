"""The items of a realtime transcription: what is heard becomes deltas, and is committed.

With voice activity detection an item is an utterance, and the daemon commits it. Without, an item
is all that was said between two commits of the client, however many utterances that were. Text that
went out in a delta is never taken back: only what is stable goes out.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from math import log

from steno_daemon.wire import (
    Endpoint,
    EndpointReason,
    Error,
    Final,
    Finalized,
    Partial,
    SpeechStarted,
    Word,
)

Said = dict[str, object]

TRANSCRIPTION = "conversation.item.input_audio_transcription"
LEAST = 1e-6
"""What a word is at least taken to be likely, for its logarithm."""
GRAIN_S = 1e-3
"""Places that are nearer to each other are the same."""


class _What(Enum):
    """What the client asked for."""

    COMMIT = "commit"
    CLEAR = "clear"


@dataclass(slots=True)
class _Item:
    """A piece of the conversation.

    Attributes:
        id: told to the client.
        start_s: where it begins.
        texts: of its utterances that are over.
        words: of the same.
        told_chars: how much of the open utterance went out.
    """

    id: str
    start_s: float
    texts: list[str] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    told_chars: int = 0

    def news(self, text: str) -> str:
        """Return what of an utterance's text did not go out yet; from now on it has."""
        new, first = text[self.told_chars :], self.told_chars == 0
        self.told_chars = max(self.told_chars, len(text))
        return f" {new}" if new and first and self.texts else new


@dataclass(slots=True)
class _Order:
    """What the client asked for, which is done once everything before it was heard.

    Attributes:
        what: it is.
        at_s: how much audio there was before it.
        item: that it committed already; None where the daemon commits.
        is_done: whether an utterance ended by it, and was committed.
    """

    what: _What
    at_s: float
    item: _Item | None = None
    is_done: bool = False


class Items:
    """The items of one connection.

    Args:
        prefix: of the names of all items.

    Attributes:
        commits: whether the daemon ends items, by voice activity detection.
        tells_logprobs: whether completed items carry how likely their words are.
        committed_s: up to here the audio belongs to items, or is forgotten.
        rate: samples a second of the client.
    """

    def __init__(self, prefix: str) -> None:
        self.commits = True
        self.tells_logprobs = False
        self.committed_s = 0.0
        self.rate = 24_000
        self._prefix = prefix
        self._count = 0
        self._previous: str | None = None
        self._item: _Item | None = None
        self._orders: deque[_Order] = deque()

    # What the client asks for; the caller finalizes the session after it.

    def commit(self, at_s: float) -> Iterator[Said]:
        """Make what was said so far an item."""
        item = None
        if not self.commits:
            item, self._item = self._item or self._new(self.committed_s), None
            yield self._committed(item)
        self._orders.append(_Order(_What.COMMIT, at_s, item))
        self.committed_s = at_s

    def clear(self, at_s: float) -> Iterator[Said]:
        """Forget what was said so far."""
        self._orders.append(_Order(_What.CLEAR, at_s))
        self.committed_s = at_s
        yield {"type": "input_audio_buffer.cleared"}

    # What the session says.

    def tell(
        self, event: SpeechStarted | Partial | Final | Endpoint | Finalized | Error
    ) -> Iterator[Said]:
        """Return what the client is told of an event."""
        match event:
            case Finalized():
                yield from self._finalized(event)
            case Error():
                yield from self._failed(event)
            case _ if self._is_forgotten():
                pass
            case SpeechStarted():
                yield from self._started(event)
            case Partial():
                yield from self._delta(event.text[: event.stable_chars], event.start)
            case Final():
                yield from self._final(event)
            case Endpoint():
                yield from self._ended(event)

    def _is_forgotten(self) -> bool:
        """Return whether what is heard now was said before the client had it forgotten."""
        return bool(self._orders) and self._orders[0].what is _What.CLEAR

    def _started(self, event: SpeechStarted) -> Iterator[Said]:
        if self.commits:
            item = self._current(event.time)
            yield {
                "type": "input_audio_buffer.speech_started",
                "audio_start_ms": round(1000 * event.time),
                "item_id": item.id,
            }

    def _delta(self, text: str, start_s: float) -> Iterator[Said]:
        """Tell what of an open utterance is sure by now."""
        if not text:
            return
        item = self._current(start_s)
        if new := item.news(text):
            yield {
                "type": f"{TRANSCRIPTION}.delta",
                "item_id": item.id,
                "content_index": 0,
                "delta": new,
            }

    def _final(self, event: Final) -> Iterator[Said]:
        yield from self._delta(event.text, event.start)
        item = self._current(event.start)
        item.texts.append(event.text)
        item.words.extend(event.words or ())
        item.told_chars = 0

    def _ended(self, event: Endpoint) -> Iterator[Said]:
        """Tell that an utterance is over; where the daemon commits, it is an item."""
        if not self.commits or (self._orders and self._orders[0].item is not None):
            return
        item, self._item = self._current(event.time), None
        if event.reason is EndpointReason.FINALIZE:
            if self._orders:
                self._orders[0].is_done = True
        else:
            yield {
                "type": "input_audio_buffer.speech_stopped",
                "audio_end_ms": round(1000 * event.time),
                "item_id": item.id,
            }
        yield self._committed(item)
        yield self._completed(item, event.time)
        self.committed_s = max(self.committed_s, event.time)

    def _finalized(self, event: Finalized) -> Iterator[Said]:
        """Do what the client asked for: everything before it was heard."""
        at_s = event.samples / self.rate + GRAIN_S
        while self._orders and self._orders[0].at_s <= at_s:
            order = self._orders.popleft()
            if order.what is _What.CLEAR:
                self._item = None
            elif order.item is not None:
                yield self._completed(order.item, order.at_s)
            elif not order.is_done:
                item, self._item = self._current(order.at_s), None
                yield self._committed(item)
                yield self._completed(item, order.at_s)

    def _failed(self, event: Error) -> Iterator[Said]:
        """Tell that the open item will never be complete."""
        if not event.fatal or self._item is None:
            return
        item, self._item = self._item, None
        yield {
            "type": f"{TRANSCRIPTION}.failed",
            "item_id": item.id,
            "content_index": 0,
            "error": {"type": "server_error", "code": event.code, "message": event.message},
        }

    def _current(self, start_s: float) -> _Item:
        """Return the item that what is heard now belongs to."""
        if self._orders and self._orders[0].item is not None:
            return self._orders[0].item
        if self._item is None:
            self._item = self._new(start_s)
        return self._item

    def _new(self, start_s: float) -> _Item:
        self._count += 1
        return _Item(f"item_{self._prefix}{self._count:04d}", start_s)

    def _committed(self, item: _Item) -> Said:
        previous, self._previous = self._previous, item.id
        return {
            "type": "input_audio_buffer.committed",
            "item_id": item.id,
            "previous_item_id": previous,
        }

    def _completed(self, item: _Item, end_s: float) -> Said:
        logprobs = [_logprob(word) for word in item.words] if self.tells_logprobs else None
        return {
            "type": f"{TRANSCRIPTION}.completed",
            "item_id": item.id,
            "content_index": 0,
            "transcript": " ".join(item.texts),
            "usage": {"type": "duration", "seconds": round(max(0.0, end_s - item.start_s), 3)},
            **({} if logprobs is None else {"logprobs": logprobs}),
        }


def _logprob(word: Word) -> Said:
    return {
        "token": word.text,
        "logprob": round(log(max(LEAST, word.confidence)), 6),
        "bytes": list(word.text.encode()),
    }
