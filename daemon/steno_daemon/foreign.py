"""The dialects of other servers that a configuration switches on, and the ports of their own."""

from collections.abc import Mapping

from steno_daemon.config import Config
from steno_daemon.dialects.deepgram import DeepgramDoor
from steno_daemon.dialects.door import About, Door
from steno_daemon.dialects.openai import OpenAIDoor
from steno_daemon.dialects.sherpa import SherpaDoor
from steno_daemon.dialects.vosk import VoskDoor

NAMES = ("vosk", "deepgram", "openai", "sherpa")
"""Of all dialects, as the configuration calls them."""


def doors(config: Config, about: About) -> tuple[Door, ...]:
    """Return where clients of other servers come in."""
    found: list[Door] = []
    if config.vosk.enabled:
        found.append(VoskDoor(about, rate=config.vosk.rate))
    if config.deepgram.enabled:
        found.append(DeepgramDoor(about))
    if config.openai.enabled:
        found.append(OpenAIDoor(about))
    if config.sherpa.enabled:
        found.append(SherpaDoor(about))
    return tuple(found)


def own_ports(config: Config) -> Mapping[str, int]:
    """Return the port of each dialect that has one of its own."""
    ports = {
        VoskDoor.name: config.vosk.port if config.vosk.enabled else 0,
        SherpaDoor.name: config.sherpa.port if config.sherpa.enabled else 0,
    }
    return {name: port for name, port in ports.items() if port}
