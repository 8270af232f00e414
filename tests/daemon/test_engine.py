"""The engine's thread, with recognisers that block or break on demand; nothing sleeps."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest
from tests.daemon.fakes import FakeRecogniser

from steno_daemon.engine import Batching, Engine
from steno_daemon.errors import OverloadedError
from steno_daemon.happenings import Work
from steno_daemon.jobs import Done, Failed, Outcome, Seat
from steno_daemon.ladder import Ladder
from steno_daemon.offer import Decoding
from steno_models.recogniser import State, Update
from steno_models.recogniser import Work as Chunk

PATIENCE_S = 60


class Gate(FakeRecogniser):
    """Waits in every step until it is opened; fails on pieces of the length `poison`."""

    def __init__(self, *, poison: int | None = None) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.open = threading.Event()
        self.poison = poison
        self.lengths: list[list[int]] = []

    def step(self, work: Sequence[Chunk]) -> Sequence[tuple[Update, State]]:
        self.entered.set()
        assert self.open.wait(PATIENCE_S)
        self.lengths.append([len(chunk.features) for chunk in work])
        if self.poison in self.lengths[-1]:
            raise RuntimeError("a poisoned chunk")
        return super().step(work)


def work(frames: int) -> Work:
    return Work(np.zeros((frames, 80), np.float32), None, is_last=False, position=0)


@asynccontextmanager
async def running(
    recogniser: FakeRecogniser, *, max_sessions: int = 10, max_batch: int = 32
) -> AsyncIterator[Engine]:
    engine = Engine(recogniser, Ladder((max_sessions,)), batching=Batching(most=max_batch))
    engine.start()
    try:
        yield engine
    finally:
        if isinstance(recogniser, Gate):
            recogniser.open.set()
        await engine.close()


class Inbox:
    """Collects outcomes by name."""

    def __init__(self, count: int) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self._count = count
        self._full = asyncio.Event()

    def slot(self, name: str) -> Callable[[Outcome], None]:
        def deliver(outcome: Outcome) -> None:
            self.outcomes[name] = outcome
            if len(self.outcomes) == self._count:
                self._full.set()

        return deliver

    async def full(self) -> dict[str, Outcome]:
        async with asyncio.timeout(PATIENCE_S):
            await self._full.wait()
        return self.outcomes


async def entered(gate: Gate) -> None:
    """Wait until the engine's thread is in the recogniser."""
    assert await asyncio.to_thread(gate.entered.wait, PATIENCE_S)


def submit(engine: Engine, seat: Seat, inbox: Inbox, frames: int, due_s: float) -> None:
    engine.submit(seat, work(frames), Decoding(), due_s=due_s, deliver=inbox.slot(seat.name))


async def test_what_is_ready_goes_as_one_batch_the_earliest_due_first() -> None:
    gate = Gate()
    async with running(gate) as engine:
        inbox = Inbox(4)
        submit(engine, engine.admit("first"), inbox, 1, due_s=0)
        await entered(gate)
        submit(engine, engine.admit("late"), inbox, 4, due_s=9)
        submit(engine, engine.admit("early"), inbox, 2, due_s=1)
        submit(engine, engine.admit("middle"), inbox, 3, due_s=5)
        gate.open.set()
        await inbox.full()
    assert gate.lengths == [[1], [2, 3, 4]]


async def test_a_batch_is_no_larger_than_allowed() -> None:
    gate = Gate()
    async with running(gate, max_batch=2) as engine:
        inbox = Inbox(4)
        submit(engine, engine.admit("0"), inbox, 9, due_s=0)
        await entered(gate)
        for number in (1, 2, 3):
            submit(engine, engine.admit(str(number)), inbox, number, due_s=number)
        gate.open.set()
        await inbox.full()
    assert gate.lengths == [[9], [1, 2], [3]]


