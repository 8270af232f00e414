"""A topic: a slow viewer loses hypotheses, counted, and never a final; a late one gets the past."""

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.daemon.topics import (
    CLOSED,
    brief,
    end_of,
    everything,
    final_of,
    let_run,
    new_hub,
    open_topic,
    partial_of,
    soon,
    start_of,
    utterance,
)

from steno_daemon.captions.hub import Item, MissedError
from steno_daemon.wire import (
    Acknowledged,
    Alternative,
    Closed,
    CloseReason,
    Final,
    Load,
    Partial,
    Pong,
    ServerMessage,
)

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_events_are_numbered_anew_and_hypotheses_have_no_number() -> None:
    topic = open_topic(new_hub())
    viewer = topic.viewer()
    topic.publish(start_of())
    topic.publish(partial_of("it"))
    items = await soon(viewer)
    assert brief(items) == ["0:SpeechStarted:", ":Partial:it"]
    assert [event.seq for _, event in items] == [0, 0]
    topic.publish(final_of("it was"))
    topic.publish(end_of())
    topic.publish(CLOSED)
    assert brief(await soon(viewer)) == ["1:Final:it was", "2:Endpoint:", "3:Closed:"]
    assert await soon(viewer) == []


async def test_what_is_for_the_speaker_alone_is_not_shown() -> None:
    topic = open_topic(new_hub())
    for event in (Pong(seq=0, id=1), Load(seq=0, degraded=1, lag_ms=9)):
        topic.publish(event)
    topic.publish(Acknowledged(seq=0, samples=24_000))
    assert (topic.newest, topic.settled_s) == (-1, 1.5)
    one = Alternative(text="b", confidence=0.1, score=-1.0)
    topic.publish(msgspec.structs.replace(final_of("a"), alternatives=(one,)))
    ((_, final),) = await soon(topic.viewer())
    assert isinstance(final, Final)
    assert final.alternatives is None


async def test_a_slow_viewer_loses_hypotheses_that_are_counted_and_no_final() -> None:
    topic = open_topic(new_hub())
    slow, quick = topic.viewer(), topic.viewer()
    utterance(topic, 0, "a", "a b", "a b c")
    await soon(quick)
    topic.publish(start_of(1))
    topic.publish(partial_of("d", segment=1))
    await soon(quick)
    topic.publish(partial_of("d e", segment=1))
    await soon(quick)
    assert brief(await soon(slow)) == [
        "0:SpeechStarted:",
        "1:Final:a b c",
        "2:Endpoint:",
        "3:SpeechStarted:",
        ":Partial:d e",
    ]
    assert (slow.skipped_partials, quick.skipped_partials) == (4, 3)


async def test_a_late_viewer_gets_the_past_and_no_hypothesis_counts_as_lost() -> None:
    topic = open_topic(new_hub())
    utterance(topic, 0, "a", "a b")
    topic.publish(partial_of("c", segment=1))
    late = topic.viewer()
    assert brief(await soon(late))[-1] == ":Partial:c"
    assert late.skipped_partials == 0


async def test_channels_have_their_own_hypotheses_in_the_order_of_events() -> None:
    topic = open_topic(new_hub())
    viewer = topic.viewer()
    topic.publish(start_of(0))
    topic.publish(partial_of("left"))
    topic.publish(start_of(0, channel=1))
    topic.publish(partial_of("right", channel=1))
    assert brief(await soon(viewer)) == [
        "0:SpeechStarted:",
        ":Partial:left",
        "1:SpeechStarted:",
        ":Partial:right",
    ]
    topic.publish(final_of("right", channel=1))
    late = brief(await soon(topic.viewer()))
    assert late == ["0:SpeechStarted:", ":Partial:left", "1:SpeechStarted:", "2:Final:right"]


async def test_a_viewer_comes_back_where_it_was() -> None:
    topic = open_topic(new_hub())
    utterance(topic, 0, "a")
    utterance(topic, 1, "b")
    assert brief(await soon(topic.viewer(after=3))) == ["4:Final:b", "5:Endpoint:"]


