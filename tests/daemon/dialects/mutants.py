"""Hostile clients of each dialect: right messages that were damaged, in a wrong order, or lies.

The dialects that have connections of their own are here; `posts` has those that a broker carries.
"""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from urllib.parse import quote

from tests.daemon import mutants_websocket, nasty
from tests.daemon.dialects import mutants_wyoming
from tests.daemon.dialects.clients import PATHS
from tests.daemon.mutant import CHUNK, Ending, Mutant, Opcode, Send, closing, frame, upgrade

MEGABYTE = 1024 * 1024
SOUND = base64.b64encode(nasty.speech()[:4_800]).decode()
MESSAGES: dict[str, tuple[dict[str, nasty.Json], ...]] = {
    "vosk": (
        {
            "config": {
                "sample_rate": 16_000.0,
                "phrase_list": ["do", "[unk]"],
                "words": 1,
                "max_alternatives": 3,
                "model": "general",
            }
        },
        {"eof": 1},
        {"reset": 1},
    ),
    "deepgram": (
        {"type": "KeepAlive"},
        {"type": "Finalize", "channel": 0},
        {"type": "CloseStream"},
    ),
    "openai": (
        {
            "type": "session.update",
            "event_id": "mine",
            "session": {
                "type": "transcription",
                "audio": {
                    "input": {
                        "format": {"type": "audio/pcm", "rate": 24_000},
                        "transcription": {"model": "general", "keywords": ["x"]},
                        "turn_detection": {"type": "server_vad", "threshold": 0.5},
                        "noise_reduction": {"type": "near_field"},
                    }
                },
                "include": ["item.input_audio_transcription.logprobs"],
            },
        },
        {"type": "transcription_session.update", "session": {"input_audio_format": "g711_alaw"}},
        {"type": "input_audio_buffer.append", "audio": SOUND},
        {"type": "input_audio_buffer.commit"},
        {"type": "input_audio_buffer.clear"},
    ),
    "sherpa": ({"text": "Done"},),
}
PARAMETERS = (
    "encoding",
    "sample_rate",
    "channels",
    "endpointing",
    "utterance_end_ms",
    "model",
    "keyterm",
    "punctuate",
)
Make = Callable[[Random, str], Mutant]


def mutants(dialect: str, *, seed: int, count: int) -> Iterator[Mutant]:
    """Yield hostile connections that send little; those of a seed are always the same."""
    for number in range(count):
        yield messages(Random(f"{dialect}/{seed}/{number}"), dialect)


def mutant(dialect: str, seed: int, number: int) -> Mutant:
    """The hostile connection of that number."""
    rng = Random(f"{dialect}/{seed}/{number}")
    made = _make(rng, dialect)(rng, dialect)
    return replace(made, kind=f"{dialect} {made.kind}")


def kind_of(dialect: str, seed: int, number: int) -> str:
    """What kind of connection it is, without making it."""
    return _make(Random(f"{dialect}/{seed}/{number}"), dialect).__name__


def _make(rng: Random, dialect: str) -> Make:
    table = mutants_wyoming.KINDS if dialect.startswith("wyoming") else KINDS
    [make] = rng.choices(list(table), list(table.values()))
    return make


def messages(rng: Random, dialect: str) -> Mutant:
    """Messages of which some are damaged."""
    frames = [_frame(rng, dialect) for _ in range(rng.randrange(2, 8))]
    head = upgrade(_path(rng, dialect))
    if rng.random() < 0.2:
        return Mutant("messages", head, (*map(Send, frames),), len(frames), Ending.VANISH)
    sends = tuple(map(Send, [*frames, closing()]))
    return Mutant("messages", head, sends, len(frames), Ending.FAREWELL)


def framing(rng: Random, dialect: str) -> Mutant:
    """Frames that break the rules of RFC 6455 among those that do not."""
    made = mutants_websocket.framing(rng)
    sends = (Send(_frame(rng, dialect)), *made.sends[1:])
    return replace(made, head=upgrade(PATHS[dialect]), sends=sends)


