"""One session in any dialect, with a daemon that has doors for all of them."""

import asyncio
import os

from tests.daemon.dialects.posters import hermes, plain
from tests.daemon.dialects.speakers import WEBSOCKETS, FullError, Talk, wyoming
from tests.daemon.fakes import pcm
from tests.daemon.faults import BLOCK_MS, NoRoomError, said, words
from tests.daemon.mutation_place import Place

from steno_models.types import FloatArray

AT_ONCE = float("inf")


async def talked(
    dialect: str,
    place: Place,
    sound: FloatArray,
    *,
    pace: float = AT_ONCE,
    block_ms: int = BLOCK_MS,
) -> list[str]:
    """Say a recording in a dialect, at a pace or as fast as it is taken; return its words.

    Args:
        dialect: by name.
        place: where it is spoken.
        sound: the recording.
        pace: times the speed of speech.
        block_ms: how much sound there is in a message.

    Raises:
        FullError: there is no room now.
    """
    talk = Talk(pcm(sound), pace, 32 * block_ms)
    host, port = await asyncio.to_thread(place.door, dialect)
    match dialect:
        case "native":
            talk.heard += await _native(place, sound, pace, 16 * block_ms)
        case "hermes" | "mqtt":
            post = hermes if dialect == "hermes" else plain
            await post(talk, port, f"guest-{os.urandom(4).hex()}", lambda: False)
        case "wyoming":
            await wyoming(talk, f"{host}:{port}")
        case "wyoming-unix":
            await wyoming(talk, host)
        case _:
            await WEBSOCKETS[dialect](talk, place.url)
    return talk.heard


async def _native(place: Place, sound: FloatArray, pace: float, size: int) -> list[str]:
    blocks = [sound[at : at + size] for at in range(0, len(sound), size)]
    try:
        return words(await said(place.url, blocks, pace=pace))
    except NoRoomError as error:
        raise FullError from error
