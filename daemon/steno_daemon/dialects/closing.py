"""With which code and text a connection is closed (RFC 6455, 7.4), where a dialect has no other."""

from enum import IntEnum

from steno_daemon.wire import CloseReason, Error, ErrorCode


class CloseCode(IntEnum):
    """The codes that are used here."""

    NORMAL = 1000
    GOING_AWAY = 1001
    INVALID_DATA = 1007
    POLICY = 1008
    INTERNAL = 1011
    TRY_AGAIN_LATER = 1013


_CODES = {
    CloseReason.STOPPED: CloseCode.NORMAL,
    CloseReason.IDLE: CloseCode.NORMAL,
    CloseReason.LIMIT: CloseCode.POLICY,
    CloseReason.WITHDRAWN: CloseCode.POLICY,
    CloseReason.SHUTDOWN: CloseCode.GOING_AWAY,
    CloseReason.FAILED: CloseCode.INTERNAL,
    CloseReason.REFUSED: CloseCode.TRY_AGAIN_LATER,
}
_FAULTS = {ErrorCode.INVALID_AUDIO: CloseCode.INVALID_DATA}
"""Codes that say more than those of the reason; 1007 is for data that is not what it should be."""


def close_code(reason: CloseReason, fault: Error | None) -> int:
    """Return the code that says why a session ended."""
    code = _CODES[reason]
    return code if fault is None else _FAULTS.get(fault.code, code)


def close_text(reason: CloseReason, fault: Error | None) -> str:
    """Return the text that says why a session ended."""
    return reason if fault is None else f"{fault.code}: {fault.message}"


def sentence(fault: Error) -> str:
    """Return all that an error says, in a line."""
    if fault.expected is None:
        return fault.message
    return f"{fault.message}: expected {fault.expected}, found {fault.found}"
