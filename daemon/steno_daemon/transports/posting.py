"""What waits to go to the broker: bounded, so that a slow broker costs others nothing."""

import asyncio
from collections import deque
from collections.abc import Callable

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
        self._posts: deque[Post] = deque()
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
        self._forget(lambda old: old.is_passing and old.topic == post.topic, tell=False)
        self._posts.append(post)
        self._bytes += len(post.payload)
        if self._is_full:
            self._forget(lambda old: old.is_passing)
        while self._is_full:
            self._drop(self._posts.popleft())
        self._wake()

    def put_back(self, post: Post) -> None:
        """Let a post go first that could not be sent; a passing one has passed."""
        self._returns = self._returns + 1 if post is self._returned else 1
        self._returned = post
        if post.is_passing:
            pass
        elif self._returns < TRIES_MAX:
            self._posts.appendleft(post)
            self._bytes += len(post.payload)
        else:
            self._dropped(post)
        self._wake()

    def forget_passing(self) -> None:
        """Forget what will be worthless once there is a broker again."""
        self._forget(lambda old: old.is_passing, tell=False)

    async def take(self) -> Post:
        """Wait for the next post and return it; call `done` or `put_back` then."""
        while not self._posts:
            self._news.clear()
            await self._news.wait()
        post = self._posts.popleft()
        self._bytes -= len(post.payload)
        return post

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

    def _forget(self, is_meant: Callable[[Post], bool], *, tell: bool = True) -> None:
        """Take the posts out that are meant."""
        if not any(map(is_meant, self._posts)):
            return
        meant = [post for post in self._posts if is_meant(post)]
        self._posts = deque(post for post in self._posts if not is_meant(post))
        for post in meant:
            self._bytes -= len(post.payload)
            if tell:
                self._dropped(post)
        self._wake()

    def _drop(self, post: Post) -> None:
        self._bytes -= len(post.payload)
        self._dropped(post)

    def _wake(self) -> None:
        if self._posts:
            self._empty.clear()
            self._news.set()
        else:
            self._empty.set()
