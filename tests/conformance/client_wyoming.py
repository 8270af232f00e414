"""Transcribes a WAV file with Wyoming's own client: address, file."""

import asyncio
import json
import sys
import wave

from wyoming.asr import Transcribe, Transcript, TranscriptChunk
from wyoming.audio import wav_to_chunks
from wyoming.client import AsyncClient


async def main(uri: str, file: str) -> None:
    pieces, text = [], ""
    async with AsyncClient.from_uri(uri) as client:
        await client.write_event(Transcribe(language="en").event())
        with wave.open(file, "rb") as sound:
            for one in wav_to_chunks(sound, 1024, start_event=True, stop_event=True):
                await client.write_event(one.event())
        while (event := await client.read_event()) is not None:
            if TranscriptChunk.is_type(event.type):
                pieces.append(TranscriptChunk.from_event(event).text)
            if Transcript.is_type(event.type):
                text = Transcript.from_event(event).text
                break
    assert "".join(pieces) == text, "chunks and transcript differ"
    words = [(word, None) for word in text.split()]
    sys.stdout.write(json.dumps({"words": words}))


asyncio.run(main(*sys.argv[1:]))
