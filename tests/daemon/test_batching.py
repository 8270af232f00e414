"""What goes through the recogniser together, and what need not go there at all."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
from tests.daemon.fakes import FakeRecogniser, speak

from steno_daemon import wire
from steno_daemon.endpoint import Rules
from steno_daemon.engine import AHEAD_S, CROWD, Batching, Engine
from steno_daemon.happenings import Work
from steno_daemon.jobs import Done, Job, Outcome, Seat
from steno_daemon.ladder import Ladder
from steno_daemon.offer import Decoding
from steno_daemon.replay import replay
from steno_daemon.rhythm import Part
from steno_daemon.segmenter import Segmenter
from steno_models.recogniser import State, Update
from steno_models.recogniser import Work as Chunk

PATIENCE_S = 60.0


@asynccontextmanager
async def running(recogniser: FakeRecogniser, batching: Batching) -> AsyncIterator[Engine]:
    engine = Engine(recogniser, Ladder((10, 10, 10)), batching=batching)
    engine.start()
    try:
        yield engine
    finally:
        await engine.close()


async def outcome(
    engine: Engine, seat: Seat, *, is_last: bool = False, is_rescored: bool = False
) -> Outcome:
    """Hand in a piece of work and wait for what comes of it."""
    answered: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    features = np.zeros((4, 80), np.float32)
    work = Work(
        features, None, is_last=is_last, position=0, in_speech=True, is_rescored=is_rescored
    )
    engine.submit(seat, work, Decoding(), due_s=0.0, deliver=answered.set_result)
    async with asyncio.timeout(PATIENCE_S):
        return await answered


async def test_pieces_of_different_sessions_wait_for_each_other() -> None:
    recogniser = FakeRecogniser()
    async with running(recogniser, Batching(wait_s=PATIENCE_S)) as engine:
        seats = [engine.admit(name) for name in "abc"]
        await asyncio.gather(*(outcome(engine, seat) for seat in seats))
    assert recogniser.batches == [3]


async def test_no_more_are_waited_for_than_are_taken() -> None:
    recogniser = FakeRecogniser()
    async with running(recogniser, Batching(most=2, wait_s=PATIENCE_S)) as engine:
        seats = [engine.admit(name) for name in "abcd"]
        await asyncio.gather(*(outcome(engine, seat) for seat in seats))
    assert recogniser.batches == [2, 2]


async def test_who_is_alone_waits_for_nobody() -> None:
    recogniser = FakeRecogniser()
    async with running(recogniser, Batching(wait_s=PATIENCE_S)) as engine:
        gone, seat = engine.admit("gone"), engine.admit("a")
        engine.leave(gone)
        await outcome(engine, seat)
    assert recogniser.batches == [1]


@pytest.mark.parametrize("kind", ["is_last", "is_rescored"])
async def test_what_somebody_waits_for_waits_for_nobody(kind: str) -> None:
    recogniser = FakeRecogniser()
    async with running(recogniser, Batching(wait_s=PATIENCE_S)) as engine:
        engine.admit("silent")
        await outcome(engine, engine.admit("a"), **{kind: True})
    assert recogniser.batches == [1]


async def test_the_end_of_an_utterance_leaves_the_others_to_wait() -> None:
    recogniser = FakeRecogniser()
    async with running(recogniser, Batching(wait_s=PATIENCE_S)) as engine:
        seats = [engine.admit(name) for name in "abc"]
        first = asyncio.create_task(outcome(engine, seats[0]))
        await asyncio.sleep(0)
        await outcome(engine, seats[1], is_last=True)
        await asyncio.gather(first, *(outcome(engine, seat) for seat in seats[1:]))
    assert recogniser.batches == [1, 3]


async def test_work_that_is_hurried_waits_no_longer_and_the_others_do() -> None:
    recogniser = FakeRecogniser()
    async with running(recogniser, Batching(wait_s=PATIENCE_S)) as engine:
        seats = [engine.admit(name) for name in "abc"]
        first, second = (asyncio.create_task(outcome(engine, seat)) for seat in seats[:2])
        await asyncio.sleep(0)
        engine.hurry(seats[1])
        await second
        assert not first.done()
        await asyncio.gather(first, *(outcome(engine, seat) for seat in seats[1:]))
    assert recogniser.batches == [1, 3]


class Held(FakeRecogniser):
    """Begins no batch before it may."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.may_go_on = threading.Event(), threading.Event()

    def step(self, work: Sequence[Chunk]) -> Sequence[tuple[Update, State]]:
        self.began.set()
        assert self.may_go_on.wait(PATIENCE_S)
        return super().step(work)


