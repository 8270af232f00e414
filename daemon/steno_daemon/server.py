"""Puts the pieces together: models, engine, port, signals, readiness, reload, drain.

The port is taken before the models are measured, so that a second daemon fails at once; clients are
let in once everything is ready. The first SIGTERM or SIGINT lets every session say what it heard,
the second leaves at once. SIGHUP reads configuration, tokens and certificates again.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from steno_daemon import notify, wire
from steno_daemon.activation import host_of
from steno_daemon.administration import Administration
from steno_daemon.auth import Grant, Scope
from steno_daemon.captions.configured import exporter_of
from steno_daemon.captions.hub import Hub
from steno_daemon.captions.replacements import Replacements
from steno_daemon.config import Config
from steno_daemon.dialects.catalogue import Catalogue
from steno_daemon.dialects.door import About
from steno_daemon.domains import Domains
from steno_daemon.effort import measured_batching, measured_ladder
from steno_daemon.endpoint import Rules
from steno_daemon.engine import Batching, Engine, own_chunk_ms
from steno_daemon.exposure import Exposure
from steno_daemon.foreign import doors
from steno_daemon.journal import Journal, directory_of
from steno_daemon.ladder import Ladder
from steno_daemon.library import Library, LoadDomain
from steno_daemon.load import LOOK_S
from steno_daemon.metrics import Metrics
from steno_daemon.neighbours import Neighbours
from steno_daemon.offer import Offer
from steno_daemon.personal import Memories
from steno_daemon.recording import Recorder, Setting
from steno_daemon.signals import obey_signals
from steno_daemon.stream import Backlog, House
from steno_daemon.streams import Streams
from steno_daemon.transports.exports import Exports
from steno_daemon.transports.http import HttpTransport, Rooms
from steno_daemon.transports.microphone import GRANT as MICROPHONE
from steno_daemon.transports.microphone import MicrophoneService
from steno_daemon.transports.terms import Terms
from steno_daemon.vocabulary import WordLimits
from steno_daemon.watchdog import Rhythm, keep_watch
from steno_daemon.wordbook import Wordbook
from steno_daemon.wordsmith import Wordsmith
from steno_daemon.writing import Writing
from steno_models.punctuation.model import Punctuator
from steno_models.recogniser import Recogniser

if TYPE_CHECKING:
    from steno_models.vocabulary import Extender

logger = logging.getLogger(__name__)

TIDY_S = 600.0
KEEP_SESSIONS_S = 24 * 3600.0
"""Files of sessions that nobody wrote to for so long are removed, whatever daemon they are of."""
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
        load_domain: loads a language model for it; None where it takes none but its own.
        punctuator: of its language; None where there is none.
        language: such as "en"; empty where it is not known.
        extender: adds words to them; None where that cannot be.
        unknown_words: whether it tells of words that its lexicon lacks, in words for `/healthz`.
    """

    name: str
    version: str
    language_models: tuple[str, ...]
    recogniser: Recogniser
    load_domain: LoadDomain | None = None
    punctuator: Punctuator | None = None
    language: str = ""
    extender: "Extender | None" = None
    unknown_words: str = "off"


def program_version() -> str:
    """Return the version of the installed distribution, "unknown" without one."""
    try:
        return version("steno-asr")
    except PackageNotFoundError:
        return "unknown"


def url_of(bound: socket.socket, *, tls: bool = False) -> str:
    """Return the address that clients connect to."""
    if bound.family == socket.AF_UNIX:
        return f"unix:{bound.getsockname()}"
    host, port = bound.getsockname()[:2]
    scheme = "wss" if tls else "ws"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


