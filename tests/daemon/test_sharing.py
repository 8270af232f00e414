"""A group of daemons at a real mosquitto, and one daemon of a group at a link made for tests."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import aiomqtt
import msgspec
import pytest
from paho.mqtt.subscribeoptions import SubscribeOptions
from tests.daemon.brokers import Mosquitto, mosquitto
from tests.daemon.fakes import FakeRecogniser, finals, pcm, speak
from tests.daemon.fleet import speeches
from tests.daemon.serving import PATIENCE_S, Served, serving
from tests.daemon.sharing import Heard, at, campaign, says, shared, speaking, until

from steno_daemon import wire
from steno_daemon.check import Findings
from steno_daemon.check_neighbours import check_mqtt
from steno_daemon.config import Config, MqttConfig, ServerConfig
from steno_daemon.dialects.catalogue import Catalogue
from steno_daemon.dialects.conversation import Post
from steno_daemon.dialects.door import About
from steno_daemon.domains import Domains
from steno_daemon.errors import ConfigError
from steno_daemon.neighbours import switchboards
from steno_daemon.transports.mqtt_group import Group
from steno_daemon.transports.mqtt_link import Delivery

if TYPE_CHECKING:
    from steno_daemon.transports.voice import Hall

Told = Callable[[wire.ServerMessage], bool]


async def test_thirty_sessions_lose_no_word_to_a_daemon_that_is_killed(tmp_path: Path) -> None:
    found = await campaign(tmp_path, sessions=30, notes=4)
    assert found.wrong == []
    assert 0 < found.resumed <= 20  # not those of the daemons that live


async def test_a_daemon_that_goes_down_leaves_its_sessions_to_the_group(tmp_path: Path) -> None:
    said, gate = speeches(2, notes=4), asyncio.Event()
    async with shared(tmp_path, daemons=2, sessions=2) as (broker, (first, _)):
        async with speaking(broker, said, gate) as heard:
            await until(heard, lambda one: bool(one.finals))
            assert await first.stop() == 0
            gate.set()
        assert [one.fault(each.finals) for one, each in zip(said, heard, strict=True)] == [None] * 2
        # In turn: each daemon had one of the two.
        assert sorted(_breaks(one) for one in heard) == [0, 1]


def _breaks(heard: Heard) -> int:
    assert heard.states.count("interrupted") == heard.resumptions, heard.states
    return heard.resumptions


# One daemon of a group, in this process.


class Listener:
    """Somebody at the broker who speaks under one name, and hears what is said there."""

    def __init__(self, client: aiomqtt.Client, name: str) -> None:
        self.client = client
        self.topic = f"steno/{name}"
        self.events: list[wire.ServerMessage] = []
        self.states: list[str] = []

    async def say(self, what: str, payload: bytes | wire.ClientMessage = b"") -> None:
        data = payload if isinstance(payload, bytes) else wire.encode(payload)
        await self.client.publish(f"{self.topic}/{what}", data, 1)

    async def say_at(self, position: int, audio: bytes) -> None:
        await self.client.publish(f"{self.topic}/audio", audio, 1, properties=says(position))

    async def hear(self, is_meant: Told) -> wire.ServerMessage:
        """Wait for an event."""
        async with asyncio.timeout(PATIENCE_S):
            while not (self.events and is_meant(self.events[-1])):
                await self._next()
        return self.events[-1]

    async def see(self, state: str, *, times: int = 1) -> None:
        """Wait for a state to be told so often."""
        async with asyncio.timeout(PATIENCE_S):
            while self.states.count(state) < times:
                await self._next()

    async def _next(self) -> None:
        message = await anext(aiter(self.client.messages))
        if str(message.topic) == f"{self.topic}/events":
            self.events.append(wire.decode_server(bytes(message.payload)))
        else:
            self.states.append(bytes(message.payload).decode())


@asynccontextmanager
async def member(
    broker: Mosquitto, folder: Path, *, max_sessions: int = 10, **options: object
) -> AsyncIterator[Served]:
    """A daemon of a group at the broker, once it is there."""
    config = Config(
        server=ServerConfig(resume_s=PATIENCE_S, state_directory=folder / "state"),
        mqtt=MqttConfig(
            enabled=True,
            port=broker.port,
            group="all of them",
            hermes=False,
            **options,  # type: ignore[arg-type]
        ),
    )
    async with (
        at(broker) as client,
        serving(FakeRecogniser(), config=config, max_sessions=max_sessions) as served,
    ):
        await client.subscribe("steno/daemons/+", options=SubscribeOptions(qos=1))
        status = await anext(aiter(client.messages))
        assert json.loads(bytes(status.payload))["state"] == "online"
        yield served


@asynccontextmanager
async def listening(broker: Mosquitto, name: str = "hall") -> AsyncIterator[Listener]:
    async with at(broker) as client:
        how = SubscribeOptions(qos=1)
        await client.subscribe([(f"steno/{name}/events", how), (f"steno/{name}/state", how)])
        yield Listener(client, name)


async def membership(served: Served, *, is_member: bool) -> None:
    """Wait until the broker gives requests to the daemon, or does so no more."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if (await served.health())["mqtt"]["in_group"] is is_member:  # type: ignore[index]
                return


