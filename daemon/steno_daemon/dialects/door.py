"""How clients of a dialect come in: what their request says before there is a frame."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import msgspec

from steno_daemon.auth import token_of
from steno_daemon.dialects.dialect import Dialect
from steno_daemon.domains import Domains
from steno_daemon.errors import (
    ForbiddenError,
    LimitError,
    OverloadedError,
    StenoDaemonError,
    UnauthorisedError,
    UnknownModelError,
    WireError,
)

RETRY_AFTER_S = 5.0


@dataclass(frozen=True, slots=True)
class Hello:
    """A request for a WebSocket, as plain values.

    Attributes:
        query: names and values of its address, in order.
        headers: looked up whatever their case.
        subprotocols: those that the client offers.
        id: random, 32 hexadecimal digits, and no secret.
        at: when it came, with a time zone.
    """

    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    subprotocols: tuple[str, ...]
    id: str
    at: datetime

    def first(self, name: str) -> str | None:
        """Return the first value of that name in the address."""
        return next((value for key, value in self.query if key == name), None)


@dataclass(frozen=True, slots=True)
class Welcome:
    """What is agreed on before the first frame.

    Attributes:
        dialect: translates from now on.
        subprotocols: of those that the client offers, the one that is confirmed.
        headers: of the answer.
    """

    dialect: Dialect
    subprotocols: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer of HTTP to who does not come in."""

    status: int
    body: str
    content_type: str = "text/plain"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class About:
    """What the daemon says of itself in any dialect.

    Attributes:
        domains: returns the language models that there are now.
        bundle: name of the models.
        version: of the models.
    """

    domains: Callable[[], Domains]
    bundle: str
    version: str

    @property
    def language_models(self) -> tuple[str, ...]:
        """Names that sessions may ask for now."""
        return self.domains().names

    def language_model(self, wish: str | None) -> str | None:
        """Return the language model that a client's word means; the default one for no word.

        Clients name models as their own servers do: a path ends with the name. None where the
        daemon has no such language model.
        """
        if not wish:
            return self.domains().default
        name = wish.rstrip("/").rpartition("/")[2]
        return name if name in self.language_models else None

    def required_language_model(self, wish: str | None) -> str:
        """Return the language model of that name.

        Raises:
            UnknownModelError: there is none.
        """
        name = self.language_model(wish)
        if name is None:
            raise UnknownModelError(expected=self.language_models, found=wish or "")
        return name


class Door(Protocol):
    """Where clients of one dialect come in.

    Attributes:
        name: of the dialect.
        path: where it is spoken on the daemon's port.
    """

    name: str
    path: str

    def token(self, hello: Hello) -> str | None:
        """Return the token that a request shows, in any of the ways of the dialect."""
        return token_of(hello.headers.get("Authorization"), hello.first("token"))

    def welcome(self, hello: Hello) -> Welcome:
        """Return what is agreed on with a client.

        Raises:
            StenoDaemonError: the request asks for what there is not.
        """

    def refusal(self, _hello: Hello, error: StenoDaemonError) -> Refusal:
        """Return how the dialect says that somebody does not come in, and why."""
        return Refusal(status_of(error), f"{error}\n", headers=retry_after(error))


def status_of(error: StenoDaemonError) -> int:
    """Return the status of HTTP that an error means."""
    match error:
        case UnauthorisedError():
            return 401
        case ForbiddenError():
            return 403
        case LimitError():
            return 429
        case OverloadedError():
            return 503
        case UnknownModelError() | WireError():
            return 400
        case _:
            return 500


def retry_after(error: StenoDaemonError) -> dict[str, str]:
    """Return the headers that say how a client may do better."""
    if isinstance(error, UnauthorisedError):
        return {"WWW-Authenticate": 'Bearer realm="steno"'}
    if isinstance(error, OverloadedError | LimitError):
        return {"Retry-After": str(round(error.retry_after_s or RETRY_AFTER_S) + 1)}
    return {}


def text_of(message: object) -> str:
    """Return a message as the JSON of a text frame."""
    return msgspec.json.encode(message).decode()
