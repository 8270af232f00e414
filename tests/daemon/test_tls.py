"""Real handshakes over loopback, with certificates made here."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from steno_daemon.config import ServerConfig
from steno_daemon.errors import ConfigError
from steno_daemon.tls import Tls

PATIENCE_S = 60
DAY_S = 24 * 3600.0
NOW = datetime.now(UTC).replace(microsecond=0)
CA = trustme.CA()
CLIENT = ssl.create_default_context()
CA.configure_trust(CLIENT)


def issue(*, days: float = 90, since_days: float = 1) -> trustme.LeafCert:
    """A certificate for localhost that is good for so long."""
    return CA.issue_cert(
        "localhost",
        not_before=NOW - timedelta(days=since_days),
        not_after=NOW + timedelta(days=days),
    )


GOOD = issue()
OTHER = issue()
PEM = GOOD.cert_chain_pems[0].bytes()


def write(folder: Path, leaf: trustme.LeafCert, key_of: trustme.LeafCert | None = None) -> Path:
    """Put a chain, and a key beside it."""
    chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
    (folder / "chain.pem").write_bytes(chain)
    (folder / "key.pem").write_bytes((key_of or leaf).private_key_pem.bytes())
    (folder / "key.pem").chmod(0o600)
    return folder / "chain.pem"


def certificate_of(leaf: trustme.LeafCert) -> x509.Certificate:
    return x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def listening(tls: Tls) -> AsyncIterator[int]:
    """An echo that speaks TLS, and its port."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=tls.context)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def connected(
    port: int, context: ssl.SSLContext = CLIENT
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="localhost"
        )
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


def served(writer: asyncio.StreamWriter) -> int:
    """The serial number of the certificate that a client was shown."""
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(shown).serial_number


async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(b"do mi\n")
    async with asyncio.timeout(PATIENCE_S):
        return await reader.readline() == b"do mi\n"


# Serving.


async def test_a_client_that_trusts_the_authority_is_served_over_modern_tls(
    tmp_path: Path,
) -> None:
    tls = Tls(write(tmp_path, GOOD), tmp_path / "key.pem")
    async with listening(tls) as port, connected(port) as (reader, writer):
        assert await answers(reader, writer)
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        assert served(writer) == certificate_of(GOOD).serial_number


async def test_certificate_and_key_may_be_in_one_file(tmp_path: Path) -> None:
    for number, parts in enumerate(
        [
            [*GOOD.cert_chain_pems, GOOD.private_key_pem],
            [GOOD.private_key_pem, *GOOD.cert_chain_pems],
        ]
    ):
        path = tmp_path / f"{number}.pem"
        path.write_bytes(b"# a comment\n" + b"".join(blob.bytes() for blob in parts))
        async with listening(Tls(path)) as port, connected(port) as (reader, writer):
            assert await answers(reader, writer)


async def test_old_tls_is_refused(tmp_path: Path) -> None:
    tls = Tls(write(tmp_path, GOOD), tmp_path / "key.pem")
    assert tls.context.minimum_version is ssl.TLSVersion.TLSv1_2
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    CA.configure_trust(old)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    async with listening(tls) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            async with connected(port, old):
                pass
        async with connected(port) as (reader, writer):
            assert await answers(reader, writer)


async def test_who_speaks_no_tls_gets_nowhere(tmp_path: Path) -> None:
    tls = Tls(write(tmp_path, GOOD), tmp_path / "key.pem")
    async with listening(tls) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(PATIENCE_S):
            assert b"HTTP" not in await reader.read()
        writer.close()
        await writer.wait_closed()


# Renewing.


async def test_a_reload_serves_the_newer_certificate_and_breaks_no_connection(
    tmp_path: Path,
) -> None:
    tls = Tls(write(tmp_path, GOOD), tmp_path / "key.pem")
    async with listening(tls) as port, connected(port) as before:
        write(tmp_path, OTHER)
        async with connected(port) as unaware:
            assert served(unaware[1]) == certificate_of(GOOD).serial_number
        tls.reload()
        async with connected(port) as after:
            assert served(after[1]) == certificate_of(OTHER).serial_number
            assert await answers(*after)
        assert served(before[1]) == certificate_of(GOOD).serial_number
        assert await answers(*before)


@pytest.mark.parametrize("fault", ["another key", "expired", "gone", "not PEM"])
async def test_a_reload_that_fails_leaves_the_certificate_in_service(
    tmp_path: Path, fault: str
) -> None:
    tls = Tls(write(tmp_path, GOOD), tmp_path / "key.pem")
    expires_s = tls.expires_s
    async with listening(tls) as port:
        match fault:
            case "another key":
                write(tmp_path, OTHER, key_of=GOOD)
            case "expired":
                write(tmp_path, issue(days=-0.5))
            case "gone":
                (tmp_path / "key.pem").unlink()
            case _:
                (tmp_path / "chain.pem").write_bytes(b"\xff\0")
        with pytest.raises(ConfigError):
            tls.reload()
        assert tls.expires_s == pytest.approx(expires_s, abs=PATIENCE_S)
        async with connected(port) as (reader, writer):
            assert served(writer) == certificate_of(GOOD).serial_number
            assert await answers(reader, writer)


