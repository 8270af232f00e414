"""A microphone of this machine as a session that never ends.

What it hears goes through a stream like that of any client, and what the session says goes to the
viewers of its captions alone. A microphone that is unplugged is waited for: its words so far become
final, and the session goes on when the device is back; its clock stood still meanwhile.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from enum import Enum

from steno_daemon import wire
from steno_daemon.auth import Grant, Scope
from steno_daemon.config import MicrophoneConfig
from steno_daemon.errors import MicrophoneError
from steno_daemon.states import State
from steno_daemon.stream import Stream
from steno_daemon.streams import Streams
from steno_daemon.transports.ear import Opened
from steno_daemon.transports.hearing import Ear, OpenEar, open_ear
from steno_daemon.wire import CloseReason, ErrorCode

logger = logging.getLogger(__name__)

GRANT = Grant("microphone", frozenset({Scope.RECOGNISE}))
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""How long to wait before each further try to open a device."""
LOSS_TO_LOG_S = 10.0


class Listening(Enum):
    """What a microphone does."""

    LISTENING = "listening"
    WAITING = "waiting"
    """It is tried again and again."""
    FAILED = "failed"
    """It is not tried any more."""


class MicrophoneService:
    """Keeps one microphone in a session; lives on the event loop.

    Args:
        config: which one.
        streams: where sessions are opened.
        open_ear: opens a device.
        pause: waits between two tries to open it.
    """

    def __init__(
        self,
        config: MicrophoneConfig,
        streams: Streams,
        *,
        open_ear: OpenEar = open_ear,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._config = config
        self._streams = streams
        self._open_ear = open_ear
        self._pause = pause
        self._state = Listening.WAITING
        self._reason: str | None = "it was not opened yet"
        self._since_s = time.monotonic()
        self._device = config.device
        self._lost_s = 0.0
        self._lost_s_logged = 0.0
        self._tries = 0
        self._form: Opened | None = None
        self._stream: Stream | None = None
        self._reader: asyncio.Task[None] | None = None
        self._down = asyncio.Event()

    def health(self) -> dict[str, object]:
        """Return how the microphone is, in words for `/healthz`."""
        return {
            "state": self._state.value,
            "device": self._device or "the default one",
            "since_s": round(time.monotonic() - self._since_s, 1),
            "reason": self._reason,
            "lost_s": round(self._lost_s, 1),
        }

    def abort(self) -> None:
        """Stop at once; the session's last words are not waited for."""
        self._down.set()

    def hand_over(self) -> None:
        """End the session: its viewers have every word, and nobody comes back to it."""
        if self._stream is not None:
            self._stream.session.end(CloseReason.SHUTDOWN)
            self._stream.advance()

    async def run(self) -> None:
        """Listen until the daemon ends the session or there is no hope of a microphone."""
        listening = asyncio.create_task(self._listen_always())
        down = asyncio.create_task(self._down.wait())
        try:
            await asyncio.wait({listening, down}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            tasks = [task for task in (listening, down, self._reader) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._stream is not None:
                self._streams.part(self._stream, self, over=True)

    async def _listen_always(self) -> None:
        """Open the device again whenever it is gone."""
        while not self._down.is_set():
            try:
                async with self._open_ear(self._config.device) as ear:
                    await self._listen(ear)
            except MicrophoneError as error:
                self._miss(error)
                if error.is_lasting:
                    return
            except Exception:
                logger.exception("microphone: a fault of the daemon")
                self._miss(MicrophoneError("the daemon has a fault; its log has more"))
                if self._stream is not None:
                    self._stream.break_off()
            self._end_utterance()
            await self._pause(PAUSES_S[min(self._tries, len(PAUSES_S) - 1)])
            self._tries += 1

    async def _listen(self, ear: Ear) -> None:
        """Give a session what a device hears, until it is gone or the daemon goes down."""
        lost_s = self._lost_s
        while not self._down.is_set():
            block = await ear.next()
            stream = await self._stream_for(ear.form)
            if stream is None:
                return
            self._hear(ear.form)
            await stream.room()
            stream.session.receive_audio(block)
            stream.count(block)
            stream.advance()
            self._lose(lost_s + ear.lost_samples / ear.form.rate)

    async def _stream_for(self, form: Opened) -> Stream | None:
        """Return the stream that takes such sound: the one there is, or a new one.

        None when the daemon goes down.
        """
        if self._stream is not None:
            if self._stream.session.state is State.LISTENING and form == self._form:
                return self._stream
            self._stream.session.end(CloseReason.STOPPED)
            self._stream.advance()
        if self._reader is not None:
            await self._reader  # the last words of a session that came to its limit, or broke
        if self._down.is_set():
            return None
        self._form = form
        self._stream = self._open_stream(form)
        self._reader = asyncio.create_task(self._read(self._stream))
        return self._stream

    def _open_stream(self, form: Opened) -> Stream:
        """Return the stream of a new session.

        Raises:
            MicrophoneError: the session is not let in.
        """
        stream = self._streams.open(GRANT, self)
        stream.session.receive_start(
            wire.Start(
                rate=form.rate,
                channels=form.channels,
                label=self._config.label,
                language_model=self._config.language_model,
            )
        )
        stream.advance()
        if stream.session.state is State.LISTENING:
            return stream
        events = stream.session.events_to_send()
        self._streams.part(stream, self, over=True)
        raise _refusal(events)

    async def _read(self, stream: Stream) -> None:
        """Let what a session says go to its viewers, who have it already, and see its end."""
        while True:
            for event in await stream.events():
                if isinstance(event, wire.Closed):
                    self._streams.part(stream, self, over=True)
                    if event.reason is CloseReason.SHUTDOWN:
                        self._down.set()
                    return

    def _end_utterance(self) -> None:
        """Make the words final that were heard before the device went."""
        if self._stream is not None and self._stream.session.state is State.LISTENING:
            self._stream.session.receive_finalize()
            self._stream.advance()

    def _hear(self, form: Opened) -> None:
        """Take note that the device is there."""
        self._tries = 0
        if self._state is not Listening.LISTENING:
            logger.info("microphone: %s, %d Hz", form.device, form.rate)
            self._device = form.device
            self._change(Listening.LISTENING, None)

    def _miss(self, error: MicrophoneError) -> None:
        """Take note that the device is not there; say it once."""
        state = Listening.FAILED if error.is_lasting else Listening.WAITING
        reason = str(error)
        if (state, reason) != (self._state, self._reason):
            logger.warning("microphone: %s", reason)
        self._change(state, reason)

    def _change(self, state: Listening, reason: str | None) -> None:
        if state is not self._state:
            self._since_s = time.monotonic()
        self._state, self._reason = state, reason

    def _lose(self, lost_s: float) -> None:
        """Take note of sound that came while the daemon was too busy."""
        self._lost_s = lost_s
        if lost_s - self._lost_s_logged > (LOSS_TO_LOG_S if self._lost_s_logged else 0):
            self._lost_s_logged = lost_s
            logger.warning("microphone: %.1f s of sound were lost: the daemon is too slow", lost_s)


def _refusal(events: list[wire.ServerMessage]) -> MicrophoneError:
    """Return why a session was not let in."""
    for event in events:
        if isinstance(event, wire.Error):
            wanted = f": expected {event.expected}, found {event.found}" if event.expected else ""
            is_lasting = event.code is ErrorCode.UNKNOWN_LANGUAGE_MODEL
            return MicrophoneError(f"{event.message}{wanted}", is_lasting=is_lasting)
    return MicrophoneError("the session was not let in")
