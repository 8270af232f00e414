"""Who may do what: tokens, their scopes, and how many sessions each may hold.

The daemon knows tokens by their SHA-256 alone, so that its configuration gives none away. A plain
hash is enough because tokens are random: `stenod --new-token` makes them of 256 bits, and
`stenod --hash-token` takes none that is short.
"""

import hashlib
import hmac
import ipaddress
import logging
import os
import secrets
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

import msgspec

from steno_daemon.complaints import describe
from steno_daemon.config import SecurityConfig, TokenConfig
from steno_daemon.errors import ConfigError, ForbiddenError, LimitError, UnauthorisedError
from steno_daemon.redaction import TOKEN_PREFIX

logger = logging.getLogger(__name__)

CREDENTIAL = "tokens"
"""What `LoadCredential=` of the unit calls the file of tokens."""
TOKEN_CHARS_MIN = 16


class Scope(StrEnum):
    """What a token is good for; none includes another."""

    RECOGNISE = "recognise"
    """To hold sessions."""
    WATCH = "watch"
    """To list sessions and read their captions."""
    ADMIN = "admin"
    """To see the daemon's state and figures, and to change its language models."""


@dataclass(slots=True)
class SessionCount:
    """How many sessions run under one token now."""

    running: int = 0


@dataclass(frozen=True, slots=True)
class Grant:
    """What one client may do.

    Attributes:
        name: what the log calls its token.
        scopes: of the token.
        max_sessions: at once under the token; None for any number.
        sessions: shared by all grants of the token.
    """

    name: str
    scopes: frozenset[Scope]
    max_sessions: int | None = None
    sessions: SessionCount = field(default_factory=SessionCount, compare=False, repr=False)

    def require(self, scope: Scope) -> None:
        """Check that the client may do what needs that scope.

        Raises:
            ForbiddenError: it may not.
        """
        if scope not in self.scopes:
            raise ForbiddenError(
                f"the token {self.name} is not for this",
                expected=f"the scope {scope}",
                found=", ".join(sorted(self.scopes)) or "none",
            )

    def shares_with(self, other: "Grant") -> bool:
        """Return whether both are of one token, so that they count each other's sessions."""
        return self.sessions is other.sessions

    @property
    def is_full(self) -> bool:
        """Whether the token has all the sessions that it may have."""
        return self.max_sessions is not None and self.sessions.running >= self.max_sessions

    def enter(self) -> None:
        """Count one session more; whoever calls this calls `leave` once.

        Raises:
            LimitError: the token has all the sessions that it may have.
        """
        self.check_room()
        self.sessions.running += 1

    def check_room(self) -> None:
        """Check that there may be another session.

        Raises:
            LimitError: the token has all the sessions that it may have.
        """
        if self.is_full:
            raise LimitError(
                "security.tokens.max_sessions",
                expected=f"at most {self.max_sessions} sessions at once",
                found="one more",
            )

    def leave(self) -> None:
        """Count one session less."""
        if self.sessions.running == 0:
            raise RuntimeError(f"expected no more to leave than entered, found one more: {self}")
        self.sessions.running -= 1


EVERYTHING = frozenset(Scope)


class Keyring:
    """Knows the tokens; without any, everybody may do everything.

    Attributes:
        grants: what each token is good for, by its SHA-256.

    Raises:
        ConfigError: two tokens have one name, or are the same.
    """

    def __init__(self, tokens: Sequence[TokenConfig] = ()) -> None:
        _check_distinct("name", [token.name for token in tokens])
        _check_distinct("sha256", [token.sha256 for token in tokens])
        self.grants: Mapping[bytes, Grant] = {
            bytes.fromhex(token.sha256): Grant(
                token.name, frozenset(map(Scope, token.scopes)), token.max_sessions
            )
            for token in tokens
        }
        self._everybody = Grant("everybody", EVERYTHING)

    @classmethod
    def of(cls, security: SecurityConfig, environment: Mapping[str, str] = os.environ) -> "Keyring":
        """Return the keyring of a configuration, its file and the credential of systemd.

        Raises:
            ConfigError: the file cannot be read, holds no token, or a token is wrong.
        """
        path = security.tokens_file or _credential(environment)
        return cls([*security.tokens, *(_read(path) if path else ())])

    @property
    def is_open(self) -> bool:
        """Whether there is no token, so that everybody may do everything."""
        return not self.grants

    def grant(self, token: str | None) -> Grant:
        """Return what the bearer of a token may do.

        Raises:
            UnauthorisedError: there is none, or nobody was given this one.
        """
        if self.is_open:
            return self._everybody
        if token is None:
            raise UnauthorisedError(
                "expected a token, as the header `Authorization: Bearer …` or as `?token=…`, "
                "found none"
            )
        presented = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        found = None
        for digest, grant in self.grants.items():  # to the end, so that time tells nothing
            if hmac.compare_digest(digest, presented):
                found = grant
        if found is None:
            raise UnauthorisedError("expected a token that was given out, found another")
        return found

    def holds(self, grant: Grant, scope: Scope) -> bool:
        """Return whether a grant is still good for a scope: its token was not taken back."""
        return self.is_open or any(
            grant.sessions is mine.sessions and scope in mine.scopes
            for mine in self.grants.values()
        )

    def adopt(self, newer: "Keyring") -> None:
        """Become a newer keyring; tokens that stay keep the count of their sessions.

        Let `check_exposure` see the newer one first: it may have no tokens at all.
        """
        self.grants = {
            digest: replace(grant, sessions=self.grants.get(digest, grant).sessions)
            for digest, grant in newer.grants.items()
        }