def test_nothing_is_left_open_or_written_anywhere(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        Tls(path, tmp_path / "key.pem")
        with pytest.raises(ConfigError):
            Tls(path, path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["chain.pem", "key.pem"]


# When it expires.


@pytest.mark.parametrize("year", [1951, 1999, 2000, 2049, 2050, 2118])
def test_the_date_is_read_as_cryptography_reads_it(tmp_path: Path, year: int) -> None:
    start = datetime(1950, 2, 3, tzinfo=UTC)
    leaf = CA.issue_cert(
        "localhost", not_before=start, not_after=datetime(year, 12, 31, 23, 59, 58, tzinfo=UTC)
    )
    end_s = certificate_of(leaf).not_valid_after_utc.timestamp()
    tls = Tls(write(tmp_path, leaf), tmp_path / "key.pem", clock=start.timestamp)
    assert tls.expires_s == end_s - start.timestamp()


def test_an_expired_certificate_is_refused_with_its_date(tmp_path: Path) -> None:
    expired = issue(days=-0.5)
    end = certificate_of(expired).not_valid_after_utc
    with pytest.raises(ConfigError) as caught:
        Tls(write(tmp_path, expired), tmp_path / "key.pem")
    assert f"expired on {end:%Y-%m-%d %H:%M UTC}" in str(caught.value)
    assert "chain.pem" in str(caught.value)


@pytest.mark.parametrize(("days", "warned"), [(13.9, True), (14.1, False)])
def test_two_weeks_before_it_expires_there_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, days: float, warned: bool
) -> None:
    with caplog.at_level(logging.WARNING):
        Tls(write(tmp_path, issue(days=days)), tmp_path / "key.pem", clock=NOW.timestamp)
    assert ("expires on" in caplog.text) is warned


def test_the_time_left_goes_down(tmp_path: Path) -> None:
    now_s = [NOW.timestamp()]
    tls = Tls(write(tmp_path, issue(days=2)), tmp_path / "key.pem", clock=lambda: now_s[0])
    assert tls.expires_s == 2 * DAY_S
    now_s[0] += 3 * DAY_S
    assert tls.expires_s == -DAY_S


def test_a_certificate_of_the_future_is_served_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        Tls(write(tmp_path, issue(since_days=-1)), tmp_path / "key.pem")
    assert "is good from" in caplog.text


# What is wrong with the files.


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    for certificate, key in (("none.pem", "key.pem"), ("chain.pem", "none.pem")):
        with pytest.raises(ConfigError, match=r"expected a file at .*none\.pem, found: No such"):
            Tls(tmp_path / certificate, tmp_path / key)


def test_a_key_of_another_certificate_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD, key_of=OTHER)
    with pytest.raises(ConfigError, match="found: a key of another certificate"):
        Tls(path, tmp_path / "key.pem")


def test_an_encrypted_key_is_told_and_nobody_is_asked(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    key = load_pem_private_key(GOOD.private_key_pem.bytes(), None)
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )
    with pytest.raises(ConfigError, match="expected a private key without a passphrase"):
        Tls(path, tmp_path / "key.pem")


@pytest.mark.parametrize(
    "found",
    [
        b"",
        PEM[: len(PEM) // 2],
        PEM.replace(b"CERTIFICATE", b"CERTIFICAT"),
        b"\xff" * 100,
        PEM[:40] + b"????" + PEM[44:],
        b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
    ],
)
def test_what_is_no_certificate_is_told(tmp_path: Path, found: bytes) -> None:
    path = write(tmp_path, GOOD)
    path.write_bytes(found)
    with pytest.raises(ConfigError, match="expected a certificate"):
        Tls(path, tmp_path / "key.pem")


def test_whatever_byte_is_damaged_is_served_or_refused_in_words(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    der = ssl.PEM_cert_to_DER_cert(PEM.decode())
    complaints = []
    for at in range(len(der)):
        damaged = der[:at] + bytes([der[at] ^ 0xFF]) + der[at + 1 :]
        path.write_text(ssl.DER_cert_to_PEM_cert(damaged), encoding="ascii")
        try:
            Tls(path, tmp_path / "key.pem")
        except ConfigError as error:
            complaints.append(str(error))
    assert len(complaints) > 50
    assert all("expected a certificate" in complaint for complaint in complaints)


def test_a_key_that_everybody_can_read_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path, GOOD)
    with caplog.at_level(logging.WARNING):
        Tls(path, tmp_path / "key.pem")
        assert not caplog.records
        (tmp_path / "key.pem").chmod(0o644)
        Tls(path, tmp_path / "key.pem")
    assert "everybody on this machine can read the private key" in caplog.text


def test_a_configuration_asks_for_tls_or_not(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    assert Tls.of(ServerConfig()) is None
    assert Tls.of(ServerConfig(certificate=path, key=tmp_path / "key.pem"))
    with pytest.raises(ConfigError, match=r"expected server\.certificate beside server\.key"):
        Tls.of(ServerConfig(key=tmp_path / "key.pem"))
