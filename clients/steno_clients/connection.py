"""One WebSocket to a daemon: opening, `start`, receiving; every failure has its type."""

import asyncio
import contextlib
import ipaddress
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from steno_clients.errors import (
    ConnectionFailedError,
    ConnectionLostError,
    DeadlineError,
    ProtocolError,
    ServerError,
    SessionEndedError,
)
from steno_daemon.wire import (
    Closed,
    Error,
    Ready,
    ServerMessage,
    Start,
    WireError,
    decode_server,
    encode,
)

DEFAULT_URL = "ws://127.0.0.1:8765"


async def open_connection(url: str, timeout_s: float) -> ClientConnection:
    """Return an open WebSocket; audio hardly shrinks, so it is not compressed.

    Raises:
        ConnectionFailedError: nobody answers there, or no daemon does.
        DeadlineError: not within `timeout_s`.
    """
    try:
        return await open_websocket(
            url,
            open_timeout=timeout_s,
            ping_timeout=4 * timeout_s,  # a ping waits behind the audio that was sent before it
            close_timeout=min(2.0, timeout_s),
            compression=None,
            proxy=None if _is_local(url) else True,
        )
    except TimeoutError:
        raise DeadlineError(
            f"expected a connection to {url} within {timeout_s:g} s, found none"
        ) from None
    except InvalidURI as error:
        raise ConnectionFailedError(f"expected an address such as {DEFAULT_URL}: {error}") from None
    except InvalidHandshake as error:
        raise ConnectionFailedError(f"expected a daemon at {url}, found another: {error}") from None
    except OSError as error:
        raise ConnectionFailedError(
            f"no daemon at {url}; start one with `stenod` ({error.strerror or error})"
        ) from None


def _is_local(url: str) -> bool:
    """Return whether the address is on this machine, where no proxy helps."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def handshake(socket: ClientConnection, start: Start, timeout_s: float) -> Ready:
    """Return the daemon's answer to `start`.

    Raises:
        ServerError: it refuses; it says why.
        DeadlineError: it says nothing.
        ProtocolError: it says something else.
    """
    try:
        async with asyncio.timeout(timeout_s):
            with contextlib.suppress(ConnectionClosed):  # receiving says it better
                await socket.send(encode(start))
            event = await receive(socket)
    except TimeoutError:
        raise DeadlineError(
            f"expected `ready` from the daemon within {timeout_s:g} s, found silence"
        ) from None
    match event:
        case Ready():
            return event
        case Error():  # fatal or not: this session is not the one that was wanted
            raise ServerError(event)
        case Closed():
            raise SessionEndedError(event.reason)
        case _:
            raise ProtocolError(f"expected `ready`, found `{_name(event)}`")


async def receive(socket: ClientConnection) -> ServerMessage:
    """Return the next message of the daemon.

    Raises:
        ConnectionLostError: the connection is closed.
        ProtocolError: this is no message of a daemon.
    """
    try:
        frame = await socket.recv()
    except ConnectionClosed as error:
        raise ConnectionLostError(
            f"expected the daemon to say `closed` first, found the connection lost: {error}"
        ) from None
    if isinstance(frame, bytes):
        raise ProtocolError(f"expected a text message, found {len(frame)} bytes of binary")
    try:
        return decode_server(frame)
    except WireError as error:
        raise ProtocolError(str(error)) from error


def _name(event: ServerMessage) -> str:
    """Return the name of an event on the wire."""
    return str(type(event).__struct_config__.tag)
