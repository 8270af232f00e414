"""Ends tasks for good, also those in which a cancellation gets lost."""

import asyncio
from collections.abc import Iterable
from typing import Any

CANCEL_S = 0.1
"""Between two cancellations of a task that goes on."""


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they have ended.

    Once is not enough: before Python 3.12 `asyncio.wait_for` forgets a cancellation that comes
    together with what it waits for, and so does whatever waits by it.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_S)
