"""What protocols of single messages have in common: what is posted, and what one session is told.

A broker knows no connections, so a `Switchboard` reads from the topic of each message whose session
it is, and a `Conversation` translates for that one session.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from steno_daemon.session import Session
from steno_daemon.wire import ServerMessage

Key: TypeAlias = tuple[str, ...]
"""Names a session among those of the broker."""


@dataclass(frozen=True, slots=True)
class Message:
    """What came for a session.

    Attributes:
        what: what it does: "audio", or a word of the protocol.
        payload: what it says.
    """

    what: str
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Post:
    """What goes to the broker.

    Attributes:
        topic: where.
        payload: what.
        is_retained: whether the broker keeps it for those who come later.
        is_passing: whether a newer one of the same topic makes it worthless.
    """

    topic: str
    payload: bytes
    is_retained: bool = False
    is_passing: bool = False


class Conversation(Protocol):
    """Translates for one session."""

    @property
    def is_satisfied(self) -> bool:
        """Whether it has all that it wanted, so that the session may end."""

    def pieces(self, message: Message) -> Iterator[Message]:
        """Yield a message in pieces that may be received one after the other, each quickly."""

    def receive(self, session: Session, piece: Message) -> bytes:
        """Tell the session what a piece says; return the audio that it was given.

        Raises:
            WireError: it says nothing that can be.
        """

    def encode(self, event: ServerMessage) -> Iterable[Post]:
        """Return what is to be posted of an event, nothing where there is no word for it."""


@dataclass(frozen=True, slots=True)
class Open:
    """A session begins; one of the same key that there still is ends without a word."""

    key: Key
    conversation: Conversation


@dataclass(frozen=True, slots=True)
class Tell:
    """A message is for a session, if there is one of that key."""

    key: Key
    message: Message


Order: TypeAlias = Open | Tell | Post


class Switchboard(Protocol):
    """Reads what comes from the broker."""

    @property
    def topics(self) -> tuple[str, ...]:
        """What to subscribe to."""

    def read(self, topic: str, payload: bytes) -> Iterable[Order]:
        """Return what a message asks for; nothing where its topic is another's."""

    def over(self, key: Key, *, retry_after_s: float | None) -> None:
        """Take note that a session is over; where it broke, when another try makes sense."""

    def left(self, key: Key, message: Message) -> Iterable[Order]:
        """Return what is to be done with a message that came behind the end of its session."""
