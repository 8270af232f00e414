"""Hostile clients of each dialect: right messages that were damaged, in a wrong order, or lies."""

import base64
import json
from collections.abc import Iterator
from random import Random
from urllib.parse import quote

from tests.daemon import nasty
from tests.daemon.dialects.clients import PATHS
from tests.daemon.mutant import Ending, Mutant, Opcode, Send, closing, frame, upgrade

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
PARAMETERS = ("encoding", "sample_rate", "channels", "endpointing", "utterance_end_ms", "model")


def mutants(dialect: str, *, seed: int, count: int) -> Iterator[Mutant]:
    """Yield hostile connections; those of a seed are always the same."""
    for number in range(count):
        yield _mutant(Random(f"{dialect}/{seed}/{number}"), dialect)


def _mutant(rng: Random, dialect: str) -> Mutant:
    frames = [_frame(rng, dialect) for _ in range(rng.randrange(2, 8))]
    if rng.random() < 0.2:
        return Mutant(
            dialect, upgrade(_path(rng, dialect)), (*map(Send, frames),), 1, Ending.VANISH
        )
    sends = tuple(map(Send, [*frames, closing()]))
    return Mutant(dialect, upgrade(_path(rng, dialect)), sends, len(frames), Ending.FAREWELL)


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