def is_a(kind: type[wire.ServerMessage]) -> Told:
    return lambda event: isinstance(event, kind)


SOUND = pcm(speak("do re mi", gap_s=1.0))


async def test_what_comes_twice_is_cut_and_what_is_missing_interrupts(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with member(broker, tmp_path), listening(broker) as hall:
            await hall.say("open")
            ready = await hall.hear(is_a(wire.Ready))
            assert isinstance(ready, wire.Ready)
            await hall.say_at(0, SOUND[:40_000])
            await hall.say_at(20_000, SOUND[20_000:60_000])
            await hall.say_at(60_002, SOUND[60_002:])
            await hall.see("interrupted")
            seq = hall.events[-1].seq
            await hall.say("open", wire.Resume(token=ready.token or "", seq=seq))
            back = await hall.hear(is_a(wire.Resumed))
            assert isinstance(back, wire.Resumed)
            assert back.bytes <= 60_000
            await hall.say_at(back.bytes, SOUND[back.bytes :])
            await hall.say("control", wire.Stop())
            await hall.see("idle")
            assert finals(hall.events) == ["do", "re", "mi"]


async def test_of_two_requests_for_a_name_the_later_one_has_it(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with member(broker, tmp_path) as served, listening(broker) as hall:
            await hall.say("open")
            await hall.see("listening")
            await hall.say("open", wire.Start(label="again"))
            await hall.see("listening", times=2)
            await served.sessions_are(1)
            await hall.say("audio", SOUND)
            await hall.say("control", wire.Stop())
            await hall.see("idle")
            assert finals(hall.events) == ["do", "re", "mi"]


async def test_a_daemon_that_is_full_asks_for_no_more(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with (
            member(broker, tmp_path, max_sessions=1) as served,
            listening(broker) as hall,
            listening(broker, "attic") as attic,
        ):
            await hall.say("open")
            await hall.see("listening")
            await membership(served, is_member=False)
            await attic.say("open")  # nobody hears that
            await hall.say("control", wire.Stop())
            await hall.see("idle")
            await membership(served, is_member=True)
            assert attic.events == []
            await attic.say("open")
            await attic.hear(is_a(wire.Ready))


@pytest.mark.parametrize(
    ("name", "opening", "complaint"),
    [
        ("x" * 101, b"", "a name of 100 characters"),
        ("hall", b"{", "invalid_json"),
        ("hall", b'{"type": "resume", "token": "no.such", "seq": 3}', "not_resumable"),
        ("law", b"", "one of general"),
    ],
)
async def test_what_cannot_be_opened_is_answered_in_words(
    name: str, opening: bytes, complaint: str, tmp_path: Path
) -> None:
    with mosquitto(tmp_path) as broker:
        async with (
            member(broker, tmp_path, domains={"law": "cases"}) as served,
            listening(broker, name) as someone,
        ):
            await someone.say("open", opening)
            error = await someone.hear(is_a(wire.Error))
            assert complaint in wire.encode(error)
            await served.sessions_are(0)


def test_a_check_asks_the_broker_for_what_a_group_asks(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        place = MqttConfig(enabled=True, port=broker.port, group="g", sites=("kitchen",))
        found = Findings()
        check_mqtt(found, place)
        assert [str(one) for one in found.all if "lets the daemon in" in str(one)]
        assert found.faults == 0
        check_mqtt(found, msgspec.structs.replace(place, sites=()))
        assert "mqtt.group: expected mqtt.hermes = false" in str(found.all[-1])


async def test_a_request_that_was_on_its_way_to_who_leaves_goes_back_to_the_group() -> None:
    posts: list[Post] = []
    hall = SimpleNamespace(streams=SimpleNamespace(is_going_down=False), post=posts.append)
    about = About(lambda: Domains(("general",)), "notes", "1")
    group = Group(
        MqttConfig(enabled=True, group="g", hermes=False),
        Catalogue(about, "1", "en"),
        cast("Hall", hall),
    )
    await group.leave()
    assert group.take(Delivery("steno/hall/open", b"{}"))
    assert posts == [Post("steno/hall/open", b"{}")]
    assert not group.take(Delivery("steno/hall/audio", b"{}"))


def test_a_group_that_would_serve_every_site_twice_is_refused() -> None:
    about = About(lambda: Domains(("general",)), "notes", "1")
    with pytest.raises(ConfigError, match=r"mqtt.group: expected mqtt.hermes = false"):
        switchboards(MqttConfig(enabled=True, group="g"), Catalogue(about, "1", "en"))
