"""Sessions over an MQTT broker that several daemons share, one of which is killed.

    python -m tests.daemon.sharing --sessions 30

Every session is asked for once and taken by one daemon of the group. One daemon is killed with
SIGKILL while everybody streams; the broker tells its speakers, who ask the group to resume. At the
end each session's finals are compared with what it said, and it is told what the broker cost.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions
from rich.console import Console
from tests.daemon.brokers import Mosquitto, mosquitto
from tests.daemon.fakes import RATE, pcm
from tests.daemon.fleet import WAIT_S, Member, Speech, cpu_s, fleet, speeches
from tests.daemon.process import Process

from steno_daemon import wire

BLOCK_BYTES = 2 * RATE // 10
PREFIX = "steno"
ANSWER_S = 60.0
"""So long the group may take to answer."""
CONFIG = """
[server]
state_directory = "{state}"
resume_s = {wait_s}
[engine]
max_sessions = {sessions}
degrade = false
[limits]
messages_per_s = 1000
[mqtt]
enabled = true
port = {port}
group = "steno"
hermes = false
keepalive_s = 10
"""


@dataclass
class Heard:
    """What a session has heard so far.

    Attributes:
        finals: text and start of each.
        resumptions: how often it was taken up again.
        states: as they were told.
    """

    finals: list[tuple[str, float]] = field(default_factory=list)
    resumptions: int = 0
    states: list[str] = field(default_factory=list)


class Speaker:
    """Speaks to whatever daemon of the group takes its session; keeps its audio until the end.

    Args:
        client: a connection to the broker.
        name: of the session's topics.
        speech: what is said.
        gate: the second half of it waits until this is open.
        pace: times the speed of speech.
    """

    def __init__(
        self,
        client: aiomqtt.Client,
        name: str,
        speech: Speech,
        gate: asyncio.Event,
        *,
        pace: float = 4.0,
    ) -> None:
        self.heard = Heard()
        self._client = client
        self._topic = f"{PREFIX}/{name}"
        self._sound = pcm(speech.sound)
        self._gate = gate
        self._pace = pace
        self._token = ""
        self._seq = -1
        self._position = 0
        self._is_stopped = False
        self._listens = asyncio.Event()
        self._asked_s: float | None = None

    async def speak(self) -> None:
        """Hold the session from its first word to its last."""
        how = SubscribeOptions(qos=1)
        await self._client.subscribe(
            [(f"{self._topic}/events", how), (f"{self._topic}/state", how)]
        )
        await self._open()
        tasks = [asyncio.create_task(one) for one in (self._send(), self._ask_again())]
        try:
            async for message in self._client.messages:
                payload = bytes(message.payload)
                if message.topic.matches(f"{self._topic}/state"):
                    await self._see(payload.decode())
                elif await self._hear(wire.decode_server(payload)):
                    return
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _open(self) -> None:
        """Ask the group for the session, the first time or again."""
        self._asked_s = time.monotonic()
        asked: wire.ClientMessage = wire.Start()
        if self._token:
            asked = wire.Resume(token=self._token, seq=self._seq)
        await self._client.publish(f"{self._topic}/open", wire.encode(asked), 1)

    async def _see(self, state: str) -> None:
        """Take note of the session's state; its daemon may be gone."""
        self.heard.states.append(state)
        if state == "interrupted":
            self._listens.clear()
            if self._asked_s is None:
                await self._open()

    async def _hear(self, event: wire.ServerMessage) -> bool:
        """Take an event; returns whether it was the last one."""
        match event:
            case wire.Ready(token=token):
                self._token, self._asked_s = token or "", None
                self._listens.set()
            case wire.Resumed(bytes=position):
                self.heard.resumptions += 1
                self._position, self._is_stopped, self._asked_s = position, False, None
                self._listens.set()
            case wire.Error(code=wire.ErrorCode.NOT_RESUMABLE, retry_after_s=float(pause_s)):
                await asyncio.sleep(pause_s)
                await self._open()
                return False
            case wire.Closed(reason=wire.CloseReason.REFUSED):
                return False
            case wire.Final(text=text, start=start_s):
                self.heard.finals.append((text, start_s))
        self._seq = max(self._seq, event.seq)
        return isinstance(event, wire.Closed)

    async def _ask_again(self) -> None:
        """Ask anew where nobody answers: the daemon that was asked may have died of it."""
        while True:
            await asyncio.sleep(ANSWER_S / 10)
            if self._asked_s is not None and time.monotonic() > self._asked_s + ANSWER_S:
                await self._open()

    async def _send(self) -> None:
        """Send what the daemon has not got, whenever it listens."""
        due_s = time.monotonic()
        while True:
            if self._position > len(self._sound) // 2:
                await self._gate.wait()
            await self._listens.wait()
            at = self._position
            if at < len(self._sound):
                block = self._sound[at : at + BLOCK_BYTES]
                await self._client.publish(f"{self._topic}/audio", block, 1, properties=says(at))
                if self._position == at:
                    self._position += len(block)
            elif not self._is_stopped:
                self._is_stopped = True
                await self._client.publish(f"{self._topic}/control", b'{"type": "stop"}', 1)
            due_s = max(due_s + BLOCK_BYTES / 2 / RATE / self._pace, time.monotonic() - 1.0)
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))


