"""The daemon's own microphone on a real sound path, with real recordings and real weights."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import pytest
from tests.daemon.serving import serving
from tests.sound import DEVICE, Hall, open_hall

from steno_daemon import wire
from steno_daemon.captions.hub import Viewer
from steno_daemon.config import MicrophoneConfig
from steno_daemon.errors import MicrophoneError
from steno_daemon.transports.hearing import Ear, open_ear
from steno_daemon.transports.microphone import MicrophoneService
from steno_models import bundle
from steno_models.recogniser import Recogniser

PATIENCE_S = 180
CLIP = "librivox/sense_and_sensibility_01_austen_64kb-0880.flac"


@pytest.fixture
def hall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hall]:
    """A room whose loudspeaker is the microphone of every program that the test starts."""
    with open_hall(tmp_path) as hall:
        hall.require_portaudio()
        for name, value in hall.environment.items():
            monkeypatch.setenv(name, value)
        yield hall


@cache
def recogniser() -> Recogniser:
    return bundle.load("en").recogniser


@asynccontextmanager
async def captioning() -> AsyncIterator[tuple[MicrophoneService, Viewer]]:
    """A daemon that listens to the room, and a viewer of what it says."""
    async with serving(recogniser()) as served:
        daemon = served.daemon
        service = MicrophoneService(MicrophoneConfig(device=DEVICE), daemon.streams)
        task = asyncio.create_task(service.run())
        try:
            async with asyncio.timeout(PATIENCE_S):
                topic = await daemon.hub.live()
            yield service, topic.viewer()
        finally:
            await served.stop()
            async with asyncio.timeout(PATIENCE_S):
                await task


async def play(hall: Hall, recording: Path) -> None:
    player = await asyncio.create_subprocess_exec("paplay", str(recording), env=hall.environment)
    async with asyncio.timeout(PATIENCE_S):
        assert await player.wait() == 0


async def next_final(viewer: Viewer) -> str:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for _, event in await viewer.next():
                if isinstance(event, wire.Final):
                    return event.text


class Journal(logging.Handler):
    """What the daemon logs of its microphone, line by line."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: asyncio.Queue[str] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("microphone: "):
            self.lines.put_nowait(record.getMessage())

    async def until(self, text: str) -> None:
        """Wait for a line with that text in it."""
        async with asyncio.timeout(PATIENCE_S):
            while text not in await self.lines.get():
                pass


@pytest.fixture
def journal() -> Iterator[Journal]:
    journal = Journal()
    logger = logging.getLogger("steno_daemon")
    logger.addHandler(journal)
    logger.setLevel(logging.INFO)
    yield journal
    logger.setLevel(logging.NOTSET)
    logger.removeHandler(journal)


async def test_captions_go_on_after_the_microphone_was_unplugged(
    hall: Hall, clips: Path, journal: Journal
) -> None:
    async with captioning() as (service, viewer):
        await journal.until(DEVICE)
        assert service.health()["state"] == "listening"
        await play(hall, clips / CLIP)
        text = await next_final(viewer)
        assert len(text.split()) >= 3

        hall.unplug()
        await journal.until("found that it stopped")
        assert service.health()["state"] == "waiting"
        hall.plug_in()
        await journal.until(f"{DEVICE}, 16000 Hz")
        assert service.health()["state"] == "listening"
        await play(hall, clips / CLIP)
        again = await next_final(viewer)
        same = set(text.split()) & set(again.split())
        assert len(same) >= 0.5 * len(set(text.split()))


async def test_a_sound_server_that_dies_takes_only_the_process_that_listens(hall: Hall) -> None:
    async with open_ear(DEVICE, stall_s=2.0) as ear:
        assert len(await ear.next()) == 1_280
        hall.die()
        with pytest.raises(MicrophoneError, match=r"found none for 2 s|found that it stopped"):
            await _listen_on(ear)
    with pytest.raises(MicrophoneError, match="expected "):
        await _open_and_close()


async def _listen_on(ear: Ear) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await ear.next()


async def _open_and_close() -> None:
    async with asyncio.timeout(PATIENCE_S), open_ear(DEVICE):
        pass
