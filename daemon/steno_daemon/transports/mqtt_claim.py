"""One session of a group of daemons, over an MQTT connection of its own.

    PREFIX/NAME/open      to the group: a native `start` or `resume`; nothing means `start`
    PREFIX/NAME/audio     samples, as soon as `ready` or `resumed` is there
    PREFIX/NAME/control   native messages
    PREFIX/NAME/events    native events, `ready` with its token first
    PREFIX/NAME/text      the text of each final
    PREFIX/NAME/state     "listening", "idle" or "interrupted", retained

The will of the connection is "interrupted": whenever the daemon dies, the broker says so to those
who listen to this session. The speaker then asks the group to `resume`, with the token of `ready`
and the number of the last event. The daemon that answers has read in the state directory how far
the session was, and says in `resumed` from which byte on the audio is to be sent again. A speaker
asks once, and again only where nobody answers for long: whoever has the session leaves it without a
word when it is asked for anew, so that no two daemons go on with it.

A message of audio may say where it begins, in bytes since the start of the stream, as the user
property `at` of MQTT 5. What came twice is then cut off, and where something is missing the session
is interrupted rather than wrong.
"""

import asyncio
import logging
from collections import deque

import msgspec

from steno_daemon import wire
from steno_daemon.config import MqttConfig
from steno_daemon.dialects.broker import BrokerSession
from steno_daemon.dialects.conversation import Message, Post
from steno_daemon.errors import BrokerError, LimitError, StenoDaemonError, WireError
from steno_daemon.limits import MessageRate
from steno_daemon.states import State
from steno_daemon.stream import Stream
from steno_daemon.transports.ending import end
from steno_daemon.transports.mqtt_link import Delivery, Link, OpenLink
from steno_daemon.transports.voice import Hall
from steno_daemon.wire import CloseReason

logger = logging.getLogger(__name__)

_HEARD = ("audio", "control", "open")
_OPEN = {State.IDLE, State.LISTENING}


class InterruptedSessionError(StenoDaemonError):
    """Audio is missing; the session can go on after `resume`."""