async def test_a_number_from_another_life_means_the_beginning() -> None:
    topic = open_topic(new_hub())
    topic.publish(final_of("a"))
    assert brief(await soon(topic.viewer(after=500))) == ["0:Final:a"]


async def test_a_viewer_may_want_the_last_finals_only() -> None:
    topic = open_topic(new_hub())
    assert topic.before_last(3) == -1
    for segment in range(4):
        utterance(topic, segment, f"word{segment}")
    viewer = topic.viewer(after=topic.before_last(2))
    finals = [event.text for _, event in await soon(viewer) if isinstance(event, Final)]
    assert finals == ["word2", "word3"]
    assert topic.before_last(0) == topic.newest
    assert topic.before_last(9) == -1


async def test_many_viewers_wait_at_once_and_are_woken_once_for_all_that_came() -> None:
    topic = open_topic(new_hub())
    viewers = [topic.viewer() for _ in range(200)]
    tasks = [asyncio.create_task(soon(viewer)) for viewer in viewers]
    await let_run()
    utterance(topic, 0, "a", "a b")
    expected = ["0:SpeechStarted:", "1:Final:a b", "2:Endpoint:"]
    for items in await asyncio.gather(*tasks):
        assert brief(items) == expected


async def test_a_viewer_that_is_cancelled_while_news_arrive_loses_nothing() -> None:
    topic = open_topic(new_hub())
    viewer = topic.viewer()
    seen: list[Item] = []
    for segment in range(20):
        task = asyncio.create_task(viewer.next())
        for turn in range(4):
            if turn == segment % 4:
                topic.publish(final_of(f"word{segment}", segment=segment))
            await asyncio.sleep(0)
            if turn == segment % 3:
                task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        if not isinstance(outcome, BaseException):
            seen += outcome
    topic.publish(CLOSED)
    seen += await everything(viewer)
    texts = [event.text for _, event in seen if isinstance(event, Final)]
    assert texts == [f"word{segment}" for segment in range(20)]


async def test_a_viewer_behind_the_bounded_history_is_told_so() -> None:
    topic = open_topic(new_hub(history_events=8))
    lagging = topic.viewer()
    for segment in range(40):
        topic.publish(final_of(f"word{segment}", segment=segment))
    assert 8 <= topic.newest - topic.oldest + 1 <= 10
    with pytest.raises(MissedError, match="expected event 0, found none kept before") as caught:
        await soon(lagging)
    assert caught.value.oldest == topic.oldest
    with pytest.raises(MissedError):
        topic.viewer(after=3)
    fresh = await soon(topic.viewer())
    assert [number for number, _ in fresh] == list(range(topic.oldest, 40))
    assert len(await soon(topic.viewer(after=topic.oldest - 1))) == len(fresh)


async def test_a_topic_that_ended_takes_nothing_more() -> None:
    topic = open_topic(new_hub())
    topic.end(CloseReason.IDLE)
    topic.publish(final_of("late"))
    topic.end(CloseReason.STOPPED)
    ((_, closed),) = await everything(topic.viewer())
    assert isinstance(closed, Closed)
    assert closed.reason is CloseReason.IDLE


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
        topic = open_topic(new_hub())
        viewers = [topic.viewer() for _ in range(3)]
        seen: list[list[Item]] = [[], [], []]
        published: list[ServerMessage] = []
        segments = [0, 0]
        for action, which in actions:
            if action == "read":
                seen[which] += viewers[which]._take()
                continue
            build: Callable[..., Partial | Final] = partial_of if action == "partial" else final_of
            event = build(f"{len(published)}", segment=segments[which], channel=which)
            segments[which] += action == "final"
            published.append(event)
            topic.publish(event)
        topic.publish(CLOSED)
        partials = sum(isinstance(event, Partial) for event in published)
        for viewer, items in zip(viewers, seen, strict=True):
            items.extend(await everything(viewer))
            got = [event.text for _, event in items if isinstance(event, Final)]
            assert got == [event.text for event in published if isinstance(event, Final)]
            numbers = [number for number, _ in items if number is not None]
            assert numbers == list(range(topic.newest + 1))
            shown = sum(isinstance(event, Partial) for _, event in items)
            assert shown + viewer.skipped_partials == partials

    asyncio.run(play())
