"""The hub: which sessions can be watched, which is live, and for how long they are kept."""

import asyncio

from tests.daemon.topics import (
    CLOSED,
    PATIENCE_S,
    Clock,
    brief,
    end_of,
    final_of,
    let_run,
    new_hub,
    open_topic,
    partial_of,
    soon,
)

from steno_daemon.captions.hub import LIVE, Hub
from steno_daemon.captions.replacements import Replacements
from steno_daemon.wire import Acknowledged


async def test_live_is_the_newest_session_that_runs() -> None:
    hub = new_hub()
    assert hub.find(LIVE) is None
    first, second = open_topic(hub, "first"), open_topic(hub, "second")
    assert hub.topics() == [second, first]
    assert hub.find(LIVE) is second
    second.publish(CLOSED)
    assert hub.find(LIVE) is first
    assert hub.find("second") is second
    assert hub.find("third") is None


async def test_the_next_session_can_be_waited_for_by_many() -> None:
    hub = new_hub()
    waiting = [asyncio.create_task(hub.live()) for _ in range(3)]
    await let_run()
    waiting[0].cancel()
    topic = open_topic(hub)
    topic.publish(CLOSED)  # ended before anybody woke, and seen all the same
    async with asyncio.timeout(PATIENCE_S):
        cancelled, *found = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(cancelled, asyncio.CancelledError)
    assert found == [topic, topic]
    second = open_topic(hub, "second")
    assert await hub.live() is second
    assert not hub._waiting


def test_ended_sessions_are_kept_for_a_while_and_running_ones_always() -> None:
    clock = Clock()
    hub = new_hub(clock)
    running, ended = open_topic(hub, "running"), open_topic(hub, "ended")
    clock.now_s += 7.0
    assert clock.now_s - ended.began_s == 7.0
    ended.publish(CLOSED)
    clock.now_s += 59.0
    assert hub.find("ended") is ended
    clock.now_s += 1.0
    assert hub.find("ended") is None
    assert hub.topics() == [running]


def test_of_ended_sessions_a_limited_number_is_kept() -> None:
    clock = Clock()
    hub = new_hub(clock, topics_max=2)
    topics = [open_topic(hub, f"s{n}") for n in range(4)]
    for topic in (topics[2], topics[0], topics[3]):
        clock.now_s += 1.0
        topic.publish(CLOSED)
    assert [topic.session for topic in hub.topics()] == ["s3", "s1", "s0"]


def test_of_ended_sessions_a_limited_number_of_events_is_kept() -> None:
    clock = Clock()
    hub = new_hub(clock, history_events=10)
    for name in ("first", "second"):
        clock.now_s += 1.0
        topic = open_topic(hub, name)
        for segment in range(9):
            topic.publish(final_of("word", segment=segment))
        topic.publish(CLOSED)
    assert [(topic.session, topic.size) for topic in hub.topics()] == [
        ("second", 10),
        ("first", 10),
    ]
    for n in range(4):
        clock.now_s += 1.0
        short = open_topic(hub, f"short{n}")
        for segment in range(9):
            short.publish(final_of("word", segment=segment))
        short.publish(CLOSED)
    assert [topic.session for topic in hub.topics()] == [
        "short3",
        "short2",
        "short1",
        "short0",
        "second",
    ]


def test_a_session_that_is_taken_up_again_began_before_its_topic() -> None:
    hub = new_hub()
    fresh, again = open_topic(hub, "fresh"), open_topic(hub, "again")
    fresh.publish(Acknowledged(seq=0, samples=0))
    again.publish(Acknowledged(seq=0, samples=160_000))
    again.publish(Acknowledged(seq=0, samples=320_000))
    assert (fresh.began_at, again.began_at) == (1e9, 1e9 - 10.0)


async def test_a_name_that_is_taken_again_ends_the_session_before() -> None:
    hub = new_hub()
    before = open_topic(hub)
    viewer = before.viewer()
    after = open_topic(hub)
    assert brief(await soon(viewer)) == ["0:Closed:"]
    assert hub.topics() == [after]


async def test_viewers_see_what_the_list_of_replacements_says() -> None:
    hub = Hub(60.0, replacements=Replacements({"demon": "daemon", "um": ""}))
    topic = open_topic(hub)
    viewer = topic.viewer()
    topic.publish(partial_of("the demon"))
    assert brief(await soon(viewer)) == [":Partial:the daemon"]
    topic.publish(final_of("the demon um"))
    topic.publish(partial_of("um", segment=1))
    topic.publish(final_of("um", segment=1))
    topic.publish(end_of(1))
    assert brief(await soon(viewer)) == ["0:Final:the daemon", "1:Endpoint:"]
