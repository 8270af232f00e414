"""Tells systemd how the service is: one datagram to the socket named by NOTIFY_SOCKET.

See sd_notify(3). Without that variable nothing happens.
"""

import os
import socket


def ready(status: str) -> None:
    """Say that the service answers now."""
    _send(f"READY=1\nSTATUS={status}")


def stopping() -> None:
    """Say that the service goes down."""
    _send("STOPPING=1")


def _send(message: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # Linux's abstract sockets
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
        line.sendto(message.encode(), address)
