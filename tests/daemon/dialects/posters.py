"""Clients that speak over an MQTT broker, as `speakers` do over connections of their own."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiomqtt
from tests.daemon.dialects.speakers import END_S, BrokenError, FullError, Talk

from steno_daemon import wire
from steno_daemon.dialects.pcm import Form, wav_file
from steno_daemon.transports.mqtt_client import SILENT, QuietClient

STATUS = "steno/status"
LOOK_S = 0.25
AWAY_S = 5.0
"""How long to wait for words that may have been lost with a connection."""


@asynccontextmanager
async def _client(port: int, *topics: str) -> AsyncIterator[aiomqtt.Client]:
    client = QuietClient("127.0.0.1", port, timeout=END_S, logger=SILENT)
    try:
        async with client:
            await _online(client)
            for topic in topics:
                await client.subscribe(topic, 1)
            yield client
    except aiomqtt.MqttError as error:
        raise BrokenError(str(error)) from error


async def _online(client: aiomqtt.Client) -> None:
    """Wait until the daemon hears what is posted; it says so once it has subscribed."""
    await client.subscribe(STATUS, 1)
    async for message in client.messages:
        if json.loads(_bytes(message))["state"] == "online":
            break
    await client.unsubscribe(STATUS)


async def _next(client: aiomqtt.Client, lost: Callable[[], bool]) -> aiomqtt.Message:
    """Return the next message that is no status; one may still have been on its way."""
    while str((message := await _message(client, lost)).topic) == STATUS:
        pass
    return message


async def _message(client: aiomqtt.Client, lost: Callable[[], bool]) -> aiomqtt.Message:
    """Return the next message; nobody waits for ever for what may have been lost."""
    waiting = asyncio.ensure_future(anext(client.messages))
    waited_s = 0.0
    try:
        while not (await asyncio.wait([waiting], timeout=LOOK_S))[0]:
            waited_s += LOOK_S
            if waited_s > (AWAY_S if lost() else END_S):
                raise BrokenError("expected words, found none")
        return waiting.result()
    finally:
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration, aiomqtt.MqttError):
            await waiting


async def hermes(talk: Talk, port: int, name: str, lost: Callable[[], bool]) -> None:
    """Say a recording as a satellite does, and wait for its text.

    Args:
        talk: the recording.
        port: of the broker.
        name: of the site and the session.
        lost: whether the daemon may have missed some of it.
    """
    whose = json.dumps({"siteId": name, "sessionId": name, "stopOnSilence": False})
    async with _client(port, "hermes/asr/textCaptured", "hermes/error/asr") as client:
        await client.publish("hermes/asr/startListening", whose, qos=1)
        async for block in talk.blocks():
            await client.publish(f"hermes/audioServer/{name}/audioFrame", wav_file(Form(), block))
        await client.publish("hermes/asr/stopListening", whose, qos=1)
        while True:
            message = await _next(client, lost)
            said = json.loads(_bytes(message))
            if said["sessionId"] != name:
                continue
            talk.answers += 1
            if str(message.topic) == "hermes/error/asr":
                raise FullError if said["context"] == "overloaded" else BrokenError(said["error"])
            talk.heard[:] = said["text"].split()
            return


async def plain(talk: Talk, port: int, name: str, lost: Callable[[], bool]) -> None:
    """Say a recording with the daemon's own topics, and keep its finals to the end.

    A broker may bring a message twice: what has the same number is the same.
    """
    finals: dict[int, wire.Final] = {}
    async with _client(port, f"steno/{name}/events") as client:

        async def speak() -> None:
            async for block in talk.blocks():
                await client.publish(f"steno/{name}/audio", block)
            await client.publish(f"steno/{name}/control", wire.encode(wire.Stop()), qos=1)

        speaking = asyncio.create_task(speak())
        try:
            while True:
                event = wire.decode_server(_bytes(await _next(client, lost)).decode())
                talk.answers += 1
                if isinstance(event, wire.Final):
                    finals[event.seq] = event
                    said = [finals[seq].text for seq in sorted(finals)]
                    talk.heard[:] = " ".join(said).split()
                if isinstance(event, wire.Error) and event.fatal:
                    full = event.code is wire.ErrorCode.OVERLOADED
                    raise FullError if full else BrokenError(event.message)
                if isinstance(event, wire.Closed):
                    break
            await speaking
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)


def _bytes(message: aiomqtt.Message) -> bytes:
    payload = message.payload
    if not isinstance(payload, bytes):
        raise BrokenError(f"expected bytes, found {payload!r}")
    return payload
