import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from steno_daemon import activation
from steno_daemon.auth import is_loopback
from steno_daemon.errors import ConfigError

FIRST_FD = 200


def variables(*names: str, pid: int | None = None) -> dict[str, str]:
    """What systemd sets."""
    return {
        "LISTEN_PID": str(pid or os.getpid()),
        "LISTEN_FDS": str(len(names)),
        "LISTEN_FDNAMES": ":".join(names),
        "HOME": "/",
    }


@pytest.fixture
def passed() -> Iterator[list[int]]:
    """File descriptors to be closed in the end, if nobody took them over."""
    fds: list[int] = []
    yield fds
    for fd in fds:
        try:
            os.close(fd)
        except OSError:
            continue  # whoever took it over has closed it


def hand(passed: list[int], fd: int) -> None:
    """Put a file descriptor where systemd would."""
    os.dup2(fd, FIRST_FD + len(passed), inheritable=True)
    passed.append(FIRST_FD + len(passed))


def test_sockets_are_taken_over_with_their_names_and_no_child_gets_them(
    passed: list[int], tmp_path: Path
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as here,
        socket.create_server(str(tmp_path / "socket"), family=socket.AF_UNIX) as local,
    ):
        hand(passed, here.fileno())
        hand(passed, local.fileno())
        environ = variables("stenod", "local")
        listeners = activation.take_over(environ, first_fd=FIRST_FD)
        assert [listener.name for listener in listeners] == ["stenod", "local"]
        addresses = [listener.bound.getsockname() for listener in listeners]
        assert addresses == [here.getsockname(), local.getsockname()]
        assert not any(os.get_inheritable(listener.bound.fileno()) for listener in listeners)
        assert environ == {"HOME": "/"}
        for listener in listeners:
            listener.bound.close()


def test_a_client_reaches_a_socket_that_was_taken_over(passed: list[int]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as systemd:
        hand(passed, systemd.fileno())
        address = systemd.getsockname()
    (listener,) = activation.take_over(variables("stenod"), first_fd=FIRST_FD)
    with listener.bound as bound, socket.create_connection(address) as client:
        server, _ = bound.accept()
        with server:
            server.sendall(b"here")
            assert client.recv(4) == b"here"


def test_sockets_need_no_names(passed: list[int]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as systemd:
        hand(passed, systemd.fileno())
    environ = variables("stenod")
    del environ["LISTEN_FDNAMES"]
    (listener,) = activation.take_over(environ, first_fd=FIRST_FD)
    assert listener.name == "unknown"
    listener.bound.close()


@pytest.mark.parametrize("environ", [{}, variables("stenod", pid=1), {"LISTEN_FDS": "1"}])
def test_without_sockets_for_this_process_there_are_none(environ: dict[str, str]) -> None:
    assert activation.take_over(environ) == ()
    assert "LISTEN_FDS" not in environ


def test_a_second_look_finds_none(passed: list[int]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as systemd:
        hand(passed, systemd.fileno())
    environ = variables("stenod")
    (listener,) = activation.take_over(environ, first_fd=FIRST_FD)
    listener.bound.close()
    assert activation.take_over(environ, first_fd=FIRST_FD) == ()


@pytest.mark.parametrize("count", ["many", "-1", "65"])
def test_an_impossible_count_is_refused(count: str) -> None:
    environ = variables("stenod") | {"LISTEN_FDS": count}
    with pytest.raises(ConfigError, match=rf"expected a count up to 64 .*, found '{count}'"):
        activation.take_over(environ)


def test_names_for_other_sockets_are_refused() -> None:
    environ = variables("stenod") | {"LISTEN_FDNAMES": "one:two"}
    with pytest.raises(ConfigError, match="expected 1 names in LISTEN_FDNAMES, found 2: one:two"):
        activation.take_over(environ)


def test_a_descriptor_that_is_closed_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"take over stenod: expected a socket .*Bad file desc"):
        activation.take_over(variables("stenod"), first_fd=FIRST_FD)


def test_a_file_is_refused(passed: list[int], tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        hand(passed, file.fileno())
    with pytest.raises(ConfigError, match="descriptor 200, found another kind of file"):
        activation.take_over(variables("stenod"), first_fd=FIRST_FD)


def test_a_socket_for_datagrams_is_refused(passed: list[int]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        hand(passed, bound.fileno())
    with pytest.raises(ConfigError, match=r"stream socket that listens .*, found AF_INET SOCK_D"):
        activation.take_over(variables("stenod"), first_fd=FIRST_FD)


def test_a_connection_is_refused(passed: list[int]) -> None:
    one, other = socket.socketpair()
    with one, other:
        hand(passed, one.fileno())
    with pytest.raises(ConfigError, match=r"Accept=no.*, found AF_UNIX SOCK_STREAM"):
        activation.take_over(variables("stenod"), first_fd=FIRST_FD)


@pytest.mark.parametrize(
    ("family", "host"),
    [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1")],  # noqa: S104
)
def test_a_socket_says_where_it_listens(family: socket.AddressFamily, host: str) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as bound:
        bound.bind((host, 0))
        assert activation.host_of(bound) == host


def test_a_socket_of_the_file_system_is_of_this_machine(tmp_path: Path) -> None:
    with socket.create_server(str(tmp_path / "socket"), family=socket.AF_UNIX) as bound:
        assert is_loopback(activation.host_of(bound))
