"""TLS: a certificate that is checked before it is served, and renewed in place.

Certificate and key are read once into memory, and what was checked is what is served: a renewal
that replaces the two files one after the other is never caught half way.
"""

import logging
import os
import ssl
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from steno_daemon.config import ServerConfig
from steno_daemon.errors import ConfigError

logger = logging.getLogger(__name__)

WARN_BEFORE_S = 14 * 24 * 3600.0
_END = b"-----END CERTIFICATE-----"
_BEGIN = b"-----BEGIN CERTIFICATE-----"
_INTEGER, _SEQUENCE, _VERSION = 0x02, 0x30, 0xA0
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18


@dataclass(frozen=True, slots=True)
class Validity:
    """From when to when a certificate is good, in seconds since 1970."""

    start_s: float
    end_s: float


class Tls:
    """A certificate in service.

    Args:
        certificate: PEM file of the certificate and those that vouch for it, the own one first.
        key: PEM file of its private key; None if that is in the file of the certificate.
        clock: seconds since 1970.

    Attributes:
        context: for the server; handshakes after a `reload` get the newer certificate.

    Raises:
        ConfigError: a file cannot be read, they do not belong together, or the certificate expired.
    """

    def __init__(
        self, certificate: Path, key: Path | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._certificate = certificate
        self._key = key
        self._clock = clock
        self.context = _context()
        self._validity = self._load()

    @classmethod
    def of(cls, server: ServerConfig) -> "Tls | None":
        """Return what a configuration asks for, None where it names no certificate.

        Raises:
            ConfigError: as above, or there is a key without a certificate.
        """
        if server.certificate is None:
            if server.key is not None:
                raise ConfigError("expected server.certificate beside server.key, found none")
            return None
        return cls(server.certificate, server.key)

    @property
    def expires_s(self) -> float:
        """Seconds until the certificate expires, negative after that."""
        return self._validity.end_s - self._clock()

    def reload(self) -> None:
        """Read the files again; connections that are open stay as they are.

        Raises:
            ConfigError: they cannot be served; the certificate before stays in service.
        """
        self._validity = self._load()

    def _load(self) -> Validity:
        """Check the files, and only then put them in service."""
        chain = _read(self._certificate, private=self._key is None)
        secret = _read(self._key, private=True) if self._key else b""
        validity = _validity(chain, self._certificate)
        self._check(validity)
        with _in_memory(chain + b"\n" + secret) as path:
            self._put(path, _context())
            self._put(path, self.context)
        return validity

    def _check(self, validity: Validity) -> None:
        """Refuse an expired certificate, and warn of one that soon will be."""
        left_s = validity.end_s - self._clock()
        end = _date(validity.end_s)
        if left_s <= 0:
            raise ConfigError(
                f"{self._certificate}: expected a certificate that is still good, "
                f"found one that expired on {end}"
            )
        if left_s < WARN_BEFORE_S:
            logger.warning("the certificate %s expires on %s", self._certificate, end)
        if validity.start_s > self._clock():  # maybe only the clock of this machine is wrong
            start = _date(validity.start_s)
            logger.warning("the certificate %s is good from %s only", self._certificate, start)

    def _put(self, path: str, context: ssl.SSLContext) -> None:
        """Put certificate and key into a context."""

        def no_passphrase() -> str:
            raise ConfigError(
                f"{self._key or self._certificate}: expected a private key without a passphrase, "
                "found an encrypted one"
            )

        try:
            context.load_cert_chain(path, password=no_passphrase)
        except ssl.SSLError as error:
            raise ConfigError(
                f"expected a certificate in {self._certificate} and its private key in "
                f"{self._key or 'the same file'}, found: {_reason(error)}"
            ) from error


def _context() -> ssl.SSLContext:
    """Return a context for a server, without a certificate yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    return context


def _reason(error: ssl.SSLError) -> str:
    """Return what OpenSSL says is wrong."""
    reason = (error.reason or "no PEM").lower().replace("_", " ")
    return {"key values mismatch": "a key of another certificate"}.get(reason, reason)


def _date(seconds: float) -> str:
    """Return a time for people."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _read(path: Path, *, private: bool) -> bytes:
    """Return a file, with a warning if it is private and everybody can read it.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            if private and os.fstat(file.fileno()).st_mode & stat.S_IROTH:
                logger.warning("everybody on this machine can read the private key in %s", path)
            return file.read()
    except OSError as error:
        raise ConfigError(
            f"cannot serve TLS: expected a file at {path}, found: {error.strerror}"
        ) from error


@contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    """Give data a path, for what can read only files; nothing is written to a disk."""
    file = os.memfd_create("steno-tls")
    try:
        with open(file, "wb", closefd=False) as writer:
            writer.write(data)
        yield f"/proc/self/fd/{file}"
    finally:
        os.close(file)


def _validity(pem: bytes, path: Path) -> Validity:
    """Return when the first certificate of a chain is good.

    Those after it are not looked at: clients know better which of them they need.

    Raises:
        ConfigError: there is none.
    """
    _, begin, rest = pem.partition(_BEGIN)
    body, end, _ = rest.partition(_END)
    try:
        der = ssl.PEM_cert_to_DER_cert((begin + body + end).decode("ascii"))
        return _validity_of_der(der)
    except (ValueError, IndexError) as error:
        raise ConfigError(f"expected a certificate in PEM in {path}, found none") from error


def _validity_of_der(der: bytes) -> Validity:
    """Return when a certificate is good: RFC 5280, 4.1, up to the field `validity`."""
    certificate, _ = _element(der, _SEQUENCE)
    signed, _ = _element(certificate, _SEQUENCE)
    if signed[0] == _VERSION:
        _, signed = _element(signed, _VERSION)
    _, signed = _element(signed, _INTEGER)  # serial number
    _, signed = _element(signed, _SEQUENCE)  # signature algorithm
    _, signed = _element(signed, _SEQUENCE)  # issuer
    validity, _ = _element(signed, _SEQUENCE)
    start, validity = _element(validity, _UTC_TIME, _GENERALIZED_TIME)
    end, _ = _element(validity, _UTC_TIME, _GENERALIZED_TIME)
    return Validity(_seconds(start), _seconds(end))


def _element(data: bytes, *tags: int) -> tuple[bytes, bytes]:
    """Return the content of the first element of DER and what comes after it."""
    if data[0] not in tags:
        raise ValueError(f"expected an element of {tags}, found {data[0]}")
    length, start = data[1], 2
    if length >= 0x80:  # then it says in how many bytes the length is
        start += length - 0x80
        length = int.from_bytes(data[2:start], "big")
    return data[start : start + length], data[start + length :]


def _seconds(time_text: bytes) -> float:
    """Return a UTCTime, which has two digits of the year, or a GeneralizedTime, which has four."""
    text = time_text.decode("ascii")
    if len(text) == len("YYMMDDhhmmssZ"):
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%S%z").timestamp()
