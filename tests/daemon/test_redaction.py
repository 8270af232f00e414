import io
import logging
from typing import NoReturn
from urllib.parse import quote

import pytest
from aiohttp import ClientConnectionResetError
from aiohttp.http_exceptions import BadStatusLine

from steno_daemon.auth import new_token
from steno_daemon.redaction import (
    BadRequestFilter,
    RedactingFormatter,
    hush_aiohttp,
    redact,
    without_secrets,
)

SECRET = "sesame-9_A.b~c"  # noqa: S105 - looked for in what is logged


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/?token={}", "/?token=…"),
        ("/watch/live?after=3&token={}&x=1", "/watch/live?after=3&token=…&x=1"),
        ("/?TOKEN={}", "/?TOKEN=…"),
        ("/?%74oken={}", "/?%74oken=…"),
        ("/?%54%6F%6b%65N={}", "/?%54%6F%6b%65N=…"),
        ("/?token=it's{0};and\"{0}", "/?token=…"),
        ("/?a=1;token={}", "/?a=1;token=…"),
        ("/?token={0}&token={0}", "/?token=…&token=…"),
        ("/?token=%20{}#part", "/?token=…"),
        ("ws://host:8765/?token={}", "ws://host:8765/?token=…"),
        ("wss://user:{}@host/", "wss://…@host/"),
        ("{{'Authorization': 'Bearer {}'}}", "{{'Authorization': 'Bearer …'}}"),
        (
            '{{"type": "resume", "token": "{}", "seq": 3}}',
            '{{"type": "resume", "token": "…", "seq"',
        ),
        ("{{'token':'{}'}}", "{{'token':'…'}}"),
        ("authorization: bearer {}", "authorization: bearer …"),
        ("Authorization: Basic {}", "Authorization: Basic …"),
        ("GET /?token={} HTTP/1.1", "GET /?token=… HTTP/1.1"),
        ("b'GET /?token={} HTTP/1.1'", "b'GET /?token=… HTTP/1.1'"),
    ],
)
def test_no_token_is_left_in_a_line(text: str, expected: str) -> None:
    redacted = redact(text.format(SECRET))
    assert SECRET not in redacted
    assert redacted.startswith(expected.format())


@pytest.mark.parametrize(
    "text",
    [
        "/captions/live.vtt?delay_ms=20",
        "/?tokens=three&notoken=x",
        "steno_daemon.transports.websocket: the bearer of bad news",
        "1 = 2; token bucket",
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert redact(text).replace("bearer …", "bearer of") == text


def test_a_token_of_ours_is_hidden_wherever_it_stands() -> None:
    token = new_token()
    for text in (token, f"/watch/{token}/x", f"label={token}", quote(f"?token={token}")):
        assert token not in redact(text)


def test_a_client_cannot_write_a_log_line_of_its_own() -> None:
    redacted = redact("/\r\n2026 INFO all is well\x1b[2J\u2028\u202e\x00\x85\udcff\ud800é")
    assert redacted.isprintable()
    assert redacted == r"/\r\n2026 INFO all is well\x1b[2J\u2028\u202e\x00\x85\udcff\ud800é"


def test_a_line_is_cut_where_it_gets_too_long() -> None:
    assert redact("/" + "x" * 200) == "/" + "x" * 199 + "…"
    assert redact("/" + "x" * 199) == "/" + "x" * 199


def test_the_secret_of_a_long_line_is_hidden_before_it_is_cut() -> None:
    assert "ses" not in redact("/" + "x" * 180 + "?token=" + SECRET)


def log() -> tuple[logging.Logger, io.StringIO]:
    """A logger of its own, and what it wrote."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(RedactingFormatter("%(levelname)s %(message)s"))
    logger = logging.Logger("aiohttp.server")  # noqa: LOG001 - seen by this test alone
    logger.addHandler(handler)
    return logger, written


def fail(message: str) -> NoReturn:
    raise ValueError(message)


def test_a_traceback_is_logged_without_the_token_in_it() -> None:
    logger, written = log()
    try:
        fail(f"GET /?token={SECRET}")
    except ValueError:
        logger.exception("failed for %s", f"Bearer {SECRET}")
    assert SECRET not in written.getvalue()
    assert "ERROR failed for Bearer …\nTraceback" in written.getvalue()
    assert "ValueError: GET /?token=…" in written.getvalue()


def test_a_malformed_request_costs_one_line_and_no_traceback() -> None:
    logger, written = log()
    logger.addFilter(BadRequestFilter())
    error = BadStatusLine(f"GET /?token={SECRET}\nERROR forged")
    logger.error("Error handling request from %s", "192.0.2.1", exc_info=error)
    logger.info("all is well")
    first, second = written.getvalue().splitlines()
    assert first.startswith("INFO a request was not HTTP: ")
    assert SECRET not in first
    assert second == "INFO all is well"


def test_a_client_that_hangs_up_costs_one_line_and_no_traceback() -> None:
    logger, written = log()
    logger.addFilter(BadRequestFilter())
    error = ClientConnectionResetError("Cannot write to closing transport")
    logger.error("Error handling request from %s", "192.0.2.1", exc_info=error)
    [line] = written.getvalue().splitlines()
    assert line.startswith("INFO a client hung up before the answer: Cannot write")


def test_a_token_that_was_sent_as_a_subprotocol_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    websocket, server = logging.getLogger("aiohttp.websocket"), logging.getLogger("aiohttp.server")
    level, filters = websocket.level, list(server.filters)
    try:
        hush_aiohttp()
        hush_aiohttp()
        assert len(server.filters) <= len(filters) + 1
        websocket.warning("%s: Client protocols %r", "192.0.2.1", ["token", SECRET])
        websocket.error("the reader was collected")
    finally:
        websocket.setLevel(level)
        server.filters[:] = filters
    assert [record.getMessage() for record in caplog.records] == ["the reader was collected"]


def test_a_fault_of_the_daemon_keeps_its_traceback() -> None:
    logger, written = log()
    logger.addFilter(BadRequestFilter())
    try:
        fail("a fault")
    except ValueError as error:
        logger.error("Error handling request from %s", "192.0.2.1", exc_info=error)  # noqa: TRY400 - as aiohttp does
    assert "Traceback" in written.getvalue()


def test_a_text_that_is_long_for_good_reason_is_not_cut() -> None:
    assert without_secrets("line\n" * 1_000) == "line\n" * 1_000
