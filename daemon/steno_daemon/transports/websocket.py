"""Sessions over WebSockets: one connection pumps one stream through a dialect.

Two things run for a connection: a reader, which takes no more audio than the session can decode
soon, and a writer. Whatever happens to a client, its stream is handed back here: to wait for the
client's return, or to be given up and leave nothing behind.
"""

import asyncio

from aiohttp import ClientConnectionError, WSCloseCode, WSMsgType, web

from steno_daemon.auth import Grant
from steno_daemon.dialects.dialect import Frame
from steno_daemon.dialects.door import Welcome
from steno_daemon.errors import LimitError
from steno_daemon.limits import Deadlines, MessageRate
from steno_daemon.stream import Stream
from steno_daemon.streams import Streams
from steno_daemon.transports.receiving import Receiver
from steno_daemon.transports.terms import Terms
from steno_daemon.wire import Closed, CloseReason, Error

OWED_MAX = 1_000
"""Frames that may wait to be sent for those that came."""
CLOSE_TEXT_BYTES = 123
_DATA = {WSMsgType.TEXT, WSMsgType.BINARY}
_LEAVING = {WSCloseCode.OK, WSCloseCode.GOING_AWAY}
"""What a client says that wants nothing more: closing by itself, or leaving a web page."""


class WebSocketConnection:
    """One client on one WebSocket.

    Args:
        streams: where a stream comes from and goes to.
        welcome: what was agreed on before the first frame: above all what the client speaks.
        terms: what it may do.
    """

    def __init__(self, streams: Streams, welcome: Welcome, terms: Terms) -> None:
        self._streams = streams
        self._dialect = welcome.dialect
        self._terms = terms
        self._deadlines = Deadlines()
        self._rate = MessageRate(terms.messages_per_s)
        self._socket = web.WebSocketResponse(
            autoping=False,
            compress=False,  # audio hardly shrinks, and what is not unpacked cannot explode
            max_msg_size=terms.max_frame_bytes,
            timeout=self._deadlines.close_s,
            protocols=welcome.subprotocols,
        )
        self._socket.headers.update(welcome.headers)
        self._receiver = Receiver(self._socket, self._rate)
        self._transport: asyncio.Transport | None = None
        self._stream: Stream | None = None
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._goodbye: CloseReason | None = None
        self._fault: Error | None = None
        self._written = asyncio.Event()
        self._is_handed_over = False
        self._gone = False
        self._is_deaf = False
        self._over = False

    async def converse(self, request: web.Request, grant: Grant) -> web.WebSocketResponse:
        """Run one session from the first message to the end of the connection."""
        self._transport = request.transport
        await self._socket.prepare(request)
        is_resumable = self._dialect.is_resumable
        self._stream = stream = self._streams.open(grant, self, is_resumable=is_resumable)
        stream.follows = self._follows
        self._reader = asyncio.create_task(self._listen(stream, grant))
        try:
            await asyncio.wait([self._reader])
            if not (self._gone or self._is_handed_over or self._writer is None):
                await asyncio.wait([self._writer])  # the last words of a session that has ended
            await self._close()
        finally:
            self._stop()
            stream = self._stream  # which may be another by now
            self._streams.part(stream, self, over=self._over)
            stream.log.info("gone, close code %s", self._socket.close_code)
        if not self._reader.cancelled() and (fault := self._reader.exception()):
            raise fault
        return self._socket

    def abort(self) -> None:
        """Break the connection off: its client has another one, and says there what comes next."""
        self._gone = True
        self._stop()
        if self._transport is not None:
            self._transport.abort()

    def hand_over(self) -> None:
        """Leave the client to the daemon that comes next: the close code 1012 sends it there."""
        self._is_handed_over = True
        self._stop()

    def _stop(self) -> None:
        """Neither read nor write any more."""
        for task in (self._reader, self._writer):
            if task is not None:
                task.cancel()

    async def _listen(self, stream: Stream, grant: Grant) -> None:
        """Take the first message, which may ask for another stream, and all that follow."""
        self._start_writing(stream)
        self._dialect.begin(stream.session)
        stream.advance()
        frame = await self._receive(stream, self._deadlines.first_message_s)
        resume = None if frame is None else self._dialect.resumption(frame)
        if resume is not None:
            resumed = self._streams.resume(resume, grant, instead_of=stream)
            if resumed is not stream:
                self._stream = stream = resumed
                self._start_writing(stream)
            frame = await self._receive(stream, self._terms.idle_timeout_s)
        await self._read(stream, frame)

    def _start_writing(self, stream: Stream) -> None:
        """Let what a stream says go out on this connection, and no other stream."""
        if self._writer is not None:
            self._writer.cancel()
        self._writer = asyncio.create_task(self._write(stream))

    async def _read(self, stream: Stream, frame: Frame | None) -> None:
        """Take what the client sends until it goes, is silent for too long or sends too much."""
        try:
            while frame is not None and not self._gone:
                await self._take(stream, frame)
                frame = await self._receive(stream, self._terms.idle_timeout_s)
        except LimitError as error:
            stream.session.exceed(str(error), expected=error.expected, found=error.found)
        except Exception:
            stream.log.exception("a fault of the daemon")
            stream.break_off()
        stream.advance()

    async def _take(self, stream: Stream, frame: Frame) -> None:
        """Give the session a frame, as fast as it takes audio."""
        is_counted = False  # audio is not: it is bounded by how fast it is heard
        for piece in self._dialect.pieces(stream.session, frame):
            await self._room(stream)
            if self._gone:
                return
            if isinstance(piece, str) and not is_counted:
                self._rate.take()
            is_counted = True
            self._dialect.receive(stream.session, piece)
            if isinstance(piece, bytes):
                stream.count(piece)
            stream.advance()
        if not is_counted:
            self._rate.take()
        if self._dialect.follows:
            stream.advance()

    def _follows(self) -> bool:
        return self._dialect.follows

    async def _room(self, stream: Stream) -> None:
        """Wait until the stream takes more audio, and the client has taken what it is owed."""
        await stream.room()
        while self._dialect.owed >= OWED_MAX and not self._gone:
            self._written.clear()
            await self._written.wait()

    async def _receive(self, stream: Stream, timeout_s: float) -> Frame | None:
        """Return the next frame, None when there is no more; end a session that is idle."""
        try:
            message = await self._receiver.receive(timeout_s)
        except TimeoutError:
            stream.session.end(CloseReason.IDLE)
            stream.advance()
            return None
        except LimitError as error:
            stream.session.exceed(str(error), expected=error.expected, found=error.found)
            stream.advance()
            return None
        except ClientConnectionError:
            self._gone = True
            return None
        if message.type in _DATA:
            frame: Frame = message.data
            return frame
        self._gone = True
        self._over = message.type is WSMsgType.CLOSE and message.data in _LEAVING
        return None

    async def _write(self, stream: Stream) -> None:
        """Send what the session says; after its last word, nothing more is read either.

        The connection is closed by `converse` then, once nobody reads from it: aiohttp would else
        hang up before the client has heard everything, and what is on its way would be lost. Where
        the client hears nothing any more, what it said before is still taken, and answered to none.
        """
        while True:
            events = await stream.events()
            told_s = stream.session.told_s  # now: it grows while frames are sent
            for event in events:
                for frame in self._dialect.encode(event):
                    await self._send(frame)
                if isinstance(event, Error) and event.fatal:
                    self._fault = event
                if isinstance(event, Closed):
                    self._goodbye = event.reason
                    if self._reader is not None:
                        self._reader.cancel()
                    return
            for frame in self._dialect.replies(told_s):
                await self._send(frame)
            self._written.set()

    async def _send(self, frame: Frame) -> None:
        """Send one frame to a client that takes it in time."""
        if self._is_deaf:
            return
        try:
            async with asyncio.timeout(self._deadlines.send_s):
                if isinstance(frame, str):
                    await self._socket.send_str(frame)
                else:
                    await self._socket.send_bytes(frame)
        except TimeoutError:
            self.abort()
        except ClientConnectionError:
            self._is_deaf = True

    async def _close(self) -> None:
        """Close the connection, in words if the client still listens, and hear it say so too."""
        reason = self._goodbye
        code, text = self._farewell()
        try:
            async with asyncio.timeout(2 * self._deadlines.close_s):
                await self._socket.close(code=code, message=text.encode()[:CLOSE_TEXT_BYTES])
        except TimeoutError:
            if self._transport is not None:
                self._transport.abort()
        if reason is not None:
            self._over = self._socket.close_code != WSCloseCode.ABNORMAL_CLOSURE

    def _farewell(self) -> tuple[int, str]:
        """Return the code and the text to close with."""
        if self._goodbye is None:
            if self._is_handed_over:
                return WSCloseCode.SERVICE_RESTART, "resume at the next daemon"
            return WSCloseCode.OK, ""
        return self._dialect.farewell(self._goodbye, self._fault)
