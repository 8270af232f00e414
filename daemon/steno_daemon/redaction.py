"""Makes what a client sent fit for a log: no token, no line of its own making, not too long.

Five things count as secret: the value of a query parameter `token`, however its name is written; a
member `token` of a JSON object; what an `Authorization` header holds; a user and password before
an `@`; and anything that looks like a token of `stenod --new-token`.
"""

import logging
import re

from aiohttp.http_exceptions import HttpProcessingError

TOKEN_PREFIX = "steno_"  # noqa: S105 - what every new token begins with, so that it can be told
HIDDEN = "…"
LONGEST_CHARS = 200
_LOOKED_AT_CHARS = 10_000

_NAME = "".join(rf"(?:{c}|%{ord(c):02x}|%{ord(c.upper()):02x})" for c in "token")
_PARAMETER = re.compile(rf"(?<=[?&;])({_NAME})=[^&\s]*", re.IGNORECASE)
_BEARER = re.compile(
    r"\b(authorization\b\W{1,6}\w+|bearer)(?:\s|%20|\+)+[^\s,\"'\\]+", re.IGNORECASE
)
_MINTED = re.compile(rf"{TOKEN_PREFIX}[\w-]{{32,}}")
_MEMBER = re.compile(r"""(["']token["']\s*:\s*["'])[^"']*""")
_USER = re.compile(r"(?<=://)[^/?#\s@]+@")


def redact(text: str) -> str:
    """Return one short line in which no token of `text`, a URL or a path, can be read.

    It can be written anywhere: lines, colours and what is no character at all become escapes.
    """
    line = "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii")
        for one in without_secrets(text[:_LOOKED_AT_CHARS])
    )
    return line if len(line) <= LONGEST_CHARS else line[:LONGEST_CHARS] + HIDDEN


def without_secrets(text: str) -> str:
    """Return a text of any length with its tokens hidden and all else as it was."""
    text = _PARAMETER.sub(rf"\1={HIDDEN}", text)
    text = _BEARER.sub(rf"\1 {HIDDEN}", text)
    text = _MEMBER.sub(rf"\1{HIDDEN}", text)
    text = _USER.sub(f"{HIDDEN}@", text)
    return _MINTED.sub(TOKEN_PREFIX + HIDDEN, text)


class RedactingFormatter(logging.Formatter):
    """The last gate before a log: hides tokens in the whole entry, its traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the entry without tokens."""
        return without_secrets(super().format(record))


class BadRequestFilter(logging.Filter):
    """Turns the tracebacks that aiohttp logs for what clients do wrong into lines at INFO.

    Belongs on the logger `aiohttp.server`: that strangers send what is no request, or hang up
    before the answer, is no fault of the daemon, and must not fill its log.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is logged; a client's fault is made short before."""
        match record.exc_info[1] if record.exc_info else None:
            case HttpProcessingError(message=message):
                _shorten(record, "a request was not HTTP: %s", redact(" ".join(message.split())))
            case ConnectionError() as error:
                _shorten(record, "a client hung up before the answer: %s", redact(str(error)))
        return True


_BAD_REQUESTS = BadRequestFilter()


def hush_aiohttp() -> None:
    """Keep what strangers send out of aiohttp's own logs; calling it twice does no harm.

    Its logger of WebSockets writes out whole the subprotocols that a client asks for and does not
    get, at length, and some clients send their token as one.
    """
    logging.getLogger("aiohttp.server").addFilter(_BAD_REQUESTS)
    logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)


def _shorten(record: logging.LogRecord, line: str, found: str) -> None:
    """Make a record a line at INFO."""
    record.msg, record.args = line, (found,)
    record.exc_info = record.exc_text = None
    record.levelno, record.levelname = logging.INFO, "INFO"
