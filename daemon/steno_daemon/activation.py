"""Sockets to listen on: bound here, or opened by systemd: socket activation, see sd_listen_fds(3).

The number of sockets, the process they are meant for and their names come in LISTEN_FDS, LISTEN_PID
and LISTEN_FDNAMES; the sockets themselves are the file descriptors from 3 on.
"""

import os
import socket
import stat
from collections.abc import MutableMapping
from dataclasses import dataclass

from steno_daemon.errors import ConfigError

FIRST_FD = 3
FDS_MAX = 64
VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that was handed over.

    Attributes:
        name: its FileDescriptorName=, by default the name of the socket unit.
        bound: the socket, listening already.
    """

    name: str
    bound: socket.socket


def take_over(
    environ: MutableMapping[str, str] = os.environ, *, first_fd: int = FIRST_FD
) -> tuple[Listener, ...]:
    """Return the sockets that systemd handed over, none where it did not.

    The variables are removed: child processes have no part in this, and a second call finds none.

    Raises:
        ConfigError: what was handed over is not what a service can listen on.
    """
    pid, count, names, _ = (environ.pop(variable, "") for variable in VARIABLES)
    if not count or pid != str(os.getpid()):
        return ()  # meant for another process, such as the one that started this one
    if not count.isdecimal() or int(count) > FDS_MAX:
        raise ConfigError(
            f"cannot take over sockets: expected a count up to {FDS_MAX} in LISTEN_FDS, "
            f"found {count!r}"
        )
    fds = range(first_fd, first_fd + int(count))
    called = names.split(":") if names else ["unknown"] * len(fds)
    if len(called) != len(fds):
        raise ConfigError(
            f"cannot take over sockets: expected {len(fds)} names in LISTEN_FDNAMES, "
            f"found {len(called)}: {names}"
        )
    return tuple(_listener(name, fd) for name, fd in zip(called, fds, strict=True))


def _listener(name: str, fd: int) -> Listener:
    """Return a file descriptor as the socket that it is."""
    try:
        mode = os.fstat(fd).st_mode
    except OSError as error:
        raise ConfigError(
            f"cannot take over {name}: expected a socket as file descriptor {fd}, "
            f"found: {error.strerror}"
        ) from error
    if not stat.S_ISSOCK(mode):
        raise ConfigError(
            f"cannot take over {name}: expected a socket as file descriptor {fd}, found another "
            "kind of file"
        )
    os.set_inheritable(fd, False)  # noqa: FBT003 – it has no other form
    bound = socket.socket(fileno=fd)
    if bound.type is not socket.SOCK_STREAM or not bound.getsockopt(
        socket.SOL_SOCKET, socket.SO_ACCEPTCONN
    ):
        kind = f"{bound.family.name} {bound.type.name}"
        bound.detach()
        raise ConfigError(
            f"cannot take over {name}: expected a stream socket that listens (ListenStream= with "
            f"Accept=no), found {kind}"
        )
    return Listener(name, bound)


def host_of(bound: socket.socket) -> str:
    """Return the address that a socket listens on; "localhost" for one in the file system."""
    return "localhost" if bound.family is socket.AF_UNIX else str(bound.getsockname()[0])


def bind(host: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """Return a socket bound to an address, not listening yet.

    Args:
        host: address of this machine.
        port: 0 lets the system choose.
        reuse_port: whether other daemons may share the port.

    Raises:
        ConfigError: the address is taken or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise ConfigError(
            f"cannot listen: expected a free address, found {host}:{port}: {error.strerror}"
        ) from error
    return bound
