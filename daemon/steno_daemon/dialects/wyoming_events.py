"""The framing of the Wyoming protocol: events out of bytes, and bytes out of events.

An event is a line of JSON, `{"type", "version", "data"?, "data_length"?, "payload_length"?}`, then
`data_length` bytes of JSON that are merged over `data`, then `payload_length` bytes as they are.
Source: https://github.com/OHF-Voice/wyoming, release 1.10.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

import msgspec

from steno_daemon.complaints import describe, shorten
from steno_daemon.errors import WireError
from steno_daemon.wire import ErrorCode

VERSION = "1.10.2"
"""Of the protocol, by the release of the library that it was read from."""
LINE_BYTES = 64 * 1024
DATA_BYTES = 1024 * 1024
"""Names and terms to expect may be many."""
PIECE_BYTES = 3 * 10_080
"""Of audio at a time: whole samples of up to 4 bytes in any of 1 to 8 channels."""

KNOWN_BYTES = 1024
"""What an event says that is longer is not kept to be compared with the next one."""

Length = Annotated[int, msgspec.Meta(ge=0)]


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        type: its name.
        data: what it says; one object for events that say the same, so nobody changes it.
        payload: bytes that go with it.
    """

    type: str
    data: dict[str, object] = field(default_factory=dict)
    payload: bytes = b""


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    """The line with which an event begins."""

    type: str
    data: dict[str, object] | None = None
    data_length: Length | None = None
    payload_length: Length | None = None


def pack(event: Event) -> bytes:
    """Return the bytes of an event."""
    head: dict[str, object] = {"type": event.type, "version": VERSION}
    data = msgspec.json.encode(event.data) if event.data else b""
    if data:
        head["data_length"] = len(data)
    if event.payload:
        head["payload_length"] = len(event.payload)
    return msgspec.json.encode(head) + b"\n" + data + event.payload


class Unpacker:
    """Finds the events in the bytes of one connection, cut anywhere.

    A long `audio-chunk` becomes several, each as soon as it is there: what is heard piece by piece
    need not be held as a whole. Most chunks say word by word what the one before them said: that is
    read once.

    Args:
        max_payload_bytes: the longest payload that is taken.
    """

    def __init__(self, max_payload_bytes: int) -> None:
        self._max_payload_bytes = max_payload_bytes
        self._bytes = bytearray()
        self._head: _Head | None = None
        self._data: dict[str, object] | None = None
        self._payload_bytes = 0  # that are still to come
        self._searched = 0
        self._known_line, self._known_head = b"", _Head(type="")
        self._known_text = b""
        self._known_data: dict[str, object] = {}

    def receive(self, data: bytes) -> Iterator[Event]:
        """Yield the events that `data` completes.

        Raises:
            WireError: that is no event, or one that is too long; what follows cannot be understood.
        """
        self._bytes += data
        while self._bytes and (event := self._next()) is not None:
            yield event

    def _next(self) -> Event | None:
        """Return the next event or piece of one, None where some of it is missing."""
        head = self._head or self._begin()
        if head is None:
            return None
        if self._data is None:
            length = head.data_length or 0
            if len(self._bytes) < length:
                return None
            self._data = self._data_of(head, self._take(length) if length else b"")
        size = self._payload_bytes
        if head.type == "audio-chunk":
            size = min(size, PIECE_BYTES)
        if len(self._bytes) < size:
            return None
        event = Event(head.type, self._data, self._take(size) if size else b"")
        self._payload_bytes -= size
        if not self._payload_bytes:
            self._head = self._data = None
        return event

    def _begin(self) -> _Head | None:
        """Return the line of the next event, None where some of it is missing."""
        end = self._bytes.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._bytes)
            self._limit("the line of an event", self._searched, LINE_BYTES)
            return None
        self._limit("the line of an event", end, LINE_BYTES)
        self._head = head = self._head_of(self._take(end + 1))
        self._payload_bytes = head.payload_length or 0
        self._searched = 0
        return head

    def _data_of(self, head: _Head, text: bytes) -> dict[str, object]:
        """Return what an event says, in its line and behind it."""
        if head is self._known_head and text == self._known_text:
            return self._known_data
        data = (head.data or {}) | (_object(text) if text else {})
        if head is self._known_head:
            self._known_text, self._known_data = text, data
        return data

    def _head_of(self, line: bytes) -> _Head:
        """Return what a line says."""
        if line == self._known_line:
            return self._known_head
        try:
            head = msgspec.json.decode(line, type=_Head)
        except msgspec.ValidationError as error:
            fault = describe(_object(line), error, _Head)
            raise WireError(
                ErrorCode.INVALID_MESSAGE,
                f"{fault.where or 'the event'} is not understood",
                expected=fault.expected,
                found=fault.found,
            ) from None
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise _no_json(line) from None
        self._limit("the data of an event", head.data_length or 0, DATA_BYTES)
        self._limit("the payload of an event", head.payload_length or 0, self._max_payload_bytes)
        if len(line) + (head.data_length or 0) <= KNOWN_BYTES:
            self._known_line, self._known_head = line, head
            self._known_text, self._known_data = b"", head.data or {}
        return head

    def _take(self, count: int) -> bytes:
        with memoryview(self._bytes) as known:
            taken = bytes(known[:count])
        del self._bytes[:count]
        return taken

    @staticmethod
    def _limit(what: str, size: int, most: int) -> None:
        if size > most:
            raise WireError(
                ErrorCode.TOO_LARGE,
                f"{what} is too long",
                expected=f"at most {most} bytes",
                found=str(size),
            )


def _object(text: bytes) -> dict[str, object]:
    """Return a JSON object."""
    try:
        found: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise _no_json(text) from None
    if not isinstance(found, dict):
        raise _no_json(text)
    return found


def _no_json(text: bytes) -> WireError:
    return WireError(
        ErrorCode.INVALID_JSON,
        "that is no event of Wyoming",
        expected='a JSON object such as {"type": "describe"} and a line feed',
        found=shorten(text.rstrip(b"\n")),
    )
