"""What `stenod --check` says of Wyoming and of the MQTT broker, to which it really connects."""

import asyncio
from collections.abc import Collection
from typing import TYPE_CHECKING

from steno_daemon import activation
from steno_daemon.auth import is_loopback
from steno_daemon.config import MqttConfig, WyomingConfig
from steno_daemon.dialects.hermes import SESSION_TOPICS
from steno_daemon.neighbours import check_group
from steno_daemon.transports.announcing import check_zeroconf
from steno_daemon.transports.mqtt_link import open_link, password_of
from steno_daemon.transports.tcp import check_reach

if TYPE_CHECKING:
    from steno_daemon.check import Findings


def check_wyoming(found: "Findings", place: WyomingConfig) -> None:
    """Look at who reaches clients of Wyoming, without taking the port."""
    if not place.enabled:
        found.ok("wyoming", "not spoken")
        return
    with found.looking_at("wyoming"):
        check_reach(place)
        if place.announce:
            check_zeroconf()
        told = []
        if place.port:
            activation.bind(place.host, 0).close()
            reach = "this machine alone" if is_loopback(place.host) else "the network"
            told.append(f"tcp://{place.host}:{place.port}, reached from {reach} without a token")
        if place.path is not None:
            told.append(f"unix://{place.path}")
        found.ok("wyoming", "; ".join(told))


def check_mqtt(found: "Findings", place: MqttConfig) -> None:
    """Connect to the broker, and ask for what the daemon would ask for."""
    if not place.enabled:
        found.ok("mqtt", "no broker")
        return
    with found.looking_at("mqtt"):
        asyncio.run(_try(place))
        found.ok("mqtt", f"{place.host}:{place.port} lets the daemon in")
    if place.group is not None:
        with found.looking_at("mqtt"):
            check_group(place)
    if not (place.own or place.hermes):
        found.warn("mqtt", "expected mqtt.own or mqtt.hermes to be true, found neither")
    if not place.tls and not is_loopback(place.host):
        what = "speech" if password_of(place) is None else "the password and speech"
        found.warn("mqtt", f"{what} cross the network unencrypted: set mqtt.tls")


def check_domains(found: "Findings", place: MqttConfig, known: Collection[str]) -> None:
    """Look whether there are the language models that sites have."""
    for site, model in place.domains.items():
        if place.enabled and model not in known:
            names = ", ".join(known)
            found.fault("mqtt", f"mqtt.domains.{site}: expected one of {names}, found {model}")


async def _try(place: MqttConfig) -> None:
    own = f"{place.topic}/+/audio"
    if place.group is not None:
        own = f"$share/{place.group}/{place.topic}/+/open"
    async with open_link(place, None) as link:
        await link.subscribe([own, *SESSION_TOPICS])
