"""`steno`: captions and transcripts from a running daemon."""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from steno_clients.command_line import read_arguments
from steno_clients.connection import Door
from steno_clients.errors import (
    AccessDeniedError,
    AudioError,
    NotFoundError,
    StenoClientsError,
)
from steno_clients.file import FloatArray
from steno_clients.transcribe import Format
from steno_clients.websocket import ConnectOptions, LinkState

if TYPE_CHECKING:
    from steno_clients.growing import GrowingCaptions
    from steno_clients.render import Captions, EventLines, PlainLines, Viewer
    from steno_clients.watch import Onlooker


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    logging.basicConfig(format="steno: %(message)s", level=logging.WARNING)
    given = read_arguments(arguments)
    try:
        match given.command:
            case "status":
                return _status(given)
            case "lm":
                return _language_models(given)
            case "words":
                return _words(given)
            case "personal":
                return _personal(given)
            case "watch":
                return _list_sessions(given) if given.list else asyncio.run(_watch(given))
            case "transcribe":
                return asyncio.run(_transcribe(given))
        if given.list_devices:
            return _list_devices()
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


def _door(given: argparse.Namespace) -> Door:
    """Return where the daemon is, as the command line says."""
    return Door(url=given.url, token=given.token or None, tls=given.ca)


def _session_options(given: argparse.Namespace) -> ConnectOptions:
    """Return how the command line wants a session to be."""
    from steno_daemon.wire import Endpointing

    options: ConnectOptions = {"token": given.token or None, "tls": given.ca}
    if given.language_model is not None:
        options["language_model"] = given.language_model
    if given.mix:
        options["language_model_weights"] = given.mix
    if given.personal is not None:
        options["personal"] = given.personal
    if given.plain:
        options["punctuate"] = options["written_numbers"] = False
    if given.chunk_ms is not None:
        options["chunk_ms"] = given.chunk_ms
    if given.phrase:
        from steno_clients.words import phrases_of

        options["phrases"] = phrases_of(given.phrase)
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
        name = "microphone" if given.file is None else given.file.name
        screen = _screen(given, stack, name)
        viewers: list[Viewer] = [*_files(given, stack), screen]
        options["notice"] = partial(_tell_link, _notice_of(screen))
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


def _files(given: argparse.Namespace, stack: contextlib.AsyncExitStack) -> "list[GrowingCaptions]":
    """Return the caption files that grow with the session."""
    from steno_clients.growing import GrowingCaptions

    files = []
    if given.srt is not None:
        files.append(stack.enter_context(contextlib.closing(GrowingCaptions.srt(given.srt))))
    if given.vtt is not None:
        files.append(stack.enter_context(contextlib.closing(GrowingCaptions.vtt(given.vtt))))
    return files


def _screen(
    given: argparse.Namespace, stack: contextlib.AsyncExitStack, title: str
) -> "Captions | EventLines | PlainLines":
    """Return what shows the session on standard output."""
    from rich.console import Console

    from steno_clients.render import Captions, EventLines, PlainLines

    console = Console(highlight=False)
    if given.events:
        return EventLines(sys.stdout)
    if console.is_terminal:
        return stack.enter_context(Captions(console, title=title))
    return PlainLines(sys.stdout)


async def _watch(given: argparse.Namespace) -> int:
    """Show a session until it ends, or Ctrl-C."""
    from steno_clients.watch import Watch, show

    async with contextlib.AsyncExitStack() as stack:
        screen = _screen(given, stack, "waiting for a session")
        onlookers: list[Onlooker] = [*_files(given, stack), screen]
        watch = Watch(_door(given), given.session, notice=_notice_of(screen))
        shown = asyncio.create_task(show(watch, onlookers, sessions=None if given.follow else 1))
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, shown.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await shown
    return 0


def _notice_of(screen: "Captions | EventLines | PlainLines") -> Callable[[str], None]:
    """Return what says something about the connection; an empty text takes it back."""
    from steno_clients.render import Captions

    return screen.notice if isinstance(screen, Captions) else _mention


def _mention(text: str) -> None:
    """Say something where no screen has a place for it."""
    if text:
        print(f"steno: {text}", file=sys.stderr)


def _tell_link(notice: Callable[[str], None], state: LinkState) -> None:
    """Say how the session is connected, where that is worth it."""
    broken = state is LinkState.RECONNECTING
    notice("the connection broke; trying again" if broken else "")


def _list_sessions(given: argparse.Namespace) -> int:
    """Show the sessions that can be watched."""
    from steno_clients.fetch import sessions
    from steno_clients.report import session_lines

    found = sessions(_door(given))
    if not found:
        return _complain("expected a session, found none")
    print(*session_lines(found), sep="\n")
    return 0


def _status(given: argparse.Namespace) -> int:
    """Show how the daemon does: all of it, or without the right token what everybody may know."""
    import msgspec

    from steno_clients.fetch import health, status
    from steno_clients.report import status_lines

    door = _door(given)
    facts = health(door)
    try:
        facts = {**facts, **status(door)}
    except (AccessDeniedError, NotFoundError) as error:
        print(f"steno: that is all without the scope admin: {error}", file=sys.stderr)
    if given.json:
        print(msgspec.json.encode(facts).decode())
    else:
        print(*status_lines(facts), sep="\n")
    return 0 if facts.get("status") == "ok" else 1


def _language_models(given: argparse.Namespace) -> int:
    """Do what an administrator says about language models, and show what came of it."""
    from steno_clients.lm import perform

    for line in perform(_door(given), given):
        print(line)
    return 0


def _personal(given: argparse.Namespace) -> int:
    """Do what an administrator says about personal models, and show what came of it."""
    from steno_clients.personal import perform

    for line in perform(_door(given), given):
        print(line)
    return 0


def _words(given: argparse.Namespace) -> int:
    """Do what an administrator says about words, and show what came of it."""
    from steno_clients.words import lines_of, perform

    answer = perform(_door(given), given)
    for line in lines_of(answer, as_json=given.json):
        print(line)
    for one in answer.refused:
        _complain(f"{one.text}: {one.reason}")
    return 1 if answer.refused else 0


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