def says(at: int) -> Properties:
    """Return the properties of audio that begins at a byte of the stream."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.UserProperty = ("at", str(at))
    return properties


@asynccontextmanager
async def shared(
    folder: Path, *, daemons: int = 3, sessions: int = 30
) -> AsyncIterator[tuple[Mosquitto, list[Member]]]:
    """Run a broker, and a group of daemons that are all at it."""
    with mosquitto(folder) as broker:
        config = CONFIG.format(
            state=folder / "state", wait_s=WAIT_S, sessions=2 * sessions, port=broker.port
        )
        async with fleet(folder, [config] * daemons) as members, at(broker) as client:
            await client.subscribe(f"{PREFIX}/daemons/+", options=SubscribeOptions(qos=1))
            online = set[str]()
            async for message in client.messages:
                online.add(str(message.topic))
                if len(online) == daemons:
                    break
            yield broker, members


def at(broker: Mosquitto) -> aiomqtt.Client:
    """Return a client of MQTT 5 at the broker."""
    return aiomqtt.Client(
        "127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5, timeout=WAIT_S
    )


@asynccontextmanager
async def speaking(
    broker: Mosquitto, said: Sequence[Speech], gate: asyncio.Event, *, pace: float = 4.0
) -> AsyncIterator[list[Heard]]:
    """Let speeches be given, and yield what is heard of them; wait for their ends."""
    async with AsyncExitStack() as stack:
        speakers = [
            Speaker(await stack.enter_async_context(at(broker)), f"room-{n}", one, gate, pace=pace)
            for n, one in enumerate(said)
        ]
        async with asyncio.TaskGroup() as talking:
            for speaker in speakers:
                talking.create_task(speaker.speak())
            yield [speaker.heard for speaker in speakers]


async def until(heard: Sequence[Heard], is_true: Callable[[Heard], bool]) -> None:
    """Wait until something is true of all sessions."""
    async with asyncio.timeout(WAIT_S):
        while True:
            if all(map(is_true, heard)):
                return
            await asyncio.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a campaign.

    Attributes:
        wrong: what was lost, repeated or out of place, in words.
        resumed: sessions that went on at another daemon.
        broker_s: CPU time of the broker, for each second of a session.
        broker_bytes: its memory at the end.
    """

    wrong: list[str]
    resumed: int
    broker_s: float
    broker_bytes: int


async def campaign(folder: Path, *, sessions: int, notes: int, pace: float = 4.0) -> Outcome:
    """Let sessions stream, kill the first daemon while they do, and compare what they heard."""
    said, gate = speeches(sessions, notes=notes), asyncio.Event()
    async with shared(folder, sessions=sessions) as (broker, members):
        assert broker.process is not None
        pid = broker.process.pid
        before_s = cpu_s(pid)
        async with speaking(broker, said, gate, pace=pace) as heard:
            # In the midst of it: everybody has heard something, and nobody is at the end.
            await until(heard, lambda one: len(one.finals) >= max(1, notes // 4))
            await members[0].kill()
            gate.set()
        spent_s, memory = cpu_s(pid) - before_s, Process(pid).resident_bytes()
    faults = [(n, said[n].fault(one.finals)) for n, one in enumerate(heard)]
    return Outcome(
        wrong=[f"session {n}: {fault}" for n, fault in faults if fault],
        resumed=sum(one.resumptions > 0 for one in heard),
        broker_s=spent_s / sum(len(one.sound) / RATE for one in said),
        broker_bytes=memory,
    )


def main() -> int:
    """Run the campaign; returns 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=30, help="at once (%(default)s)")
    parser.add_argument("--notes", type=int, default=12, help="of each session (%(default)s)")
    parser.add_argument("--pace", type=float, default=4.0, help="times speech (%(default)s)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(
            campaign(Path(folder), sessions=given.sessions, notes=given.notes, pace=given.pace)
        )
    Console(soft_wrap=True).print(
        f"{found.resumed} of {given.sessions} sessions went on at another daemon, "
        f"{len(found.wrong)} were wrong\n"
        f"mosquitto: {1000 * found.broker_s:.2f} ms of a core for a second of a session, "
        f"{found.broker_bytes / 2**20:.0f} MB",
        *found.wrong,
        sep="\n",
        highlight=False,
    )
    return 1 if found.wrong or not found.resumed else 0


if __name__ == "__main__":
    sys.exit(main())
