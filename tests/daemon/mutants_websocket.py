"""Hostile WebSockets: wrong messages, wrong audio, wrong order, wrong frames, too much of it."""

import json
import struct
from collections.abc import Callable
from random import Random

import numpy as np
from tests.daemon import nasty
from tests.daemon.mutant import (
    CHUNK,
    FIN,
    RSV1,
    Ending,
    Mutant,
    Opcode,
    Send,
    closing,
    frame,
    upgrade,
)

MEGABYTE = 1024 * 1024
SIZES = (5 * MEGABYTE, 16 * MEGABYTE, 64 * MEGABYTE)
MESSAGES: tuple[dict[str, nasty.Json], ...] = (
    {
        "type": "start",
        "encoding": "pcm_s16le",
        "rate": 16_000,
        "channels": 1,
        "separate_channels": False,
        "language_model": "general",
        "partials": True,
        "endpointing": {
            "trailing_silence_ms": 500,
            "empty_silence_ms": 5_000,
            "max_utterance_s": 20.0,
            "blank_silence_ms": 0,
            "vad_aggressiveness": 2,
            "pre_roll_ms": 300,
        },
        "n_best": 3,
        "word_times": True,
        "chunk_ms": 640,
        "label": "stage",
        "record": False,
    },
    {"type": "start"},
    {"type": "resume", "token": "0123456789abcdef.c2VjcmV0", "seq": 3},
    {"type": "configure", "endpointing": {"trailing_silence_ms": 300, "max_utterance_s": 5}},
    {"type": "finalize"},
    {"type": "ping", "id": 7},
    {"type": "stop"},
)
NAMES = ("type", "encoding", "language_model", "label", "token")
ENCODINGS = ("pcm_s16le", "pcm_f32le", "pcm_u8", "mulaw", "alaw", "webm_opus", "ogg_opus")


def text(message: dict[str, nasty.Json] | str) -> bytes:
    said = message if isinstance(message, str) else json.dumps(message)
    return frame(Opcode.TEXT, said.encode("utf-8", "surrogatepass"))


def start(**members: nasty.Json) -> bytes:
    return text({"type": "start", **members})


def audio(data: bytes) -> bytes:
    return frame(Opcode.BINARY, data)


STOP = text({"type": "stop"})


def talk(
    rng: Random,
    kind: str,
    frames: list[bytes],
    *,
    mutations: int,
    ending: Ending = Ending.FAREWELL,
) -> Mutant:
    """A conversation that is heard to its end, or broken off."""
    if rng.random() < 0.15:
        return Mutant(kind, upgrade(), tuple(map(Send, frames)), mutations, Ending.VANISH)
    return Mutant(kind, upgrade(), tuple(map(Send, [*frames, closing()])), mutations, ending)


def messages(rng: Random) -> Mutant:
    """Messages whose JSON, members or bytes are wrong."""
    frames = [start(), audio(nasty.speech()[:6_400])] if rng.random() < 0.5 else []
    count = rng.randrange(1, 9)
    for _ in range(count):
        message = rng.choice(MESSAGES)
        if rng.random() < 0.7:
            frames.append(text(nasty.damaged_object(rng, message)))
        else:
            damaged = nasty.damaged_bytes(rng, json.dumps(message).encode())
            frames.append(frame(Opcode.TEXT, damaged))
    return talk(rng, "messages", [*frames, STOP], mutations=count)


def names(rng: Random) -> Mutant:
    """Names that are paths, too long, or not for printing, in every field that takes a name."""
    frames = []
    for name in NAMES:
        base = MESSAGES[2] if name == "token" else MESSAGES[0]
        frames.append(text({**base, name: rng.choice(nasty.TEXTS)}))
    rng.shuffle(frames)
    return talk(rng, "names", [*frames, STOP], mutations=len(frames))


