"""The daemon's own microphone: its session, with ears that hear what a test wants."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from tests.daemon.fakes import FakeRecogniser, pcm, speak
from tests.daemon.serving import PATIENCE_S, Served, serving

from steno_daemon import wire
from steno_daemon.captions.hub import Topic, Viewer
from steno_daemon.config import Config, LimitsConfig, MicrophoneConfig, ServerConfig
from steno_daemon.errors import MicrophoneError
from steno_daemon.transports.ear import Opened
from steno_daemon.transports.microphone import PAUSES_S, MicrophoneService
from steno_daemon.wire import CloseReason, EndpointReason

DESK = Opened(device="Desk", rate=16_000, channels=1)
GONE = MicrophoneError("expected Desk to go on, found that it stopped")


@dataclass
class FakeEar:
    """A device that hears some sound, and is then unplugged, or stays silent for ever."""

    sound: bytes = b""
    form: Opened = DESK
    lost_samples: int = 0
    fault: BaseException | None = GONE

    async def next(self) -> bytes:
        block, self.sound = self.sound[:1_280], self.sound[1_280:]
        if block:
            return block
        if self.fault is not None:
            raise self.fault
        await asyncio.Event().wait()
        raise AssertionError


@dataclass
class Attic:
    """The devices that are found one after the other, and how long was waited between them."""

    found: list[FakeEar | MicrophoneError]
    asked_for: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    empty: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def open(self, device: str) -> AsyncIterator[FakeEar]:
        self.asked_for.append(device)
        if not self.found:
            self.empty.set()
            await asyncio.Event().wait()
        ear = self.found.pop(0)
        if isinstance(ear, MicrophoneError):
            raise ear
        yield ear

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)


@dataclass
class Running:
    """A service at work in a daemon."""

    served: Served
    service: MicrophoneService
    task: asyncio.Task[None]
    attic: Attic

    async def viewer(self) -> tuple[Topic, Viewer]:
        async with asyncio.timeout(PATIENCE_S):
            topic = await self.served.daemon.hub.live()
        return topic, topic.viewer()


@asynccontextmanager
async def listening(
    *found: FakeEar | MicrophoneError,
    microphone: MicrophoneConfig | None = None,
    server: ServerConfig | None = None,
    limits: LimitsConfig | None = None,
    max_sessions: int = 10,
) -> AsyncIterator[Running]:
    config = Config(server=server or ServerConfig(resume_s=0), limits=limits or LimitsConfig())
    attic = Attic(list(found))
    async with serving(FakeRecogniser(), config=config, max_sessions=max_sessions) as served:
        service = MicrophoneService(
            microphone or MicrophoneConfig(label="the desk"),
            served.daemon.streams,
            open_ear=attic.open,
            pause=attic.pause,
        )
        task = asyncio.create_task(service.run())
        try:
            yield Running(served, service, task, attic)
        finally:
            await served.stop()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def events_until(
    viewer: Viewer, kind: type[wire.ServerMessage], count: int = 1
) -> list[wire.ServerMessage]:
    """What a viewer sees until that many events of a kind have come."""
    seen: list[wire.ServerMessage] = []
    async with asyncio.timeout(PATIENCE_S):
        while sum(isinstance(event, kind) for event in seen) < count:
            seen += [event for _, event in await viewer.next()]
    return seen


def texts(events: Sequence[wire.ServerMessage]) -> list[str]:
    return [event.text for event in events if isinstance(event, wire.Final)]


def sound(text: str, *, tail_s: float = 1.2) -> bytes:
    return pcm(speak(text, tail_s=tail_s))


async def test_what_the_microphone_hears_is_shown_to_viewers_under_its_label() -> None:
    async with listening(FakeEar(sound("do mi so"), fault=None)) as running:
        topic, viewer = await running.viewer()
        assert topic.about.label == "the desk"
        assert texts(await events_until(viewer, wire.Endpoint)) == ["do mi so"]
        health = running.service.health()
        assert (health["state"], health["device"]) == ("listening", "Desk")
        assert health["reason"] is None
    assert running.attic.asked_for == [""]


async def test_words_that_were_heard_before_the_device_went_become_final() -> None:
    async with listening(FakeEar(sound("re fa", tail_s=0.1))) as running:
        _, viewer = await running.viewer()
        events = await events_until(viewer, wire.Endpoint)
        assert texts(events) == ["re fa"]
        assert isinstance(events[-1], wire.Endpoint)
        assert events[-1].reason is EndpointReason.FINALIZE
        await running.attic.empty.wait()
        health = running.service.health()
        assert (health["state"], health["reason"]) == ("waiting", str(GONE))
        assert (await running.served.health())["status"] == "ok"


async def test_the_session_goes_on_when_the_device_is_back() -> None:
    first, second = sound("re fa", tail_s=0.1), sound("do")
    absent = MicrophoneError("expected a microphone (Desk), found none")
    back = FakeEar(second, fault=None)
    async with listening(FakeEar(first), absent, absent, back) as running:
        topic, viewer = await running.viewer()
        events = await events_until(viewer, wire.Endpoint, 2)
        assert texts(events) == ["re fa", "do"]
        finals = [event for event in events if isinstance(event, wire.Final)]
        assert finals[1].start == pytest.approx(len(first) / 32_000 + 0.6, abs=0.1)
        assert topic.is_live
        assert running.service.health()["state"] == "listening"
    assert running.attic.pauses == list(PAUSES_S[:3])


async def test_a_device_of_another_rate_gets_a_session_of_its_own() -> None:
    other = Opened(device="Hall", rate=48_000, channels=2)
    stereo = np.repeat(np.frombuffer(sound("so mi"), "<i2"), 3 * 2).tobytes()
    ears = [FakeEar(sound("do", tail_s=0.1)), FakeEar(stereo, other, fault=None)]
    async with listening(*ears) as running:
        first, viewer = await running.viewer()
        events = await events_until(viewer, wire.Closed)
        assert texts(events) == ["do"]
        second, viewer = await running.viewer()
        assert second.session != first.session
        assert texts(await events_until(viewer, wire.Endpoint)) == ["so mi"]
        assert running.service.health()["device"] == "Hall"


async def test_a_session_that_comes_to_its_limit_is_followed_by_another_without_a_gap() -> None:
    long = sound("do re mi fa so do re mi fa so do re mi fa so", tail_s=0.5)
    limits = LimitsConfig(session_s=3.0)
    async with listening(FakeEar(long, fault=None), limits=limits) as running:
        heard: list[str] = []
        closed = 0
        while closed < 2:
            topic, viewer = await running.viewer()
            events = await events_until(viewer, wire.Closed)
            assert isinstance(events[-1], wire.Closed)
            assert events[-1].reason is CloseReason.LIMIT
            heard += " ".join(texts(events)).split()
            closed += 1
            assert not topic.is_live
        cycle = ["do", "re", "mi", "fa", "so"]
        assert len(heard) >= 9  # a word at a cut may be heard in either half, both or none
        assert [word for word in heard if word not in cycle] == []


async def test_where_there_is_no_room_the_microphone_waits_for_it() -> None:
    async with listening(FakeEar(sound("do"), fault=None), max_sessions=10) as running:
        await running.viewer()
        attic = Attic([FakeEar(sound("do")) for _ in range(3)])
        seats = [running.served.daemon.engine.admit(str(number)) for number in range(9)]
        other = MicrophoneService(
            MicrophoneConfig(),
            running.served.daemon.streams,
            open_ear=attic.open,
            pause=attic.pause,
        )
        task = asyncio.create_task(other.run())
        async with asyncio.timeout(PATIENCE_S):
            await attic.empty.wait()
        assert other.health()["state"] == "waiting"
        assert "sessions" in str(other.health()["reason"])
        assert attic.pauses == list(PAUSES_S[:3])
        other.abort()
        await task
        for seat in seats:
            running.served.daemon.engine.leave(seat)


async def test_a_language_model_that_is_not_there_is_not_waited_for() -> None:
    microphone = MicrophoneConfig(language_model="klingon")
    async with listening(FakeEar(sound("do")), microphone=microphone) as running:
        async with asyncio.timeout(PATIENCE_S):
            await running.task
        health = running.service.health()
        assert health["state"] == "failed"
        assert "expected one of general, found klingon" in str(health["reason"])
        assert len(running.served.daemon.streams) == 0


async def test_a_machine_without_portaudio_is_not_asked_again() -> None:
    missing = MicrophoneError("expected the PortAudio library, found none", is_lasting=True)
    async with listening(missing) as running:
        async with asyncio.timeout(PATIENCE_S):
            await running.task
        health = running.service.health()
        assert (health["state"], health["reason"]) == ("failed", str(missing))
        assert health["device"] == "the default one"
        assert running.attic.pauses == []


async def test_a_shutdown_waits_for_the_last_words() -> None:
    async with listening(FakeEar(sound("fa so", tail_s=0.2), fault=None)) as running:
        _, viewer = await running.viewer()
        await events_until(viewer, wire.Partial)
        await running.served.stop()
        async with asyncio.timeout(PATIENCE_S):
            await running.task
        events = await events_until(viewer, wire.Closed)
        assert texts(events) == ["fa so"]
        assert isinstance(events[-1], wire.Closed)
        assert events[-1].reason is CloseReason.SHUTDOWN
        assert len(running.served.daemon.streams) == 0


async def test_a_fault_of_the_daemon_costs_one_session(caplog: pytest.LogCaptureFixture) -> None:
    ears = [FakeEar(sound("do", tail_s=0.1), fault=ZeroDivisionError()), FakeEar(sound("re"))]
    async with listening(*ears) as running:
        _, viewer = await running.viewer()
        events = await events_until(viewer, wire.Closed)
        assert isinstance(events[-1], wire.Closed)
        assert events[-1].reason is CloseReason.FAILED
        _, viewer = await running.viewer()
        assert texts(await events_until(viewer, wire.Endpoint)) == ["re"]
    assert "microphone: a fault of the daemon" in caplog.messages


async def test_sound_that_was_lost_is_counted_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with listening(FakeEar(sound("do"), lost_samples=24_000, fault=None)) as running:
        _, viewer = await running.viewer()
        await events_until(viewer, wire.Endpoint)
        assert running.service.health()["lost_s"] == 1.5
    lost = "microphone: 1.5 s of sound were lost: the daemon is too slow"
    assert caplog.messages.count(lost) == 1


async def test_a_service_that_is_aborted_leaves_nothing_behind() -> None:
    async with listening(FakeEar(sound("do"), fault=None)) as running:
        _, viewer = await running.viewer()
        await events_until(viewer, wire.Endpoint)
        running.service.abort()
        async with asyncio.timeout(PATIENCE_S):
            await running.task
        await running.served.nobody_is_left()
        assert running.served.daemon.engine.sessions == 0
        assert running.task.done()


async def test_a_microphone_says_its_last_words_where_sessions_are_left_to_the_next_daemon(
    tmp_path: Path,
) -> None:
    server = ServerConfig(resume_s=PATIENCE_S, state_directory=tmp_path)
    async with listening(FakeEar(sound("do mi", tail_s=0.3), fault=None), server=server) as running:
        _, viewer = await running.viewer()
        await events_until(viewer, wire.Partial)
        await running.served.stop()
        events = await events_until(viewer, wire.Closed)
        assert texts(events)
        closed = events[-1]
        assert isinstance(closed, wire.Closed)
        assert closed.reason is CloseReason.SHUTDOWN
    assert not _files(tmp_path)


def _files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]
