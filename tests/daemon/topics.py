"""What tests of the hub share: topics, events as a session tells them, and viewers that read."""

import asyncio
from collections.abc import Iterable

from steno_daemon.captions.hub import Hub, Item, Topic, Viewer
from steno_daemon.wire import (
    Closed,
    CloseReason,
    Endpoint,
    EndpointReason,
    Final,
    Partial,
    SpeechStarted,
)

PATIENCE_S = 60


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def new_hub(
    clock: Clock | None = None, *, history_events: int = 20_000, topics_max: int = 100
) -> Hub:
    """A hub that keeps ended sessions for a minute."""
    return Hub(
        60.0,
        history_events=history_events,
        topics_max=topics_max,
        clock=clock or Clock(),
        wall=lambda: 1e9,
    )


def open_topic(hub: Hub, session: str = "s") -> Topic:
    """A topic of two channels that anybody may watch."""
    return hub.open(session, label="talk", language_model="general", channels=2)


def partial_of(text: str, *, segment: int = 0, channel: int = 0) -> Partial:
    return Partial(
        seq=99, segment=segment, channel=channel, text=text, stable_chars=0, start=float(segment)
    )


def start_of(segment: int = 0, *, channel: int = 0) -> SpeechStarted:
    return SpeechStarted(seq=99, segment=segment, channel=channel, time=float(segment))


def final_of(text: str, *, segment: int = 0, channel: int = 0) -> Final:
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


def end_of(segment: int = 0, *, channel: int = 0) -> Endpoint:
    reason = EndpointReason.TRAILING_SILENCE
    return Endpoint(seq=99, segment=segment, channel=channel, time=segment + 1.0, reason=reason)


CLOSED = Closed(seq=99, reason=CloseReason.STOPPED)


def brief(items: Iterable[Item]) -> list[str]:
    """Number, kind and text of every item."""
    return [
        f"{'' if number is None else number}:{type(event).__name__}:{getattr(event, 'text', '')}"
        for number, event in items
    ]


def utterance(topic: Topic, segment: int, *hypotheses: str) -> None:
    """Says something in a topic: hypotheses, and the last one as a final."""
    topic.publish(start_of(segment))
    for text in hypotheses:
        topic.publish(partial_of(text, segment=segment))
    topic.publish(final_of(hypotheses[-1], segment=segment))
    topic.publish(end_of(segment))


async def soon(viewer: Viewer) -> list[Item]:
    """What is new, within a test's patience."""
    async with asyncio.timeout(PATIENCE_S):
        return await viewer.next()


async def everything(viewer: Viewer) -> list[Item]:
    """Everything up to the end of the topic."""
    items: list[Item] = []
    while more := await soon(viewer):
        items += more
    return items


async def let_run() -> None:
    """Gives every other task its turn."""
    for _ in range(5):
        await asyncio.sleep(0)
