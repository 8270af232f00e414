"""A time limit for many waits."""

import asyncio

import pytest

from steno_daemon.transports.patience import Patience

SHORT_S, LONG_S = 0.01, 60.0


async def test_a_wait_that_takes_too_long_ends() -> None:
    patience = Patience()
    with pytest.raises(TimeoutError), patience.of(SHORT_S):
        await asyncio.Event().wait()
    await asyncio.sleep(0)  # nobody is cancelled


async def test_waits_have_time_limits_of_their_own() -> None:
    patience = Patience()
    with patience.of(LONG_S):
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError), patience.of(SHORT_S):
        await asyncio.Event().wait()
    with patience.of(None):
        await asyncio.sleep(2 * SHORT_S)


async def test_many_short_waits_are_not_one_long_one() -> None:
    patience, limit_s = Patience(), 30 * SHORT_S
    began_s = asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() - began_s < 2 * limit_s:
        with patience.of(limit_s):
            await asyncio.sleep(SHORT_S)
    with pytest.raises(TimeoutError), patience.of(limit_s):
        await asyncio.Event().wait()


async def test_what_happens_between_two_waits_takes_what_time_it_likes() -> None:
    patience, done = Patience(), []
    with patience.of(SHORT_S):
        await asyncio.sleep(0)
    await asyncio.sleep(3 * SHORT_S)
    done.append("between")
    with patience.of(LONG_S):
        await asyncio.sleep(0)
        done.append("after")
    assert done == ["between", "after"]


async def test_a_task_that_somebody_else_cancels_is_cancelled() -> None:
    patience, waits = Patience(), asyncio.Event()

    async def wait() -> None:
        with patience.of(LONG_S):
            waits.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await waits.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_within_is_told_as_it_is() -> None:
    with pytest.raises(LookupError), Patience().of(LONG_S):
        raise LookupError
