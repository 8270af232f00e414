"""Getting in: tokens, TLS, and what a connection does about peers that went away in silence."""

import asyncio
import logging
import shutil
import socket as sockets
import ssl
import subprocess
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import pytest
from tests.clients.breaking import Break, Cut, DurableDaemon, breaking
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as open_server
from websockets.http11 import Request, Response

from steno_clients.connection import Door, credentials, open_connection
from steno_clients.errors import (
    AccessDeniedError,
    ConnectionFailedError,
    ConnectionLostError,
    NotFoundError,
)
from steno_clients.resumption import Resumption
from steno_clients.websocket import StenoClient

PATIENCE_S = 60
TOKEN = "open-sesame"  # noqa: S105 — of no real daemon
AT_ONCE = Resumption(first_delay_s=0.0)


async def test_the_token_is_shown_on_every_connection() -> None:
    daemon = DurableDaemon()
    async with (
        breaking(daemon, [Cut(Break.RESET, upward=3_000)]) as wire,
        asyncio.timeout(PATIENCE_S),
        StenoClient.connect(wire.url, token=TOKEN, resume=AT_ONCE) as client,
    ):
        await client.send(bytes(6_000))
        await client.stop()
        assert [event async for event in client]
    assert daemon.headers == [f"Bearer {TOKEN}"] * 2


@pytest.mark.parametrize("token", [None, ""])
async def test_without_a_token_nothing_is_shown(token: str | None) -> None:
    daemon = DurableDaemon()
    async with breaking(daemon) as wire, StenoClient.connect(wire.url, token=token):
        pass
    assert daemon.headers == [None]


@pytest.mark.parametrize(
    ("status", "token", "kind", "complaint"),
    [
        (401, TOKEN, AccessDeniedError, "expected a token that ws://.* knows, found it refused"),
        (401, None, AccessDeniedError, "expected a token that ws://.* knows, found none"),
        (403, TOKEN, AccessDeniedError, "expected to be let in at ws://.*, found that we may not"),
        (404, None, NotFoundError, "found another: .*404"),
        (503, None, ConnectionFailedError, "found another: .*503"),
    ],
)
async def test_whoever_is_not_let_in_hears_why_and_the_token_is_not_repeated(
    status: int, token: str | None, kind: type[Exception], complaint: str
) -> None:
    def refuse(socket: ServerConnection, _: Request) -> Response:
        return socket.respond(HTTPStatus(status), "no\n")

    async with open_server(DurableDaemon(), "127.0.0.1", 0, process_request=refuse) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(kind, match=complaint) as caught:
            async with StenoClient.connect(url, token=token):
                pass
    assert TOKEN not in str(caught.value)
    assert TOKEN not in repr(Door(url=url, token=token))


async def test_a_token_that_is_refused_later_ends_the_session() -> None:
    daemon = DurableDaemon()
    let_in = 1

    def check(socket: ServerConnection, _: Request) -> Response | None:
        nonlocal let_in
        let_in -= 1
        return socket.respond(HTTPStatus.UNAUTHORIZED, "no\n") if let_in < 0 else None

    async with open_server(daemon, "127.0.0.1", 0, process_request=check) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with asyncio.timeout(PATIENCE_S), StenoClient.connect(url, token=TOKEN) as client:
            daemon.kill()
            with pytest.raises(
                ConnectionLostError, match=r"cannot be resumed: .* found it refused"
            ):
                await anext(client)


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "clé"])
async def test_a_token_that_fits_in_no_header_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(AccessDeniedError, match="visible ASCII") as caught:
        await open_connection(Door(token=token))
    assert token not in str(caught.value)


def test_a_token_that_others_can_read_on_the_way_is_worth_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        credentials(Door(url="ws://127.0.0.1:1", token=TOKEN))
        credentials(Door(url="wss://captions.example", token=TOKEN))
        assert not caplog.records
        credentials(Door(url="ws://captions.example", token=TOKEN))
    assert [record.getMessage() for record in caplog.records] == [
        "the token travels to captions.example without encryption"
    ]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of this machine and its key, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    key = path.with_name("key.pem")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", path),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
        timeout=PATIENCE_S,
    )
    path.write_text(path.read_text() + key.read_text())
    return path


@pytest.fixture
async def secure_url(certificate: Path) -> AsyncIterator[str]:
    """The address of a daemon with TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with open_server(DurableDaemon(), "127.0.0.1", 0, ssl=context) as server:
        yield f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_certificate_of_ones_own_is_trusted_by_its_file(
    secure_url: str, certificate: Path
) -> None:
    async with StenoClient.connect(secure_url, tls=certificate, token=TOKEN) as client:
        await client.send(bytes(4_000))
        await client.stop()
        assert [event async for event in client]


async def test_a_context_says_everything_about_tls(secure_url: str, certificate: Path) -> None:
    context = ssl.create_default_context(cafile=certificate)
    async with StenoClient.connect(secure_url, tls=context) as client:
        assert client.ready


async def test_a_certificate_that_nobody_vouches_for_is_refused(secure_url: str) -> None:
    with pytest.raises(ConnectionFailedError, match=r"trusted here, found: self.signed"):
        async with StenoClient.connect(secure_url):
            pass


async def test_a_daemon_without_tls_hangs_up_on_those_who_want_it() -> None:
    async with breaking(DurableDaemon()) as wire:
        url = wire.url.replace("ws://", "wss://")
        with pytest.raises(ConnectionFailedError, match=f"at {url}, found a peer that hangs up"):
            async with StenoClient.connect(url):
                pass


async def test_who_answers_without_tls_to_those_who_want_it_is_no_daemon() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(ConnectionFailedError, match=f"expected TLS at {url}, found: [A-Z_]+"):
            async with StenoClient.connect(url):
                pass


@pytest.mark.parametrize(
    ("url", "text", "complaint"),
    [
        ("ws://127.0.0.1:9", "-", "expected an address wss://… for TLS, found ws://127.0.0.1:9"),
        ("wss://127.0.0.1:9", None, "expected certificates in PEM at .*No such file"),
        ("wss://127.0.0.1:9", "no certificate", "expected certificates in PEM at .*ca.pem, found"),
    ],
)
async def test_a_file_of_authorities_that_cannot_be_used_is_named(
    tmp_path: Path, url: str, text: str | None, complaint: str
) -> None:
    path = tmp_path / "ca.pem"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConnectionFailedError, match=complaint):
        async with StenoClient.connect(url, tls=path):
            pass


@pytest.mark.skipif(not hasattr(sockets, "TCP_USER_TIMEOUT"), reason="needs Linux")
async def test_the_system_gives_a_peer_up_that_confirms_nothing() -> None:
    async with breaking(DurableDaemon()) as wire:
        connection = await open_connection(Door(url=wire.url, timeout_s=7.0))
        plain = connection.transport.get_extra_info("socket")
        assert plain.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_USER_TIMEOUT) == 7_000
        await connection.close()