def flood(rng: Random, dialect: str) -> Mutant:
    """Thousands of pings, pongs, messages or empty frames as fast as they go."""
    said = json.dumps(rng.choice(MESSAGES[dialect])).encode()
    data, times = rng.choice(
        [
            (frame(Opcode.PING, b"x" * 125), 10_000),
            (frame(Opcode.PONG, b"x"), 10_000),
            (frame(Opcode.TEXT, said), 2_000),
            (frame(Opcode.TEXT, b"{}"), 2_000),
            (frame(Opcode.BINARY), 10_000),
            (frame(Opcode.BINARY, bytes(4)), 10_000),
        ]
    )
    sends = (Send(data * 100, times // 100), Send(closing()))
    ending = rng.choice([Ending.LISTEN, Ending.DEAF])
    return Mutant("flood", upgrade(PATHS[dialect]), sends, ending=ending)


def size(rng: Random, dialect: str) -> Mutant:
    """One message at the limit of the daemon, or above it."""
    total = rng.choice([4 * MEGABYTE - 1, 4 * MEGABYTE + 1, 16 * MEGABYTE])
    opcode = rng.choice([Opcode.TEXT, Opcode.BINARY])
    filler = CHUNK if opcode is Opcode.BINARY else b"[" * len(CHUNK)
    times, rest = divmod(total, len(filler))
    sends = (Send(frame(opcode, length=total)), Send(filler, times), Send(filler[:rest]))
    whole = (*sends, Send(closing())) if total < 4 * MEGABYTE else sends
    return Mutant("size", upgrade(PATHS[dialect]), whole, ending=Ending.LISTEN)


def bomb(rng: Random, dialect: str) -> Mutant:
    """Frames that are said to be compressed."""
    made = mutants_websocket.bomb(rng)
    offer = "permessage-deflate; client_max_window_bits"
    return replace(made, head=upgrade(PATHS[dialect], Sec_WebSocket_Extensions=offer))


def dribble(rng: Random, dialect: str) -> Mutant:
    """A client that never comes to the point."""
    head = upgrade(PATHS[dialect])
    more = rng.choice([b"", head[:-2], head, head + b"\x81\xfe\x10\x00mask"])
    return Mutant("dribble", more, ending=Ending.DRIBBLE)


KINDS: dict[Make, float] = {
    messages: 80,
    framing: 16,
    flood: 0.3,
    size: 0.4,
    bomb: 0.2,
    dribble: 0.5,
}
"""What there is, and how often."""


def _path(rng: Random, dialect: str) -> str:
    """The right path, now and then with parameters that are not."""
    path = PATHS[dialect]
    if rng.random() < 0.3:
        value = quote(rng.choice(nasty.TEXTS).encode("utf-8", "surrogatepass")[:300])
        joined = "&" if "?" in path else "?"
        name = rng.choice([*PARAMETERS, "domain"])
        path = (
            f"{path.partition('?')[0]}?{name}={value}"
            if rng.random() < 0.5
            else (f"{path}{joined}{name}={value}")
        )
    return path


def _frame(rng: Random, dialect: str) -> bytes:
    message = rng.choice(MESSAGES[dialect])
    match rng.randrange(5):
        case 0:
            return frame(Opcode.BINARY, nasty.speech()[: rng.choice([0, 1, 999, 6_400])])
        case 1:
            return frame(Opcode.BINARY, nasty.damaged_bytes(rng, nasty.speech()[:3_001]))
        case 2:
            said = nasty.damaged_object(rng, message)
            return frame(Opcode.TEXT, said.encode("utf-8", "surrogatepass"))
        case 3:
            return frame(Opcode.TEXT, nasty.damaged_bytes(rng, json.dumps(message).encode()))
        case _:
            return frame(Opcode.TEXT, json.dumps(message).encode())
