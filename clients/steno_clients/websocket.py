"""The client class: a stream of speech to a running daemon, and its events back.

One task of its own reads what the daemon says, so that a client which sends an hour before it reads
an event blocks nobody. Sending waits while the daemon takes no more audio.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Self, TypeAlias, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from steno_clients.connection import DEFAULT_URL, handshake, open_connection, receive
from steno_clients.errors import (
    AudioError,
    ConnectionLostError,
    DeadlineError,
    ProtocolError,
    ServerError,
    SessionEndedError,
)
from steno_clients.inbox import Inbox
from steno_daemon.wire import (
    Acknowledged,
    ClientMessage,
    Closed,
    CloseReason,
    Configure,
    Encoding,
    Endpointing,
    Error,
    Final,
    Finalize,
    Ping,
    Ready,
    ServerMessage,
    Start,
    Stop,
    encode,
)

TIMEOUT_S = 30.0
_FRAME_BYTES = 32 * 1024
_SAMPLE_BYTES = {
    Encoding.PCM_S16LE: 2,
    Encoding.PCM_F32LE: 4,
    Encoding.PCM_U8: 1,
    Encoding.MULAW: 1,
    Encoding.ALAW: 1,
}

__all__ = [
    "DEFAULT_URL",
    "TIMEOUT_S",
    "Final",
    "Samples",
    "StartOptions",
    "StenoClient",
    "transcribe",
]

Samples: TypeAlias = NDArray[np.floating] | NDArray[np.int16]


class StartOptions(TypedDict, total=False):
    """What `steno_daemon.wire.Start` may say, as keyword arguments."""

    encoding: Encoding
    rate: int
    channels: int
    language_model: str
    partials: bool
    endpointing: Endpointing
    n_best: int
    word_times: bool
    chunk_ms: int | None


class StenoClient:
    """A session with a daemon: send audio, iterate over events.

    Captions of a sound file, as soon as they are known:

        import asyncio, soundfile
        from steno_clients.websocket import Final, StenoClient

        async def main() -> None:
            audio, rate = soundfile.read("clip.wav", dtype="float32")
            async with StenoClient.connect("ws://127.0.0.1:8765", rate=rate) as client:
                await client.send(audio)
                await client.stop()
                async for event in client:
                    if isinstance(event, Final):
                        print(event.text)

        asyncio.run(main())

    For a live source, send in one task and iterate in another. The iteration ends after `closed`;
    it raises what ended the session if that was not `stop`.

    Attributes:
        start: what the session was opened with.
        ready: the daemon's answer.
        samples_sent: samples of each channel sent so far.
        samples_acknowledged: how many of them the daemon has decoded for good.
    """

    def __init__(
        self, socket: ClientConnection, start: Start, ready: Ready, *, timeout_s: float
    ) -> None:
        self.start = start
        self.ready = ready
        self.samples_sent = 0
        self.samples_acknowledged = 0
        self._socket = socket
        self._timeout_s = timeout_s
        self._inbox = Inbox()
        self._stopped = False
        self._fatal: Error | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._reader = asyncio.create_task(self._read())

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(
        cls,
        url: str = DEFAULT_URL,
        *,
        timeout_s: float = TIMEOUT_S,
        **options: Unpack[StartOptions],
    ) -> AsyncIterator[Self]:
        """Open a session for the length of an `async with` block.

        Args:
            url: where the daemon listens.
            timeout_s: how long the daemon may leave a request unanswered.
            **options: the fields of `steno_daemon.wire.Start`: rate, language_model, ….

        Raises:
            ConnectionFailedError: nobody answers there, or no daemon does.
            DeadlineError: it did not answer in time.
            ServerError: the daemon refuses the session; it says why.
        """
        start = Start(**options)
        socket = await open_connection(url, timeout_s)
        try:
            ready = await handshake(socket, start, timeout_s)
            client = cls(socket, start, ready, timeout_s=timeout_s)
            try:
                yield client
            finally:
                client._end()
        finally:
            await socket.close()

    async def send(self, audio: bytes | Samples) -> None:
        """Send audio; waits while the daemon takes no more.

        Args:
            audio: samples as bytes in the encoding of the session, or as an array, (N,) or
                (N, channels): floats in [-1, 1] or 16-bit integers.

        Raises:
            AudioError: this is not audio in the form that the session was opened with.
            ConnectionLostError: the session is over.
            DeadlineError: the daemon takes no audio any more.
        """
        payload = audio if isinstance(audio, bytes) else _pack(audio, self.start)
        width = _SAMPLE_BYTES[self.start.encoding] * self.start.channels
        if len(payload) % width:
            raise AudioError(
                f"expected whole samples of {width} bytes, found {len(payload)} bytes of audio"
            )
        if self._stopped:
            raise ProtocolError(f"expected no audio after stop, found {len(payload)} bytes")
        step = _FRAME_BYTES // width * width
        for offset in range(0, len(payload), step):
            frame = payload[offset : offset + step]
            await self._transmit(frame)
            self.samples_sent += len(frame) // width

    async def finalize(self) -> None:
        """End the utterance now; its `final` comes as an event and the session goes on."""
        await self._transmit(Finalize())

    async def configure(self, endpointing: Endpointing) -> None:
        """Change the rules that end utterances, from the audio sent after this on."""
        await self._transmit(Configure(endpointing=endpointing))

    async def ping(self, number: int = 0) -> None:
        """Ask for a `pong` with this number among the events."""
        await self._transmit(Ping(id=number))

    async def stop(self) -> None:
        """Say that no more audio comes; iterate on for the last words."""
        if not self._stopped:
            self._stopped = True
            await self._transmit(Stop())
            self._set_alarm()

    def __aiter__(self) -> AsyncIterator[ServerMessage]:
        """Return the client: it is its own iterator over the daemon's events."""
        return self

    async def __anext__(self) -> ServerMessage:
        """Return the next event.

        Raises:
            ServerError: the daemon gave the session up; every event before was returned.
            ConnectionLostError: it went away before its last word.
            DeadlineError: after `stop`, nothing came for too long.
        """
        event = await self._inbox.get()
        if event is None:
            raise StopAsyncIteration
        return event

    async def _transmit(self, message: ClientMessage | bytes) -> None:
        """Send one frame, or raise what ended the session."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._socket.send(message if isinstance(message, bytes) else encode(message))
            await asyncio.sleep(0)  # a frame that found room at once has let nobody else run
        except TimeoutError:
            raise DeadlineError(
                f"expected the daemon to take what is sent within {self._timeout_s:g} s, "
                "found that it takes nothing"
            ) from None
        except ConnectionClosed:
            await asyncio.wait([self._reader])
            raise self._inbox.verdict or ConnectionLostError(
                "expected an open session, found it closed"
            ) from None

    async def _read(self) -> None:
        """Move every event of the connection to the inbox, and at the end say how it ended."""
        try:
            while True:
                event = await receive(self._socket)
                self._inbox.put(event)
                match event:
                    case Acknowledged():
                        self.samples_acknowledged = event.samples
                    case Error(fatal=True):
                        self._fatal = event
                    case Closed():
                        self._inbox.end(self._verdict(event))
                        return
                if self._stopped:
                    self._set_alarm()
        except (ConnectionLostError, ProtocolError) as error:
            self._inbox.end(ServerError(self._fatal) if self._fatal else error)

    def _set_alarm(self) -> None:
        """Give the daemon, from now on, its time for the next event."""
        if self._alarm is not None:
            self._alarm.cancel()
        loop = asyncio.get_running_loop()
        self._alarm = loop.call_later(self._timeout_s, self._give_up)

    def _give_up(self) -> None:
        """End the stream because the daemon says nothing any more."""
        self._inbox.end(
            DeadlineError(
                f"expected the end of the stream within {self._timeout_s:g} s, found silence"
            )
        )
        self._end()

    def _end(self) -> None:
        """Stop whatever still goes on in the background."""
        self._reader.cancel()
        if self._alarm is not None:
            self._alarm.cancel()

    def _verdict(self, closed: Closed) -> ServerError | SessionEndedError | None:
        """Return the error that a `closed` means, if it is not what was asked for."""
        if self._fatal is not None:
            return ServerError(self._fatal)
        return None if closed.reason is CloseReason.STOPPED else SessionEndedError(closed.reason)


def transcribe(
    samples: bytes | Samples,
    url: str = DEFAULT_URL,
    *,
    timeout_s: float = TIMEOUT_S,
    **options: Unpack[StartOptions],
) -> list[Final]:
    """Return the finals of a whole recording: one call for programs without an event loop.

    Args:
        samples: as `StenoClient.send` takes them.
        url: where the daemon listens.
        timeout_s: how long the daemon may leave a request unanswered.
        **options: the fields of `steno_daemon.wire.Start`: rate, language_model, ….
    """

    async def collect() -> list[Final]:
        async with StenoClient.connect(url, timeout_s=timeout_s, **options) as client:
            await client.send(samples)
            await client.stop()
            return [event async for event in client if isinstance(event, Final)]

    return asyncio.run(collect())


def _pack(audio: Samples, start: Start) -> bytes:
    """Return samples as bytes in the session's encoding."""
    channels = 1 if audio.ndim == 1 else audio.shape[-1]
    if audio.ndim > 2 or channels != start.channels:
        raise AudioError(
            f"expected samples (N,) or (N, channels) with {start.channels} channel(s), "
            f"found the shape {audio.shape}"
        )
    if audio.dtype == np.int16 and start.encoding is Encoding.PCM_S16LE:
        return audio.astype("<i2").tobytes()
    if not np.issubdtype(audio.dtype, np.floating) or not np.isfinite(audio).all():
        raise AudioError(
            f"expected finite floats in [-1, 1] or 16-bit integers, found {audio.dtype} samples"
        )
    match start.encoding:
        case Encoding.PCM_S16LE:
            audio = np.clip(np.round(audio * 32768), -32768, 32767)
            return audio.astype("<i2").tobytes()
        case Encoding.PCM_F32LE:
            return audio.astype("<f4").tobytes()
        case _:
            raise AudioError(
                f"expected bytes for a session in {start.encoding.value}, found an array"
            )
