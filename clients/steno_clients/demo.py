"""A short demonstration: starts a daemon, captions one recording, and keeps serving.

    python -m steno_clients.demo clip.flac

The daemon is a program of its own here, as it is for every client: this one starts it, waits for
its line "ready:", and ends it on Ctrl-C.
"""

import argparse
import asyncio
import contextlib
import os
import shlex
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from steno_clients.connection import DEFAULT_URL
from steno_clients.errors import ConnectionFailedError, StenoClientsError
from steno_clients.file import at_the_speed_of_speech, duration_s, read_blocks
from steno_clients.live import caption
from steno_clients.render import Captions, PlainLines, Viewer

_READY = "ready: "
_END_S = 30.0

_T = TypeVar("_T")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    parser = argparse.ArgumentParser(prog="steno-demo", description=__doc__)
    parser.add_argument("clip", type=Path, help="sound file to caption")
    parser.add_argument("--port", default="8765", help="where the daemon shall listen")
    parser.add_argument(
        "--daemon",
        default=f"{shlex.quote(sys.executable)} -m steno_daemon --log-level warning",
        help="command that starts it; the option --port is added",
    )
    given = parser.parse_args(arguments)
    console = Console(highlight=False)
    try:
        with _in_foreground():
            command = [*shlex.split(given.daemon), "--port", given.port]
            return asyncio.run(_run(given.clip, command, console))
    except StenoClientsError as error:
        sys.stderr.write(f"steno: {error}\n")
        return 1


async def _run(clip: Path, command: Sequence[str], console: Console) -> int:
    """Start the daemon, show the clip, and serve until a signal comes or the daemon ends."""
    seconds = duration_s(clip)
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted.set)
    async with _daemon(command) as process:
        with console.status("the daemon loads its models"):
            url = await _first_of(_ready_url(process), interrupted)
        if url is not None:
            console.print(f"\n[bold]{clip.name}[/], {seconds:.0f} s, at the speed of speech:\n")
            await _show(clip, url, console, interrupted)
            await _serve(process, url, console, interrupted)
        console.print("\nthe daemon ends")
    return 0


async def _first_of(wanted: Coroutine[None, None, _T], interrupted: asyncio.Event) -> _T | None:
    """Return what is waited for, or None if the interruption is earlier."""
    task, interruption = asyncio.create_task(wanted), asyncio.create_task(interrupted.wait())
    await asyncio.wait((task, interruption), return_when=asyncio.FIRST_COMPLETED)
    interruption.cancel()
    if task.done():
        return task.result()
    task.cancel()
    return None


async def _show(clip: Path, url: str, console: Console, interrupted: asyncio.Event) -> None:
    """Caption the clip."""
    source = at_the_speed_of_speech(read_blocks(clip, block_ms=40))
    with contextlib.ExitStack() as stack:
        viewer: Viewer = PlainLines(sys.stdout)
        if console.is_terminal:
            viewer = stack.enter_context(Captions(console, title=clip.name))
        await caption(url, source, [viewer], interrupted=interrupted)


async def _serve(process: Process, url: str, console: Console, interrupted: asyncio.Event) -> None:
    """Say where the daemon listens, and wait for a signal."""
    if interrupted.is_set():
        return
    console.print(f"\nlistening on [bold cyan]{url}[/], Ctrl-C ends")
    console.print(f"captions in a browser: [bold cyan]{_page(url)}[/]")
    for line in _invitations(url):
        console.print(f"  [dim]{line}[/]")
    if await _first_of(process.wait(), interrupted) is not None:
        raise ConnectionFailedError(
            f"expected the daemon to run on, found it gone with status {process.returncode}"
        )


def _page(url: str) -> str:
    """Return the address of the caption page, which is on the same port."""
    return url.replace("ws", "http", 1).rstrip("/") + "/"


def _invitations(url: str) -> list[str]:
    """Return commands that a person may try now, as they are typed here."""
    program = os.path.relpath(Path(sys.executable).with_name("steno"))
    address = "" if url == DEFAULT_URL else f" --url {url}"
    return [
        f"{program} caption{address}          # the microphone",
        f"{program} caption{address} FILE",
        f"{program} transcribe{address} FILE",
    ]


@contextlib.asynccontextmanager
async def _daemon(command: Sequence[str]) -> AsyncIterator[Process]:
    """Run the daemon for the length of a block; it ends gently, or after a while at once.

    It gets a session of its own, so that Ctrl-C reaches this program alone.
    """
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_END_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _ready_url(process: Process) -> str:
    """Return the address that the daemon names once it is ready.

    Raises:
        ConnectionFailedError: it ended before.
    """
    assert process.stdout is not None  # noqa: S101 — the daemon was started with a pipe
    async for line in process.stdout:
        text = line.decode()
        if text.startswith(_READY):
            return text.removeprefix(_READY).split()[0]
    raise ConnectionFailedError(
        f"expected the daemon to get ready, found it gone with status {await process.wait()}"
    )


@contextlib.contextmanager
def _in_foreground() -> Iterator[None]:
    """Make this program alone the one that Ctrl-C ends, and not the `make` above it as well.

    On a terminal a key sends its signal to the foreground process group, so this program leads one
    of its own for a while. It cannot be suspended then: nobody above it would notice.
    """
    try:
        terminal = os.open("/dev/tty", os.O_RDWR)
    except OSError:  # no terminal, so nobody types
        yield
        return
    before = os.tcgetpgrp(terminal)
    joined = before == os.getpgrp() != os.getpid()
    if joined:
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        os.setpgid(0, 0)
        os.tcsetpgrp(terminal, os.getpid())
    try:
        yield
    finally:
        if joined:
            os.tcsetpgrp(terminal, before)
        os.close(terminal)


if __name__ == "__main__":
    sys.exit(main())
