"""What the code of a dialect alone takes, without sockets, session and event loop.

    python -m tests.daemon.dialect_weight

A session that hears nothing takes a minute of audio in messages of the length that a dialect's
usual clients send; a hypothesis is told three times a second, an utterance ends every six seconds.
What the dialect's own code takes for that, the least of some tries, is printed in microseconds a
message and in ms for a second of audio. It is a part of what `dialect_cost` measures, which has the
transports in it, and hardly depends on what else the machine does.
"""

import argparse
import base64
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from rich.console import Console
from rich.table import Table
from tests.daemon.dialect_cost import BLOCKS_MS
from tests.daemon.dialects.speaking import ABOUT, hello

from steno_daemon import wire
from steno_daemon.dialects.broker import Broker
from steno_daemon.dialects.catalogue import Catalogue
from steno_daemon.dialects.conversation import Conversation, Open, Switchboard, Tell
from steno_daemon.dialects.deepgram import DeepgramDoor
from steno_daemon.dialects.dialect import Dialect
from steno_daemon.dialects.hermes import START, Hermes, Sites
from steno_daemon.dialects.native import NativeDialect
from steno_daemon.dialects.openai import OpenAIDoor
from steno_daemon.dialects.pcm import Form, wav_file
from steno_daemon.dialects.sherpa import SherpaDoor
from steno_daemon.dialects.vosk import VoskDoor
from steno_daemon.dialects.wyoming import WyomingDialect
from steno_daemon.dialects.wyoming_events import Event, Unpacker, pack
from steno_daemon.states import State

if TYPE_CHECKING:
    from steno_daemon.session import Session

RATE = 16_000
AUDIO_S = 60
TRIES = 7
PARTIAL_S, UTTERANCE_S = 0.32, 6.0
CATALOGUE = Catalogue(ABOUT, "1", "en")
WORDS = ("it", "was", "the", "custom", "on", "such", "occasions", "for", "them", "all", "to", "sit")


class DeafSession:
    """Counts audio, and is always where its client wants it to be."""

    def __init__(self) -> None:
        self.state = State.IDLE
        self.start = wire.Start()
        self.received_bytes = 0

    @property
    def received_s(self) -> float:
        """Seconds of audio so far, of 16 bits."""
        return self.received_bytes / 2 / RATE

    def receive_start(self, start: wire.Start) -> None:
        """Begin."""
        self.start, self.state = start, State.LISTENING

    def receive_audio(self, data: bytes) -> None:
        """Count audio."""
        self.received_bytes += len(data)

    def receive_configure(self, _wish: wire.Configure) -> None:
        """Change nothing."""


@dataclass(frozen=True, slots=True)
class Talk:
    """One connection: takes audio as its client sends it, and what its session says.

    Attributes:
        take: takes a message.
        tell: takes events, and how much was told.
        message: returns the message of a block.
    """

    take: Callable[[bytes | str], None]
    tell: Callable[[list[wire.ServerMessage], float], None]
    message: Callable[[bytes], bytes | str] = bytes


def events_until(seconds: float, told_s: float) -> Iterator[wire.ServerMessage]:
    """Yield what a session says of the audio up to a time, after what it said before."""
    for number in range(int(told_s / PARTIAL_S) + 1, int(seconds / PARTIAL_S) + 1):
        at_s = number * PARTIAL_S
        segment, within_s = divmod(at_s, UTTERANCE_S)
        count = min(len(WORDS), int(2.5 * within_s))
        words = tuple(
            wire.Word(text=text, start=at_s - 2 + k / 4, end=at_s - 1.8 + k / 4, confidence=0.9)
            for k, text in enumerate(WORDS[:count])
        )
        text = " ".join(WORDS[:count])
        if within_s < PARTIAL_S:
            yield wire.SpeechStarted(seq=number, segment=int(segment), time=at_s)
        elif within_s + PARTIAL_S < UTTERANCE_S:
            yield wire.Partial(
                seq=number,
                segment=int(segment),
                text=text,
                stable_chars=len(text) // 2,
                start=at_s - within_s,
                words=words,
            )
        else:
            yield wire.Final(
                seq=number,
                segment=int(segment),
                text=text,
                start=at_s - within_s,
                end=at_s,
                confidence=0.9,
                words=words,
            )
            yield wire.Endpoint(
                seq=number,
                segment=int(segment),
                time=at_s,
                reason=wire.EndpointReason.TRAILING_SILENCE,
            )