def sound(rng: Random) -> Mutant:
    """Audio that is cut at odd places, not numbers, or not what `start` said."""
    opening = start(
        encoding=rng.choice(ENCODINGS[:5]),
        rate=rng.choice([8_000, 11_025, 16_000, 44_100, 48_000]),
        channels=rng.choice([1, 2, 3, 8]),
        separate_channels=rng.random() < 0.5,
    )
    wild = np.array([np.nan, np.inf, -np.inf, 1e38, -1e38, 1e-45, 0.0, 1.0], "<f4")
    pieces = [
        wild.tobytes() * rng.choice([1, 100]),
        rng.randbytes(rng.choice([0, 1, 3, 999, 20_000])),
        nasty.damaged_bytes(rng, nasty.speech()[: rng.choice([7, 6_401])]),
        b"\xff" * 5_000,
    ]
    rng.shuffle(pieces)
    return talk(rng, "sound", [opening, *map(audio, pieces), STOP], mutations=len(pieces))


def container(rng: Random) -> Mutant:
    """A file of Opus in which something is broken, in pieces."""
    kind = rng.choice(["ogg", "webm"])
    data = nasty.damaged_bytes(rng, nasty.opus_file(kind))
    if rng.random() < 0.1:
        kind = "webm" if kind == "ogg" else "ogg"
    size = rng.choice([100, 1_000, 20_000])
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    opening = start(encoding=f"{kind}_opus", channels=rng.choice([1, 2]))
    return talk(rng, "container", [opening, *map(audio, pieces), STOP], mutations=1)


