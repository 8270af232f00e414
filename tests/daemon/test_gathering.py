"""A loop that takes what comes in together."""

import asyncio
import selectors
import socket
from collections.abc import Iterator

import pytest

from steno_daemon.gathering import GatheringSelector, event_loop

MOMENT_S = 0.5


class Place:
    """A socket in a selector whose time passes only while it sleeps, or when it is told to."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept_s: list[float] = []
        self.near, self.far = socket.socketpair()
        self.selector = GatheringSelector(MOMENT_S, lambda: self.now_s, self._sleep)
        self.selector.register(self.near, selectors.EVENT_READ)

    def _sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds

    def close(self) -> None:
        self.selector.close()
        self.near.close()
        self.far.close()


@pytest.fixture
def place() -> Iterator[Place]:
    made = Place()
    yield made
    made.close()


def test_what_comes_after_a_while_is_taken_at_once(place: Place) -> None:
    place.far.send(b"x")
    assert len(place.selector.select()) == 1
    place.now_s += 1.0
    assert len(place.selector.select(1.0)) == 1
    assert place.slept_s == []


def test_what_comes_soon_after_waits_for_the_rest_of_the_moment(place: Place) -> None:
    place.far.send(b"x")
    place.selector.select()
    place.now_s += 0.2
    assert len(place.selector.select()) == 1
    assert place.slept_s == [pytest.approx(0.3)]


def test_a_timer_is_not_kept_waiting(place: Place) -> None:
    place.far.send(b"x")
    place.selector.select()
    place.near.recv(1)
    assert place.selector.select(0.1) == []
    assert place.slept_s == [pytest.approx(0.1)]


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_loop_that_has_something_to_do_looks_at_once(place: Place, timeout: float) -> None:
    place.far.send(b"x")
    place.selector.select()
    assert len(place.selector.select(timeout)) == 1
    assert place.slept_s == []


def test_a_loop_runs_on_it() -> None:
    async def talk() -> list[bytes]:
        near, far = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=near)
        asyncio.get_running_loop().call_later(0.01, far.send, b"one\ntwo\n")
        said = [await reader.readline(), await reader.readline()]
        writer.close()
        await writer.wait_closed()
        far.close()
        return said

    with asyncio.Runner(loop_factory=event_loop) as runner:
        assert runner.run(talk()) == [b"one\n", b"two\n"]