async def test_nothing_goes_between_hurried_work_and_what_follows_on_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("steno_daemon.engine.HAND_OVER_S", PATIENCE_S)
    recogniser, order = Held(), list[str]()
    async with running(recogniser, Batching(most=1)) as engine:
        a, b = engine.admit("a"), engine.admit("b")

        def submit(seat: Seat, deliver: Callable[[Outcome], None], *, rescored: bool) -> None:
            work = Work(np.zeros((4, 80), np.float32), None, is_last=False, position=0)
            work = replace(work, is_rescored=rescored)
            engine.submit(seat, work, Decoding(), due_s=0.0, deliver=deliver)

        every = asyncio.Event()

        def end(name: str) -> None:
            order.append(name)
            if len(order) == 3:
                every.set()

        def go_on(_: Outcome) -> None:
            order.append("hurried")
            submit(a, lambda _: end("follows"), rescored=True)

        submit(a, go_on, rescored=False)
        await asyncio.to_thread(recogniser.began.wait, PATIENCE_S)
        submit(b, lambda _: end("other"), rescored=False)
        engine.hurry(a)
        recogniser.may_go_on.set()
        async with asyncio.timeout(PATIENCE_S):
            await every.wait()
    assert order == ["hurried", "follows", "other"]


class Pausing(Held):
    """Lets others in before each piece of a batch, and notes what it finished in which order."""

    def __init__(self, *, broken: bool = False) -> None:
        super().__init__()
        self.finished: list[int] = []
        self._broken = broken

    def step(self, work: Sequence[Chunk]) -> Sequence[tuple[Update, State]]:
        for chunk in work:
            self.began.set()
            assert self.may_go_on.wait(PATIENCE_S)
            chunk.meanwhile()
            self.finished.append(len(chunk.features))
        if self._broken and len(work) > 1:
            raise RuntimeError("a batch that fails")
        return super().step(work)


@pytest.mark.parametrize("broken", [False, True])
async def test_urgent_work_of_others_goes_within_a_batch_in_hand(broken: bool) -> None:  # noqa: FBT001 - a parameter
    recogniser = Pausing(broken=broken)
    async with running(recogniser, Batching(most=2, wait_s=0.01)) as engine:
        seats = [engine.admit(name) for name in "abcd"]
        order, every = list[str](), asyncio.Event()

        def submit(place: int, frames: int, *, rescored: bool = False) -> None:
            def deliver(outcome: Outcome) -> None:
                assert isinstance(outcome, Done)
                order.append("abcd"[place])
                if len(order) == 4:
                    every.set()

            work = Work(np.zeros((frames, 80), np.float32), None, is_last=False, position=0)
            work = replace(work, is_rescored=rescored)
            engine.submit(seats[place], work, Decoding(), due_s=place, deliver=deliver)

        submit(0, 1)
        submit(1, 2)
        await asyncio.to_thread(recogniser.began.wait, PATIENCE_S)
        submit(2, 3)  # in no hurry
        submit(3, 4, rescored=True)
        recogniser.may_go_on.set()
        async with asyncio.timeout(PATIENCE_S):
            await every.wait()
    again = [1, 2] if broken else []
    assert recogniser.finished == [4, 1, 2, *again, 3]
    assert order == ["d", "a", "b", "c"]


def test_a_file_waits_for_nobody() -> None:
    work = Work(np.zeros((4, 80), np.float32), None, is_last=False, position=0, in_speech=True)
    live, ahead = (
        Job(due_s, 0, Seat("a", 1, Part(0, 1, 0)), work, Decoding(), lambda _: None, came_s=100.0)
        for due_s in (99.9, 107.0)
    )
    assert live.is_live
    assert live.patience == 1.0
    assert not ahead.is_live
    assert ahead.patience == 0.0


