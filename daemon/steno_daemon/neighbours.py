"""What is spoken with the daemon beside its own port: Wyoming, and an MQTT broker."""

import asyncio
import logging
import socket
import time
from collections.abc import Callable

from steno_daemon.auth import Grant, Scope
from steno_daemon.config import Config, MqttConfig
from steno_daemon.dialects.broker import Broker
from steno_daemon.dialects.catalogue import Catalogue
from steno_daemon.dialects.conversation import Post, Switchboard
from steno_daemon.dialects.hermes import Hermes, Sites
from steno_daemon.errors import ConfigError
from steno_daemon.metrics import Metrics
from steno_daemon.streams import Streams
from steno_daemon.transports.announcing import Announcement
from steno_daemon.transports.mqtt import MqttService
from steno_daemon.transports.mqtt_group import Group
from steno_daemon.transports.tcp import WyomingListener, open_sockets
from steno_daemon.transports.terms import Terms
from steno_daemon.transports.voice import Hall

logger = logging.getLogger(__name__)


class Neighbours:
    """Switches on what the configuration asks for; lives on the event loop.

    Args:
        config: what is switched on.
        streams: where sessions are opened.
        catalogue: what is told of the daemon.
        terms: what a connection may do.
        metrics: counts.

    Attributes:
        grants: under which sessions are opened here; no token stands behind them.

    Raises:
        ConfigError: an address is taken, or others would reach it.
    """

    def __init__(
        self,
        config: Config,
        streams: Streams,
        catalogue: Catalogue,
        terms: Terms,
        metrics: Metrics,
    ) -> None:
        self._config = config
        self._catalogue = catalogue
        self._wyoming: WyomingListener | None = None
        self._sockets: list[socket.socket] = []
        self._announcement: Announcement | None = None
        self._mqtt: MqttService | None = None
        self._mqtt_task: asyncio.Task[None] | None = None
        self.grants: list[Grant] = []
        if config.wyoming.enabled:
            place = config.wyoming
            self._sockets = open_sockets(place, reuse_port=config.server.reuse_port)
            grant = self._grant("wyoming", place.max_sessions)
            self._wyoming = WyomingListener(streams, catalogue, place.name, terms, grant)
        if config.mqtt.enabled:
            grant = self._grant("mqtt", config.mqtt.max_sessions)

            def hall(post: Callable[[Post], None]) -> Hall:
                return Hall(streams, grant, terms, config.mqtt.queue_bytes, post, metrics)

            boards = switchboards(config.mqtt, catalogue)
            self._mqtt = MqttService(config.mqtt, hall, boards, self._facts)
            if config.mqtt.own and config.mqtt.group is not None:
                self._mqtt.join(lambda hall: Group(config.mqtt, catalogue, hall))

    @property
    def addresses(self) -> list[str]:
        """Where clients of Wyoming connect to."""
        return [address_of(bound) for bound in self._sockets]

    def health(self) -> dict[str, object]:
        """Return how things are, in words for `/healthz`."""
        found: dict[str, object] = {}
        if self._wyoming is not None:
            found["wyoming"] = {"addresses": self.addresses}
        if self._mqtt is not None:
            found["mqtt"] = self._mqtt.health()
        return found

    async def start(self) -> None:
        """Let clients in, and connect to the broker as soon as it is there."""
        if self._wyoming is not None:
            for bound in self._sockets:
                await self._wyoming.listen(bound)
                logger.info("wyoming: %s", address_of(bound))
            await self._announce()
        if self._mqtt is not None:
            self._mqtt_task = asyncio.create_task(self._mqtt.run())

    async def stop_listening(self) -> None:
        """Let nobody more in; those who are here go on."""
        if self._announcement is not None:
            await self._announcement.withdraw()
        if self._mqtt is not None:
            await self._mqtt.stop_asking()
        if self._wyoming is not None:
            self._wyoming.stop_listening()

    async def leave(self) -> None:
        """Send the last words, and leave the broker."""
        if self._mqtt is not None and self._mqtt_task is not None:
            self._mqtt.leave()
            await asyncio.wait({self._mqtt_task})

    async def close(self) -> None:
        """End what is left."""
        if self._mqtt_task is not None:
            self._mqtt_task.cancel()
            await asyncio.gather(self._mqtt_task, return_exceptions=True)
        if self._wyoming is not None:
            await self._wyoming.close()
        for bound in self._sockets:
            bound.close()

    async def _announce(self) -> None:
        """Announce the first address that others can reach."""
        place = self._config.wyoming
        if not place.announce:
            return
        for bound in self._sockets:
            if bound.family is not socket.AF_UNIX:
                host, port = bound.getsockname()[:2]
                self._announcement = Announcement(place.name, host, port)
                await self._announcement.publish()
                return

    def _facts(self) -> dict[str, object]:
        """Return what the broker keeps of the daemon."""
        about = self._catalogue.about
        return {
            "version": self._catalogue.program,
            "bundle": f"{about.bundle} {about.version}",
            "language": self._catalogue.language,
            "language_models": about.language_models,
        }

    def _grant(self, name: str, max_sessions: int | None) -> Grant:
        grant = Grant(name, frozenset({Scope.RECOGNISE}), max_sessions)
        self.grants.append(grant)
        return grant


def switchboards(config: MqttConfig, catalogue: Catalogue) -> dict[str, Switchboard]:
    """Return what reads the messages of the broker, by the name of the dialect.

    Raises:
        ConfigError: several daemons would answer the same sites.
    """
    check_group(config)
    found: dict[str, Switchboard] = {}
    if config.hermes:
        sites = Sites(config.sites, config.domains, partials=config.partials)
        found["hermes"] = Hermes(catalogue, sites, time.monotonic)
    if config.own and config.group is None:
        found["own"] = Broker(
            catalogue,
            config.topic,
            config.domains,
            partials=config.partials,
            clock=time.monotonic,
        )
    return found


def check_group(config: MqttConfig) -> None:
    """Check that no two daemons of a group answer the same sites of Hermes, which knows no groups.

    Raises:
        ConfigError: they would.
    """
    if config.group is not None and config.hermes and not config.sites:
        raise ConfigError(
            "mqtt.group: expected mqtt.hermes = false, or mqtt.sites that no other daemon of the "
            "group has, found every site served by each"
        )


def address_of(bound: socket.socket) -> str:
    """Return an address as clients of Wyoming write it."""
    if bound.family is socket.AF_UNIX:
        return f"unix://{bound.getsockname()}"
    host, port = bound.getsockname()[:2]
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"
