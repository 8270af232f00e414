"""Tells systemd how the service is: one datagram to the socket named by NOTIFY_SOCKET.

See sd_notify(3) and sd_watchdog_enabled(3). Without that variable nothing happens, and where the
socket cannot be reached the service goes on: the log says so.
"""

import logging
import os
import socket
import time
from collections.abc import Mapping

logger = logging.getLogger(__name__)

SEND_TIMEOUT_S = 1.0
"""The event loop calls this: a system that takes no messages must not stop the captions."""


def ready(status: str) -> None:
    """Say that the service answers now; the end of a start and of a reload."""
    _send(f"READY=1\nSTATUS={_line(status)}")


def status(text: str) -> None:
    """Say in a line for people how the service is: what `systemctl status` shows."""
    _send(f"STATUS={_line(text)}")


def starting(text: str, *, extend_s: float = 0.0) -> None:
    """Say what the start is at, and that it may go on for `extend_s` seconds from now."""
    extend = f"\nEXTEND_TIMEOUT_USEC={round(extend_s * 1e6)}" if extend_s else ""
    _send(f"STATUS={_line(text)}{extend}")


def reloading() -> None:
    """Say that the configuration is read anew; `ready` says that this is over."""
    microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
    _send(f"RELOADING=1\nMONOTONIC_USEC={microseconds}\nSTATUS=reading the configuration anew")


def stopping(text: str = "going down") -> None:
    """Say that the service goes down."""
    _send(f"STOPPING=1\nSTATUS={_line(text)}")


def alive(text: str) -> None:
    """Feed the watchdog, and say how the service is."""
    _send(f"WATCHDOG=1\nSTATUS={_line(text)}")


def dead(text: str) -> None:
    """Have systemd end the service now, as if the watchdog had starved."""
    _send(f"WATCHDOG=trigger\nSTATUS={_line(text)}")


def watchdog_interval_s(environ: Mapping[str, str] = os.environ) -> float | None:
    """Return after how many seconds without `alive` systemd ends the service, None for never."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None  # meant for another process
    microseconds = environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdecimal() or int(microseconds) == 0:
        if microseconds:
            logger.warning(
                "no watchdog: expected microseconds in WATCHDOG_USEC, found %r", microseconds
            )
        return None
    return int(microseconds) / 1e6


def _line(text: str) -> str:
    """Return a text as one line: a second one would be another message to systemd."""
    return " ".join(text.split())


def _send(message: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # Linux's abstract sockets
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            line.settimeout(SEND_TIMEOUT_S)
            line.sendto(message.encode(errors="replace"), address)
    except OSError as error:
        logger.warning("systemd did not hear %r: %s", message.partition("\n")[0], error)
