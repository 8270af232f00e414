"""Which web pages may speak with the daemon, and under which names it answers.

A browser tells with every WebSocket which site the page is from (RFC 6454). It lets any page open
one to any address, so the daemon itself has to refuse: else every page on the web could listen in
on the microphone of its visitor. A page of the daemon's own may connect, which is to say that
`Origin` and `Host` name the same place.

That alone would not hold where no token is asked for: a page of evil.example can have that name
point to 127.0.0.1 after it was loaded (DNS rebinding), and then both headers agree. An open daemon
therefore answers to the names of this machine and of configured pages alone.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from steno_daemon.errors import ConfigError, ForbiddenError
from steno_daemon.redaction import redact

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_AUTHORITY = r"(?P<host>[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
_ORIGIN = re.compile(rf"(?P<scheme>[a-z][a-z0-9+.-]*)://{_AUTHORITY}", re.IGNORECASE)
_HOST = re.compile(_AUTHORITY, re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Site:
    """An origin, read: two are the same where all three parts are.

    Attributes:
        scheme: such as https, in small letters.
        host: in small letters; an address in its shortest form, without brackets.
        port: None where the scheme has no usual one and none was said.
    """

    scheme: str
    host: str
    port: int | None

    @property
    def is_local(self) -> bool:
        """Whether it is this machine, as a browser on it calls it."""
        return self.scheme in {"http", "https"} and _is_this_machine(self.host)


class Origins:
    """Decides about `Origin` and `Host`.

    Args:
        named: pages that may connect besides those of this machine, from the configuration.
        any_host: whether the daemon answers under any name: right where tokens are asked for, for
            a page that was tricked into speaking with the daemon has none.

    Raises:
        ConfigError: a named one is no origin.
    """

    def __init__(self, named: Sequence[str] = (), *, any_host: bool = False) -> None:
        self._named = frozenset(_configured(origin) for origin in named)
        self._any_host = any_host

    def check(self, origin: str | None, host: str | None) -> None:
        """Check a request by its headers `Origin` and `Host`, None where one is absent.

        Raises:
            ForbiddenError: it comes from a foreign page, or under a foreign name.
        """
        if not self.answers_to(host):
            raise ForbiddenError(
                "the daemon does not go by this name",
                expected="localhost or the host of one of server.origins",
                found=redact(host or "none"),
            )
        if not self.allows(origin, host):
            raise ForbiddenError(
                "this web page may not connect",
                expected="a page of this host or one of server.origins",
                found=redact(origin or "none"),
            )

    def allows(self, origin: str | None, host: str | None) -> bool:
        """Return whether a page of that origin may connect; who has none is no browser."""
        if origin is None:
            return True
        site = _read(origin)
        return site is not None and (
            site.is_local or site in self._named or site == _site_of(host, site.scheme)
        )

    def answers_to(self, host: str | None) -> bool:
        """Return whether the daemon goes by the name in the header `Host`."""
        if self._any_host:
            return True
        site = _site_of(host, "http")
        return site is not None and (site.is_local or site.host in {s.host for s in self._named})

    def cors_headers(self, origin: str | None, host: str | None) -> dict[str, str]:
        """Return the headers that let a page of another, allowed origin read an answer."""
        if origin is None or not self.allows(origin, host):
            return {"Vary": "Origin"}
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}


def _configured(text: str) -> Site:
    """Return the site of an origin in the configuration.

    Raises:
        ConfigError: it is none; a trailing slash, a path or a * are not part of an origin.
    """
    site = _read(text)
    if site is None:
        raise ConfigError(
            "server.origins: expected scheme, host and port alone, such as "
            f'"https://example.org" or "http://10.0.0.5:8080", found "{redact(text)}"'
        )
    return site


def _read(origin: str) -> Site | None:
    """Return what an origin says, None where it is none that one could trust, such as `null`."""
    found = _ORIGIN.fullmatch(origin)
    return _site(found["scheme"].lower(), found["host"], found["port"]) if found else None


def _site_of(host: str | None, scheme: str) -> Site | None:
    """Return the site that a header `Host` names for a page of that scheme."""
    found = _HOST.fullmatch(host or "")
    return _site(scheme, found["host"], found["port"]) if found else None


def _site(scheme: str, host: str, port: str | None) -> Site | None:
    """Return a site of checked parts, None where host or port cannot be."""
    name = host.lower()
    if name.startswith("["):
        try:
            name = str(ipaddress.IPv6Address(name[1:-1]))
        except ValueError:
            return None
    number = int(port) if port else _DEFAULT_PORTS.get(scheme)
    if number is not None and not 0 < number < 65_536:
        return None
    return Site(scheme, name, number)


def _is_this_machine(host: str) -> bool:
    """Return whether a host in small letters is the loopback of whoever says it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
