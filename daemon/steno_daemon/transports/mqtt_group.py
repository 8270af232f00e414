"""Daemons at one broker that share the sessions: each is taken by whoever has room.

All of a group hold one shared subscription (MQTT 5, section 4.8.2) to PREFIX/+/open, so the broker
gives each request to one of them, in turn. Who gets it has the session from then on, see
`mqtt_claim`; a daemon that is full or goes down gives the subscription up until it has room, and
the others share what comes.
"""

import asyncio
import logging
from contextlib import suppress

from steno_daemon import wire
from steno_daemon.complaints import shorten
from steno_daemon.config import MqttConfig
from steno_daemon.dialects.broker import NAME_CHARS_MAX, BrokerSession, refusal_post
from steno_daemon.dialects.catalogue import Catalogue
from steno_daemon.dialects.conversation import Post
from steno_daemon.errors import LimitError, OverloadedError, UnknownModelError
from steno_daemon.transports.mqtt_claim import Claim
from steno_daemon.transports.mqtt_link import Delivery, Link, OpenLink, open_link
from steno_daemon.transports.voice import Hall, no_place

logger = logging.getLogger(__name__)

LEAVE_S = 2.0
"""For the broker to hear that no more is asked for."""
ROOM_S = 0.5
"""How often a daemon looks whether it has room."""


class Group:
    """This daemon's place in a group; lives on the event loop.

    Args:
        config: of the broker, with the group's name.
        catalogue: language models.
        hall: where sessions are opened.
        open_link: connects.

    Attributes:
        is_member: whether the broker gives requests to it now.
    """

    def __init__(
        self,
        config: MqttConfig,
        catalogue: Catalogue,
        hall: Hall,
        *,
        open_link: OpenLink = open_link,
    ) -> None:
        self._config = config
        self._catalogue = catalogue
        self._hall = hall
        self._open_link = open_link
        self._shared = f"$share/{config.group}/{config.topic}/+/open"
        self._claims: dict[asyncio.Task[None], Claim] = {}
        self._news = asyncio.Event()
        self._left = asyncio.Event()
        self._is_leaving = False
        self.is_member = False

    def __len__(self) -> int:
        return len(self._claims)

    async def stay(self, link: Link) -> None:
        """Ask for sessions over a connection for as long as there is room for any."""
        try:
            while True:
                if self._has_room is not self.is_member:
                    ask = link.unsubscribe if self.is_member else link.subscribe
                    await ask([self._shared])
                    self.is_member = not self.is_member
                    self._left.set()
                self._news.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(ROOM_S):
                        await self._news.wait()
        finally:
            self.is_member = False
            self._left.set()

    def take(self, delivery: Delivery) -> bool:
        """Take a session if this is a request for one; returns whether it is."""
        topic, _, what = delivery.topic.rpartition("/")
        prefix, _, name = topic.rpartition("/")
        if (prefix, what) != (self._config.topic, "open"):
            return False
        if self._is_leaving or self._hall.streams.is_going_down:
            if not self.is_member:  # it was on its way: to another of the group
                self._hall.post(Post(delivery.topic, delivery.payload))
            return True
        try:
            if len(name) > NAME_CHARS_MAX:
                expected = f"a name of {NAME_CHARS_MAX} characters"
                self._refuse(topic, expected, shorten(name))
                return True
            model = self._catalogue.language_model(self._config.domains.get(name))
        except UnknownModelError as error:
            self._refuse(topic, "one of " + ", ".join(error.expected), error.found)
            return True
        most = self._hall.terms.max_connections
        if len(self._claims) >= most:
            self._hall.post(Post(f"{topic}/events", wire.encode(no_place(most)).encode()))
            return True
        conversation = BrokerSession(topic, model, partials=self._config.partials)
        claim = Claim(self._config, self._hall, topic, conversation, delivery.payload)
        task = asyncio.create_task(claim.run(self._open_link))
        self._claims[task] = claim
        task.add_done_callback(self._over)
        self._news.set()
        return True

    async def leave(self) -> None:
        """Ask for no more sessions, and wait until the broker gives none."""
        self._is_leaving = True
        self._news.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                while self.is_member:
                    self._left.clear()
                    await self._left.wait()

    async def close(self) -> None:
        """End what is left; those who leave their speakers to others say so first."""
        tasks = list(self._claims)
        if tasks and self._is_leaving:
            await asyncio.wait(tasks, timeout=LEAVE_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def _has_room(self) -> bool:
        if self._is_leaving or self._hall.streams.is_going_down:
            return False
        try:
            self._hall.streams.check_room(self._hall.grant)
        except (LimitError, OverloadedError):
            return False
        return True

    def _over(self, task: asyncio.Task[None]) -> None:
        """Forget a session that is over or elsewhere."""
        claim = self._claims.pop(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            logger.error("mqtt: %s: a fault of the daemon", claim, exc_info=fault)
        self._news.set()

    def _refuse(self, topic: str, expected: str, found: str) -> None:
        self._hall.post(refusal_post(f"{topic}/events", expected, found))
