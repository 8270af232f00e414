"""Transcribes a WAV file over an MQTT broker with Rhasspy's own client: port, file."""

import asyncio
import io
import json
import sys
import wave
from collections.abc import AsyncIterator

import paho.mqtt.client as mqtt
from rhasspyhermes.asr import AsrStartListening, AsrStopListening, AsrTextCaptured
from rhasspyhermes.audioserver import AudioFrame
from rhasspyhermes.client import HermesClient

WHOSE = {"site_id": "kitchen", "session_id": "one"}
FRAMES = 1024


class Listener(HermesClient):
    """Waits for the text of a session."""

    def __init__(self, connection: mqtt.Client, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__("conformance", connection, site_ids=[WHOSE["site_id"]], loop=loop)
        self.captured: asyncio.Future[AsrTextCaptured] = loop.create_future()
        self.subscribe(AsrTextCaptured)

    async def on_message(self, message: object, **_: object) -> AsyncIterator[None]:
        if isinstance(message, AsrTextCaptured) and message.session_id == WHOSE["session_id"]:
            self.captured.set_result(message)
        yield None


def speak(client: HermesClient, file: str) -> None:
    """Publish a recording as Rhasspy's microphone does: each frame a WAV file of its own."""
    client.publish(AsrStartListening(**WHOSE, stop_on_silence=False, send_audio_captured=False))
    with wave.open(file, "rb") as sound:
        while data := sound.readframes(FRAMES):
            frame = io.BytesIO()
            with wave.open(frame, "wb") as written:
                written.setparams(sound.getparams())
                written.writeframes(data)
            client.publish(AudioFrame(wav_bytes=frame.getvalue()), site_id=WHOSE["site_id"])
    client.publish(AsrStopListening(**WHOSE))


async def main(port: str, file: str) -> None:
    connection = mqtt.Client()
    client = Listener(connection, asyncio.get_running_loop())
    connection.connect("127.0.0.1", int(port))
    connection.loop_start()
    handling = asyncio.create_task(client.handle_messages_async())
    await client.mqtt_connected_event.wait()
    speak(client, file)
    captured = await client.captured
    handling.cancel()
    connection.loop_stop()
    tokens = [token for tokens in captured.asr_tokens or [] for token in tokens]
    assert [one.value for one in tokens] == captured.text.split(), "tokens and text differ"
    sys.stdout.write(json.dumps({"words": [(one.value, one.time.start) for one in tokens]}))


asyncio.run(main(*sys.argv[1:]))
