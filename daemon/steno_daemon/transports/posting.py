"""What waits to go to the broker: bounded, so that a slow broker costs others nothing."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from itertools import count

from steno_daemon.dialects.conversation import Post
from steno_daemon.dialects.topics import is_topic

POSTS_MAX = 10_000
BYTES_MAX = 32 * 1024 * 1024
TRIES_MAX = 5
"""How often a post may be in the way when a connection breaks: some break because of it."""


class Posting:
    """Posts in order. Of passing ones only the newest of a topic waits, behind nothing newer.

    Where there are too many, passing ones go first, then the oldest. What no broker would take is
    given up at once, and after some tries what could never be sent.

    Args:
        dropped: hears of each post that is given up; not of passing ones that are replaced.
        most: how many may wait.
        most_bytes: how long they may be together.
    """

    def __init__(
        self,
        dropped: Callable[[Post], None],
        *,
        most: int = POSTS_MAX,
        most_bytes: int = BYTES_MAX,
    ) -> None:
        self._dropped = dropped
        self._most = most
        self._most_bytes = most_bytes
        self._posts: OrderedDict[int, Post] = OrderedDict()
        self._passing: dict[str, int] = {}  # numbers of those, by their topics
        self._numbers = count()
        self._bytes = 0
        self._news = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._returned: Post | None = None
        self._returns = 0

    def __len__(self) -> int:
        return len(self._posts)

    def put(self, post: Post) -> None:
        """Let a post wait for its turn."""
        if not is_topic(post.topic):
            self._dropped(post)
            return
        if (old := self._passing.get(post.topic)) is not None:
            self._remove(old)
        number = self._add(post)
        if post.is_passing:
            self._passing[post.topic] = number
        if self._is_full:
            for one in list(self._passing.values()):
                self._dropped(self._remove(one))
        while self._is_full:
            self._dropped(self._remove(next(iter(self._posts))))
        self._wake()

    def put_back(self, post: Post) -> None:
        """Let a post go first that could not be sent; a passing one has passed."""
        self._returns = self._returns + 1 if post is self._returned else 1
        self._returned = post
        if post.is_passing:
            pass
        elif self._returns < TRIES_MAX:
            self._posts.move_to_end(self._add(post), last=False)
        else:
            self._dropped(post)
        self._wake()

    def forget_passing(self) -> None:
        """Forget what will be worthless once there is a broker again."""
        for one in list(self._passing.values()):
            self._remove(one)
        self._wake()

    async def take(self) -> Post:
        """Wait for the next post and return it; call `done` or `put_back` then."""
        while not self._posts:
            self._news.clear()
            await self._news.wait()
        return self._remove(next(iter(self._posts)))

    def done(self) -> None:
        """Take note that the post that was taken is out."""
        if not self._posts:
            self._empty.set()

    async def all_sent(self) -> None:
        """Wait until nothing waits any more."""
        await self._empty.wait()

    @property
    def _is_full(self) -> bool:
        return len(self._posts) > self._most or self._bytes > self._most_bytes

    def _add(self, post: Post) -> int:
        """Let a post wait behind all others; return its number."""
        number = next(self._numbers)
        self._posts[number] = post
        self._bytes += len(post.payload)
        return number

    def _remove(self, number: int) -> Post:
        """Take a post out."""
        post = self._posts.pop(number)
        self._bytes -= len(post.payload)
        if post.is_passing:
            del self._passing[post.topic]
        return post

    def _wake(self) -> None:
        if self._posts:
            self._empty.clear()
            self._news.set()
        else:
            self._empty.set()
