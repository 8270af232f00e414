"""Hostile clients of Wyoming: events whose line, data or payload is wrong, too long or endless."""

import json
from collections.abc import Callable
from random import Random

from tests.daemon import nasty
from tests.daemon.mutant import CHUNK, Ending, Mutant, Send

FORM: dict[str, nasty.Json] = {"rate": 16_000, "width": 2, "channels": 1}
EVENTS: tuple[tuple[dict[str, nasty.Json], int], ...] = (
    ({"type": "describe"}, 0),
    ({"type": "ping", "data": {"text": "x"}}, 0),
    (
        {
            "type": "transcribe",
            "data": {
                "name": "general",
                "language": "en",
                "context": {"a": 1},
                "vad_sensitivity": "relaxed",
                "transcript_names": ["do"],
                "transcript_terms": ["re mi"],
            },
        },
        0,
    ),
    ({"type": "audio-start", "data": FORM}, 0),
    ({"type": "audio-chunk", "data": FORM}, 3_200),
    ({"type": "audio-stop", "data": {"timestamp": 3}}, 0),
    ({"type": "nobody-knows"}, 0),
)
LENGTHS = (0, 1, 65_535, 1024 * 1024 + 1, 4 * 1024 * 1024, 4 * 1024 * 1024 + 1, 2**31, 2**63, -1)


def _right(event: dict[str, nasty.Json], payload_bytes: int, rng: Random) -> bytes:
    """An event as it should be, its data in the line or behind it."""
    head, data = dict(event), b""
    if "data" in head and rng.random() < 0.5:
        data = json.dumps(head.pop("data")).encode()
        head["data_length"] = len(data)
    if payload_bytes:
        head["payload_length"] = payload_bytes
    return json.dumps(head).encode() + b"\n" + data + nasty.speech()[:payload_bytes]


def _damaged(rng: Random) -> bytes:
    """An event in which something is wrong."""
    event, payload_bytes = rng.choice(EVENTS)
    match rng.randrange(6):
        case 0:
            return nasty.damaged_bytes(rng, _right(event, payload_bytes, rng))
        case 1:
            line = nasty.damaged_object(rng, event)
            return line.encode("utf-8", "surrogatepass") + b"\n"
        case 2:
            data = nasty.damaged_object(rng, FORM).encode("utf-8", "surrogatepass")
            head = {"type": "audio-chunk", "data_length": len(data), "payload_length": 640}
            return json.dumps(head).encode() + b"\n" + data + bytes(640)
        case 3:
            name = rng.choice(["data_length", "payload_length"])
            return json.dumps({**event, name: rng.choice(LENGTHS)}).encode() + b"\n" + bytes(99)
        case 4:
            form = {**FORM, rng.choice([*FORM]): rng.choice([0, 3, 4, 8, 9, 44_100, 10**9])}
            return _right({"type": "audio-chunk", "data": form}, 999, rng)
        case _:
            return rng.choice([b"\n", b"{}\n", b"\xff\xfe\n", b"[" * 60_000 + b"\n", b"null\n"])


def messages(rng: Random, _dialect: str) -> Mutant:
    """Events of which some are damaged."""
    sends, count = [], rng.randrange(1, 6)
    for _ in range(count):
        sends += [Send(_right(*rng.choice(EVENTS), rng)) for _ in range(rng.randrange(3))]
        sends.append(Send(_damaged(rng)))
    ending = Ending.VANISH if rng.random() < 0.2 else Ending.LISTEN
    return Mutant("messages", b"", tuple(sends), count, ending)


def heads(rng: Random, _dialect: str) -> Mutant:
    """What is hardly an event: other protocols, lines without end."""
    wrong: bytes = rng.choice(
        [
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(200),
            b"x" * 70_000,
            b'{"type": "' + b"x" * 70_000,
            b"\n" * 50_000,
            rng.randbytes(rng.choice([1, 100, 70_000])),
        ]
    )
    return Mutant("heads", wrong)


def flood(rng: Random, _dialect: str) -> Mutant:
    """Thousands of events as fast as they go."""
    event, payload_bytes = rng.choice(EVENTS)
    data = _right(event, min(payload_bytes, 320), rng) * 100
    return Mutant("flood", b"", (Send(data, 20),), ending=rng.choice([Ending.LISTEN, Ending.DEAF]))


def size(rng: Random, _dialect: str) -> Mutant:
    """A payload or data at the limit, or above it."""
    total = rng.choice([1024 * 1024 - 1, 4 * 1024 * 1024 - 1, 16 * 1024 * 1024])
    name = rng.choice(["data_length", "payload_length"])
    head = json.dumps({"type": "audio-chunk", "data": FORM, name: total}).encode() + b"\n"
    return Mutant("size", head, (Send(CHUNK, total // len(CHUNK) + 1),))


def dribble(rng: Random, _dialect: str) -> Mutant:
    """A client that never comes to the point."""
    head = rng.choice([b"", b'{"type"', b'{"type": "audio-chunk", "payload_length": 1000000}\n'])
    return Mutant("dribble", head, ending=Ending.DRIBBLE)


KINDS: dict[Callable[[Random, str], Mutant], float] = {
    messages: 90,
    heads: 5,
    flood: 0.3,
    size: 0.5,
    dribble: 0.5,
}
"""What there is, and how often."""
