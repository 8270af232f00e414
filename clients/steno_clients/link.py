"""The link to one session: over one connection, and over another one when that breaks.

Two tasks run for a connection: one sends what waits in `Unacknowledged`, the other takes what the
daemon says. When the connection breaks, the same task opens the next one, takes the session up
where the daemon has it, and goes on. Whoever sends or iterates notices nothing but the time.
"""

import asyncio
import dataclasses
from collections.abc import Callable
from enum import StrEnum

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from steno_clients.connection import Door, ask, open_connection, receive
from steno_clients.errors import (
    ConnectionLostError,
    DeadlineError,
    ServerError,
    SessionEndedError,
    StenoClientsError,
)
from steno_clients.inbox import Inbox
from steno_clients.resumption import Outage, Resumption, is_interruption, may_pass, wish_s
from steno_clients.unacknowledged import Content, Unacknowledged
from steno_daemon.wire import (
    Acknowledged,
    Closed,
    CloseReason,
    Error,
    ErrorCode,
    Finalized,
    Pong,
    Ready,
    Resume,
    Resumed,
    ServerMessage,
    Start,
    Stop,
    encode,
)

_LAST_TRY_S = 1.0
_SOUND_S = 5.0
"""A connection that lasted so long was good; the next interruption is another one."""


class LinkState(StrEnum):
    """How a session is connected."""

    OPEN = "open"
    RECONNECTING = "reconnecting"
    """The connection broke; another one is tried, and what is sent is kept."""
    ENDED = "ended"