async def test_a_failure_is_that_of_one_session_alone() -> None:
    gate = Gate(poison=7)
    async with running(gate) as engine:
        inbox = Inbox(4)
        submit(engine, engine.admit("first"), inbox, 1, due_s=0)
        await entered(gate)
        for due_s, (name, frames) in enumerate([("well", 2), ("ill", 7), ("also well", 3)]):
            submit(engine, engine.admit(name), inbox, frames, due_s=due_s)
        gate.open.set()
        outcomes = await inbox.full()
        assert isinstance(outcomes["ill"], Failed)
        assert isinstance(outcomes["well"], Done)
        assert isinstance(outcomes["also well"], Done)
        assert engine.is_alive
    assert gate.lengths == [[1], [2, 7, 3], [2], [7], [3]]


async def test_a_recogniser_that_answers_too_little_fails_the_work_and_not_the_engine() -> None:
    class Mute(FakeRecogniser):
        def step(self, work: Sequence[Chunk]) -> Sequence[tuple[Update, State]]:
            super().step(work)
            return []

    async with running(Mute()) as engine:
        inbox = Inbox(1)
        submit(engine, engine.admit("a"), inbox, 1, due_s=0)
        assert isinstance((await inbox.full())["a"], Failed)
        assert engine.is_alive


async def test_work_of_a_session_that_left_is_dropped() -> None:
    gate = Gate()
    async with running(gate) as engine:
        inbox = Inbox(1)
        gone, stays = engine.admit("gone"), engine.admit("stays")
        submit(engine, gone, inbox, 1, due_s=0)  # in the recogniser as its session leaves
        await entered(gate)
        submit(engine, stays, inbox, 3, due_s=1)
        other = engine.admit("other")
        submit(engine, other, inbox, 2, due_s=0)  # in the queue as its session leaves
        engine.leave(gone)
        engine.leave(other)
        gate.open.set()
        assert list(await inbox.full()) == ["stays"]
    assert gate.lengths == [[1], [3]]


async def test_more_sessions_than_seats_are_refused_until_one_leaves() -> None:
    async with running(FakeRecogniser(), max_sessions=2) as engine:
        first = engine.admit("a")
        engine.admit("b")
        with pytest.raises(OverloadedError, match="most 2 sessions, found 2 and 1 more") as caught:
            engine.admit("c")
        assert caught.value.retry_after_s > 0
        engine.leave(first)
        engine.leave(first)
        with pytest.raises(OverloadedError):
            engine.admit("c", 2)  # a session of two channels takes the room of two
        engine.admit("c")
        assert engine.sessions == 2


async def test_closing_does_not_wait_for_a_recogniser_that_hangs() -> None:
    gate = Gate()
    async with running(gate) as engine:
        submit(engine, engine.admit("a"), Inbox(1), 1, due_s=0)
        await entered(gate)
        await engine.close(timeout_s=0.01)
        assert engine.is_alive


async def test_nobody_else_is_let_in_while_the_daemon_is_full() -> None:
    async with running(FakeRecogniser()) as engine:
        engine.load.look(0.0, engine_s=0.0, loop_s=0.0)
        engine.load.look(2.0, engine_s=2.0, loop_s=0.5)
        first = engine.admit("a")  # somebody always is
        with pytest.raises(OverloadedError, match=r"less than 95%, found 100% and 25%"):
            engine.admit("b")
        engine.leave(engine.admit("resumed", is_resumed=True))
        engine.load.look(20.0, engine_s=2.0, loop_s=1.0)
        engine.leave(first)
        engine.admit("b")
        engine.admit("c")


async def test_work_counts_where_somebody_speaks_live() -> None:
    async with running(FakeRecogniser()) as engine:
        now_s, inbox = time.monotonic(), Inbox(1)
        submit(engine, engine.admit("a"), inbox, 1, due_s=now_s + 3600)
        await inbox.full()
        assert engine.worked_s == 0
        inbox = Inbox(1)
        submit(engine, engine.admit("b"), inbox, 1, due_s=now_s)
        await inbox.full()
        assert engine.worked_s > 0