def socket_talk(dialect: Dialect, message: Callable[[bytes], bytes | str]) -> Talk:
    """Return a connection over a WebSocket."""
    session = cast("Session", DeafSession())
    dialect.begin(session)

    def take(frame: bytes | str) -> None:
        for piece in dialect.pieces(session, frame):
            dialect.receive(session, piece)

    def tell(events: list[wire.ServerMessage], told_s: float) -> None:
        for event in events:
            list(dialect.encode(event))
        list(dialect.replies(told_s))

    if session.state is State.IDLE and isinstance(dialect, NativeDialect):
        session.receive_start(wire.Start())
    return Talk(take, tell, message)


def wyoming_talk() -> Talk:
    """Return a connection of Wyoming."""
    session, dialect = cast("Session", DeafSession()), WyomingDialect(CATALOGUE, "x")
    unpacker = Unpacker(4 * 1024 * 1024)

    def take(data: bytes | str) -> None:
        for event in unpacker.receive(cast("bytes", data)):
            dialect.receive(session, event)

    def tell(events: list[wire.ServerMessage], _told_s: float) -> None:
        for event in events:
            b"".join(map(pack, dialect.encode(event)))

    form: dict[str, object] = {"rate": RATE, "width": 2, "channels": 1}
    return Talk(take, tell, lambda block: pack(Event("audio-chunk", form, block)))


def broker_talk(
    board: Switchboard, topic: str, opening: str, message: Callable[[bytes], bytes | str]
) -> Talk:
    """Return a session over a broker."""
    session = cast("Session", DeafSession())
    talks: list[Conversation] = []

    def take(data: bytes | str) -> None:
        for order in board.read(topic, cast("bytes", data)):
            if isinstance(order, Open):
                talks.append(order.conversation)
            elif isinstance(order, Tell):
                for piece in talks[0].pieces(order.message):
                    talks[0].receive(session, piece)

    def tell(events: list[wire.ServerMessage], _told_s: float) -> None:
        for event in events:
            list(talks[0].encode(event))

    talks += [one.conversation for one in board.read(opening, b"{}") if isinstance(one, Open)]
    return Talk(take, tell, message)


def _appended(block: bytes) -> str:
    audio = base64.b64encode(block).decode()
    return json.dumps({"type": "input_audio_buffer.append", "audio": audio})


def talk_of(dialect: str) -> Talk:
    """Return a new connection in a dialect."""
    linear = hello(("encoding", "linear16"), ("sample_rate", str(RATE)))
    sockets: Mapping[str, Callable[[], Dialect]] = {
        "native": NativeDialect,
        "vosk": lambda: VoskDoor(ABOUT, rate=RATE).welcome(hello()).dialect,
        "deepgram": lambda: DeepgramDoor(ABOUT).welcome(linear).dialect,
        "openai": lambda: OpenAIDoor(ABOUT).welcome(hello()).dialect,
        "sherpa": lambda: SherpaDoor(ABOUT).welcome(hello()).dialect,
    }
    match dialect:
        case "wyoming":
            return wyoming_talk()
        case "hermes":
            board = Hermes(CATALOGUE, Sites(), time.monotonic)
            topic = "hermes/audioServer/default/audioFrame"
            return broker_talk(board, topic, START, lambda block: wav_file(Form(), block))
        case "mqtt":
            own = Broker(CATALOGUE, "steno", {}, partials=True, clock=time.monotonic)
            return broker_talk(own, "steno/x/audio", "steno/x/audio", bytes)
        case _:
            return socket_talk(sockets[dialect](), MESSAGES.get(dialect, bytes))


MESSAGES: Mapping[str, Callable[[bytes], bytes | str]] = {
    "openai": _appended,
    "sherpa": lambda block: block + block,  # floats
}
DIALECTS = ("native", "vosk", "deepgram", "openai", "sherpa", "wyoming", "hermes", "mqtt")


def weight(dialect: str, block_ms: int) -> float:
    """Return what a dialect's code takes for a second of audio, in seconds of CPU time."""
    talk, block = talk_of(dialect), bytes(32 * block_ms)
    message = talk.message(block)
    step_s, told_s, spent_s = block_ms / 1000, 0.0, 0.0
    for number in range(1, round(AUDIO_S / step_s) + 1):
        at_s = number * step_s
        events = list(events_until(at_s, told_s))
        begin_s = time.thread_time()
        talk.take(message)
        talk.tell(events, at_s)
        spent_s += time.thread_time() - begin_s
        told_s = at_s
    return spent_s / AUDIO_S


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--block-ms", type=int, default=0, help="a message, in all dialects")
    options = parser.parse_args()
    shown = Table("dialect", "ms a message", "µs for each", "ms for a second of audio")
    for dialect in DIALECTS:
        size = options.block_ms or BLOCKS_MS.get(dialect, 100)
        least_s = min(weight(dialect, size) for _ in range(TRIES))
        shown.add_row(dialect, str(size), f"{1e3 * size * least_s:.1f}", f"{1e3 * least_s:.3f}")
    Console().print(shown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
