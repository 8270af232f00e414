"""Values that break programs, and ways to damage what was right, chosen by a seeded generator."""

import io
import json
import zlib
from functools import lru_cache
from random import Random
from typing import TypeAlias

import av
import numpy as np
from tests.daemon.fakes import RATE, pcm, speak

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

PATHS = (
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc/passwd",
    "%252e%252e%252fetc%252fpasswd",
    "..\\..\\..\\windows\\win.ini",
    "....//....//etc/passwd",
    "/etc/passwd",
    "//etc/passwd",
    "file:///etc/passwd",
    "/proc/self/environ",
    "..%c0%af..%c0%afetc/passwd",
    "live\0.vtt",
    "live%00.vtt",
    ".",
    "..",
    "~root",
    "$(id)",
    "`id`",
    "|id",
    "%s%s%s%n",
    "{0.__class__}",
    "con",
    "a" * 300,
)
TEXTS = (
    "",
    " ",
    "\0",
    "\ud800",
    "\u202e\u2066",
    "é" * 101,
    "\U0001f4a9" * 101,
    "x" * 101,
    "x" * 10_000,
    "x" * 60_000,
    "x" * 70_000,
    "\r\nSet-Cookie: a=b",
    "<script>alert(1)</script>",
    "\x1b[2J",
    "'; DROP TABLE sessions; --",
    *PATHS,
)
NUMBERS = (
    0,
    -1,
    1,
    2**31,
    2**53 + 1,
    2**63,
    2**64,
    -(2**63) - 1,
    10**400,
    0.1,
    -0.0,
    1e308,
    1e-308,
    float("nan"),
    float("inf"),
    float("-inf"),
)


def deep(levels: int) -> Json:
    """Lists in lists."""
    found: Json = []
    for _ in range(levels):
        found = [found]
    return found


def value(rng: Random) -> Json:
    """Anything but what was expected."""
    text = rng.choice(TEXTS)
    choices: tuple[Json, ...] = (
        None,
        rng.random() < 0.5,
        rng.choice(NUMBERS),
        text,
        [text] * (rng.choice([0, 1, 1_000]) if len(text) < 20 else 2),
        {text: rng.choice(NUMBERS)},
        deep(rng.choice([2, 50, 400])),
    )
    return rng.choice(choices)


def damaged_object(rng: Random, members: dict[str, Json]) -> str:
    """JSON of an object in which something is wrong."""
    members = dict(members)
    name = rng.choice(list(members))
    match rng.randrange(7):
        case 0:
            members[name] = value(rng)
        case 1:
            del members[name]
        case 2:
            members[str(rng.choice(TEXTS))] = value(rng)
        case 3:
            inner = members[name]
            if isinstance(inner, dict) and inner:
                del members[name]
                return _with(members, name, damaged_object(rng, inner))
            members[name] = [inner]
        case 4:
            members[name.upper()] = members.pop(name)
        case 5:  # the same member twice
            return _with(members, name, json.dumps(value(rng)))
        case _:
            level = rng.choice([100, 1_000, 30_000])
            return '{"type": ' + "[" * level + "]" * rng.choice([0, level]) + "}"
    return json.dumps(members)


def _with(members: dict[str, Json], name: str, text: str) -> str:
    """JSON of an object with one member more, whose JSON may be wrong."""
    before = json.dumps(members)[:-1]
    return f"{before}{', ' if members else ''}{json.dumps(name)}: {text}}}"


def damaged_bytes(rng: Random, data: bytes) -> bytes:
    """Bytes in which some are flipped, cut away, put in, repeated or exchanged."""
    damaged = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8])):
        at = rng.randrange(len(damaged)) if damaged else 0
        match rng.randrange(6):
            case 0 if damaged:
                damaged[at] ^= 1 << rng.randrange(8)
            case 1:
                del damaged[at:]
            case 2:
                damaged[at:at] = rng.randbytes(rng.choice([1, 4, 64]))
            case 3:
                damaged[at:at] = damaged[at : at + rng.choice([1, 16, 256])]
            case 4:
                damaged[at : at + 4] = rng.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x80\0\0\0"])
            case _:
                del damaged[at : at + rng.choice([1, 2, 3, 64])]
    return bytes(damaged)


@lru_cache(maxsize=1)
def speech() -> bytes:
    """Two notes, 16 bits."""
    return pcm(speak("do mi", lead_s=0.2, tail_s=0.2))


@lru_cache(maxsize=2)
def zipped(window_bits: int) -> bytes:
    """Sixteen megabytes of nothing, a thousandth of that: a bomb. 31 is gzip, -15 WebSockets."""
    packer = zlib.compressobj(9, zlib.DEFLATED, window_bits)
    packed = b"".join(packer.compress(bytes(64 * 1024)) for _ in range(256))
    if window_bits < 0:
        return packed + packer.flush(zlib.Z_SYNC_FLUSH).removesuffix(b"\0\0\xff\xff")
    return packed + packer.flush()


@lru_cache(maxsize=2)
def opus_file(kind: str) -> bytes:
    """The two notes as a file, "ogg" or "webm", as a browser would send it."""
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        stream = container.add_stream("libopus", rate=48_000)
        samples = np.frombuffer(speech(), "<i2")[None, :]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = RATE
        resampler = av.AudioResampler(format="s16", layout="stereo", rate=48_000)
        for piece in [*resampler.resample(frame), None]:
            container.mux(stream.encode(piece))
    return file.getvalue()
