"""The hub: many viewers of one session; a slow one loses hypotheses, counted, and never a final."""

import asyncio
from collections.abc import Callable, Iterable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_daemon.captions.hub import LIVE, Hub, Item, MissedError, Topic, Viewer
from steno_daemon.captions.replacements import Replacements
from steno_daemon.wire import (
    Acknowledged,
    Alternative,
    Closed,
    CloseReason,
    Endpoint,
    EndpointReason,
    Final,
    Load,
    Partial,
    Pong,
    ServerMessage,
    SpeechStarted,
)

PATIENCE_S = 60


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def _hub(clock: Clock | None = None, *, history_events: int = 20_000, topics_max: int = 100) -> Hub:
    return Hub(
        60.0,
        history_events=history_events,
        topics_max=topics_max,
        clock=clock or Clock(),
        wall=lambda: 1e9,
    )


def _open(hub: Hub, session: str = "s") -> Topic:
    return hub.open(session, label="talk", language_model="general", channels=2)


def _partial(text: str, *, segment: int = 0, channel: int = 0) -> Partial:
    return Partial(
        seq=99, segment=segment, channel=channel, text=text, stable_chars=0, start=float(segment)
    )


def _started(segment: int = 0, *, channel: int = 0) -> SpeechStarted:
    return SpeechStarted(seq=99, segment=segment, channel=channel, time=float(segment))


def _final(text: str, *, segment: int = 0, channel: int = 0) -> Final:
    start = float(segment)
    return Final(
        seq=99,
        segment=segment,
        channel=channel,
        text=text,
        start=start,
        end=start + 1,
        confidence=1.0,
    )


def _endpoint(segment: int = 0, *, channel: int = 0) -> Endpoint:
    reason = EndpointReason.TRAILING_SILENCE
    return Endpoint(seq=99, segment=segment, channel=channel, time=segment + 1.0, reason=reason)


CLOSED = Closed(seq=99, reason=CloseReason.STOPPED)


def _brief(items: Iterable[Item]) -> list[str]:
    """Number, kind and text of every item."""
    return [
        f"{'' if number is None else number}:{type(event).__name__}:{getattr(event, 'text', '')}"
        for number, event in items
    ]


def _utterance(topic: Topic, segment: int, *hypotheses: str) -> None:
    topic.publish(_started(segment))
    for text in hypotheses:
        topic.publish(_partial(text, segment=segment))
    topic.publish(_final(hypotheses[-1], segment=segment))
    topic.publish(_endpoint(segment))


async def _soon(viewer: Viewer) -> list[Item]:
    async with asyncio.timeout(PATIENCE_S):
        return await viewer.next()


async def _all(viewer: Viewer) -> list[Item]:
    """Everything up to the end of the topic."""
    items: list[Item] = []
    while more := await _soon(viewer):
        items += more
    return items