class Claim:
    """Feeds one session of the group; lives on the event loop.

    Args:
        config: the broker.
        hall: where sessions are opened.
        topic: prefix and name.
        conversation: translates.
        opening: what was sent to the group.
    """

    def __init__(
        self,
        config: MqttConfig,
        hall: Hall,
        topic: str,
        conversation: BrokerSession,
        opening: bytes,
    ) -> None:
        self._config = msgspec.structs.replace(config, client_id=None)
        self._hall = hall
        self._topic = topic
        self._conversation = conversation
        self._opening = opening
        self._rate = MessageRate(hall.terms.messages_per_s)
        self._waiting: deque[Delivery] = deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self._parting = asyncio.Event()
        self._is_over = False
        self._is_elsewhere = False

    async def run(self, open_link: OpenLink) -> None:
        """Hold the session until it ends, or until the daemon or the broker goes."""
        interrupted = self._state("interrupted")
        try:
            async with open_link(self._config, interrupted) as link:
                await link.subscribe([f"{self._topic}/{what}" for what in _HEARD])
                stream = self._begin()
                try:
                    await self._converse(link, stream)
                finally:
                    self._hall.streams.part(stream, self, over=self._is_over)
                if not (self._is_over or self._is_elsewhere):
                    await link.publish(interrupted)
        except BrokerError as error:
            logger.warning("mqtt: %s: %s", self._topic, error)

    # The connection that a session has.

    def abort(self) -> None:
        """Leave without a word: the session was asked for anew."""
        self._is_elsewhere = True
        self._parting.set()

    def hand_over(self) -> None:
        """Leave the speaker to another daemon of the group."""
        self._parting.set()

    # Within.

    def _begin(self) -> Stream:
        """Open a session, or take up the one that the speaker asks for."""
        streams, grant = self._hall.streams, self._hall.grant
        stream = streams.open(grant, self)
        try:
            message = wire.decode_client(self._opening) if self._opening.strip() else wire.Start()
            if isinstance(message, wire.Resume):
                stream = streams.resume(message, grant, instead_of=stream)
            else:
                opening = wire.encode(message).encode()
                self._conversation.receive(stream.session, Message("control", opening))
        except WireError as error:
            stream.session.complain(error)
            stream.session.end(CloseReason.REFUSED)
        stream.advance()
        return stream

    async def _converse(self, link: Link, stream: Stream) -> None:
        """Read and write until the session is over, or has to go on elsewhere."""
        tasks = [
            asyncio.create_task(one)
            for one in (self._collect(link), self._feed(stream), self._tell(link, stream))
        ]
        parting = asyncio.create_task(self._parting.wait())
        try:
            await asyncio.wait({*tasks, parting}, return_when=asyncio.FIRST_COMPLETED)
            if stream.session.state not in _OPEN and not self._parting.is_set():
                await asyncio.wait({tasks[-1], parting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end({*tasks, parting})
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for one in ended:
            if isinstance(one, BrokerError):
                raise one
            if isinstance(one, InterruptedSessionError):
                stream.log.warning("interrupted: %s", one)
            elif isinstance(one, Exception):
                stream.log.error("a fault of the daemon", exc_info=one)

    async def _collect(self, link: Link) -> None:
        """Take what comes off the connection: it would wait without bound there.

        Raises:
            InterruptedSessionError: more waits than may.
        """
        async for delivery in link.deliveries():
            if delivery.is_retained:
                continue
            if delivery.topic == f"{self._topic}/open":
                self.abort()
                return
            self._waiting.append(delivery)
            self._bytes += len(delivery.payload)
            if self._bytes > self._hall.queue_bytes:
                raise InterruptedSessionError(
                    f"expected at most mqtt.queue_bytes = {self._hall.queue_bytes} that wait, "
                    "found more"
                )
            self._news.set()

    async def _feed(self, stream: Stream) -> None:
        """Give the session what came, as fast as it takes it.

        Raises:
            InterruptedSessionError: audio is missing.
        """
        session = stream.session
        try:
            while session.state in _OPEN:
                await self._receive(stream, await self._next())
        except TimeoutError:
            session.end(CloseReason.IDLE)
        except LimitError as error:
            session.exceed(str(error), expected=error.expected, found=error.found)
        stream.advance()

    async def _next(self) -> Delivery:
        """Wait for what comes next.

        Raises:
            TimeoutError: nothing came for too long.
        """
        async with asyncio.timeout(self._hall.terms.idle_timeout_s):
            while not self._waiting:
                self._news.clear()
                await self._news.wait()
        delivery = self._waiting.popleft()
        self._bytes -= len(delivery.payload)
        return delivery

    async def _receive(self, stream: Stream, delivery: Delivery) -> None:
        """Give the session one message."""
        what, most = delivery.topic.rpartition("/")[2], self._hall.terms.max_frame_bytes
        payload = delivery.payload
        if what == "control":
            self._rate.take()
        else:
            payload = _unheard(delivery, stream.session.received_bytes)
        if len(payload) > most:
            found = str(len(payload))
            raise LimitError("server.max_frame_bytes", expected=f"at most {most}", found=found)
        try:
            for piece in self._conversation.pieces(Message(what, payload)):
                await stream.room()
                if stream.session.state not in _OPEN:
                    return
                stream.count(self._conversation.receive(stream.session, piece))
                stream.advance()
        except WireError as error:
            stream.session.complain(error)
            stream.advance()

    async def _tell(self, link: Link, stream: Stream) -> None:
        """Post what the session says, to its last word."""
        while True:
            for event in await stream.events():
                if isinstance(event, wire.Resumed):
                    await link.publish(self._state("listening"))
                is_refusal = isinstance(event, wire.Closed) and event.reason is CloseReason.REFUSED
                for post in self._conversation.encode(event):
                    # What cannot be resumed here just now may be with another daemon.
                    if not (is_refusal and post.is_retained):
                        await link.publish(post)
                if isinstance(event, wire.Closed):
                    self._is_over = True
                    return

    def _state(self, state: str) -> Post:
        return Post(f"{self._topic}/state", state.encode(), is_retained=True)


def _unheard(delivery: Delivery, received_bytes: int) -> bytes:
    """Return what of a message of audio is new, by where it says that it begins.

    Raises:
        InterruptedSessionError: something between is missing.
    """
    if delivery.at is None:
        return delivery.payload
    if delivery.at > received_bytes:
        raise InterruptedSessionError(
            f"expected audio from byte {received_bytes} on, found it from {delivery.at} on"
        )
    return delivery.payload[received_bytes - delivery.at :]
