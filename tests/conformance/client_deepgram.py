"""Transcribes a WAV file with Deepgram's own client: URL, file."""

import json
import sys
import threading
import wave

from deepgram import DeepgramClient
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment


def main(url: str, file: str) -> None:
    there = DeepgramClientEnvironment(
        base=url.replace("ws", "http", 1), production=url, agent=url, agent_rest=url
    )
    client = DeepgramClient(api_key="none", environment=there)
    kinds, words = [], []

    def hear(message: object) -> None:
        kinds.append(type(message).__name__)
        if getattr(message, "is_final", False):
            words.extend((w.word, w.start) for w in message.channel.alternatives[0].words)

    with client.listen.v1.connect(
        model="nova-3",
        encoding="linear16",
        sample_rate="16000",
        interim_results="true",
        vad_events="true",
        utterance_end_ms="1000",
    ) as connection:
        connection.on(EventType.MESSAGE, hear)
        listening = threading.Thread(target=connection.start_listening)
        listening.start()
        with wave.open(file, "rb") as sound:
            while data := sound.readframes(3200):
                connection.send_media(data)
        connection.send_finalize()
        connection.send_close_stream()
        listening.join()
    sys.stdout.write(json.dumps({"words": words, "kinds": sorted(set(kinds))}))


main(*sys.argv[1:])