def token_of(
    authorization: str | None, query: str | None, *, schemes: Collection[str] = ("bearer",)
) -> str | None:
    """Return the token of a request, from its header `Authorization` or its parameter `token`."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    if scheme.casefold() in schemes and token.strip():
        return token.strip()
    return query or None


def check_exposure(host: str, keyring: Keyring, *, tls: bool) -> None:
    """Check that nobody but this machine reaches a daemon that asks for no token.

    Args:
        host: address that the daemon listens on.
        keyring: the tokens.
        tls: whether connections are encrypted; without, beyond this machine, a warning is logged.

    Raises:
        ConfigError: others would reach it; it says what to do.
    """
    if is_loopback(host):
        return
    if keyring.is_open:
        raise ConfigError(
            f"everybody who reaches {host or 'this machine'} could listen in: expected tokens "
            "([[security.tokens]], made by `stenod --new-token`) or server.host 127.0.0.1, "
            "found neither"
        )
    if not tls:
        logger.warning(
            "tokens and speech cross the network to %s unencrypted: set server.certificate, "
            "or let a proxy on this machine speak TLS",
            host,
        )


def is_loopback(host: str) -> bool:
    """Return whether an address to listen on is reached from this machine alone."""
    if host.casefold() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False  # a name may come to mean another address
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def new_token() -> str:
    """Return a token that nobody can guess."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Return the SHA-256 of a token, as the configuration wants it.

    Raises:
        ConfigError: the token is so short that its hash would give it away.
    """
    if len(token) < TOKEN_CHARS_MIN:
        raise ConfigError(
            f"the token is too easy to guess: expected {TOKEN_CHARS_MIN} random characters or "
            f"more, as `stenod --new-token` makes them, found {len(token)}"
        )
    return hashlib.sha256(token.encode()).hexdigest()


class _TokensFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file of tokens holds."""

    tokens: tuple[TokenConfig, ...] = ()


def _credential(environment: Mapping[str, str]) -> Path | None:
    """Return the file of tokens that systemd handed over, if it did."""
    directory = environment.get("CREDENTIALS_DIRECTORY")
    path = Path(directory, CREDENTIAL) if directory else None
    try:
        return path if path and path.is_file() else None
    except OSError as error:
        raise ConfigError(
            f"cannot read the tokens: expected a file at {path}, found: {error.strerror}"
        ) from error


def _read(path: Path) -> tuple[TokenConfig, ...]:
    """Return the tokens of a file.

    Raises:
        ConfigError: it cannot be read, is wrong, or holds none: then nobody meant it to be empty.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        tokens = msgspec.convert(tables, _TokensFile).tokens
    except OSError as error:
        raise ConfigError(
            f"cannot read the tokens: expected a file at {path}, found: {error.strerror}"
        ) from error
    except msgspec.ValidationError as error:
        fault = describe(tables, error, _TokensFile)
        raise ConfigError(
            f"{path}: {fault.where or 'the file'}: expected {fault.expected}, found something else"
        ) from None  # the cause repeats what was found, which may be a token
    except ValueError as error:
        raise ConfigError(f"expected TOML in {path}, found: {error}") from None
    if not tokens:
        raise ConfigError(f"expected [[tokens]] in {path}, found none")
    return tokens


def _check_distinct(what: str, values: Sequence[str]) -> None:
    """Check that no value comes twice."""
    if len(set(values)) < len(values):
        raise ConfigError(f"[[security.tokens]]: expected every {what} once, found one twice")
