"""One session that is fed by single messages: what a broker brings of it waits here for its turn.

Nobody can make a broker wait for one session alone. So its messages wait in a queue of their own,
which is bounded: a session whose audio comes faster than it is heard, and longer than that, ends
with an error. A message that finds none before it, and a session that takes it, need not wait.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from steno_daemon.auth import Grant
from steno_daemon.dialects.conversation import Conversation, Key, Message, Post
from steno_daemon.dialects.dialect import PIECE_BYTES
from steno_daemon.errors import LimitError, WireError
from steno_daemon.limits import MessageRate
from steno_daemon.metrics import Metrics
from steno_daemon.states import State
from steno_daemon.streams import Streams
from steno_daemon.transports.terms import Terms
from steno_daemon.wire import Closed, CloseReason, Error, ErrorCode

logger = logging.getLogger(__name__)

RETRY_AFTER_S = 5.0
"""When a session makes sense again after one that was refused or broke."""
_OPEN = {State.IDLE, State.LISTENING}


@dataclass(frozen=True, slots=True)
class Hall:
    """Where voices are heard.

    Attributes:
        streams: where sessions are opened.
        grant: under which.
        terms: what each may do.
        queue_bytes: of audio that may wait for one session.
        post: takes what sessions say.
        metrics: counts.
    """

    streams: Streams
    grant: Grant
    terms: Terms
    queue_bytes: int
    post: Callable[[Post], None]
    metrics: Metrics


class Voice:
    """Feeds one session; lives on the event loop.

    Args:
        hall: where it is heard.
        key: names it.
        conversation: translates.
        over: hears that it is over: with the time after which another makes sense, if it broke, and
            with the messages that came behind its end.
    """

    def __init__(
        self,
        hall: Hall,
        key: Key,
        conversation: Conversation,
        over: Callable[["Voice", float | None, Sequence[Message]], None],
    ) -> None:
        self.key = key
        self._hall = hall
        self._conversation = conversation
        self._over = over
        self._rate = MessageRate(hall.terms.messages_per_s)
        self._messages: deque[Message] = deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self._is_taking = False
        self._clock = asyncio.get_running_loop().time
        self._heard_s = self._clock()
        self._stream = hall.streams.open(hall.grant, self, is_resumable=False)
        self._feeding = asyncio.create_task(self._feed())
        self._telling = asyncio.create_task(self._tell())

    @property
    def tasks(self) -> Iterable[asyncio.Task[None]]:
        """What is to be waited for after `abort`."""
        return (self._feeding, self._telling)

    def put(self, message: Message) -> None:
        """Take a message, or let it wait for its turn."""
        try:
            self._check(message)
        except LimitError as error:
            self._stream.session.exceed(str(error), expected=error.expected, found=error.found)
            self._stream.advance()
            return
        if self._is_its_turn(message):
            self._take(message)
            return
        self._messages.append(message)
        self._bytes += len(message.payload)
        if self._stream.session.state in _OPEN:  # else it is for the session that comes next
            self._news.set()

    def _is_its_turn(self, message: Message) -> bool:
        """Return whether a message can be taken now; a long one is taken piece by piece."""
        return (
            not self._messages
            and not self._is_taking
            and len(message.payload) <= PIECE_BYTES
            and self._stream.session.state in _OPEN
            and self._stream.has_room
        )

    def _take(self, message: Message) -> None:
        """Give the session a short message at once."""
        self._heard_s = self._clock()
        try:
            for piece in self._conversation.pieces(message):
                self._give(piece)
        except WireError as error:
            self._stream.session.complain(error)
            self._stream.advance()
        except Exception:
            self._stream.log.exception("a fault of the daemon")
            self._stream.break_off()

    def _check(self, message: Message) -> None:
        """Check that a message comes to no limit.

        Raises:
            LimitError: it does.
        """
        size, most = len(message.payload), self._hall.terms.max_frame_bytes
        if message.what != "audio" or not size:
            self._rate.take()
        if size > most:
            raise LimitError(
                "server.max_frame_bytes", expected=f"at most {most} bytes", found=str(size)
            )
        if self._bytes + size > self._hall.queue_bytes:
            expected = f"at most {self._hall.queue_bytes} bytes that wait"
            raise LimitError("mqtt.queue_bytes", expected=expected, found="more")

    def abort(self) -> None:
        """Stop at once; nobody hears of its words."""
        for task in self.tasks:
            task.cancel()
        self._hall.streams.part(self._stream, self, over=True)

    def hand_over(self) -> None:
        """End the session with its words: over a broker nobody comes back to one."""
        self._stream.session.end(CloseReason.SHUTDOWN)
        self._stream.advance()

    async def _feed(self) -> None:
        """Give the session the messages that wait, as fast as it takes them."""
        session = self._stream.session
        try:
            while session.state in _OPEN:
                await self._wait()
                if session.state in _OPEN:
                    await self._receive(self._messages.popleft())
        except TimeoutError:
            session.end(CloseReason.IDLE)
            self._stream.advance()
        except Exception:
            self._stream.log.exception("a fault of the daemon")
            self._stream.break_off()

    async def _receive(self, message: Message) -> None:
        """Give the session one message that waited; others wait meanwhile."""
        stream, self._is_taking = self._stream, True
        self._bytes -= len(message.payload)
        try:
            for piece in self._conversation.pieces(message):
                await stream.room()
                if stream.session.state not in _OPEN:
                    break
                self._give(piece)
        except WireError as error:
            stream.session.complain(error)
            stream.advance()
        self._heard_s, self._is_taking = self._clock(), False

    def _give(self, piece: Message) -> None:
        """Give the session a piece of a message.

        Raises:
            WireError: it says nothing that can be.
        """
        stream = self._stream
        if data := self._conversation.receive(stream.session, piece):
            stream.count(data)
        stream.advance()

    async def _wait(self) -> None:
        """Wait for a message that has to wait.

        Raises:
            TimeoutError: none came for too long, not even one that had not to.
        """
        idle_s = self._hall.terms.idle_timeout_s
        while not self._messages:
            end_s = self._heard_s + idle_s
            try:
                async with asyncio.timeout_at(end_s):
                    self._news.clear()
                    await self._news.wait()
            except TimeoutError:
                if self._heard_s + idle_s <= end_s:
                    raise

    async def _tell(self) -> None:
        """Post what the session says, to its last word."""
        session, retry_after_s = self._stream.session, None
        try:
            while True:
                for event in await self._stream.events():
                    for post in self._conversation.encode(event):
                        self._hall.post(post)
                    if isinstance(event, Error) and event.retry_after_s is not None:
                        retry_after_s = event.retry_after_s
                    if isinstance(event, Closed):
                        self._end(event.reason, retry_after_s)
                        return
                if self._conversation.is_satisfied and session.state is State.LISTENING:
                    session.end(CloseReason.STOPPED)
                    self._stream.advance()
        except Exception:
            self._stream.log.exception("a fault of the daemon")
            self._end(CloseReason.FAILED, None)

    def _end(self, reason: CloseReason, retry_after_s: float | None) -> None:
        """Leave, and hand back what is no longer for this session."""
        self._feeding.cancel()
        self._hall.streams.part(self._stream, self, over=True)
        is_broken = reason in {CloseReason.REFUSED, CloseReason.FAILED}
        self._over(self, (retry_after_s or RETRY_AFTER_S) if is_broken else None, self._messages)


def no_place(most: int) -> Error:
    """Return the error of a session for which there is not even a queue."""
    return Error(
        seq=0,
        code=ErrorCode.LIMIT_EXCEEDED,
        message="there are too many sessions of the broker",
        fatal=True,
        expected=f"at most {most} at once",
        found="one more",
        retry_after_s=RETRY_AFTER_S,
    )
