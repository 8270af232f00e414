"""Whole recordings to text, subtitles or JSON, as fast as the daemon takes them."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Unpack

import msgspec

from steno_clients.errors import (
    AudioError,
    ConnectionFailedError,
    OutputError,
    ServerError,
    StenoClientsError,
)
from steno_clients.file import SAMPLE_RATE, duration_s, read_blocks
from steno_clients.websocket import ConnectOptions, StenoClient
from steno_daemon.captions import srt, webvtt
from steno_daemon.captions.cues import cues
from steno_daemon.wire import Acknowledged, ErrorCode, Final, Vocabulary

logger = logging.getLogger(__name__)

_BLOCK_MS = 1_000
_PATIENCE_S = 120.0
"""How long a full daemon is asked again for a place."""


class Format(StrEnum):
    """How a transcript is written; the value is the file's extension, too."""

    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in a recording."""

    path: Path
    finals: tuple[Final, ...]

    def render(self, form: Format) -> str:
        """Return the transcript as text in this format; JSON is one line."""
        match form:
            case Format.TXT:
                return "".join(f"{final.shown}\n" for final in self.finals)
            case Format.SRT:
                return srt.render(cues(self.finals))
            case Format.VTT:
                return webvtt.HEADER + webvtt.render(cues(self.finals))
            case Format.JSON:
                return msgspec.json.encode(self._record()).decode() + "\n"

    def _record(self) -> dict[str, object]:
        """Return what the JSON says: the file, all its text, and every final with its words."""
        return {
            "file": str(self.path),
            "text": " ".join(final.text for final in self.finals),
            "written": " ".join(final.shown for final in self.finals),
            "finals": [
                {
                    name: value
                    for name in final.__struct_fields__
                    if name != "seq" and (value := getattr(final, name)) is not None
                }
                for final in self.finals
            ],
        }

    def write(self, folder: Path, form: Format) -> Path:
        """Write the transcript into a folder, whole or not at all; returns where.

        Raises:
            OutputError: the folder cannot be written to.
        """
        target = folder / f"{self.path.stem}.{form.value}"
        partial = target.with_name(f".{target.name}.part")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            partial.write_text(self.render(form), encoding="utf-8")
            partial.replace(target)
        except OSError as error:
            raise OutputError(f"expected to write {target}: {error.strerror}") from None
        return target


@dataclass(frozen=True, slots=True)
class Batch:
    """A run over many recordings.

    Attributes:
        url: where the daemon listens.
        form: how transcripts are written.
        folder: where to; None if the caller writes them.
        jobs: recordings at a time.
        advance: told of every further stretch of audio that is done, in seconds.
    """

    url: str
    form: Format
    folder: Path | None
    jobs: int
    advance: Callable[[float], None]

    async def run(
        self, paths: Sequence[Path], **options: Unpack[ConnectOptions]
    ) -> AsyncIterator[tuple[Path, Transcript | StenoClientsError]]:
        """Yield every recording with its transcript or what is wrong with it, in the given order.

        Raises:
            ConnectionFailedError: there is no daemon, so that no recording can be done.
        """
        places = asyncio.Semaphore(self.jobs)
        tasks = [asyncio.create_task(self._one(path, places, options)) for path in paths]
        try:
            for path, task in zip(paths, tasks, strict=True):
                yield path, await task
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(
        self, path: Path, places: asyncio.Semaphore, options: ConnectOptions
    ) -> Transcript | StenoClientsError:
        """Return the transcript, written if there is a folder; or the recording's own error."""
        async with places:
            try:
                transcript = await transcribe_file(path, self.url, advance=self.advance, **options)
                if self.folder is not None:
                    transcript.write(self.folder, self.form)
            except ConnectionFailedError:
                raise
            except StenoClientsError as error:
                return error
            return transcript


def total_duration_s(paths: Iterable[Path]) -> float:
    """Return the length of all recordings together; broken ones count nothing here."""
    total_s = 0.0
    for path in paths:
        with contextlib.suppress(AudioError):
            total_s += duration_s(path)
    return total_s


async def transcribe_file(
    path: Path,
    url: str,
    *,
    advance: Callable[[float], None],
    **options: Unpack[ConnectOptions],
) -> Transcript:
    """Return the transcript of a sound file; waits a while for a place in a full daemon.

    Args:
        path: any sound file that libsndfile reads.
        url: where the daemon listens.
        advance: told of every further stretch of audio that is done, in seconds.
        **options: those of `StenoClient.connect`.
    """
    loop = asyncio.get_running_loop()
    patience_ends = loop.time() + _PATIENCE_S
    while True:
        try:
            return await _transcribe_once(path, url, advance, options)
        except ServerError as error:
            retry_after_s = error.error.retry_after_s
            if error.error.code is not ErrorCode.OVERLOADED or retry_after_s is None:
                raise
            if loop.time() + retry_after_s > patience_ends:
                raise
            await asyncio.sleep(retry_after_s)


async def _transcribe_once(
    path: Path, url: str, advance: Callable[[float], None], options: ConnectOptions
) -> Transcript:
    """Return the transcript of one session."""
    options = {**options, "rate": SAMPLE_RATE, "partials": False, "word_times": True}
    duration_s(path)  # a bad file is known before the daemon is asked
    finals: list[Final] = []
    done = 0
    async with StenoClient.connect(url, **options) as client:
        feeder = asyncio.create_task(_feed(client, path))
        try:
            async for event in client:
                match event:
                    case Final():
                        finals.append(event)
                    case Vocabulary(refused=refused):
                        for one in refused:
                            logger.warning("not expected: %s: %s", one.text, one.reason)
                    case Acknowledged():
                        advance((event.samples - done) / SAMPLE_RATE)
                        done = event.samples
            await feeder
        finally:
            feeder.cancel()
            await asyncio.gather(feeder, return_exceptions=True)
        advance((client.samples_sent - done) / SAMPLE_RATE)
    return Transcript(path, tuple(finals))


async def _feed(client: StenoClient, path: Path) -> None:
    """Send a whole file, then `stop`, also when the file turns out to be broken."""
    try:
        for block in read_blocks(path, block_ms=_BLOCK_MS):
            await client.send(block)
    finally:
        await client.stop()
