"""One session in any dialect, with a daemon that has doors for all of them."""

import asyncio
import os

import numpy as np
from tests.daemon.dialects.posters import hermes, plain
from tests.daemon.dialects.speakers import BLOCK_BYTES, WEBSOCKETS, FullError, Talk, wyoming
from tests.daemon.fakes import pcm
from tests.daemon.faults import said
from tests.daemon.mutation_place import Place

from steno_clients.errors import ServerError
from steno_daemon.wire import ErrorCode
from steno_models.types import FloatArray

BLOCK_SAMPLES = BLOCK_BYTES // 2
AT_ONCE = float("inf")


async def talked(
    dialect: str, place: Place, sound: FloatArray, *, pace: float = AT_ONCE
) -> list[str]:
    """Say a recording in a dialect, at a pace or as fast as it is taken; return its words.

    Raises:
        FullError: there is no room now.
    """
    talk = Talk(pcm(sound), pace)
    host, port = await asyncio.to_thread(place.door, dialect)
    match dialect:
        case "native":
            talk.heard += await _native(place, sound, pace)
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


async def _native(place: Place, sound: FloatArray, pace: float) -> list[str]:
    blocks = np.array_split(sound, -(-len(sound) // BLOCK_SAMPLES))
    try:
        found = await said(place.url, blocks, pace=pace)
    except ServerError as error:
        if error.error.code is ErrorCode.OVERLOADED:
            raise FullError from error
        raise
    return [word for text, _, _ in found for word in text.split()]