class Daemon:
    """Serves a model on bound sockets until it is told to stop; lives on the event loop.

    Attributes:
        engine: decodes for everybody.
        streams: the sessions.
        hub: their captions.
    """

    def __init__(
        self,
        config: Config,
        model: Model,
        bound: Sequence[socket.socket],
        *,
        ladder: Ladder,
        batching: Batching,
        own: Sequence[tuple[str, socket.socket]] = (),
    ) -> None:
        self._config = config
        self._model = model
        self._bound = bound
        self._own = own
        self._stop = asyncio.Event()
        self._state = "starting"
        everywhere = [*bound, *(one for _, one in own)]
        self._exposure = Exposure(config, [host_of(one) for one in everywhere])
        self._metrics = _metrics_of(model, ladder)
        self.engine = Engine(model.recogniser, ladder, batching=batching, metrics=self._metrics)
        self.hub = Hub(
            config.captions.keep_s, replacements=Replacements(config.captions.replacements)
        )
        self._domains = Domains(model.language_models)
        self._library = Library(self._domains, model.load_domain, config.engine.domains_directory)
        self._smith = Wordsmith(model.extender) if model.extender else None
        limits = config.limits
        self._word_limits = WordLimits(limits.phrases, limits.phrase_words, limits.added_words)
        self._wordbook = Wordbook(
            self._domains, self._smith, lambda: self._library.directory, self._word_limits
        )
        self._recorder = Recorder(config.recording.directory, self._setting())
        directory = directory_of(config.server)
        self._journal = Journal(directory, keep_s=KEEP_SESSIONS_S) if directory else None
        self._memories = Memories(directory) if directory else None
        self.streams = Streams(self._offer, self._house())
        about = About(lambda: self._domains, model.name, model.version)
        entrances = doors(config, about)
        self.transport = HttpTransport(self._rooms(), self._exposure.gate, self._terms(), entrances)
        self._neighbours = Neighbours(
            config,
            self.streams,
            Catalogue(about, program_version(), model.language),
            self._terms(),
            self._metrics,
        )
        self._microphone = (
            MicrophoneService(config.microphone, self.streams)
            if config.microphone.enabled
            else None
        )

    def _house(self) -> House:
        """Return what all sessions have in common."""
        return House(
            engine=self.engine,
            hub=self.hub,
            metrics=self._metrics,
            journal=self._journal,
            recorder=self._recorder,
            backlog=Backlog(audio_s=self._config.server.backlog_s),
            memories=self._memories,
        )

    def _rooms(self) -> Rooms:
        """Return what the port leads to."""
        return Rooms(
            self.streams,
            self.hub,
            self._metrics,
            Exports(self.hub, exporter_of(self._config.captions)),
            self._health,
            self._status,
            Administration(
                self._domains, self._library, self.streams, self._wordbook, self._memories
            ),
        )

    def stop(self) -> None:
        """Begin to go down, gently."""
        self._stop.set()

    def reload(self, config: Config) -> None:
        """Take over what may change while running: tokens, origins, certificates, endpointing.

        Raises:
            ConfigError: something in it cannot be; everything stays as it was.
        """
        self._exposure.reload(config)
        self._config = config
        self._library.directory = config.engine.domains_directory
        self._recorder.setting = self._setting()
        self.transport.withdraw(self._is_good)
        logger.info("the configuration was read again")

    async def renew_domains(self) -> None:
        """Load the language models that are new or different, and try the others again."""
        await self._library.look(at_once=True)
        await self._wordbook.restore()

    def _is_good(self, grant: Grant, scope: Scope) -> bool:
        """Return whether a grant is still good for a scope; the daemon's own always is."""
        own = (MICROPHONE, *self._neighbours.grants)
        return any(grant is one for one in own) or self._exposure.holds(grant, scope)

    async def run(self, ready: Callable[[str], None]) -> None:
        """Serve until `stop`; `ready` is called with the address once clients may come."""
        self.engine.start()
        tasks: list[asyncio.Task[None]] = []
        try:
            await self.renew_domains()
            for bound in self._bound:
                await self.transport.listen(bound, self._exposure.tls)
            for name, bound in self._own:
                await self.transport.listen(bound, self._exposure.tls, dialect=name)
                logger.info("%s: %s", name, url_of(bound, tls=self._exposure.tls is not None))
            await self._neighbours.start()
            self._state = "ok"
            url = url_of(self._bound[0], tls=self._exposure.tls is not None)
            notify.ready(f"{url}, {self._line()}")
            rhythm = Rhythm.of(notify.watchdog_interval_s())
            tasks.append(asyncio.create_task(keep_watch(self.engine, self._line, rhythm)))
            tasks.append(asyncio.create_task(self._tidy()))
            tasks.append(asyncio.create_task(self._watch_load()))
            tasks.append(asyncio.create_task(self._library.watch()))
            tasks.append(asyncio.create_task(self._wordbook.watch()))
            if self._smith is not None and (self._library.directory or self._memories):
                tasks.append(asyncio.create_task(self._smith.prepare()))
            if self._microphone is not None:
                tasks.append(asyncio.create_task(self._microphone.run()))
            for task in tasks:
                task.add_done_callback(_report_fault)
            ready(url)
            await self._stop.wait()
            self._state = "draining"
            notify.stopping(f"going down: {self.engine.sessions} sessions say their last words")
            logger.info("going down: %d sessions say their last words", self.engine.sessions)
            await self._neighbours.stop_listening()
            await self.transport.drain(self._config.server.drain_timeout_s)
            await self._neighbours.leave()
        finally:
            await self._neighbours.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.engine.close()
            if self._smith is not None:
                self._smith.close()
            await asyncio.to_thread(self._recorder.close)
            if self._memories is not None:
                await asyncio.to_thread(self._memories.close)

    async def _tidy(self) -> None:
        """Forget now and then what nobody will ask for any more."""
        while True:
            self.hub.purge()
            if self._journal is not None:
                await asyncio.to_thread(self._journal.forget_old)
            await asyncio.sleep(TIDY_S)

    async def _watch_load(self) -> None:
        """Look now and then how busy the two threads are: the engine's, and this one."""
        while True:
            self.engine.load.look(
                time.monotonic(), engine_s=self.engine.worked_s, loop_s=time.thread_time()
            )
            await asyncio.sleep(LOOK_S)

    def _setting(self) -> Setting:
        """Return what a replay of a recording needs to know of this daemon."""
        offer = self._offer()
        return Setting(
            program=program_version(),
            bundle=f"{self._model.name} {self._model.version}",
            chunk_ms=offer.chunk_ms,
            rules=offer.rules,
        )

    def _offer(self) -> Offer:
        config = self._config
        return Offer(
            domains=self._domains,
            chunk_ms=config.engine.chunk_ms or own_chunk_ms(self._model.recogniser),
            rules=Rules().changed(config.endpointing),
            session_s=config.limits.session_s,
            resume_s=config.server.resume_s,
            shares_port=config.shares_clients,
            fill=self._smith,
            words=self._word_limits,
            features=self._model.recogniser.features,
            writing=Writing(
                self._model.punctuator, config.captions.punctuate, config.captions.written_numbers
            ),
        )

    def _terms(self) -> Terms:
        config = self._config
        return Terms(
            max_frame_bytes=config.server.max_frame_bytes,
            idle_timeout_s=config.server.idle_timeout_s,
            messages_per_s=config.limits.messages_per_s,
            max_connections=2 * self.engine.max_sessions + SPARE_CONNECTIONS,
            max_viewers=config.limits.viewers,
        )

    def _line(self) -> str:
        """Return the line that `systemctl status` shows."""
        return f"{self.engine.sessions} of {self.engine.max_sessions} sessions"

    def _health(self) -> dict[str, object]:
        return {
            "status": self._state if self.engine.is_alive else "failed",
            "version": program_version(),
            "protocol": wire.PROTOCOL_VERSION,
            "bundle": f"{self._model.name} {self._model.version}",
            "models": self._domains.names,
            "unknown_words": self._model.unknown_words,
            "sessions": self.engine.sessions,
            "max_sessions": self.engine.max_sessions,
            **({"microphone": self._microphone.health()} if self._microphone else {}),
            **self._neighbours.health(),
        }

    def _status(self) -> dict[str, object]:
        return {
            **self._health(),
            "waiting": self.streams.waiting,
            "effort": self.engine.step_down,
            "busy": round(self.engine.load.shares.engine, 2),
            "loop_busy": round(self.engine.load.shares.loop, 2),
            "sessions_at_each_effort": self.engine.ladder.sessions,
            "viewers": self.transport.viewers,
            "resumable_s": self._config.server.resume_s,
            "outlives_the_daemon": self._journal is not None,
        }


def _metrics_of(model: Model, ladder: Ladder) -> Metrics:
    """Return the metrics of a daemon that serves `model`, nothing counted yet."""
    metrics = Metrics()
    metrics.limits(max_sessions=ladder.most)
    metrics.build(
        version=program_version(),
        protocol=wire.PROTOCOL_VERSION,
        bundle=f"{model.name} {model.version}",
    )
    return metrics


def _report_fault(task: asyncio.Task[None]) -> None:
    """Log what ended a task that should not have ended."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("a fault of the daemon", exc_info=error)


async def serve(
    reread: Callable[[], Config],
    model: Model,
    bound: Sequence[socket.socket],
    *,
    ready: Callable[[str], None],
    own: Sequence[tuple[str, socket.socket]] = (),
) -> None:
    """Serve until a signal comes; `ready` is called with the address once clients may come."""
    config = reread()
    notify.starting("measuring")
    measured = (config.engine, model.recogniser, model.language_models)
    ladder = await asyncio.to_thread(measured_ladder, *measured)
    batching = await asyncio.to_thread(measured_batching, *measured)
    daemon = Daemon(config, model, bound, ladder=ladder, batching=batching, own=own)
    obey_signals(daemon, reread)
    await daemon.run(ready)
