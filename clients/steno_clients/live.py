"""A live session: audio from a source to the daemon, its events to whoever watches."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Unpack

from steno_clients.file import SAMPLE_RATE, FloatArray
from steno_clients.render import Viewer
from steno_clients.websocket import ConnectOptions, StenoClient
from steno_daemon.wire import Vocabulary

logger = logging.getLogger(__name__)


async def caption(
    url: str,
    source: AsyncIterator[FloatArray],
    viewers: Sequence[Viewer],
    *,
    interrupted: asyncio.Event,
    **options: Unpack[ConnectOptions],
) -> None:
    """Stream a source until it ends or is interrupted; every viewer sees every event.

    Args:
        url: where the daemon listens.
        source: blocks of (N,) samples at `SAMPLE_RATE`, as they are spoken.
        viewers: shown the events, `ready` to `closed`.
        interrupted: when set, the audio ends here and the last words are waited for.
        **options: those of `StenoClient.connect`.
    """
    options = {**options, "rate": SAMPLE_RATE}
    async with StenoClient.connect(url, **options) as client:
        for viewer in viewers:
            viewer.show(client.ready)
        feeder = asyncio.create_task(_feed(client, source, viewers, interrupted))
        try:
            async for event in client:
                if isinstance(event, Vocabulary):
                    for one in event.refused:
                        logger.warning("not expected: %s: %s", one.text, one.reason)
                for viewer in viewers:
                    viewer.show(event)
            await feeder
        finally:
            feeder.cancel()
            await asyncio.gather(feeder, return_exceptions=True)


async def _feed(
    client: StenoClient,
    source: AsyncIterator[FloatArray],
    viewers: Sequence[Viewer],
    interrupted: asyncio.Event,
) -> None:
    """Send the source until it ends or is interrupted, then `stop`; raises what broke it."""
    pump = asyncio.create_task(_pump(client, source, viewers))
    interruption = asyncio.create_task(interrupted.wait())
    try:
        await asyncio.wait((pump, interruption), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (pump, interruption):
            task.cancel()
        ended = await asyncio.gather(pump, interruption, return_exceptions=True)
        await client.stop()
    if isinstance(ended[0], Exception):
        raise ended[0]


async def _pump(
    client: StenoClient, source: AsyncIterator[FloatArray], viewers: Sequence[Viewer]
) -> None:
    """Send every block, and show it."""
    async for block in source:
        await client.send(block)
        for viewer in viewers:
            viewer.heard(block)
