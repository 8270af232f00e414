"""The part of the mutation campaign that comes by way of a broker, at nobody's connection."""

import asyncio
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import aiomqtt
from tests.daemon.dialects.posts import is_topic, posts
from tests.daemon.hostile import MUST_NOT_COME_BACK

from steno_daemon.transports.mqtt_client import SILENT, QuietClient

ANSWERS = ("hermes/error/asr", "hermes/asr/textCaptured", "steno/+/events")
PAUSE_S = 0.02
"""Between two volleys: what a broker queues for one subscriber is bounded, and more is dropped."""


@dataclass(slots=True)
class BrokerCampaign:
    """What is published, and what came of it; as `mutation.Campaign`.

    Attributes:
        dialect: "hermes" or "mqtt".
        port: of the broker.
    """

    dialect: str
    port: int
    seed: int
    count: int
    mutations: int = 0
    answers: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    faults: list[str] = field(default_factory=list)
    held_s: list[float] = field(default_factory=list)

    async def run(self, *, concurrency: int) -> None:
        """Publish so many mutations; a broker brings them one after the other anyhow."""
        del concurrency
        numbers = itertools.count()
        while self.mutations < self.count:
            try:
                async with QuietClient("127.0.0.1", self.port, logger=SILENT) as client:
                    await self._go_on(client, numbers)
            except aiomqtt.MqttError:  # brokers hang up on topics that are none
                self.answers[self.dialect]["cut off by the broker"] += 1

    async def _go_on(self, client: aiomqtt.Client, numbers: Iterator[int]) -> None:
        """Publish one volley after the other, until there were enough."""
        for topic in ANSWERS:
            await client.subscribe(topic)
        ears = asyncio.create_task(self._listen(client))
        try:
            while self.mutations < self.count:
                await self._volley(client, next(numbers))
                await asyncio.sleep(PAUSE_S)
        finally:
            ears.cancel()
            await asyncio.gather(ears, return_exceptions=True)

    async def one(self, number: int) -> None:
        """Publish those of one number alone."""
        async with QuietClient("127.0.0.1", self.port, logger=SILENT) as client:
            await self._volley(client, number)

    async def _volley(self, client: aiomqtt.Client, number: int) -> None:
        kind, volley = posts(self.dialect, self.seed, number)
        for topic, payload in volley:
            if is_topic(topic):
                await client.publish(topic, payload)
                self.mutations += 1
        self.answers[f"{self.dialect} {kind}"]["published"] += 1

    async def _listen(self, client: aiomqtt.Client) -> None:
        """Hear what is answered."""
        async for message in client.messages:
            payload = message.payload if isinstance(message.payload, bytes) else b""
            self.answers[f"{self.dialect} messages"][str(message.topic).rpartition("/")[2]] += 1
            for pattern, what in MUST_NOT_COME_BACK.items():
                if found := re.search(pattern, payload):
                    self.faults.append(f"before {self.mutations}: {what}: {found[0]!r}")
            if b'"context":"internal"' in payload:
                self.faults.append(f"before {self.mutations}: a fault of the daemon: {payload!r}")
