"""`steno`: captions and transcripts from a running daemon."""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from steno_clients.connection import DEFAULT_URL
from steno_clients.errors import AudioError, StenoClientsError
from steno_clients.file import FloatArray
from steno_clients.render import Viewer
from steno_clients.transcribe import Format
from steno_clients.websocket import StartOptions


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    logging.basicConfig(format="steno: %(message)s", level=logging.WARNING)
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        if given.command == "transcribe":
            _check_output(parser, given)
            return asyncio.run(_transcribe(given))
        if given.list_devices:
            return _list_devices()
        if given.file is not None and given.device is not None:
            parser.error("--device: expected the microphone or a file, found both")
        return asyncio.run(_caption(given))
    except StenoClientsError as error:
        return _complain(str(error))
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a full disk, say
        return _complain(str(error))
    except KeyboardInterrupt:
        return 130


def _complain(message: str) -> int:
    """Say what went wrong; returns the exit status that says so, too."""
    print(f"steno: {message}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="steno", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--url", default=DEFAULT_URL, help="where stenod listens (%(default)s)")
    shared.add_argument("--language-model", metavar="NAME", help="language model of the session")
    shared.add_argument("--chunk-ms", type=int, metavar="MS", help="decoding step: short is early")
    shared.add_argument(
        "--trailing-silence-ms", type=int, metavar="MS", help="silence that ends an utterance"
    )
    _add_caption(commands.add_parser("caption", parents=[shared], help="live captions"))
    _add_transcribe(commands.add_parser("transcribe", parents=[shared], help="files to text"))
    return parser


def _add_caption(parser: argparse.ArgumentParser) -> None:
    parser.description = "Live captions of the microphone, or of a file at the speed of speech."
    parser.add_argument("file", nargs="?", type=Path, help="sound file; without it the microphone")
    parser.add_argument("--device", metavar="NAME", help="microphone: number or part of its name")
    parser.add_argument("--list-devices", action="store_true", help="show microphones and leave")
    parser.add_argument("--events", action="store_true", help="every event as a line of JSON")
    parser.add_argument("--srt", type=Path, metavar="FILE", help="write SubRip captions as well")
    parser.add_argument("--vtt", type=Path, metavar="FILE", help="write WebVTT captions as well")


def _add_transcribe(parser: argparse.ArgumentParser) -> None:
    parser.description = "Transcripts of sound files, as fast as the daemon takes them."
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="sound file")
    parser.add_argument("--jobs", type=int, default=1, help="files at a time (%(default)s)")
    parser.add_argument(
        "--format", type=Format, choices=list(Format), default=Format.TXT, help="default: txt"
    )
    parser.add_argument("--output", default="-", metavar="DIR", help="folder; default: - (stdout)")


def _check_output(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """Leave with a usage error where one transcript would overwrite or spoil another."""
    if given.jobs < 1:
        parser.error(f"--jobs: expected at least 1, found {given.jobs}")
    if given.output == "-":
        if len(given.files) > 1 and given.format in {Format.SRT, Format.VTT}:
            parser.error(f"--format {given.format}: expected --output DIR for several files")
        return
    stems = [path.stem for path in given.files]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        parser.error(f"--output: expected files of different names, found twice: {twice[0]}")


def _session_options(given: argparse.Namespace) -> StartOptions:
    """Return the fields of `start` that the command line sets."""
    from steno_daemon.wire import Endpointing

    options: StartOptions = {}
    if given.language_model is not None:
        options["language_model"] = given.language_model
    if given.chunk_ms is not None:
        options["chunk_ms"] = given.chunk_ms
    if given.trailing_silence_ms is not None:
        options["endpointing"] = Endpointing(trailing_silence_ms=given.trailing_silence_ms)
    return options


def _list_devices() -> int:
    from steno_clients.microphone import list_devices

    devices = list_devices()
    if not devices:
        return _complain("expected a microphone, found none")
    print(*devices, sep="\n")
    return 0


async def _caption(given: argparse.Namespace) -> int:
    """Caption a file or the microphone until it ends or Ctrl-C."""
    from steno_clients.live import caption

    options = _session_options(given)
    options["word_times"] = given.events or given.srt is not None or given.vtt is not None
    interrupted = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        source = await stack.enter_async_context(_source(given))
        viewers = _viewers(given, stack)
        _end_on_interrupt(interrupted)
        await caption(given.url, source, viewers, interrupted=interrupted, **options)
    return 0


@contextlib.asynccontextmanager
async def _source(given: argparse.Namespace) -> AsyncIterator[AsyncIterator[FloatArray]]:
    """Yield the blocks of the file, or of the microphone."""
    if given.file is not None:
        from steno_clients.file import at_the_speed_of_speech, duration_s, read_blocks

        duration_s(given.file)  # a bad file is known before the screen changes
        yield at_the_speed_of_speech(read_blocks(given.file, block_ms=40))
        return
    from steno_clients.microphone import open_microphone

    async with open_microphone(given.device) as blocks:
        yield blocks


def _viewers(given: argparse.Namespace, stack: contextlib.AsyncExitStack) -> list[Viewer]:
    """Return everything that shows or writes the session."""
    from rich.console import Console

    from steno_clients.growing import GrowingCaptions
    from steno_clients.render import Captions, EventLines, PlainLines

    viewers: list[Viewer] = []
    if given.srt is not None:
        viewers.append(stack.enter_context(contextlib.closing(GrowingCaptions.srt(given.srt))))
    if given.vtt is not None:
        viewers.append(stack.enter_context(contextlib.closing(GrowingCaptions.vtt(given.vtt))))
    console = Console(highlight=False)
    if given.events:
        viewers.append(EventLines(sys.stdout))
    elif console.is_terminal:
        name = "microphone" if given.file is None else given.file.name
        viewers.append(stack.enter_context(Captions(console, title=name)))
    else:
        viewers.append(PlainLines(sys.stdout))
    return viewers


def _end_on_interrupt(interrupted: asyncio.Event) -> None:
    """Let the first Ctrl-C end the audio; the second one ends the program."""
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        interrupted.set()
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGINT, interrupt)


async def _transcribe(given: argparse.Namespace) -> int:
    """Transcribe every file; returns 1 if one of them failed."""
    from steno_clients.render import batch_progress
    from steno_clients.transcribe import Batch, total_duration_s

    failures = 0
    with batch_progress(total_duration_s(given.files)) as advance:
        batch = Batch(
            url=given.url,
            form=given.format,
            folder=None if given.output == "-" else Path(given.output),
            jobs=given.jobs,
            advance=advance,
        )
        async for path, outcome in batch.run(given.files, **_session_options(given)):
            if isinstance(outcome, StenoClientsError):
                named = isinstance(outcome, AudioError)  # it names the file itself
                failures += _complain(f"{outcome}" if named else f"{path}: {outcome}")
            elif given.output == "-":
                if len(given.files) > 1 and given.format is Format.TXT:
                    print(f"==> {path} <==")
                print(outcome.render(given.format), end="", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