async def _let_run() -> None:
    """Gives every other task its turn."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_events_are_numbered_anew_and_hypotheses_have_no_number() -> None:
    topic = _open(_hub())
    viewer = topic.viewer()
    topic.publish(_started())
    topic.publish(_partial("it"))
    items = await _soon(viewer)
    assert _brief(items) == ["0:SpeechStarted:", ":Partial:it"]
    assert [event.seq for _, event in items] == [0, 0]
    topic.publish(_final("it was"))
    topic.publish(_endpoint())
    topic.publish(CLOSED)
    assert _brief(await _soon(viewer)) == ["1:Final:it was", "2:Endpoint:", "3:Closed:"]
    assert await _soon(viewer) == []


async def test_what_is_for_the_speaker_alone_is_not_shown() -> None:
    topic = _open(_hub())
    for event in (Pong(seq=0, id=1), Load(seq=0, degraded=1, lag_ms=9)):
        topic.publish(event)
    topic.publish(Acknowledged(seq=0, samples=24_000))
    assert (topic.newest, topic.settled_s) == (-1, 1.5)
    one = Alternative(text="b", confidence=0.1, score=-1.0)
    topic.publish(msgspec.structs.replace(_final("a"), alternatives=(one,)))
    ((_, final),) = await _soon(topic.viewer())
    assert isinstance(final, Final)
    assert final.alternatives is None


async def test_a_slow_viewer_loses_hypotheses_that_are_counted_and_no_final() -> None:
    topic = _open(_hub())
    slow, quick = topic.viewer(), topic.viewer()
    _utterance(topic, 0, "a", "a b", "a b c")
    await _soon(quick)
    topic.publish(_started(1))
    topic.publish(_partial("d", segment=1))
    await _soon(quick)
    topic.publish(_partial("d e", segment=1))
    await _soon(quick)
    assert _brief(await _soon(slow)) == [
        "0:SpeechStarted:",
        "1:Final:a b c",
        "2:Endpoint:",
        "3:SpeechStarted:",
        ":Partial:d e",
    ]
    assert (slow.skipped_partials, quick.skipped_partials) == (4, 3)


async def test_a_late_viewer_gets_the_past_and_no_hypothesis_counts_as_lost() -> None:
    topic = _open(_hub())
    _utterance(topic, 0, "a", "a b")
    topic.publish(_partial("c", segment=1))
    late = topic.viewer()
    assert _brief(await _soon(late))[-1] == ":Partial:c"
    assert late.skipped_partials == 0


async def test_channels_have_their_own_hypotheses_in_the_order_of_events() -> None:
    topic = _open(_hub())
    viewer = topic.viewer()
    topic.publish(_started(0))
    topic.publish(_partial("left"))
    topic.publish(_started(0, channel=1))
    topic.publish(_partial("right", channel=1))
    assert _brief(await _soon(viewer)) == [
        "0:SpeechStarted:",
        ":Partial:left",
        "1:SpeechStarted:",
        ":Partial:right",
    ]
    topic.publish(_final("right", channel=1))
    late = _brief(await _soon(topic.viewer()))
    assert late == ["0:SpeechStarted:", ":Partial:left", "1:SpeechStarted:", "2:Final:right"]


async def test_a_viewer_comes_back_where_it_was() -> None:
    topic = _open(_hub())
    _utterance(topic, 0, "a")
    _utterance(topic, 1, "b")
    assert _brief(await _soon(topic.viewer(after=3))) == ["4:Final:b", "5:Endpoint:"]


async def test_a_number_from_another_life_means_the_beginning() -> None:
    topic = _open(_hub())
    topic.publish(_final("a"))
    assert _brief(await _soon(topic.viewer(after=500))) == ["0:Final:a"]


async def test_a_viewer_may_want_the_last_finals_only() -> None:
    topic = _open(_hub())
    assert topic.before_last(3) == -1
    for segment in range(4):
        _utterance(topic, segment, f"word{segment}")
    viewer = topic.viewer(after=topic.before_last(2))
    finals = [event.text for _, event in await _soon(viewer) if isinstance(event, Final)]
    assert finals == ["word2", "word3"]
    assert topic.before_last(0) == topic.newest
    assert topic.before_last(9) == -1


async def test_many_viewers_wait_at_once_and_are_woken_once_for_all_that_came() -> None:
    topic = _open(_hub())
    viewers = [topic.viewer() for _ in range(200)]
    tasks = [asyncio.create_task(_soon(viewer)) for viewer in viewers]
    await _let_run()
    _utterance(topic, 0, "a", "a b")
    expected = ["0:SpeechStarted:", "1:Final:a b", "2:Endpoint:"]
    for items in await asyncio.gather(*tasks):
        assert _brief(items) == expected


async def test_a_viewer_that_is_cancelled_while_news_arrive_loses_nothing() -> None:
    topic = _open(_hub())
    viewer = topic.viewer()
    seen: list[Item] = []
    for segment in range(20):
        task = asyncio.create_task(viewer.next())
        for turn in range(4):
            if turn == segment % 4:
                topic.publish(_final(f"word{segment}", segment=segment))
            await asyncio.sleep(0)
            if turn == segment % 3:
                task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        if not isinstance(outcome, BaseException):
            seen += outcome
    topic.publish(CLOSED)
    seen += await _all(viewer)
    texts = [event.text for _, event in seen if isinstance(event, Final)]
    assert texts == [f"word{segment}" for segment in range(20)]


async def test_a_viewer_behind_the_bounded_history_is_told_so() -> None:
    topic = _open(_hub(history_events=8))
    lagging = topic.viewer()
    for segment in range(40):
        topic.publish(_final(f"word{segment}", segment=segment))
    assert 8 <= topic.newest - topic.oldest + 1 <= 10
    with pytest.raises(MissedError, match="expected event 0, found none kept before") as caught:
        await _soon(lagging)
    assert caught.value.oldest == topic.oldest
    with pytest.raises(MissedError):
        topic.viewer(after=3)
    fresh = await _soon(topic.viewer())
    assert [number for number, _ in fresh] == list(range(topic.oldest, 40))
    assert len(await _soon(topic.viewer(after=topic.oldest - 1))) == len(fresh)


async def test_a_topic_that_ended_takes_nothing_more() -> None:
    topic = _open(_hub())
    topic.end(CloseReason.IDLE)
    topic.publish(_final("late"))
    topic.end(CloseReason.STOPPED)
    ((_, closed),) = await _all(topic.viewer())
    assert isinstance(closed, Closed)
    assert closed.reason is CloseReason.IDLE


async def test_viewers_see_what_the_list_of_replacements_says() -> None:
    hub = Hub(60.0, replacements=Replacements({"demon": "daemon", "um": ""}))
    topic = _open(hub)
    viewer = topic.viewer()
    topic.publish(_partial("the demon"))
    assert _brief(await _soon(viewer)) == [":Partial:the daemon"]
    topic.publish(_final("the demon um"))
    topic.publish(_partial("um", segment=1))
    topic.publish(_final("um", segment=1))
    topic.publish(_endpoint(1))
    assert _brief(await _soon(viewer)) == ["0:Final:the daemon", "1:Endpoint:"]


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("partial"), st.integers(0, 1)),
        st.tuples(st.just("final"), st.integers(0, 1)),
        st.tuples(st.just("read"), st.integers(0, 2)),
    ),
    max_size=60,
)


@given(ACTIONS)
@settings(max_examples=60, deadline=None)
def test_at_any_pace_every_final_arrives_once_and_every_hypothesis_is_counted(
    actions: list[tuple[str, int]],
) -> None:
    async def play() -> None:
        topic = _open(_hub())
        viewers = [topic.viewer() for _ in range(3)]
        seen: list[list[Item]] = [[], [], []]
        published: list[ServerMessage] = []
        segments = [0, 0]
        for action, which in actions:
            if action == "read":
                seen[which] += viewers[which]._take()
                continue
            build: Callable[..., Partial | Final] = _partial if action == "partial" else _final
            event = build(f"{len(published)}", segment=segments[which], channel=which)
            segments[which] += action == "final"
            published.append(event)
            topic.publish(event)
        topic.publish(CLOSED)
        partials = sum(isinstance(event, Partial) for event in published)
        for viewer, items in zip(viewers, seen, strict=True):
            items.extend(await _all(viewer))
            got = [event.text for _, event in items if isinstance(event, Final)]
            assert got == [event.text for event in published if isinstance(event, Final)]
            numbers = [number for number, _ in items if number is not None]
            assert numbers == list(range(topic.newest + 1))
            shown = sum(isinstance(event, Partial) for _, event in items)
            assert shown + viewer.skipped_partials == partials

    asyncio.run(play())


async def test_live_is_the_newest_session_that_runs() -> None:
    hub = _hub()
    assert hub.find(LIVE) is None
    first, second = _open(hub, "first"), _open(hub, "second")
    assert hub.topics() == [second, first]
    assert hub.find(LIVE) is second
    second.publish(CLOSED)
    assert hub.find(LIVE) is first
    assert hub.find("second") is second
    assert hub.find("third") is None


async def test_the_next_session_can_be_waited_for_by_many() -> None:
    hub = _hub()
    waiting = [asyncio.create_task(hub.live()) for _ in range(3)]
    await _let_run()
    waiting[0].cancel()
    topic = _open(hub)
    topic.publish(CLOSED)  # ended before anybody woke, and seen all the same
    async with asyncio.timeout(PATIENCE_S):
        cancelled, *found = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(cancelled, asyncio.CancelledError)
    assert found == [topic, topic]
    second = _open(hub, "second")
    assert await hub.live() is second
    assert not hub._waiting


def test_ended_sessions_are_kept_for_a_while_and_running_ones_always() -> None:
    clock = Clock()
    hub = _hub(clock)
    running, ended = _open(hub, "running"), _open(hub, "ended")
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
    hub = _hub(clock, topics_max=2)
    topics = [_open(hub, f"s{n}") for n in range(4)]
    for topic in (topics[2], topics[0], topics[3]):
        clock.now_s += 1.0
        topic.publish(CLOSED)
    assert [topic.session for topic in hub.topics()] == ["s3", "s1", "s0"]


def test_of_ended_sessions_a_limited_number_of_events_is_kept() -> None:
    clock = Clock()
    hub = _hub(clock, history_events=10)
    for name in ("first", "second"):
        clock.now_s += 1.0
        topic = _open(hub, name)
        for segment in range(9):
            topic.publish(_final("word", segment=segment))
        topic.publish(CLOSED)
    assert [(topic.session, topic.size) for topic in hub.topics()] == [
        ("second", 10),
        ("first", 10),
    ]
    for n in range(4):
        clock.now_s += 1.0
        short = _open(hub, f"short{n}")
        for segment in range(9):
            short.publish(_final("word", segment=segment))
        short.publish(CLOSED)
    assert [topic.session for topic in hub.topics()] == [
        "short3",
        "short2",
        "short1",
        "short0",
        "second",
    ]


def test_a_session_that_is_taken_up_again_began_before_its_topic() -> None:
    hub = _hub()
    fresh, again = _open(hub, "fresh"), _open(hub, "again")
    fresh.publish(Acknowledged(seq=0, samples=0))
    again.publish(Acknowledged(seq=0, samples=160_000))
    again.publish(Acknowledged(seq=0, samples=320_000))
    assert (fresh.began_at, again.began_at) == (1e9, 1e9 - 10.0)


async def test_a_name_that_is_taken_again_ends_the_session_before() -> None:
    hub = _hub()
    before = _open(hub)
    viewer = before.viewer()
    after = _open(hub)
    assert _brief(await _soon(viewer)) == ["0:Closed:"]
    assert hub.topics() == [after]
