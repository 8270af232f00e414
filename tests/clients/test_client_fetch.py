"""What a daemon says of itself and of its sessions, asked over plain HTTP and told in lines."""

import asyncio
from http import HTTPStatus

import pytest
from tests.clients.theatre import theatre

from steno_clients.connection import Door
from steno_clients.errors import (
    AccessDeniedError,
    ConnectionFailedError,
    NotFoundError,
    ProtocolError,
)
from steno_clients.fetch import SessionInfo, health, sessions
from steno_clients.report import session_lines, status_lines


async def test_plain_requests_fail_with_a_reason() -> None:
    with pytest.raises(ConnectionFailedError, match=r"no daemon at ws://127\.0\.0\.1:9;"):
        await asyncio.to_thread(health, Door(url="ws://127.0.0.1:9"))
    with pytest.raises(ConnectionFailedError, match="expected an address such as ws://"):
        await asyncio.to_thread(health, Door(url="file:///etc"))
    acts = [HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.FOUND]
    kinds = [AccessDeniedError, AccessDeniedError, NotFoundError, ConnectionFailedError]
    async with theatre(*acts, HTTPStatus.OK) as daemon:
        door = Door(url=daemon.url, token="do-not-show-me")  # noqa: S106
        for kind in kinds:
            with pytest.raises(kind, match=r"expected") as caught:
                await asyncio.to_thread(sessions, door)
            assert "do-not-show-me" not in str(caught.value)
        with pytest.raises(ProtocolError, match="expected an answer of a daemon"):
            await asyncio.to_thread(sessions, door)
        assert set(daemon.asked) == {"/sessions"}
        assert daemon.tokens == ["Bearer do-not-show-me"] * 5


def test_sessions_are_listed_with_what_is_known_of_them() -> None:
    listed = [
        SessionInfo(session="b", label="talk", channels=2, live=True, started_s_ago=61.0),
        SessionInfo(session="a"),
    ]
    assert list(session_lines(listed)) == [
        "b  live   began 0:01:01 ago  talk, 2 channels",
        "a  ended  began 0:00:00 ago  ",
    ]


def test_the_state_of_a_daemon_is_told_in_lines() -> None:
    facts = {
        "viewers": 3,
        "status": "ok",
        "models": ["general", "law"],
        "sessions": 2,
        "max_sessions": 8,
        "real_time_factor": 0.123456,
        "outlives_the_daemon": False,
        "microphone": {"label": None, "channels": []},
    }
    assert list(status_lines(facts)) == [
        "status               ok",
        "models               general, law",
        "sessions             2 of 8",
        "viewers              3",
        "real time factor     0.1235",
        "outlives the daemon  no",
        "microphone label     none",
        "microphone channels  none",
    ]
