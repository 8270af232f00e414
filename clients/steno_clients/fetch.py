"""What a daemon answers to plain requests: its sessions, its health, how it does."""

import http.client
import ssl
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from typing import TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit, urlunsplit

import msgspec

from steno_clients.connection import DEFAULT_URL, Door, context_of, credentials, failure, is_local
from steno_clients.errors import (
    AccessDeniedError,
    ConnectionFailedError,
    DeadlineError,
    NotFoundError,
    ProtocolError,
    StenoClientsError,
)

MAX_BYTES = 16 * 1024 * 1024
FAILURES = (URLError, OSError, ValueError, http.client.HTTPException)
"""What a request raises that no daemon answered."""
T = TypeVar("T")


class SessionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One session that can be watched."""

    session: str
    label: str = ""
    language_model: str = ""
    channels: int = 1
    live: bool = False
    started_s_ago: float = 0.0


def sessions(door: Door) -> list[SessionInfo]:
    """Return the sessions that can be watched, the newest first."""
    return _fetch(door, "/sessions", list[SessionInfo])


def health(door: Door) -> Mapping[str, object]:
    """Return what the daemon tells everybody about itself."""
    return _fetch(door, "/healthz", dict[str, object])


def status(door: Door) -> Mapping[str, object]:
    """Return what the daemon tells its administrators about itself."""
    return _fetch(door, "/status", dict[str, object])


def _fetch(door: Door, path: str, kind: type[T]) -> T:
    """Return what the daemon answers to a request.

    Raises:
        ConnectionFailedError: nobody answers, or we may not know, or no daemon answers.
        DeadlineError: not in time.
        ProtocolError: this is no answer of a daemon.
    """
    request = request_of(door, path)
    try:
        with urlopen(door, request, timeout_s=door.timeout_s) as answer:
            return msgspec.json.decode(answer.read(MAX_BYTES), type=kind)
    except HTTPError as error:
        with error:
            raise refusal(door, error, path) from None
    except FAILURES as error:
        raise explained(door, error) from None


def request_of(door: Door, path: str, body: bytes | None = None) -> urllib.request.Request:
    """Return a plain request to a daemon; with a body it is a POST of JSON."""
    headers = {**credentials(door), **({"Content-Type": "application/json"} if body else {})}
    return urllib.request.Request(_address(door.url, path), data=body, headers=headers)  # noqa: S310 — http or https


def urlopen(
    door: Door, request: urllib.request.Request, *, timeout_s: float
) -> http.client.HTTPResponse:
    """Return the answer to a request, which goes to the daemon and nowhere else.

    Raises:
        HTTPError: it does not want to answer.
        OSError: nobody answers; another of `FAILURES`: no daemon does.
    """
    handlers: list[urllib.request.BaseHandler] = [_NoDetour()]
    if is_local(door.url):
        handlers.append(urllib.request.ProxyHandler({}))
    if (context := context_of(door)) is not None:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    opener = urllib.request.build_opener(*handlers)
    answer: http.client.HTTPResponse = opener.open(request, timeout=timeout_s)
    return answer


class _NoDetour(urllib.request.HTTPRedirectHandler):
    """Goes nowhere else: the token is for this daemon alone."""

    def redirect_request(self, *_: object) -> None:
        """Return no request, so that the answer is what it is."""


def _address(url: str, path: str) -> str:
    """Return the address of a plain request to a daemon, given the daemon's own."""
    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme)
    if scheme is None or not parts.netloc:
        raise ConnectionFailedError(f"expected an address such as {DEFAULT_URL}, found {url}")
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/") + path, "", ""))


def refusal(door: Door, error: HTTPError, path: str) -> StenoClientsError:
    """Return the error of a daemon that does not want to answer."""
    match error.code:
        case HTTPStatus.UNAUTHORIZED:
            found = "found it refused" if door.token else "found none"
            return AccessDeniedError(f"expected a token that {door.url} knows, {found}")
        case HTTPStatus.FORBIDDEN:
            return AccessDeniedError(
                f"expected to be let in at {door.url}{path}, found that we may not"
            )
        case HTTPStatus.NOT_FOUND:
            return NotFoundError(f"expected a daemon with {path} at {door.url}, found none")
        case _:
            return ConnectionFailedError(
                f"expected a daemon at {door.url}, found another: HTTP {error.code}"
            )


def explained(door: Door, error: Exception) -> StenoClientsError:
    """Return the error of a request that no daemon answered."""
    reason = error.reason if isinstance(error, URLError) else error
    match reason:
        case TimeoutError():
            return DeadlineError(
                f"expected an answer from {door.url} within {door.timeout_s:g} s, found none"
            )
        case ssl.SSLError() | OSError():
            return failure(door, reason)
        case msgspec.DecodeError():
            return ProtocolError(f"expected an answer of a daemon from {door.url}: {reason}")
        case _:
            return ConnectionFailedError(f"expected a daemon at {door.url}: {reason}")
