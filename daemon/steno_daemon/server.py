"""Puts the pieces together: models, engine, transport, signals, readiness, drain.

The port is taken before the models are measured, so that a second daemon fails at once; clients are
let in once everything is ready. The first SIGTERM or SIGINT lets every session say what it heard,
the second leaves at once.
"""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from steno_daemon import notify, wire
from steno_daemon.config import Config, EngineConfig
from steno_daemon.domains import Domains
from steno_daemon.endpoint import Rules
from steno_daemon.engine import Engine, Recogniser, capacity, measure, own_chunk_ms
from steno_daemon.errors import ConfigError
from steno_daemon.session import STEP_MS, Decoding, Offer
from steno_daemon.stream import Backlog, Stream
from steno_daemon.transports.websocket import Limits, WebSocketTransport

logger = logging.getLogger(__name__)

LEAVE_AT_ONCE = 130
SPARE_CONNECTIONS = 16
"""Connections beyond two a session: those that are refused need one to hear it."""


@dataclass(frozen=True, slots=True)
class Model:
    """What the daemon serves: a loaded bundle.

    Attributes:
        name: of the bundle.
        version: of the bundle.
        language_models: names that a session may ask for.
        recogniser: decodes; the engine's alone from now on.
    """

    name: str
    version: str
    language_models: tuple[str, ...]
    recogniser: Recogniser


def program_version() -> str:
    """Return the version of the installed distribution, "unknown" without one."""
    try:
        return version("steno-asr")
    except PackageNotFoundError:
        return "unknown"


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address, not listening yet.

    Raises:
        ConfigError: the address is taken or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise ConfigError(
            f"cannot listen: expected a free address, found {host}:{port}: {error.strerror}"
        ) from error
    return bound


def url_of(bound: socket.socket) -> str:
    """Return the address that clients connect to."""
    host, port = bound.getsockname()[:2]
    return f"ws://[{host}]:{port}" if ":" in host else f"ws://{host}:{port}"


def sessions_limit(config: EngineConfig, model: Model) -> int:
    """Return how many sessions to admit: what is configured, or what keeps up by measurement."""
    chunk_ms = config.chunk_ms or own_chunk_ms(model.recogniser)
    decoding = Decoding(
        language_model=Domains(model.language_models).default,
        chunk_steps=max(1, round(chunk_ms / STEP_MS)),
    )
    factor = measure(model.recogniser, decoding)
    measured = capacity(factor, headroom=config.headroom)
    limit = config.max_sessions or measured
    logger.info(
        "one second of speech takes %.3f s: %d sessions keep up, %d are admitted",
        factor,
        measured,
        limit,
    )
    return limit


class Daemon:
    """Serves a model on a bound socket until it is told to stop; lives on the event loop.

    Attributes:
        engine: decodes for everybody.
        transport: lets clients in.
    """

    def __init__(
        self, config: Config, model: Model, bound: socket.socket, *, max_sessions: int
    ) -> None:
        self._config = config
        self._model = model
        self._bound = bound
        self._stop = asyncio.Event()
        self._status = "starting"
        self.engine = Engine(
            model.recogniser, max_sessions=max_sessions, max_batch=config.engine.max_batch
        )
        self._offer = Offer(
            domains=Domains(model.language_models),
            chunk_ms=config.engine.chunk_ms or own_chunk_ms(model.recogniser),
            rules=Rules().changed(config.endpointing),
        )
        limits = Limits(
            max_frame_bytes=config.server.max_frame_bytes,
            idle_timeout_s=config.server.idle_timeout_s,
            origins=config.server.origins,
            max_connections=2 * max_sessions + SPARE_CONNECTIONS,
        )
        self.transport = WebSocketTransport(self._open_stream, self._health, limits)

    def stop(self) -> None:
        """Begin to go down, gently."""
        self._stop.set()

    async def run(self, ready: Callable[[str], None]) -> None:
        """Serve until `stop`; `ready` is called with the address once clients may come."""
        self.engine.start()
        try:
            server = await self.transport.listen(self._bound)
            self._status = "ok"
            url = url_of(self._bound)
            notify.ready(f"{url}, up to {self.engine.max_sessions} sessions")
            ready(url)
            await self._stop.wait()
            self._status = "draining"
            notify.stopping()
            logger.info("going down: %d sessions say their last words", self.engine.sessions)
            await self.transport.drain(server, self._config.server.drain_timeout_s)
        finally:
            await self.engine.close()

    def _open_stream(self, name: str) -> Stream:
        backlog = Backlog(audio_s=self._config.server.backlog_s)
        return Stream(name, self._offer, self.engine, backlog)

    def _health(self) -> dict[str, object]:
        return {
            "status": self._status if self.engine.is_alive else "failed",
            "version": program_version(),
            "protocol": wire.PROTOCOL_VERSION,
            "bundle": f"{self._model.name} {self._model.version}",
            "models": self._model.language_models,
            "sessions": self.engine.sessions,
            "max_sessions": self.engine.max_sessions,
        }


def obey_signals(daemon: Daemon) -> None:
    """Let SIGTERM and SIGINT stop the daemon: once gently, twice at once."""
    loop = asyncio.get_running_loop()
    seen: list[int] = []

    def on_signal(number: int) -> None:
        seen.append(number)
        if len(seen) > 1:
            logger.warning("a second signal: leaving at once")
            os._exit(LEAVE_AT_ONCE)
        daemon.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)


async def serve(
    config: Config, model: Model, bound: socket.socket, *, ready: Callable[[str], None]
) -> None:
    """Serve until a signal comes; `ready` is called with the address once clients may come."""
    limit = await asyncio.to_thread(sessions_limit, config.engine, model)
    daemon = Daemon(config, model, bound, max_sessions=limit)
    obey_signals(daemon)
    await daemon.run(ready)
