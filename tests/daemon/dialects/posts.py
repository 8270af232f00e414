"""Hostile messages over a broker: topics and payloads of Hermes and of the daemon's own."""

import json
from collections.abc import Iterator
from random import Random

from tests.daemon import nasty
from tests.daemon.mutants_websocket import MESSAGES as NATIVE

from steno_daemon.dialects.pcm import Form, wav_file

TOPIC_BYTES_MAX = 65_535
SIZES = (16 * 1024, 1024 * 1024, 4 * 1024 * 1024 - 1, 4 * 1024 * 1024 + 1)
WHOSE: dict[str, nasty.Json] = {"siteId": "hall", "sessionId": "mutant"}
NO_LEVELS = ("a+b", "#", "a/b", "/" * 200, "a\0b", "\x1b[2J", "\ufffe", "\ud800")
"""Names that can be no level of a topic."""
HERMES: tuple[tuple[str, dict[str, nasty.Json]], ...] = (
    (
        "hermes/asr/startListening",
        {
            **WHOSE,
            "lang": "en",
            "stopOnSilence": True,
            "sendAudioCaptured": True,
            "wakewordId": "x",
            "intentFilter": ["a"],
        },
    ),
    ("hermes/asr/startListening", WHOSE),
    ("hermes/asr/stopListening", WHOSE),
    ("hermes/asr/toggleOff", {"siteId": "hall", "reason": "playAudio"}),
    ("hermes/asr/toggleOn", {"siteId": "hall", "reason": ""}),
)
Post = tuple[str, bytes]


def posts(dialect: str, seed: int, number: int) -> tuple[str, list[Post]]:
    """What kind of messages those of a number are, and the messages."""
    rng = Random(f"{dialect}/{seed}/{number}")
    if rng.random() < 0.01:
        return "size", [_audio(rng, dialect, bytes(rng.choice(SIZES)))]
    if rng.random() < 0.005:
        return "flood", list(_right(rng, dialect)) * 200
    found: list[Post] = []
    for _ in range(rng.randrange(1, 6)):
        found += [*_right(rng, dialect), _wrong(rng, dialect)]
    if dialect == "hermes" and rng.random() < 0.1:
        found += _captured(rng)
    return "messages", found


def is_topic(topic: str) -> bool:
    """Whether a broker takes that for the topic of a message."""
    try:
        encoded = topic.encode()
    except UnicodeError:
        return False
    return bool(topic) and len(encoded) <= TOPIC_BYTES_MAX and not {*"+#\0"} & {*topic}


def _captured(rng: Random) -> Iterator[Post]:
    """A session whose audio would come back under a topic that is none."""
    whose = {"siteId": "hall", "sessionId": rng.choice(NO_LEVELS), "sendAudioCaptured": True}
    yield "hermes/asr/startListening", json.dumps(whose).encode()
    yield "hermes/audioServer/hall/audioFrame", wav_file(Form(), nasty.speech()[:3_200])
    yield "hermes/asr/stopListening", json.dumps(whose).encode()


def _right(rng: Random, dialect: str) -> Iterator[Post]:
    """Messages as they should be, perhaps none."""
    for _ in range(rng.randrange(3)):
        if rng.random() < 0.5:
            yield _audio(rng, dialect, nasty.speech()[:3_200])
        elif dialect == "hermes":
            topic, message = rng.choice(HERMES)
            yield topic, json.dumps(message).encode()
        else:
            yield _name(rng) + "/control", json.dumps(rng.choice(NATIVE)).encode()


def _wrong(rng: Random, dialect: str) -> Post:
    """A message in which something is wrong."""
    topic, message = _message(rng, dialect)
    match rng.randrange(6):
        case 0:
            topic, sound = _audio(rng, dialect, nasty.speech()[: rng.choice([0, 1, 7, 999])])
            return topic, nasty.damaged_bytes(rng, sound)
        case 1:
            said = nasty.damaged_object(rng, message)
            return topic, said.encode("utf-8", "surrogatepass")
        case 2:
            return topic, nasty.damaged_bytes(rng, json.dumps(message).encode())
        case 3:
            form = Form(rng.choice([0, 1, 7_999, 44_100, 2**29]), rng.choice([1, 2, 3, 4]), 1)
            return _audio(rng, dialect, b"")[0], wav_file(form, rng.randbytes(99))
        case 4:
            return _long(rng, topic), json.dumps(message).encode()
        case _:
            parts = topic.split("/")
            parts[rng.randrange(len(parts))] = rng.choice(nasty.TEXTS)
            return "/".join(parts), json.dumps(message).encode()


def _long(rng: Random, topic: str) -> str:
    """A topic with a level that is as long as it may be, or nearly."""
    before, _, after = topic.partition("/")
    room = TOPIC_BYTES_MAX - len(f"{before}//{after.rpartition('/')[2]}") - rng.choice([0, 1, 2, 9])
    return f"{before}/{'x' * room}/{after.rpartition('/')[2]}"


def _message(rng: Random, dialect: str) -> tuple[str, dict[str, nasty.Json]]:
    if dialect == "hermes":
        return rng.choice(HERMES)
    return _name(rng) + "/control", rng.choice(NATIVE)


def _audio(rng: Random, dialect: str, sound: bytes) -> Post:
    """Sound under a topic for it."""
    if dialect == "hermes":
        kind = rng.choice(["audioFrame", "mutant/audioSessionFrame"])
        return f"hermes/audioServer/hall/{kind}", wav_file(Form(), sound)
    return _name(rng) + "/audio", sound


def _name(rng: Random) -> str:
    return f"steno/mutant-{rng.randrange(4)}"