def test_the_more_sessions_the_longer_it_is_worth_waiting() -> None:
    batching = Batching(wait_s=0.7)
    waits_s = [batching.patience_s(sessions) for sessions in range(CROWD + 3)]
    assert waits_s[:2] == [0, 0]
    assert waits_s[2] == pytest.approx(0.1)
    assert waits_s == sorted(waits_s)
    assert waits_s[CROWD:] == [0.7] * 3


def test_in_silence_work_waits_less_than_in_speech_and_at_the_end_not_at_all() -> None:
    segmenter, works = Segmenter(Rules()), []
    segmenter.append(speak("do re mi fa so", gap_s=0.02, tail_s=1.5))
    while (work := segmenter.work_to_do()) is not None:
        works.append(work)
        segmenter.work_done(Update((), 0, 0, 0), cast("State", None))
    assert works[0].in_speech
    assert works[-1].is_last
    assert not works[-2].in_speech
    seat = Seat("a", 1, Part(0, 1, 0))
    patience = [Job(0.0, 0, seat, work, Decoding(), lambda _: None).patience for work in works]
    assert patience[0] > patience[-2] > patience[-1] == 0.0


def job(
    number: int, due_s: float, *, is_last: bool = False, came_s: float = 0.0, again: bool = False
) -> Job:
    features = np.zeros((4, 80), np.float32)
    work = Work(features, None, is_last=is_last, position=0, is_rescored=again)
    seat = Seat("a", 1, Part(0, 1, 0))
    return Job(due_s, number, seat, work, Decoding(), lambda _: None, came_s=came_s)


def test_utterances_that_end_go_first_and_among_themselves() -> None:
    jobs = [job(n, due_s, is_last=n in {2, 3}) for n, due_s in enumerate([1.0, 2.0, 9.0, 8.0, 0.0])]
    batching = Batching(most=3)
    assert [one.number for one in batching.take(jobs)] == [3, 2]
    assert [one.number for one in batching.take([jobs[0], jobs[1], jobs[4]])] == [4, 0, 1]
    assert [one.number for one in Batching(most=2).take(jobs[:2])] == [0, 1]


def test_what_is_scored_again_goes_before_all_that_did_not_wait_for_long() -> None:
    jobs = [job(0, 0.0, is_last=True), job(1, 0.1), job(2, 0.2, again=True)]
    assert [one.number for one in Batching().take(jobs)] == [2]
    late = job(2, 0.2, again=True, came_s=AHEAD_S + 0.1)
    assert [one.number for one in Batching().take([*jobs[:2], late])] == [0]
    assert [one.number for one in Batching().take([jobs[1], late])] == [1, 2]


def test_what_is_scored_again_of_a_file_goes_before_nobody() -> None:
    jobs = [job(0, 0.0), job(1, 9.0, again=True)]
    assert [one.number for one in Batching().take(jobs)] == [0, 1]


async def test_patience_has_an_end() -> None:
    recogniser = FakeRecogniser()
    async with running(recogniser, Batching(wait_s=0.01)) as engine:
        engine.admit("silent")
        await outcome(engine, engine.admit("a"))
    assert recogniser.batches == [1]


class Terse(FakeRecogniser):
    """Does not say how much it lacks, so that it is asked all the time."""

    def step(self, work: Sequence[Chunk]) -> Sequence[tuple[Update, State]]:
        return [(replace(update, missing_frames=0), state) for update, state in super().step(work)]


@pytest.mark.parametrize("chunk_ms", [80, 160, 640, 1_280])
def test_a_recogniser_is_asked_where_it_can_say_more_and_nothing_else_changes(
    chunk_ms: int,
) -> None:
    sound, start = speak("do mi re fa so", gap_s=0.4), wire.Start(chunk_ms=chunk_ms)
    asked, terse = FakeRecogniser(), Terse()
    assert list(replay(asked, sound, start=start)) == list(replay(terse, sound, start=start))
    speech_s = len(sound) / 16_000
    assert len(asked.batches) <= 3 + 1000 * speech_s / chunk_ms
    assert len(terse.batches) >= len(asked.batches)
