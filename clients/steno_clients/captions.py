"""Caption cues from finals, and their SubRip and WebVTT text: pure functions.

A final is cut into cues of at most two lines of 42 characters by a shortest path over its words:
few cues, few characters that come faster than 17 a second, none that flashes by, cut at pauses,
about equally full. Times are whole milliseconds since the start of the stream, so that cues never
overlap by rounding.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise, zip_longest

from steno_daemon.wire import Final

LINE_CHARS = 42
MAX_LINES = 2
READING_CHARS_PER_S = 17
MIN_CUE_MS = 1_000
MAX_CUE_MS = 7_000
_PAUSE_MS = 500
"""A pause after which a cut is as good as it gets."""


@dataclass(frozen=True, slots=True)
class TimedWord:
    """One word and when it is spoken."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Cue:
    """One caption: its lines, and from when to when it is shown."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]

    @property
    def chars(self) -> int:
        """How much there is to read, the line break counted as the space that it is."""
        return len(" ".join(self.lines))


def timed_words(final: Final) -> list[TimedWord]:
    """Return the words of a final; without word times they share its time by their length.

    A word longer than a line is cut into pieces that share its time.
    """
    if final.words is not None:
        words = [
            TimedWord(w.text, _to_ms(w.start), max(_to_ms(w.start), _to_ms(w.end)))
            for w in final.words
        ]
    else:
        words = _spread(final.text.split(), _to_ms(final.start), _to_ms(final.end))
    return [piece for word in words for piece in _pieces(word)]


def cut(final: Final) -> list[Cue]:
    """Return the cues of a final, each as long as its words are spoken."""
    words = timed_words(final)
    return [
        Cue(words[i].start_ms, words[j - 1].end_ms, _fit([word.text for word in words[i:j]]))
        for i, j in pairwise(_cuts(words))
    ]


def retime(cues: Sequence[Cue], *, floor_ms: int = 0) -> list[Cue]:
    """Return the cues in order, never overlapping, and long enough to be read where there is room.

    Args:
        cues: as `cut` gives them, one final after the other.
        floor_ms: where the cue before them ends.
    """
    timed = []
    for cue, following in zip_longest(cues, cues[1:]):
        start = max(cue.start_ms, floor_ms)
        wanted = max(MIN_CUE_MS, math.ceil(1000 * cue.chars / READING_CHARS_PER_S))
        end = start + wanted if following is None else min(start + wanted, following.start_ms)
        floor_ms = max(cue.end_ms, end, start + 1)
        timed.append(replace(cue, start_ms=start, end_ms=floor_ms))
    return timed


def cues(finals: Iterable[Final]) -> list[Cue]:
    """Return the cues of a whole transcript."""
    return retime([cue for final in finals for cue in cut(final)])


def srt(cues: Sequence[Cue], *, first: int = 1) -> str:
    """Return the SubRip text of cues, numbered from `first`."""
    return "".join(
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n"
        + "\n".join(cue.lines)
        + "\n\n"
        for number, cue in enumerate(cues, first)
    )


def vtt(cues: Sequence[Cue]) -> str:
    """Return the WebVTT text of cues, without the header `VTT_HEADER`."""
    return "".join(
        f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n"
        + "\n".join(_escape(line) for line in cue.lines)
        + "\n\n"
        for cue in cues
    )


VTT_HEADER = "WEBVTT\n\n"


def _cuts(words: Sequence[TimedWord]) -> list[int]:
    """Return where cues begin, and the end: the cheapest way to cut the words, 0 … len(words)."""
    best: list[tuple[float, int]] = [(0.0, 0)]
    for j in range(1, len(words) + 1):
        options = [(best[i][0] + _cost(words, i, j), i) for i in _beginnings(words, j)]
        best.append(min(options))
    cuts = [len(words)]
    while cuts[-1] > 0:
        cuts.append(best[cuts[-1]][1])
    return cuts[::-1] if words else []


def _beginnings(words: Sequence[TimedWord], j: int) -> list[int]:
    """Return every i so that words i … j-1 make a cue that fits; j-1 is always one."""
    fitting = [j - 1]
    chars = len(words[j - 1].text)
    for i in range(j - 2, -1, -1):
        chars += 1 + len(words[i].text)
        too_long = words[j - 1].end_ms - words[i].start_ms > MAX_CUE_MS
        if too_long or chars > MAX_LINES * LINE_CHARS + 1:
            break
        if _fit([word.text for word in words[i:j]]):
            fitting.append(i)
    return fitting


def _cost(words: Sequence[TimedWord], i: int, j: int) -> float:
    """Return what a cue of words i … j-1 costs: 1, and 1 for every character too fast to read."""
    chars = sum(len(word.text) + 1 for word in words[i:j]) - 1
    slack = max(0.0, 1 - chars / (MAX_LINES * LINE_CHARS))
    cost = 1 + 0.5 * slack**2
    if j == len(words):  # what follows is silence: the cue may stay
        return cost
    shown_ms = max(words[j].start_ms, words[j - 1].end_ms) - words[i].start_ms
    unreadable = max(0.0, chars - READING_CHARS_PER_S * shown_ms / 1000)
    flash = max(0.0, 1 - shown_ms / MIN_CUE_MS)
    pause_ms = max(0, words[j].start_ms - words[j - 1].end_ms)
    return cost + unreadable + 3 * flash + 0.5 * max(0.0, 1 - pause_ms / _PAUSE_MS)


def _fit(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the words in one line, else in the two most even ones, else () if they do not fit."""
    line = " ".join(texts)
    if len(line) <= LINE_CHARS:
        return (line,)
    breaks = [i for i, char in enumerate(line) if char == " "]
    fitting = [i for i in breaks if i <= LINE_CHARS and len(line) - i - 1 <= LINE_CHARS]
    if not fitting:
        return ()
    middle = min(fitting, key=lambda i: abs(2 * i + 1 - len(line)))
    return (line[:middle], line[middle + 1 :])


def _pieces(word: TimedWord) -> list[TimedWord]:
    """Return the word itself, or parts no longer than a line."""
    text = word.text
    parts = [text[i : i + LINE_CHARS] for i in range(0, len(text), LINE_CHARS)]
    return [word] if len(parts) == 1 else _spread(parts, word.start_ms, word.end_ms)


def _spread(texts: Sequence[str], start_ms: int, end_ms: int) -> list[TimedWord]:
    """Return the texts as words that share the time in proportion to their length."""
    ends = list(accumulate(len(text) for text in texts))
    length_ms = max(0, end_ms - start_ms)
    borders = [start_ms, *(start_ms + length_ms * end // ends[-1] for end in ends)]
    return [
        TimedWord(text, start, end)
        for text, (start, end) in zip(texts, pairwise(borders), strict=True)
    ]


def _to_ms(seconds: float) -> int:
    return max(0, round(1000 * seconds))


def _clock(time_ms: int, mark: str) -> str:
    """Return hours:minutes:seconds and, after the mark, milliseconds."""
    seconds, millis = divmod(time_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{millis:03}"


def _escape(line: str) -> str:
    """Return the line as WebVTT wants it: `&`, `<` and `>` begin other things there."""
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
