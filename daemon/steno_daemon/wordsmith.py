"""Makes language models with more words in a thread of its own, one order after the other."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from steno_daemon.vocabulary import Order, made

if TYPE_CHECKING:
    from steno_models.vocabulary import Extended, Extender

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Wordsmith:
    """Fills the orders of sessions; lives on the running event loop.

    Args:
        extender: makes the language models.
    """

    def __init__(self, extender: "Extender") -> None:
        self.extender = extender
        self._loop = asyncio.get_running_loop()
        self._bench = ThreadPoolExecutor(1, thread_name_prefix="words")

    def __call__(self, order: Order, done: "Callable[[Extended | None], None]") -> None:
        """Fill an order, after those that came before."""

        def work() -> None:
            try:
                extended: Extended | None = made(self.extender, *order.begin())
            except Exception:
                logger.exception("a language model with more words could not be made")
                extended = None
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(done, extended)

        self._bench.submit(work)

    async def prepare(self) -> None:
        """Compile what searches several language models at once, before anybody waits for it."""
        own = next(iter(self.extender.own.values()))
        await self.run(lambda: self.extender.mix([(own, 1.0)]))

    async def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, done in the same thread."""
        return await self._loop.run_in_executor(self._bench, work)

    def close(self) -> None:
        """Begin nothing more."""
        self._bench.shutdown(wait=False, cancel_futures=True)