def order(rng: Random) -> Mutant:
    """Right frames in a wrong order, twice, or not at all."""
    sound = nasty.speech()
    frames = [text(message) for message in MESSAGES if message["type"] not in {"start", "stop"}]
    frames += [start(), STOP, *(audio(sound[at : at + 3_200]) for at in range(0, 12_800, 3_200))]
    frames = [data for data in frames for _ in range(rng.choice([0, 1, 1, 1, 2]))]
    if rng.random() < 0.7:
        rng.shuffle(frames)
    return talk(rng, "order", frames, mutations=max(1, len(frames) // 2))


def flipped(rng: Random) -> Mutant:
    """A right conversation whose bytes are damaged below the frames."""
    right = start() + audio(nasty.speech()[:3_200]) + text({"type": "ping"}) + STOP
    damaged = nasty.damaged_bytes(rng, right)
    return talk(rng, "flipped", [damaged], mutations=1, ending=Ending.LISTEN)


def framing(rng: Random) -> Mutant:
    """Frames that break the rules of RFC 6455."""
    opening = start()
    count = rng.randrange(1, 4)
    wrong = [rng.choice(WRONG_FRAMES)(rng) for _ in range(count)]
    frames = [opening, *wrong, STOP]
    return talk(rng, "framing", frames, mutations=count, ending=Ending.LISTEN)


def viewing(rng: Random) -> Mutant:
    """Viewers that say what is not for viewers to say."""
    count = rng.randrange(1, 4)
    wrong = [rng.choice(WRONG_FRAMES)(rng) for _ in range(count)]
    said = [text(message) for message in MESSAGES] if rng.random() < 0.3 else []
    path = f"/watch/{rng.choice(['live', 'live', 'live', 'nobody'])}?after={rng.choice([-9, 0, 7])}"
    sends = tuple(map(Send, [*said, *wrong, closing()]))
    return Mutant("viewing", upgrade(path), sends, count)


def _lie(rng: Random) -> bytes:
    """A frame that announces another length than it has."""
    announced = rng.choice([0, 1, 125, 126, 65_535, 65_536, 2**31, 2**62, 2**63 - 1])
    return frame(rng.choice([0, 1, 2, 9]), b"x" * rng.choice([0, 1, 200]), length=announced)


WRONG_FRAMES: tuple[Callable[[Random], bytes], ...] = (
    lambda rng: frame(rng.choice([3, 4, 5, 6, 7, 11, 12, 13, 14, 15]), b"x"),
    lambda rng: frame(Opcode.TEXT, b"{}", flags=FIN | rng.choice([0x10, 0x20, 0x40, 0x70])),
    lambda rng: frame(rng.choice(list(Opcode)), b"{}", mask=None),
    lambda rng: frame(Opcode.TEXT, b'{"type": "ping"}', mask=rng.randbytes(4)),
    lambda rng: frame(Opcode.PING, b"x" * rng.choice([126, 1_000])),
    lambda rng: frame(rng.choice([8, 9, 10]), b"x", flags=0),
    lambda rng: frame(Opcode.CONTINUATION, rng.randbytes(9), flags=rng.choice([0, FIN])),
    lambda _: frame(Opcode.TEXT, b"{", flags=0) + frame(Opcode.TEXT, b"}"),
    lambda _: frame(Opcode.TEXT, b"\xc3", flags=0) + frame(Opcode.CONTINUATION, b"\xa9"),
    lambda rng: frame(
        Opcode.TEXT, rng.choice([b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\x80", b"\xf8"])
    ),
    lambda rng: frame(Opcode.BINARY, b"x" * 99, flags=0) * rng.choice([1, 50]),
    lambda _: frame(Opcode.BINARY, flags=0) * 1_000 + frame(Opcode.CONTINUATION),
    lambda rng: frame(
        Opcode.CLOSE, rng.choice([b"x", b"\x03\xe8\xff\xff", b"\x03\xe8" + b"x" * 123])
    ),
    lambda rng: closing(rng.choice([0, 999, 1004, 1005, 1006, 1015, 2999, 5_000, 65_535])),
    lambda _: closing() + text({"type": "ping"}) + closing(),
    lambda rng: b"\x82\xff" + struct.pack(">Q", rng.choice([2**63, 2**64 - 1])) + b"mask",
    lambda _: b"\x81\xfe\x00\x02mask{}",
    lambda rng: rng.randbytes(rng.choice([1, 2, 14, 500])),
    _lie,
)


def size(rng: Random) -> Mutant:
    """One message that is far too large, in one frame or in many, or that is only just allowed."""
    total = rng.choice(SIZES)
    times = total // len(CHUNK)
    sends = rng.choice(
        [
            [Send(frame(Opcode.BINARY, length=total)), Send(CHUNK, times)],
            [Send(frame(Opcode.TEXT, length=total)), Send(CHUNK, times)],
            [
                Send(frame(Opcode.BINARY, flags=0)),
                Send(frame(Opcode.CONTINUATION, CHUNK, flags=0), times),
            ],
            [Send(frame(Opcode.BINARY, length=4 * MEGABYTE - 1)), Send(CHUNK, 64)],
        ]
    )
    opening = start(encoding="pcm_f32le", rate=48_000, channels=8)
    return Mutant("size", upgrade(), (Send(opening), *sends))


def bomb(rng: Random) -> Mutant:
    """Frames that are said to be compressed, and hold a thousand times their size."""
    packed = nasty.zipped(-15)
    opcode = rng.choice([Opcode.TEXT, Opcode.BINARY])
    offer = rng.choice(
        [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; client_max_window_bits=99999999999",
            "permessage-deflate, " * 500,
        ]
    )
    return Mutant(
        "bomb",
        upgrade(Sec_WebSocket_Extensions=offer),
        (Send(start()), Send(frame(opcode, packed, flags=FIN | RSV1), 4), Send(closing())),
    )


def flood(rng: Random) -> Mutant:
    """Thousands of small frames as fast as they go, from who listens and who does not."""
    data, times = rng.choice(
        [
            (frame(Opcode.PING, b"x" * 125), 20_000),
            (frame(Opcode.PING), 50_000),
            (frame(Opcode.PONG, b"x"), 50_000),
            (text({"type": "ping"}), 5_000),
            (text("{}"), 5_000),
            (text({"type": "finalize"}), 5_000),
            (audio(b""), 50_000),
            (frame(Opcode.CONTINUATION, b"x", flags=0), 50_000),
        ]
    )
    bundled = 100
    opening = [start()]
    if data[0] == Opcode.CONTINUATION:
        opening.append(frame(Opcode.BINARY, flags=0))
    return Mutant(
        "flood",
        upgrade(rng.choice(["/", "/", "/", "/watch/live"])),
        (Send(b"".join(opening)), Send(data * bundled, times // bundled), Send(closing())),
        ending=rng.choice([Ending.LISTEN, Ending.DEAF]),
    )
