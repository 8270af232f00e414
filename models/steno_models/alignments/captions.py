"""Alignments as captions: words are put together to what is read at a glance."""

from collections.abc import Iterator, Sequence

from steno_models.alignments.timed import Timed, TimedWord

LINE_CHARS = 42
LINES = 2
MOST_S = 6.0
PAUSE_S = 0.7  # a silence as long as this ends a caption
_ENDS = (".", "?", "!", "…")


def captions(words: Sequence[TimedWord]) -> Iterator[list[TimedWord]]:
    """Yield `words` in groups that fit two lines, six seconds, and do not span a pause."""
    group: list[TimedWord] = []
    for word in words:
        if group and _is_full(group, word):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _is_full(group: Sequence[TimedWord], word: TimedWord) -> bool:
    """Return whether `word` begins a new caption behind `group`."""
    last = group[-1]
    return (
        word.start_s - last.end_s >= PAUSE_S
        or word.end_s - group[0].start_s > MOST_S
        or len(_lines([*group, word])) > LINES
        or last.text.rstrip("\"')]”’").endswith(_ENDS)
    )


def _lines(group: Sequence[TimedWord]) -> list[list[TimedWord]]:
    """Return `group` in lines; a word longer than a line has its own."""
    lines: list[list[TimedWord]] = []
    used = LINE_CHARS
    for word in group:
        used += 1 + len(word.text)
        if not lines or used > LINE_CHARS:
            lines.append([])
            used = len(word.text)
        lines[-1].append(word)
    return lines


def srt(alignment: Timed) -> str:
    """Return SubRip: numbered captions, times with a comma."""
    blocks = []
    for number, group in enumerate(captions(alignment.words), start=1):
        times = f"{_clock(group[0].start_s)} --> {_clock(group[-1].end_s)}".replace(".", ",")
        text = "\n".join(" ".join(word.text for word in line) for line in _lines(group))
        blocks.append(f"{number}\n{times}\n{text}\n")
    return "\n".join(blocks)


def webvtt(alignment: Timed) -> str:
    """Return WebVTT, every word but a caption's first with the time when it is said."""
    blocks = ["WEBVTT\n"]
    for group in captions(alignment.words):
        times = f"{_clock(group[0].start_s)} --> {_clock(group[-1].end_s)}"
        text = "\n".join(
            " ".join(_stamped(word, first=word is group[0]) for word in line)
            for line in _lines(group)
        )
        blocks.append(f"{times}\n{text}\n")
    return "\n".join(blocks)


def _stamped(word: TimedWord, *, first: bool) -> str:
    """Return `word` with its time before it, unless it is the caption's first."""
    text = word.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text if first else f"<{_clock(word.start_s)}>{text}"


def _clock(time_s: float) -> str:
    """Return hours:minutes:seconds.milliseconds."""
    ms = round(time_s * 1000)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"
