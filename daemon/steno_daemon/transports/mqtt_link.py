"""One connection to an MQTT broker, by aiomqtt."""

import contextlib
import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from steno_daemon.config import MqttConfig
from steno_daemon.dialects.conversation import Post
from steno_daemon.errors import BrokerError, ConfigError

if TYPE_CHECKING:
    from steno_daemon.transports.mqtt_client import ListeningClient

CREDENTIAL = "mqtt-password"
"""What `LoadCredential=` of a unit calls the file of the password."""
TIMEOUT_S = 10.0
"""For the broker to answer."""
OFFSET_DIGITS = 19


class Delivery(NamedTuple):
    """A message that came.

    Attributes:
        topic: where it was published.
        payload: what it says.
        is_retained: whether it is an old one that the broker kept.
        at: where its audio begins, in bytes since the start of the stream, if it says so.
    """

    topic: str
    payload: bytes
    is_retained: bool = False
    at: int | None = None


class Link(Protocol):
    """A connection to a broker."""

    async def subscribe(self, topics: Sequence[str]) -> None:
        """Ask for what is published under topics.

        Raises:
            BrokerError: the broker does not give it.
        """

    async def unsubscribe(self, topics: Sequence[str]) -> None:
        """Ask no more for what is published under topics.

        Raises:
            BrokerError: the broker does not answer.
        """

    async def publish(self, post: Post) -> None:
        """Publish; what is not passing is with the broker then.

        Raises:
            BrokerError: it did not take it in time.
        """

    def deliveries(self) -> AsyncIterator[Delivery]:
        """Yield what comes.

        Raises:
            BrokerError: the broker is gone.
        """


OpenLink: TypeAlias = Callable[[MqttConfig, Post | None], AbstractAsyncContextManager[Link]]


class MqttLink:
    """A connection by aiomqtt."""

    def __init__(self, client: "ListeningClient", *, is_mqtt5: bool) -> None:
        self._client = client
        self._is_mqtt5 = is_mqtt5

    async def subscribe(self, topics: Sequence[str]) -> None:
        """Ask for what is published under topics."""
        from aiomqtt import MqttError  # noqa: PLC0415 — optional
        from paho.mqtt.subscribeoptions import SubscribeOptions  # noqa: PLC0415 — optional

        try:
            if self._is_mqtt5:
                how = SubscribeOptions(qos=1)
                granted = await self._client.subscribe([(topic, how) for topic in topics])
            else:
                granted = await self._client.subscribe([(topic, 1) for topic in topics])
        except MqttError as error:
            raise _error("to subscribe", error) from None
        codes = [one if isinstance(one, int) else one.value for one in granted]
        refused = [topic for topic, code in zip(topics, codes, strict=True) if code >= 128]
        if refused:
            raise BrokerError(
                f"expected to subscribe, found that the broker refuses {', '.join(refused)}"
            )

    async def unsubscribe(self, topics: Sequence[str]) -> None:
        """Ask no more for what is published under topics."""
        from aiomqtt import MqttError  # noqa: PLC0415 — optional

        try:
            await self._client.unsubscribe(list(topics))
        except MqttError as error:
            raise _error("to unsubscribe", error) from None

    async def publish(self, post: Post) -> None:
        """Publish a post."""
        from aiomqtt import MqttError  # noqa: PLC0415 — optional

        say = self._client.let_pass if post.is_passing else partial(self._client.publish, qos=1)
        try:
            await say(post.topic, post.payload, retain=post.is_retained)
        except (MqttError, ValueError) as error:
            raise _error("to publish", error) from None

    async def deliveries(self) -> AsyncIterator[Delivery]:
        """Yield what comes."""
        from aiomqtt import MqttError  # noqa: PLC0415 — optional

        try:
            async for delivery in self._client.arrivals():
                yield delivery
        except MqttError as error:
            raise _error("the broker to stay", error) from None


@asynccontextmanager
async def open_link(config: MqttConfig, will: Post | None) -> AsyncIterator[MqttLink]:
    """Connect for the length of an `async with` block.

    Args:
        config: where the broker is, and who the daemon is to it.
        will: what the broker posts when the daemon is gone without a word.

    Raises:
        BrokerError: there is none, or it lets the daemon not in.
        ConfigError: what the configuration names is not there.
    """
    try:
        from aiomqtt import MqttError, ProtocolVersion, Will  # noqa: PLC0415 — optional

        from steno_daemon.transports.mqtt_client import SILENT, ListeningClient  # noqa: PLC0415
    except ImportError:
        raise ConfigError(
            "mqtt: expected the package aiomqtt, found none: pip install 'steno-asr[mqtt]'"
        ) from None
    client = ListeningClient(
        config.host,
        config.port,
        username=config.username,
        password=password_of(config),
        identifier=config.client_id,
        will=Will(will.topic, will.payload, 1, will.is_retained) if will else None,
        timeout=TIMEOUT_S,
        keepalive=config.keepalive_s,
        tls_context=tls_of(config),
        logger=SILENT,
        protocol=ProtocolVersion.V5 if config.group is not None else None,
    )
    try:
        await client.__aenter__()
    except MqttError as error:
        raise _error(f"an MQTT broker at {config.host}:{config.port}", error) from None
    try:
        yield MqttLink(client, is_mqtt5=config.group is not None)
    finally:
        with contextlib.suppress(MqttError):  # it was gone before
            await client.__aexit__(None, None, None)


def offset_of(properties: Sequence[tuple[str, str]]) -> int | None:
    """Return where the user properties of a message say that its audio begins, if they do."""
    for name, value in properties:
        if name == "at" and value.isascii() and value.isdecimal() and len(value) < OFFSET_DIGITS:
            return int(value)
    return None


def password_of(config: MqttConfig, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the password for the broker, from its file or the credential of systemd.

    Raises:
        ConfigError: the file cannot be read.
    """
    directory = environment.get("CREDENTIALS_DIRECTORY")
    path = config.password_file
    if path is None and directory and Path(directory, CREDENTIAL).is_file():
        path = Path(directory, CREDENTIAL)
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"mqtt.password_file: expected a file at {path}, found: {error}"
        ) from None


def tls_of(config: MqttConfig) -> ssl.SSLContext | None:
    """Return how the connection is encrypted, None for a plain one.

    Raises:
        ConfigError: a certificate cannot be read.
    """
    if not config.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=config.authority)
        if config.certificate is not None:
            context.load_cert_chain(config.certificate, config.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            "mqtt: expected certificates in PEM that can be read in authority, certificate and "
            f"key, found: {error}"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _error(expected: str, error: Exception) -> BrokerError:
    return BrokerError(f"expected {expected}, found: {error}")
