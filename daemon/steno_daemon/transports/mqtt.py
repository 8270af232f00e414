"""Sessions over an MQTT broker: one connection for all of them, made anew whenever it breaks.

What the broker brings goes to the dialects' switchboards, which say whose session it is; each
session is a `Voice` with a queue of its own. What sessions say waits in one bounded queue for a
broker that is slow or away. Sessions outlive a break: their speakers may be at another broker's
port, and know nothing of it.
"""

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from socket import gethostname

from steno_daemon.complaints import shorten
from steno_daemon.config import MqttConfig
from steno_daemon.dialects.broker import member_post, status_post
from steno_daemon.dialects.conversation import Key, Message, Open, Order, Post, Switchboard, Tell
from steno_daemon.errors import BrokerError, StenoDaemonError
from steno_daemon.transports.ending import end
from steno_daemon.transports.mqtt_group import Group
from steno_daemon.transports.mqtt_link import Delivery, Link, OpenLink, open_link
from steno_daemon.transports.posting import Posting
from steno_daemon.transports.voice import Hall, Voice, no_place

logger = logging.getLogger(__name__)

PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""How long to wait before each further try to connect; up to a quarter more, by chance."""
LEAVE_S = 5.0
"""For the last words to reach the broker."""
STATUS_S = 10.0
"""How often the retained status is looked at; it is posted where it has changed."""

Facts = Callable[[], Mapping[str, object]]
Pause = Callable[[float], Awaitable[None]]


class MqttService:
    """Keeps the daemon at a broker; lives on the event loop.

    Args:
        config: which one.
        hall: returns where sessions are heard, given what takes the posts of the service.
        switchboards: read what comes; one for each dialect.
        facts: what the retained status tells.
        open_link: connects.
        pause: waits between two tries to.
    """

    def __init__(
        self,
        config: MqttConfig,
        hall: Callable[[Callable[[Post], None]], Hall],
        switchboards: Mapping[str, Switchboard],
        facts: Facts,
        *,
        open_link: OpenLink = open_link,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._config = config
        self._posting = Posting(self._lose)
        self._hall = hall(self._posting.put)
        self._hall.metrics.broker(is_connected=False)
        self._group: Group | None = None
        self._name = config.client_id or f"{gethostname()}-{secrets.token_hex(4)}"
        self._switchboards = switchboards
        self._facts = facts
        self._open_link = open_link
        self._pause = pause
        self._voices: dict[Key, tuple[Voice, Switchboard]] = {}
        self._leaving = asyncio.Event()
        self._is_connected = False
        self._reason: str | None = "it was not tried yet"
        self._since_s = time.monotonic()
        self._tries = 0
        self._lost = 0

    def health(self) -> dict[str, object]:
        """Return how things are with the broker, in words for `/healthz`."""
        return {
            "state": "connected" if self._is_connected else "waiting",
            "broker": f"{self._config.host}:{self._config.port}",
            "since_s": round(time.monotonic() - self._since_s, 1),
            "reason": self._reason,
            "sessions": len(self._voices) + len(self._group or ()),
            "unsent": len(self._posting),
            **({"in_group": self._group.is_member} if self._group is not None else {}),
        }

    async def run(self) -> None:
        """Be at the broker until `leave`, however often it goes."""
        try:
            while not self._leaving.is_set():
                try:
                    async with self._open_link(self._config, self._status("offline")) as link:
                        self._arrive()
                        await self._serve(link)
                except StenoDaemonError as error:
                    self._miss(str(error))
                except Exception:
                    logger.exception("mqtt: a fault of the daemon")
                    self._miss("the daemon has a fault; its log has more")
                if not self._leaving.is_set():
                    await self._wait()
        finally:
            tasks = [task for voice, _ in self._voices.values() for task in voice.tasks]
            for voice, _ in list(self._voices.values()):
                voice.abort()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._group is not None:
                await self._group.close()

    def join(self, group: Callable[[Hall], Group]) -> None:
        """Share the sessions that others ask for; call it before `run`.

        Args:
            group: returns this daemon's place among the others, given where sessions are heard.
        """
        self._group = group(self._hall)

    async def stop_asking(self) -> None:
        """Leave the sessions that are asked for to the others of the group."""
        if self._group is not None:
            await self._group.leave()

    def leave(self) -> None:
        """Say goodbye to the broker, once it has what there is for it."""
        self._leaving.set()

    # The connection.

    async def _serve(self, link: Link) -> None:
        """Read and post until the broker is gone or the daemon goes down."""
        topics = [topic for board in self._switchboards.values() for topic in board.topics]
        if topics:
            await link.subscribe(topics)
        parts = [self._read(link), self._publish(link), self._tell_status(link)]
        if self._group is not None:
            parts.append(self._group.stay(link))
        work = [asyncio.create_task(one) for one in parts]
        leaving = asyncio.create_task(self._leaving.wait())
        try:
            await asyncio.wait({*work, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if self._leaving.is_set():
                await self._say_goodbye(link)
        finally:
            await end({*work, leaving})
            ended = await asyncio.gather(*work, return_exceptions=True)
        for one in ended:
            if isinstance(one, Exception) and not self._leaving.is_set():
                raise one

    async def _read(self, link: Link) -> None:
        """Take what comes; what the broker kept of former times asks for nothing any more."""
        async for delivery in link.deliveries():
            if not delivery.is_retained:
                self._take(delivery)

    async def _publish(self, link: Link) -> None:
        """Send what waits, one after the other."""
        while True:
            post = await self._posting.take()
            try:
                await link.publish(post)
            except BaseException:
                self._posting.put_back(post)
                raise
            self._posting.done()

    async def _tell_status(self, link: Link) -> None:
        """Keep the retained status up to date."""
        told: Post | None = None
        while True:
            status = self._status("online")
            if status != told:
                await link.publish(status)
                told = status
            await asyncio.sleep(STATUS_S)

    async def _say_goodbye(self, link: Link) -> None:
        """Let the last words go out, and say that the daemon is gone."""
        try:
            async with asyncio.timeout(LEAVE_S):
                await self._posting.all_sent()
                await link.publish(self._status("offline"))
        except (TimeoutError, BrokerError):
            logger.warning("mqtt: %d posts did not reach the broker", len(self._posting))

    def _status(self, state: str) -> Post:
        facts = self._facts() if state == "online" else {}
        if self._group is None:
            return status_post(self._config.topic, {"state": state, **facts})
        return member_post(self._config.topic, self._name, {"state": state, **facts})

    async def _wait(self) -> None:
        """Wait for the next try."""
        pause_s = PAUSES_S[min(self._tries, len(PAUSES_S) - 1)] * (1 + random.random() / 4)
        self._tries += 1
        waiting = asyncio.ensure_future(self._pause(pause_s))
        leaving = asyncio.create_task(self._leaving.wait())
        await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        for task in (waiting, leaving):
            task.cancel()

    def _arrive(self) -> None:
        """Take note that the broker is there."""
        logger.info("mqtt: connected to %s:%d", self._config.host, self._config.port)
        self._tries = 0
        self._change(is_connected=True, reason=None)

    def _miss(self, reason: str) -> None:
        """Take note that the broker is not there; say it once."""
        if reason != self._reason:
            logger.warning("mqtt: %s", reason)
        self._posting.forget_passing()
        self._change(is_connected=False, reason=reason)

    def _change(self, *, is_connected: bool, reason: str | None) -> None:
        if is_connected is not self._is_connected:
            self._since_s = time.monotonic()
        self._is_connected, self._reason = is_connected, reason
        self._hall.metrics.broker(is_connected=is_connected)

    def _lose(self, post: Post) -> None:
        """Take note of a post that waited for too long, or that the broker does not take."""
        self._hall.metrics.unposted()
        self._lost += 1
        if self._lost.bit_count() == 1:
            logger.warning(
                "mqtt: %d posts were given up: the broker is too slow, or takes none like them; "
                "now %s",
                *(self._lost, shorten(post.topic)),
            )

    # The sessions.

    def _take(self, delivery: Delivery) -> None:
        """Let the group or the switchboards read what came."""
        if self._group is not None and self._group.take(delivery):
            return
        for board in self._switchboards.values():
            for order in board.read(delivery.topic, delivery.payload):
                self._obey(order, board)

    def _obey(self, order: Order, board: Switchboard) -> None:
        match order:
            case Open(key=key):
                self._open(order, board)
            case Tell(key=key, message=message) if key in self._voices:
                self._voices[key][0].put(message)
            case Post():
                self._posting.put(order)
            case _:
                pass  # for a session that is over

    def _open(self, order: Open, board: Switchboard) -> None:
        """Begin a session; one of the same name ends without a word."""
        if order.key in self._voices:
            self._voices.pop(order.key)[0].abort()
        most = self._hall.terms.max_connections
        if len(self._voices) >= most:
            refusal = no_place(most)
            for post in order.conversation.encode(refusal):
                self._posting.put(post)
            board.over(order.key, retry_after_s=refusal.retry_after_s)
            return
        voice = Voice(self._hall, order.key, order.conversation, self._over)
        self._voices[order.key] = (voice, board)

    def _over(self, voice: Voice, retry_after_s: float | None, left: Sequence[Message]) -> None:
        """Forget a session that is over; what came behind its end may open another one."""
        known, board = self._voices.get(voice.key, (None, None))
        if known is not voice or board is None:
            return
        del self._voices[voice.key]
        board.over(voice.key, retry_after_s=retry_after_s)
        if self._leaving.is_set() or self._hall.streams.is_going_down:
            return
        for message in left:
            for order in board.left(voice.key, message):
                self._obey(order, board)
