"""What a hostile client does with one connection, as plain values: bytes to send and an ending."""

import base64
import struct
from dataclasses import dataclass
from enum import Enum, IntEnum

HOST = "localhost"
KEY = base64.b64encode(b"sixteen bytes ok").decode()
CHUNK = bytes(64 * 1024)


class Ending(Enum):
    """How a hostile client leaves."""

    FAREWELL = "farewell"
    """Whatever it said, it says goodbye as one should, and the daemon has to answer."""
    LISTEN = "listen"
    """It hears everything that comes back, until nothing does for a while."""
    VANISH = "vanish"
    """It breaks the connection off."""
    DEAF = "deaf"
    """It reads nothing while it sends, and then breaks the connection off."""
    DRIBBLE = "dribble"
    """It goes on byte by byte for as long as it is let: slow loris."""


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes to send, so many times over."""

    data: bytes
    times: int = 1


@dataclass(frozen=True, slots=True)
class Mutant:
    """One hostile connection.

    `head` goes out first. If it asks for a WebSocket, `sends` follow when that was granted, else
    at once.
    """

    kind: str
    head: bytes
    sends: tuple[Send, ...] = ()
    mutations: int = 1
    ending: Ending = Ending.LISTEN

    @property
    def asks_for_a_websocket(self) -> bool:
        return b"upgrade: websocket\r\n" in self.head.lower()


class Opcode(IntEnum):
    """What a frame is (RFC 6455, 5.2)."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


FIN = 0x80
RSV1 = 0x40


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    flags: int = FIN,
    length: int | None = None,
    mask: bytes | None = b"\0\0\0\0",
) -> bytes:
    """A frame of a client; its length may be a lie. A mask of zeros leaves the payload as it is."""
    size = len(payload) if length is None else length
    masked = 0 if mask is None else 0x80
    if size < 126:
        head = bytes([flags | opcode, masked | size])
    elif size < 65_536:
        head = struct.pack(">BBH", flags | opcode, masked | 126, size)
    else:
        head = struct.pack(">BBQ", flags | opcode, masked | 127, size)
    if mask is None:
        return head + payload
    hidden = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)) if any(mask) else payload
    return head + mask + hidden


def closing(code: int = 1000) -> bytes:
    """The frame that ends a conversation."""
    return frame(Opcode.CLOSE, struct.pack(">H", code))


def upgrade(path: str = "/", **headers: str | None) -> bytes:
    """A request for a WebSocket; headers replace or remove the usual ones."""
    usual: dict[str, str | None] = {
        "Host": HOST,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
    }
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return request("GET", path, usual | named)


def request(method: str, path: str, headers: dict[str, str | None]) -> bytes:
    """The head of a request."""
    lines = [f"{name}: {value}\r\n" for name, value in headers.items() if value is not None]
    head = f"{method} {path} HTTP/1.1\r\n{''.join(lines)}\r\n"
    return head.encode("utf-8", "surrogatepass")
