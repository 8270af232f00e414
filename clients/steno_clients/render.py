"""What a person or a program sees of a running session: captions, plain lines or events."""

import contextlib
import math
import sys
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol, Self, TextIO

import msgspec
import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from steno_clients.file import SAMPLE_RATE, FloatArray
from steno_clients.watch import Watching
from steno_daemon.captions.cues import label, voice
from steno_daemon.wire import (
    Endpoint,
    Error,
    Final,
    Partial,
    ServerMessage,
    SpeechStarted,
    encode,
)

_BARS = " ▁▂▃▄▅▆▇█"
_METER_WIDTH = 12
_METER_SAMPLES = SAMPLE_RATE // 10
_FLOOR_DB = -60.0


class Viewer(Protocol):
    """Whoever follows a session: its audio as it is sent, its events as they come."""

    def heard(self, block: FloatArray) -> None:
        """Notice (N,) samples that were sent."""

    def show(self, event: ServerMessage) -> None:
        """Notice an event."""


class EventLines:
    """Every event as a line of JSON, as it was on the wire."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def heard(self, block: FloatArray) -> None:
        """Take no notice of audio."""

    def show(self, event: ServerMessage) -> None:
        """Write the event."""
        self._write(encode(event))

    def begin(self, about: Watching) -> None:
        """Write what is watched."""
        self._write(msgspec.json.encode(about).decode())

    def _write(self, line: str) -> None:
        self._out.write(line + "\n")
        self._out.flush()


class PlainLines:
    """Every final as a line with its time: for logs and pipes."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._channels = 1

    def heard(self, block: FloatArray) -> None:
        """Take no notice of audio."""

    def show(self, event: ServerMessage) -> None:
        """Write the event if it is a final, or something that went wrong."""
        match event:
            case Final():
                speaker = label(voice(event.channel, self._channels))
                self._out.write(f"{clock(event.start)}  {speaker}{event.shown}\n")
                self._out.flush()
            case Error():
                self._out.write(f"{event.code.value}: {event.message}\n")
                self._out.flush()

    def begin(self, about: Watching) -> None:
        """Tell channels apart from now on if there are several."""
        self._channels = about.channels


