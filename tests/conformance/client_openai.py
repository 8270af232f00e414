"""Transcribes a WAV file at 24 kHz with OpenAI's own client: URL, file."""

import asyncio
import base64
import json
import sys
import wave

from openai import AsyncOpenAI


async def main(url: str, file: str) -> None:
    client = AsyncOpenAI(api_key="none", base_url=url.replace("ws", "http", 1) + "/v1")
    texts, deltas, kinds = [], [], set()
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        await connection.session.update(
            session={
                "type": "transcription",
                "audio": {
                    "input": {
                        "format": {"type": "audio/pcm", "rate": 24000},
                        "transcription": {"model": "gpt-4o-transcribe", "language": "en"},
                        "turn_detection": None,
                    }
                },
            }
        )
        with wave.open(file, "rb") as sound:
            while data := sound.readframes(4800):
                await connection.input_audio_buffer.append(audio=base64.b64encode(data).decode())
        await connection.input_audio_buffer.commit()
        async for event in connection:
            kinds.add(event.type)
            if event.type.endswith(".delta"):
                deltas.append(event.delta)
            if event.type.endswith(".completed"):
                texts.append(event.transcript)
                break
    assert "".join(deltas) == texts[0], "deltas and transcript differ"
    words = [(word, None) for word in texts[0].split()]
    sys.stdout.write(json.dumps({"words": words, "kinds": sorted(kinds)}))


asyncio.run(main(*sys.argv[1:]))
