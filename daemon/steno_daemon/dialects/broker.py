"""The daemon's own messages over a broker, for what speaks MQTT and nothing else.

    PREFIX/NAME/audio     samples, 16-bit, mono, at 16 kHz unless a `start` says otherwise
    PREFIX/NAME/control   a native message: `start`, `configure`, `finalize`, `stop`, `ping`
    PREFIX/NAME/events    native events, as they happen
    PREFIX/NAME/text      the text of each final, and nothing else
    PREFIX/NAME/state     "listening" or "idle", retained

NAME is any word that the client chooses; what is sent under one name is one session after the
other. The first audio opens one, so a microcontroller needs to know of nothing else. Daemons that
share the work are spoken to otherwise: see `transports.mqtt_claim`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

import msgspec

from steno_daemon import wire
from steno_daemon.complaints import shorten
from steno_daemon.dialects.catalogue import Catalogue
from steno_daemon.dialects.conversation import Key, Message, Open, Order, Post, Tell
from steno_daemon.dialects.dialect import cut
from steno_daemon.dialects.native import NativeDialect
from steno_daemon.errors import UnknownModelError
from steno_daemon.session import Session
from steno_daemon.states import State
from steno_daemon.wire import CloseReason, ErrorCode

NAME_CHARS_MAX = 100
_HEARD = {"audio", "control"}
NAMES_MAX = 1_000
"""Names whose sessions broke, and that are to wait before they open another."""


class BrokerSession:
    """Translates for one session.

    Args:
        topic: prefix and name.
        language_model: of a session that names none.
        partials: whether hypotheses are posted.
    """

    is_satisfied = False

    def __init__(self, topic: str, language_model: str, *, partials: bool) -> None:
        self._topic = topic
        self._language_model = language_model
        self._partials = partials
        self._native = NativeDialect()

    def pieces(self, message: Message) -> Iterator[Message]:
        """Yield audio in pieces that take no time to speak of, and anything else whole."""
        if message.what == "audio":
            for piece in cut(message.payload):
                yield Message("audio", piece)
        else:
            yield message

    def receive(self, session: Session, piece: Message) -> bytes:
        """Tell the session what a piece says; return the audio that it was given.

        Raises:
            WireError: it is no message.
        """
        if piece.what == "audio":
            if session.state is State.IDLE:
                self._begin(session, wire.Start())
            session.receive_audio(piece.payload)
            return piece.payload
        text = piece.payload.decode("utf-8", "replace")
        message = wire.decode_client(text)
        if isinstance(message, wire.Start) and session.state is State.IDLE:
            self._begin(session, message)
        else:
            self._native.receive(session, text)
        return b""

    def encode(self, event: wire.ServerMessage) -> Iterator[Post]:
        """Yield what is to be posted of an event."""
        is_passing = isinstance(event, wire.Partial | wire.Load | wire.Acknowledged)
        if self._partials or not isinstance(event, wire.Partial):
            yield Post(f"{self._topic}/events", wire.encode(event).encode(), is_passing=is_passing)
        match event:
            case wire.Ready():
                yield self._state("listening")
            case wire.Final(text=text):
                yield Post(f"{self._topic}/text", text.encode())
            case wire.Closed():
                yield self._state("idle")
            case _:
                pass

    def _begin(self, session: Session, start: wire.Start) -> None:
        """Open the session; one that names no language model has that of its name."""
        if start.language_model == wire.Start().language_model:
            start = msgspec.structs.replace(start, language_model=self._language_model)
        if not start.label:
            name = self._topic.rpartition("/")[2]
            start = msgspec.structs.replace(start, label=name)
        session.receive_start(start)
        if session.state is State.IDLE:
            session.end(CloseReason.REFUSED)

    def _state(self, state: str) -> Post:
        return Post(f"{self._topic}/state", state.encode(), is_retained=True)


class Broker:
    """Reads what comes under the daemon's own topics.

    Args:
        catalogue: language models.
        prefix: of the topics.
        domains: language model of each name that has one of its own.
        partials: whether hypotheses are posted.
        clock: seconds from anywhere.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        prefix: str,
        domains: Mapping[str, str],
        *,
        partials: bool,
        clock: Callable[[], float],
    ) -> None:
        self._catalogue = catalogue
        self._prefix = prefix
        self._beginning = f"{prefix}/"
        self._domains = domains
        self._partials = partials
        self._clock = clock
        self._open: dict[Key, None] = {}
        self._not_before_s: dict[Key, float] = {}

    @property
    def topics(self) -> tuple[str, ...]:
        """What to subscribe to."""
        return (f"{self._prefix}/+/audio", f"{self._prefix}/+/control")

    def read(self, topic: str, payload: bytes) -> Iterable[Order]:
        """Return what a message asks for."""
        if not topic.startswith(self._beginning):
            return ()
        name, _, what = topic[len(self._beginning) :].partition("/")
        return self._tell(name, Message(what, payload)) if what in _HEARD else ()

    def over(self, key: Key, *, retry_after_s: float | None) -> None:
        """Take note that a session is over; one that broke is not opened again at once."""
        self._open.pop(key, None)
        if retry_after_s is not None and len(self._not_before_s) < NAMES_MAX:
            self._not_before_s[key] = self._clock() + retry_after_s

    def left(self, key: Key, message: Message) -> Iterable[Order]:
        """Return what opens the next session: its audio may come before the one before is done."""
        return self._tell(key[1], message)

    def _tell(self, name: str, message: Message) -> Iterable[Order]:
        key = ("steno", name)
        tell = Tell(key, message)
        return (tell,) if key in self._open else self._begin(name, tell)

    def _begin(self, name: str, tell: Tell) -> Iterator[Order]:
        """Yield what opens a session, if it may be, and its first message."""
        key = tell.key
        if self._clock() < self._not_before_s.get(key, 0.0):
            return  # what is sent without end would else be refused without end
        self._not_before_s.pop(key, None)
        if len(name) > NAME_CHARS_MAX:
            topic = f"{self._prefix}/{name}/events"
            yield refusal_post(topic, f"a name of {NAME_CHARS_MAX} characters", shorten(name))
            return
        try:
            model = self._catalogue.language_model(self._domains.get(name))
        except UnknownModelError as error:
            expected = "one of " + ", ".join(error.expected)
            yield refusal_post(f"{self._prefix}/{name}/events", expected, error.found)
            return
        self._open[key] = None
        yield Open(key, BrokerSession(f"{self._prefix}/{name}", model, partials=self._partials))
        yield tell


def status_post(prefix: str, facts: Mapping[str, object]) -> Post:
    """Return the post that says how the daemon is; the broker keeps it."""
    return Post(f"{prefix}/status", msgspec.json.encode(facts), is_retained=True)


def member_post(prefix: str, name: str, facts: Mapping[str, object]) -> Post:
    """Return the post that says how one daemon of a group is; of one that is gone nothing stays."""
    said = msgspec.json.encode(facts) if facts.get("state") == "online" else b""
    return Post(f"{prefix}/daemons/{name}", said, is_retained=True)


def refusal_post(topic: str, expected: str, found: str) -> Post:
    """Return the error of a session that cannot be opened."""
    error = wire.Error(
        seq=0,
        code=ErrorCode.INVALID_MESSAGE,
        message="no session can be opened under this name",
        fatal=True,
        expected=expected,
        found=found,
    )
    return replace(Post(topic, wire.encode(error).encode()), is_passing=True)