class Captions:
    """Live captions on a terminal: finals scroll up, the running hypotheses stay below them.

    A final is bold; of a hypothesis, what will never change is plain and the rest is dim.
    """

    def __init__(self, console: Console, *, title: str) -> None:
        self._console = console
        self._title = title
        self._channels = 1
        self._notice = ""
        self._partials: dict[tuple[int, int], Partial] = {}
        self._speaking: set[int] = set()
        self._meter = Meter()
        self._time_s = 0.0
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        """Take the lower end of the terminal."""
        self._live.start()
        self._refresh()
        return self

    def __exit__(self, *_: object) -> None:
        """Give the terminal back, with every final on it."""
        self._live.stop()

    def heard(self, block: FloatArray) -> None:
        """Move the meter and the clock."""
        if self._meter.accept(block):
            self._time_s = self._meter.seconds
            self._refresh()

    def begin(self, about: Watching) -> None:
        """Put the name of a session that begins under its captions."""
        self._title = about.label or f"session {about.session}"
        self._channels = about.channels
        self._partials.clear()
        self._speaking.clear()
        self._time_s = 0.0
        self._refresh()

    def notice(self, text: str) -> None:
        """Say something about the connection below the captions; nothing takes it back."""
        self._notice = text
        self._refresh()

    def show(self, event: ServerMessage) -> None:
        """Draw what the event changes."""
        match event:
            case SpeechStarted():
                self._speaking.add(event.channel)
                self._pass(event.time)
            case Partial():
                self._partials[event.channel, event.segment] = event
            case Final():
                self._partials.pop((event.channel, event.segment), None)
                self._live.console.print(self._row(event, Text(event.shown, style="bold")))
                self._pass(event.end)
            case Endpoint():
                self._partials.pop((event.channel, event.segment), None)
                self._speaking.discard(event.channel)
                self._pass(event.time)
            case Error():
                self._live.console.print(Text(f"{event.code.value}: {event.message}", "yellow"))
            case _:
                return
        self._refresh()

    def _pass(self, time_s: float) -> None:
        """Move the clock to what is known of the stream."""
        self._time_s = max(self._time_s, time_s)

    def _refresh(self) -> None:
        self._live.update(self.picture(), refresh=True)

    def picture(self) -> RenderableType:
        """Return what stands below the finals: hypotheses and the status line."""
        rows: list[RenderableType] = [
            self._row(partial, self._tail(styled(partial))) for partial in self._partials.values()
        ]
        return Group(*rows, Text(), self._status())

    def _row(self, event: Partial | Final, text: Text) -> Table:
        """Return the words of an event beside their time, and whose they are."""
        speaker = label(voice(event.channel, self._channels))
        return _row(event.start, Text.assemble((speaker, "magenta"), text))

    def _tail(self, text: Text) -> Text:
        """Return the last lines of a hypothesis that is higher than half the terminal."""
        height = max(2, self._console.height // 2)
        lines = text.wrap(self._console, max(10, self._console.width - _TIME_WIDTH))
        return text if len(lines) <= height else Text("\n").join(lines[-height:])

    def _status(self) -> Text:
        """Return one line: whether speech is heard, for how long, how loud, and where."""
        colour = "red" if self._speaking else "bright_black"
        meter = f"{self._meter.picture()}  " if self._meter.seconds else ""
        return Text.assemble(
            ("● " if self._speaking else "○ ", colour),
            (clock(self._time_s), "cyan"),
            "  ",
            (meter, "green"),
            (f"{self._notice}  ·  " if self._notice else "", "yellow"),
            (f"{self._title}  ·  Ctrl-C ends", "dim"),
            no_wrap=True,
            overflow="ellipsis",
        )


class Meter:
    """How loud the last second was, one bar for each tenth.

    Attributes:
        seconds: how much audio was heard.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._bars: deque[str] = deque(_BARS[0] * _METER_WIDTH, maxlen=_METER_WIDTH)
        self._energy = 0.0
        self._samples = 0

    def accept(self, block: FloatArray) -> bool:
        """Take (N,) samples; returns whether the picture has changed."""
        self.seconds += len(block) / SAMPLE_RATE
        self._energy += float(np.square(block, dtype=np.float64).sum())
        self._samples += len(block)
        if self._samples < _METER_SAMPLES:
            return False
        level_db = 10 * math.log10(self._energy / self._samples + 1e-12)
        share = min(1.0, max(0.0, 1 - level_db / _FLOOR_DB))
        self._bars.append(_BARS[round(share * (len(_BARS) - 1))])
        self._energy, self._samples = 0.0, 0
        return True

    def picture(self) -> str:
        """Return the bars, the newest one last."""
        return "".join(self._bars)


@contextlib.contextmanager
def batch_progress(total_s: float) -> Iterator[Callable[[float], None]]:
    """Show, on a terminal's error output, how much audio is done; yields what to tell it."""
    console = Console(stderr=True)
    progress = Progress(
        BarColumn(),
        TextColumn("{task.completed:.0f} of {task.total:.0f} s of audio"),
        TextColumn("{task.fields[pace]}", style="cyan"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        redirect_stdout=sys.stdout.isatty(),
    )
    with progress:
        bar = progress.add_task("", total=total_s, pace="")

        def advance(seconds: float) -> None:
            speed = progress.tasks[0].speed
            progress.update(bar, advance=seconds, pace=f"{speed:.0f} × real time" if speed else "")

        yield advance


def styled(partial: Partial) -> Text:
    """Return a hypothesis: what will never change plain, the rest dim."""
    return Text.assemble(
        partial.text[: partial.stable_chars], (partial.text[partial.stable_chars :], "dim")
    )


def clock(seconds: float) -> str:
    """Return a time as h:mm:ss, in whole seconds."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


_TIME_WIDTH = len(clock(0)) + 2


def _row(start_s: float, text: Text) -> Table:
    """Return a time and, beside it, text that wraps without running under the time."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=_TIME_WIDTH - 2, style="cyan", no_wrap=True)
    grid.add_column(ratio=1)
    grid.add_row(clock(start_s), text)
    return grid
