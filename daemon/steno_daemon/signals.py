"""What signals do: SIGTERM and SIGINT stop the daemon, SIGHUP lets it read its files again."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from typing import Protocol

from steno_daemon import notify
from steno_daemon.config import Config
from steno_daemon.errors import StenoDaemonError

logger = logging.getLogger(__name__)

LEAVE_AT_ONCE = 130


class Daemon(Protocol):
    """What signals are about."""

    def stop(self) -> None:
        """Begin to go down, gently."""

    def reload(self, config: Config) -> None:
        """Take over what may change; a `StenoDaemonError` says what cannot be."""

    async def renew_domains(self) -> None:
        """Load the language models that are new or different."""


def obey_signals(daemon: Daemon, reread: Callable[[], Config]) -> None:
    """Let SIGTERM and SIGINT stop the daemon, once gently, twice at once; SIGHUP reloads."""
    loop = asyncio.get_running_loop()
    seen: list[int] = []
    renewing: set[asyncio.Task[None]] = set()  # held here: the loop alone would lose it

    def on_stop(number: int) -> None:
        seen.append(number)
        if len(seen) > 1:
            logger.warning("a second signal: leaving at once")
            os._exit(LEAVE_AT_ONCE)
        daemon.stop()

    def on_reload() -> None:
        notify.reloading()
        try:
            daemon.reload(reread())
        except StenoDaemonError as error:
            logger.error("everything stays as it was: %s", error)  # noqa: TRY400
            notify.ready(f"reload refused: {error}")
        else:
            task = loop.create_task(renew())
            renewing.add(task)
            task.add_done_callback(renewing.discard)

    async def renew() -> None:
        try:
            await daemon.renew_domains()
        finally:
            notify.ready("reloaded")

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_stop, number)
    loop.add_signal_handler(signal.SIGHUP, on_reload)
