"""The client and the daemon as they are, with a recogniser that hears hummed notes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.daemon.fakes import RATE, FakeRecogniser, speak
from tests.daemon.serving import serving

from steno_clients import __main__ as program
from steno_clients.errors import ServerError
from steno_clients.transcribe import transcribe_file
from steno_clients.websocket import StenoClient, transcribe
from steno_daemon.wire import ErrorCode, Final, Partial


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """The address of a daemon for two sessions."""
    async with serving(FakeRecogniser(), max_sessions=2) as served:
        yield served.url


async def test_hummed_notes_come_back_as_words_with_their_times(url: str) -> None:
    audio = speak("do mi so")
    finals = await asyncio.to_thread(transcribe, audio, url, word_times=True)
    assert [final.text for final in finals] == ["do mi so"]
    words = finals[0].words
    assert words is not None
    for word, start_s in zip(words, (0.6, 1.1, 1.6), strict=True):
        assert word.start == pytest.approx(start_s, abs=0.1)
        assert word.end == pytest.approx(start_s + 0.3, abs=0.1)


async def test_hypotheses_grow_and_their_stable_part_is_never_rewritten(url: str) -> None:
    async with StenoClient.connect(url, chunk_ms=160) as client:
        await client.send(speak("do re mi fa so do re mi"))
        await client.stop()
        events = [event async for event in client if isinstance(event, Partial | Final)]
    stable = ""
    for event in events:
        assert event.text.startswith(stable)
        stable = event.text[: event.stable_chars] if isinstance(event, Partial) else event.text
    assert stable == "do re mi fa so do re mi"
    assert client.samples_acknowledged == client.samples_sent


async def test_a_third_stream_waits_for_its_place(url: str, tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.flac" for name in ("do", "re", "mi", "fa", "so")]
    for path in paths:
        soundfile.write(path, speak(path.stem), RATE)
    async with asyncio.timeout(120):
        transcripts = await asyncio.gather(
            *(transcribe_file(path, url, advance=lambda _: None) for path in paths)
        )
    assert [t.finals[0].text for t in transcripts] == ["do", "re", "mi", "fa", "so"]


async def test_an_unknown_language_model_is_refused_by_name(url: str) -> None:
    with pytest.raises(ServerError, match="martian") as caught:
        async with StenoClient.connect(url, language_model="martian"):
            pass
    assert caught.value.error.code is ErrorCode.UNKNOWN_LANGUAGE_MODEL


async def test_progress_reaches_the_end_of_the_audio(url: str, tmp_path: Path) -> None:
    path = tmp_path / "notes.wav"
    soundfile.write(path, np.tile(speak("do re mi"), 5), RATE)
    told: list[float] = []
    transcript = await transcribe_file(path, url, advance=told.append)
    assert [final.text for final in transcript.finals] == ["do re mi"] * 5
    assert len(told) > 5
    assert sum(told) == pytest.approx(soundfile.info(path).duration)


async def test_the_program_transcribes_through_the_daemon(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "notes.wav"
    soundfile.write(path, speak("so mi"), RATE)
    parser = program._parser()
    given = parser.parse_args(["transcribe", str(path), "--url", url, "--format", "srt"])
    assert await program._transcribe(given) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], lines[2]) == ("1", "so mi")
