"""Watching a session: captions come once each, over as many connections as it takes."""

import asyncio
from dataclasses import dataclass, field
from http import HTTPStatus

import pytest
from tests.clients.theatre import Act, breaks, closed, closes, final, says, theatre, watching
from tests.daemon.serving import PATIENCE_S

from steno_clients.connection import Door
from steno_clients.errors import (
    AccessDeniedError,
    ConnectionFailedError,
    ConnectionLostError,
    NotFoundError,
    ProtocolError,
)
from steno_clients.resumption import Resumption
from steno_clients.watch import Message, Watch, Watching, show
from steno_daemon.wire import (
    Endpoint,
    EndpointReason,
    Final,
    Partial,
    ServerMessage,
    SpeechStarted,
    encode,
)


@dataclass
class Pauses:
    """Waits for nothing, and counts."""

    taken: int = 0

    async def __call__(self, _: float) -> None:
        self.taken += 1


@dataclass
class Witness:
    """Keeps what it is shown."""

    begun: list[Watching] = field(default_factory=list)
    events: list[ServerMessage] = field(default_factory=list)

    def begin(self, about: Watching) -> None:
        self.begun.append(about)

    def show(self, event: ServerMessage) -> None:
        self.events.append(event)


async def _see(watch: Watch, *, count: int | None = None) -> list[str]:
    """Everything that is said until it ends, or so many messages."""
    seen: list[str] = []

    def brief(message: Message) -> str:
        match message:
            case Watching():
                return f"watching {message.session}"
            case Final():
                return message.text
            case _:
                return type(message).__name__

    async with asyncio.timeout(PATIENCE_S):
        async for message in watch.messages():
            seen.append(brief(message))
            if len(seen) == count:
                break
    return seen


async def test_a_session_is_watched_until_it_ends() -> None:
    partial = encode(Partial(seq=0, segment=0, text="a", stable_chars=0, start=0.0))
    started = encode(SpeechStarted(seq=0, segment=0, time=0.0))
    end = encode(Endpoint(seq=2, segment=0, time=1.0, reason=EndpointReason.STOP))
    said = (watching(), started, partial, final(1, "a b"), end, closed(3))
    async with theatre(says(*said)) as daemon:
        seen = await _see(Watch(Door(url=daemon.url), "s/.."))
        assert daemon.asked == ["/watch/s%2F.."]
    assert seen == ["watching s", "SpeechStarted", "Partial", "a b", "Endpoint", "Closed"]


async def test_a_broken_connection_is_replaced_and_nothing_comes_twice() -> None:
    notices: list[str] = []
    pauses = Pauses()
    acts: list[Act | HTTPStatus] = [
        breaks(watching(), final(0, "a"), final(1, "b")),
        HTTPStatus.SERVICE_UNAVAILABLE,
        says(watching()),  # closed too early, as by a proxy
        breaks(watching(), final(2, "c")),
        says(watching(), final(3, "d"), closed(4)),
    ]
    async with theatre(*acts) as daemon:
        watch = Watch(Door(url=daemon.url + "/steno/"), "s", pause=pauses, notice=notices.append)
        assert await _see(watch) == ["watching s", "a", "b", "c", "d", "Closed"]
        after = ["", "?after=1", "?after=1", "?after=1", "?after=2"]
        assert daemon.asked == [f"/steno/watch/s{query}" for query in after]
    assert pauses.taken == 4
    assert [text for text in notices if text] == ["the connection broke; trying again"] * 2
    assert notices[-1] == ""


async def test_of_live_sessions_one_follows_the_other() -> None:
    acts = [
        breaks(watching("a"), final(0, "one")),
        says(watching("a"), final(1, "two"), closed(2)),
        says(watching("b"), final(0, "three"), closed(1), watching("c"), final(0, "four")),
    ]
    async with theatre(*acts) as daemon:
        seen = await _see(Watch(Door(url=daemon.url), pause=Pauses()), count=9)
        assert daemon.asked == ["/watch/live", "/watch/a?after=0", "/watch/live"]
    assert seen == [
        *("watching a", "one", "two", "Closed", "watching b", "three", "Closed"),
        *("watching c", "four"),
    ]


async def test_a_live_session_that_a_new_daemon_does_not_know_is_left_for_the_next() -> None:
    acts: list[Act | HTTPStatus] = [
        breaks(watching("a"), final(7, "one")),
        HTTPStatus.NOT_FOUND,
        says(watching("b"), final(0, "two"), closed(1)),
    ]
    async with theatre(*acts) as daemon:
        seen = await _see(Watch(Door(url=daemon.url), pause=Pauses()), count=5)
        assert daemon.asked == ["/watch/live", "/watch/a?after=7", "/watch/live"]
    assert seen == ["watching a", "one", "watching b", "two", "Closed"]


async def test_events_that_start_anew_are_shown_again() -> None:
    acts = [
        breaks(watching(), final(7, "one")),
        says(watching(), final(0, "two"), closed(1)),
    ]
    async with theatre(*acts) as daemon:
        seen = await _see(Watch(Door(url=daemon.url), "s", pause=Pauses()))
    assert seen == ["watching s", "one", "two", "Closed"]


async def test_a_viewer_that_was_too_slow_goes_on_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    acts = [
        closes(1013, watching(), final(4, "old")),
        says(watching(), final(3, "older"), final(4, "old"), final(9, "new"), closed(10)),
    ]
    async with theatre(*acts) as daemon:
        seen = await _see(Watch(Door(url=daemon.url), "s", pause=Pauses()))
        assert daemon.asked == ["/watch/s", "/watch/s"]
    assert seen == ["watching s", "old", "new", "Closed"]
    assert "some captions are missing here" in caplog.text


async def test_an_interruption_that_lasts_too_long_is_an_error() -> None:
    async with theatre(breaks(watching(), final(0, "a"))) as daemon:
        watch = Watch(Door(url=daemon.url), "s", resumption=Resumption(resume_s=0.0))
        with pytest.raises(ConnectionLostError, match="expected captions until the session ends"):
            await _see(watch)


async def test_what_cannot_be_watched_is_an_error_at_once() -> None:
    secret = "do-not-show-me"  # noqa: S105
    acts: list[Act | HTTPStatus] = [
        HTTPStatus.NOT_FOUND,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.BAD_GATEWAY,
        says("{}"),
    ]
    async with theatre(*acts) as daemon:
        door = Door(url=daemon.url, token=secret)
        with pytest.raises(NotFoundError, match="found none called s; `steno watch --list`"):
            await _see(Watch(door, "s"))
        with pytest.raises(AccessDeniedError, match="expected a token that") as caught:
            await _see(Watch(door, "s"))
        assert secret not in str(caught.value)
        with pytest.raises(ConnectionFailedError, match="expected a daemon at"):
            await _see(Watch(door, "s"))
        with pytest.raises(ProtocolError, match="expected a message of a daemon"):
            await _see(Watch(door, "s"))
        assert daemon.tokens == [f"Bearer {secret}"] * 4


async def test_everybody_is_shown_the_same_until_so_many_sessions_have_ended() -> None:
    act = says(watching("a"), final(0, "one"), closed(1), watching("b"), closed(0))
    async with theatre(act) as daemon:
        first, second = Witness(), Witness()
        async with asyncio.timeout(PATIENCE_S):
            await show(Watch(Door(url=daemon.url)), [first, second], sessions=2)
    assert first == second
    assert [about.label for about in first.begun] == ["talk a", "talk b"]
    assert [type(event).__name__ for event in first.events] == ["Final", "Closed", "Closed"]
