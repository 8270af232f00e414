"""One WebSocket to a daemon: opening, the first words, receiving; every failure has its type."""

import asyncio
import contextlib
import ipaddress
import logging
import os
import socket as sockets
import ssl
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeAlias, TypedDict, TypeVar
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    InvalidURI,
)

from steno_clients.errors import (
    AccessDeniedError,
    ConnectionFailedError,
    ConnectionLostError,
    DeadlineError,
    NotFoundError,
    ProtocolError,
    ServerError,
    SessionEndedError,
)
from steno_daemon.wire import (
    Closed,
    Error,
    Ready,
    Resume,
    Resumed,
    ServerMessage,
    Start,
    WireError,
    decode_server,
    encode,
)

DEFAULT_URL = "ws://127.0.0.1:8765"
TIMEOUT_S = 30.0

logger = logging.getLogger(__name__)

Tls: TypeAlias = ssl.SSLContext | str | os.PathLike[str]
Answer = TypeVar("Answer", Ready, Resumed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where a daemon listens, and how one gets in.

    Attributes:
        url: its address, ws:// or wss://.
        token: says who we are.
        tls: a context for wss://, or a file with the certificates of the authorities to trust.
        timeout_s: how long the daemon may leave a request unanswered.
    """

    url: str = DEFAULT_URL
    token: str | None = field(default=None, repr=False)
    tls: Tls | None = None
    timeout_s: float = TIMEOUT_S


async def open_connection(door: Door) -> ClientConnection:
    """Return an open WebSocket; audio hardly shrinks, so it is not compressed.

    Raises:
        ConnectionFailedError: nobody answers there, or no daemon does, or it lets us not in.
        DeadlineError: not in time.
    """
    headers = credentials(door)
    context = context_of(door)
    encryption: _Encryption = {} if context is None else {"ssl": context}
    try:
        connection = await open_websocket(
            door.url,
            additional_headers=headers,
            open_timeout=door.timeout_s,
            ping_timeout=4 * door.timeout_s,  # a ping waits behind the audio sent before it
            close_timeout=min(2.0, door.timeout_s),
            compression=None,
            proxy=None if is_local(door.url) else True,
            **encryption,
        )
    except TimeoutError:
        raise DeadlineError(
            f"expected a connection to {door.url} within {door.timeout_s:g} s, found none"
        ) from None
    except InvalidURI as error:
        raise ConnectionFailedError(f"expected an address such as {DEFAULT_URL}: {error}") from None
    except InvalidStatus as error:
        raise _refusal(door, error) from None
    except InvalidHandshake as error:
        raise ConnectionFailedError(
            f"expected a daemon at {door.url}, found another: {error}"
        ) from None
    except OSError as error:
        raise failure(door, error) from None
    _notice_dead_peers(connection, door.timeout_s)
    return connection


def credentials(door: Door) -> dict[str, str]:
    """Return the headers that say who we are."""
    if not door.token:
        return {}
    if not (door.token.isascii() and door.token.isprintable()) or " " in door.token:
        raise AccessDeniedError("expected a token of visible ASCII characters, found others")
    if urlsplit(door.url).scheme != "wss" and not is_local(door.url):
        logger.warning("the token travels to %s without encryption", urlsplit(door.url).hostname)
    return {"Authorization": f"Bearer {door.token}"}


def context_of(door: Door) -> ssl.SSLContext | None:
    """Return what says whom to trust, if it is not the system's choice."""
    if door.tls is None:
        return None
    if urlsplit(door.url).scheme != "wss":
        raise ConnectionFailedError(f"expected an address wss://… for TLS, found {door.url}")
    if isinstance(door.tls, ssl.SSLContext):
        return door.tls
    try:
        return ssl.create_default_context(cafile=door.tls)
    except OSError as error:
        raise ConnectionFailedError(
            f"expected certificates in PEM at {os.fspath(door.tls)}, found: "
            f"{error.strerror or error}"
        ) from None


class _Encryption(TypedDict, total=False):
    """An option of a connection that is left out where the system chooses."""

    ssl: ssl.SSLContext


def _refusal(door: Door, error: InvalidStatus) -> ConnectionFailedError:
    """Return the error of a daemon, or of who is in its place, that answers with a status."""
    status = error.response.status_code
    if status == HTTPStatus.UNAUTHORIZED:
        found = "found it refused" if door.token else "found none"
        return AccessDeniedError(f"expected a token that {door.url} knows, {found}")
    if status == HTTPStatus.FORBIDDEN:
        return AccessDeniedError(f"expected to be let in at {door.url}, found that we may not")
    kind = NotFoundError if status == HTTPStatus.NOT_FOUND else ConnectionFailedError
    return kind(f"expected a daemon at {door.url}, found another: {error}")


def failure(door: Door, error: OSError) -> ConnectionFailedError:
    """Return the error of an address where no connection came about."""
    match error:
        case ssl.SSLCertVerificationError():
            return ConnectionFailedError(
                f"expected a certificate for {door.url} by an authority that is trusted here, "
                f"found: {error.verify_message}"
            )
        case ConnectionResetError() | ConnectionAbortedError():
            return ConnectionFailedError(
                f"expected a daemon at {door.url}, found a peer that hangs up at once"
            )
        case ssl.SSLError():
            return ConnectionFailedError(f"expected TLS at {door.url}, found: {error.reason}")
        case _:
            return ConnectionFailedError(
                f"no daemon at {door.url}; start one with `stenod` ({error.strerror or error})"
            )


def _notice_dead_peers(connection: ClientConnection, timeout_s: float) -> None:
    """Let the system give a connection up if nobody confirms for so long what was sent.

    Otherwise a network that went away silently is noticed after a quarter of an hour.
    """
    plain = connection.transport.get_extra_info("socket")
    if plain is not None and hasattr(sockets, "TCP_USER_TIMEOUT"):
        with contextlib.suppress(OSError):  # not over TCP
            plain.setsockopt(
                sockets.IPPROTO_TCP, sockets.TCP_USER_TIMEOUT, max(1, round(timeout_s * 1000))
            )


def is_local(url: str) -> bool:
    """Return whether the address is on this machine, where no proxy helps."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def ask(
    socket: ClientConnection, opening: Start | Resume, answer: type[Answer], timeout_s: float
) -> Answer:
    """Return the daemon's answer to the first message: `Ready` to `Start`, `Resumed` to `Resume`.

    Raises:
        ServerError: it refuses; it says why.
        DeadlineError: it says nothing.
        ProtocolError: it says something else.
    """
    try:
        async with asyncio.timeout(timeout_s):
            with contextlib.suppress(ConnectionClosed):  # receiving says it better
                await socket.send(encode(opening))
            event = await receive(socket, expected=f"`{_name(answer)}` from the daemon")
    except TimeoutError:
        raise DeadlineError(
            f"expected `{_name(answer)}` from the daemon within {timeout_s:g} s, found silence"
        ) from None
    match event:
        case Error():  # fatal or not: this session is not the one that was wanted
            raise ServerError(event)
        case Closed():
            raise SessionEndedError(event.reason)
    if isinstance(event, answer):
        return event
    raise ProtocolError(f"expected `{_name(answer)}`, found `{_name(type(event))}`")


async def receive(
    socket: ClientConnection, *, expected: str = "the daemon to say `closed` first"
) -> ServerMessage:
    """Return the next message of the daemon.

    Args:
        socket: to it.
        expected: what should have come before the connection ended.

    Raises:
        ConnectionLostError: the connection is closed.
        ProtocolError: this is no message of a daemon.
    """
    try:
        frame = await socket.recv()
    except ConnectionClosed as error:
        close = error.rcvd or error.sent
        raise ConnectionLostError(
            f"expected {expected}, found the connection lost: {error}",
            code=None if close is None else close.code,
        ) from None
    if isinstance(frame, bytes):
        raise ProtocolError(f"expected a text message, found {len(frame)} bytes of binary")
    try:
        return decode_server(frame)
    except WireError as error:
        raise ProtocolError(str(error)) from error


def _name(kind: type[ServerMessage]) -> str:
    """Return the name that events of a kind have on the wire."""
    return str(kind.__struct_config__.tag)