class Link:
    """The link to one session.

    Args:
        door: where the daemon is.
        start: what opened the session.
        ready: the daemon's answer.
        resumption: how a broken connection is dealt with; None ends the session with it.
        notice: told of every change of the state.

    Attributes:
        inbox: what the daemon said.
        log: what is to be said to the daemon.
        state: how the session is connected.
        resumptions: how often it was taken up again.
        samples_acknowledged: how much audio the daemon has decoded for good.
    """

    def __init__(
        self,
        door: Door,
        start: Start,
        ready: Ready,
        *,
        resumption: Resumption | None,
        notice: Callable[[LinkState], None] | None,
    ) -> None:
        self._door = door
        self._token = ready.token
        self._resumption = resumption or Resumption()
        self._limit_s = self._resumption.limit_s(ready.resume_s) if resumption else 0.0
        self._notice = notice
        self.inbox = Inbox(ready.seq)
        self.log = Unacknowledged(
            start,
            limit_s=self._resumption.unacknowledged_s_max,
            is_kept=self._limit_s > 0 and ready.token is not None,
        )
        self.state = LinkState.OPEN
        self.resumptions = 0
        self.samples_acknowledged = 0
        self._work = asyncio.Event()
        self._progress = asyncio.Event()
        self._silence: asyncio.Timeout | None = None
        self._is_stalled = False
        self._is_stopped = False
        self._fatal: Error | None = None
        self._outage: Outage | None = None

    async def post(self, content: Content) -> None:
        """Send audio or a message; while the connection is broken, keep it until later.

        Raises:
            StenoClientsError: what ended the session.
            DeadlineError: too much is unacknowledged, and the daemon acknowledges nothing.
        """
        await self._room(len(content) if isinstance(content, bytes) else 0)
        self._check_not_ended()
        self.log.append(content)
        self._work.set()
        await asyncio.sleep(0)  # what found room at once has let nobody else run
        while self.log.is_waiting and self.state is LinkState.OPEN:
            await self._next_progress()
        if self.log.is_waiting:
            self._check_not_ended()

    async def run(self, socket: ClientConnection) -> None:
        """Converse until the session ends, over as many connections as it takes."""
        try:
            while (loss := await self._converse(socket)) is not None:
                self._change(LinkState.RECONNECTING)
                socket = await self._reconnect(loss)
                self._change(LinkState.OPEN)
        except asyncio.CancelledError:
            self.inbox.end(ConnectionLostError("expected an open session, found it left"))
            raise
        except Exception as error:  # noqa: BLE001 — whoever iterates gets it
            self.inbox.end(ServerError(self._fatal) if self._fatal else error)
        finally:
            self._change(LinkState.ENDED)
            await socket.close()

    async def _converse(self, socket: ClientConnection) -> ConnectionLostError | None:
        """Use a connection until the session ends, or until it breaks: returns how it broke."""
        clock = asyncio.get_running_loop().time
        began_s = clock()
        self._is_stalled = False
        writer = asyncio.create_task(self._write(socket))
        try:
            async with asyncio.timeout(None) as self._silence:
                while not self._take(await receive(socket)):
                    pass
        except TimeoutError:
            raise DeadlineError(
                f"expected the end of the stream within {self._door.timeout_s:g} s, found silence"
            ) from None
        except ConnectionLostError as loss:
            if not self.log.is_kept or not is_interruption(loss):
                raise self._stall_error() if self._is_stalled else loss from None
            if clock() - began_s > _SOUND_S:
                self._outage = None
            return loss
        finally:
            writer.cancel()
            await asyncio.wait([writer])
        return None

    async def _write(self, socket: ClientConnection) -> None:
        """Send what waits, in its order, as fast as the connection takes it."""
        try:
            while True:
                while not self.log.is_waiting:
                    self._work.clear()
                    await self._work.wait()
                content = self.log.next()
                async with asyncio.timeout(self._door.timeout_s):
                    await socket.send(content if isinstance(content, bytes) else encode(content))
                if isinstance(content, Stop):
                    self._is_stopped = True
                    self._expect_more()
                self._progress.set()
                await asyncio.sleep(0)
        except ConnectionClosed:
            return  # who receives says it better
        except TimeoutError:
            self._is_stalled = True
            socket.transport.abort()

    def _take(self, event: ServerMessage) -> bool:
        """Take an event; returns whether it is the last one."""
        self._progress.set()
        if self._is_stopped:
            self._expect_more()
        if not self.inbox.is_new(event):
            return False
        self._outage = None
        if self._is_echo(event):
            return False
        self.inbox.put(event)
        match event:
            case Acknowledged(samples=samples):
                self.samples_acknowledged = max(self.samples_acknowledged, samples)
                self.log.acknowledge(samples)
            case Error(fatal=True):
                self._fatal = event
            case Closed():
                self.inbox.end(self._verdict(event))
                return True
        return False

    def _is_echo(self, event: ServerMessage) -> bool:
        """Return whether an event only says that a message came twice.

        Nobody knows whether the last messages before a break arrived; hence they are sent again.
        """
        match event:
            case Pong() | Finalized():
                return not self.log.is_answer(event)
            case Error(code=ErrorCode.UNEXPECTED_MESSAGE, fatal=False):
                return self._is_stopped and self.resumptions > 0
            case _:
                return False

    async def _reconnect(self, loss: ConnectionLostError) -> ClientConnection:
        """Return another connection to the session."""
        clock = asyncio.get_running_loop().time
        if self._outage is None:
            self._outage = Outage(self._resumption, clock() + self._limit_s)
        outage, failure, pause_s = self._outage, StenoClientsError("no try was left"), 0.0
        while (delay_s := outage.next_delay_s(clock(), at_least_s=pause_s)) is not None:
            await asyncio.sleep(delay_s)
            try:
                return await self._resume(max(_LAST_TRY_S, outage.ends_s - clock()))
            except StenoClientsError as error:
                failure, pause_s = error, wish_s(error)
                if not may_pass(error):
                    raise ConnectionLostError(f"{loss}; it cannot be resumed: {error}") from None
        raise ConnectionLostError(
            f"{loss}; it could not be resumed within {self._limit_s:g} s: {failure}"
        )

    async def _resume(self, remaining_s: float) -> ClientConnection:
        """Return a connection on which the daemon goes on with the session."""
        timeout_s = min(self._door.timeout_s, remaining_s)
        socket = await open_connection(dataclasses.replace(self._door, timeout_s=timeout_s))
        try:
            resume = Resume(token=self._token or "", seq=self.inbox.seq)
            self.log.rewind(await ask(socket, resume, Resumed, timeout_s))
        except BaseException:
            socket.transport.abort()
            raise
        self.resumptions += 1
        return socket

    async def _room(self, size: int) -> None:
        """Wait until so many bytes may be kept, or the session ends."""
        while self.state is not LinkState.ENDED and not self.log.has_room(size):
            patience_s = self._door.timeout_s if self.state is LinkState.OPEN else None
            try:
                async with asyncio.timeout(patience_s):
                    await self._next_progress()
            except TimeoutError:
                raise DeadlineError(
                    f"expected an acknowledgement within {self._door.timeout_s:g} s, found none, "
                    f"and no more audio than {self._resumption.unacknowledged_s_max:g} s is kept"
                ) from None

    async def _next_progress(self) -> None:
        """Wait until something was sent or received, or the state changes."""
        self._progress.clear()
        await self._progress.wait()

    def _expect_more(self) -> None:
        """Give the daemon, from now on, its time for the next event."""
        if self._silence is not None:
            now_s = asyncio.get_running_loop().time()
            self._silence.reschedule(now_s + self._door.timeout_s)

    def _change(self, state: LinkState) -> None:
        """Enter a state."""
        self.state = state
        self._progress.set()
        if self._notice is not None:
            self._notice(state)

    def _verdict(self, closed: Closed) -> ServerError | SessionEndedError | None:
        """Return the error that a `closed` means, if it is not what was asked for."""
        if self._fatal is not None:
            return ServerError(self._fatal)
        return None if closed.reason is CloseReason.STOPPED else SessionEndedError(closed.reason)

    def _stall_error(self) -> DeadlineError:
        return DeadlineError(
            f"expected the daemon to take what is sent within {self._door.timeout_s:g} s, "
            "found that it takes nothing"
        )

    def _check_not_ended(self) -> None:
        """Tell a sender what ended the session, if it has ended."""
        if self.state is LinkState.ENDED:
            raise self.inbox.verdict or ConnectionLostError(
                "expected an open session, found it closed"
            )
