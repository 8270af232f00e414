"""The client class: a stream of speech to a running daemon, and its events back.

Tasks of their own send and receive, so that a client which sends an hour before it reads an event
blocks nobody, and a connection that breaks is replaced. Sending waits while the daemon takes no
more audio.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Self, TypedDict, Unpack

from steno_clients.connection import DEFAULT_URL, TIMEOUT_S, Door, Tls, ask, open_connection
from steno_clients.encoding import Samples, block_bytes, pack
from steno_clients.errors import ProtocolError
from steno_clients.link import Link, LinkState
from steno_clients.resumption import Resumption
from steno_daemon.wire import (
    AddWords,
    Configure,
    ConfirmWord,
    Encoding,
    Endpointing,
    Final,
    Finalize,
    NewWord,
    Phrase,
    Ping,
    Ready,
    ServerMessage,
    Start,
    Stop,
    When,
)

_FRAME_BYTES = 32 * 1024

__all__ = [
    "DEFAULT_URL",
    "TIMEOUT_S",
    "ConnectOptions",
    "Final",
    "LinkState",
    "NewWord",
    "Phrase",
    "Resumption",
    "Samples",
    "StartOptions",
    "StenoClient",
    "transcribe",
]


class StartOptions(TypedDict, total=False):
    """What `steno_daemon.wire.Start` may say, as keyword arguments."""

    encoding: Encoding
    rate: int
    channels: int
    separate_channels: bool
    language_model: str
    language_model_weights: dict[str, float] | None
    personal: str | None
    partials: bool
    endpointing: Endpointing
    n_best: int
    word_times: bool
    punctuate: bool | None
    written_numbers: bool | None
    second_pass: bool
    unknown_words: bool
    chunk_ms: int | None
    phrases: tuple[Phrase, ...]
    label: str
    record: bool


class ConnectOptions(StartOptions, total=False):
    """What `StenoClient.connect` takes besides the address, for those who pass it on."""

    timeout_s: float
    token: str | None
    tls: Tls | None
    resume: bool | Resumption
    notice: Callable[[LinkState], None] | None


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
                        print(event.shown)

        asyncio.run(main())

    For a live source, send in one task and iterate in another. The iteration ends after `closed`;
    it raises what ended the session if that was not `stop`.

    A connection that breaks ends nothing: the client keeps the audio that the daemon may need
    again, connects anew, and goes on where the daemon has it. Sending and iterating just wait, and
    every event comes once. Only where that fails for too long the session is lost.

    Attributes:
        start: what the session was opened with.
        ready: the daemon's answer.
    """

    def __init__(self, link: Link, start: Start, ready: Ready) -> None:
        self.start = start
        self.ready = ready
        self._link = link
        self._is_stopped = False

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(
        cls,
        url: str = DEFAULT_URL,
        *,
        timeout_s: float = TIMEOUT_S,
        token: str | None = None,
        tls: Tls | None = None,
        resume: bool | Resumption = True,
        notice: Callable[[LinkState], None] | None = None,
        **options: Unpack[StartOptions],
    ) -> AsyncIterator[Self]:
        """Open a session for the length of an `async with` block.

        Args:
            url: where the daemon listens, ws:// or wss://.
            timeout_s: how long the daemon may leave a request unanswered.
            token: says who we are, where the daemon wants to know.
            tls: for wss://, a context or a file with the certificates of the authorities to trust;
                left out, the system's.
            resume: whether to go on over another connection when one breaks; or for how long and
                with how much audio.
            notice: told when the connection breaks, is there again, and ends.
            **options: the fields of `steno_daemon.wire.Start`: rate, language_model, ….

        Raises:
            ConnectionFailedError: nobody answers there, or no daemon does, or it lets us not in.
            DeadlineError: it did not answer in time.
            ServerError: the daemon refuses the session; it says why.
        """
        start = Start(**options)
        policy = (Resumption() if resume else None) if isinstance(resume, bool) else resume
        door = Door(url=url, token=token, tls=tls, timeout_s=timeout_s)
        socket = await open_connection(door)
        try:
            ready = await ask(socket, start, Ready, timeout_s)
            link = Link(door, start, ready, resumption=policy, notice=notice)
        except BaseException:
            await socket.close()
            raise
        running = asyncio.create_task(link.run(socket))
        try:
            yield cls(link, start, ready)
        finally:
            running.cancel()
            await asyncio.wait([running])
            await socket.close()  # of a task that had not begun

    @property
    def bytes_sent(self) -> int:
        """Bytes of audio sent so far."""
        return self._link.log.position

    @property
    def samples_sent(self) -> int:
        """Samples of each channel sent so far; 0 for a container, whose samples nobody counts."""
        width = block_bytes(self.start)
        return 0 if width is None else self.bytes_sent // width

    @property
    def samples_acknowledged(self) -> int:
        """How many samples of each channel the daemon has decoded for good."""
        return self._link.samples_acknowledged

    @property
    def resumptions(self) -> int:
        """How often the session was taken up again over another connection."""
        return self._link.resumptions

    @property
    def state(self) -> LinkState:
        """How the session is connected now."""
        return self._link.state

    async def send(self, audio: bytes | Samples) -> None:
        """Send audio; waits while the daemon takes no more.

        While the connection is broken the audio is kept and sent later.

        Args:
            audio: samples as bytes in the encoding of the session, or as an array, (N,) or
                (N, channels): floats in [-1, 1] or 16-bit integers; or bytes of the container.

        Raises:
            AudioError: this is not audio in the form that the session was opened with.
            ConnectionLostError: the session is over.
            DeadlineError: the daemon takes no audio any more.
        """
        payload = pack(audio, self.start)
        if self._is_stopped:
            raise ProtocolError(f"expected no audio after stop, found {len(payload)} bytes")
        width = block_bytes(self.start) or 1
        step = _FRAME_BYTES // width * width
        for offset in range(0, len(payload), step):
            await self._link.post(payload[offset : offset + step])

    async def finalize(self) -> None:
        """End the utterance now; a `finalized` comes among the events, and the session goes on."""
        await self._link.post(Finalize())

    async def configure(self, endpointing: Endpointing) -> None:
        """Change the rules that end utterances, from the audio sent after this on."""
        await self._link.post(Configure(endpointing=endpointing))

    async def switch(self, language_model: str, *, at: When | str = When.SEGMENT) -> None:
        """Go on with another language model; a `switched` among the events says from where on.

        Args:
            language_model: its name; that of the present one brings its newest version.
            at: "segment" for the next one; "now" also scores again what was heard of the open one,
                so that its partials, stable or not, no longer count.
        """
        await self._link.post(Configure(language_model=language_model, at=When(at)))

    async def mix(self, weights: Mapping[str, float], *, at: When | str = When.SEGMENT) -> None:
        """Go on with several language models, each with its weight; a `switched` says from where.

        Args:
            weights: by the names of the language models; they sum to 1.
            at: as in `switch`.
        """
        await self._link.post(Configure(language_model_weights=dict(weights), at=When(at)))

    async def expect(
        self, phrases: Sequence[Phrase | str], *, at: When | str = When.SEGMENT
    ) -> None:
        """Expect these phrases and no others; a `vocabulary` among the events says what was taken.

        Args:
            phrases: texts, or texts with their boost; none forgets those before.
            at: as of `switch`.
        """
        wished = tuple(Phrase(text=one) if isinstance(one, str) else one for one in phrases)
        await self._link.post(Configure(phrases=wished, at=When(at)))

    async def add_words(
        self, words: Sequence[NewWord | str], *, at: When | str = When.SEGMENT
    ) -> None:
        """Add words to what may be heard; a `vocabulary` among the events says what was taken.

        Args:
            words: spellings, or spellings with pronunciations and a boost.
            at: as of `switch`.
        """
        new = tuple(NewWord(text=one) if isinstance(one, str) else one for one in words)
        await self._link.post(AddWords(words=new, at=When(at)))

    async def confirm_word(self, id: str, text: str, *, at: When | str = When.SEGMENT) -> None:  # noqa: A002
        """Say what an unknown word is: from then on it is recognised, as it was heard.

        Args:
            id: of the `unknown_word` among the events.
            text: one of its candidates or any other word.
            at: as of `switch`.
        """
        await self._link.post(ConfirmWord(id=id, text=text, at=When(at)))

    async def ping(self, number: int = 0) -> None:
        """Ask for a `pong` with this number among the events."""
        await self._link.post(Ping(id=number))

    async def stop(self) -> None:
        """Say that no more audio comes; iterate on for the last words."""
        if not self._is_stopped:
            self._is_stopped = True
            await self._link.post(Stop())

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
        event = await self._link.inbox.get()
        if event is None:
            raise StopAsyncIteration
        return event


def transcribe(
    samples: bytes | Samples, url: str = DEFAULT_URL, **options: Unpack[ConnectOptions]
) -> list[Final]:
    """Return the finals of a whole recording: one call for programs without an event loop.

    Args:
        samples: as `StenoClient.send` takes them.
        url: where the daemon listens.
        **options: as `StenoClient.connect` takes them: token, rate, language_model, ….
    """

    async def collect() -> list[Final]:
        async with StenoClient.connect(url, **options) as client:
            await client.send(samples)
            await client.stop()
            return [event async for event in client if isinstance(event, Final)]

    return asyncio.run(collect())
