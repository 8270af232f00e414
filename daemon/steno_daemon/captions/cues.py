"""Cues from finals: what is on screen together, and from when to when. Pure functions.

A final is cut into cues of a few short lines by a shortest path over its words: few cues, few
characters that come faster than they can be read, none that flashes by, cut at pauses, about
equally full. Times are whole milliseconds since the start of the stream, so that cues never overlap
by rounding. Where two channels speak at once, their cues follow one another: each stays until it is
read, and those behind catch up in the next pause.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise, zip_longest

from steno_daemon.wire import Final

_PAUSE_MS = 500
"""A pause after which a cut is as good as it gets."""
_FLASH_MS = 250
"""No cue that is late because others spoke at the same time is shorter than this."""
_CATCH_UP_MS = 10_000
"""The later a cue is, the less of its reading time it gets; at this, no more than a flash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CueRules:
    """What a cue may be.

    Attributes:
        line_chars: the longest line.
        lines: the most lines.
        reading_chars_per_s: how fast people read.
        min_ms: a cue stays so long where the next one leaves it the time.
        max_ms: the longest stretch of speech in one cue.
    """

    line_chars: int = 42
    lines: int = 2
    reading_chars_per_s: float = 17.0
    min_ms: int = 1_000
    max_ms: int = 7_000


USUAL = CueRules()
"""What subtitles on television keep to."""


@dataclass(frozen=True, slots=True)
class TimedWord:
    """One word and when it is spoken."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Cue:
    """One caption: its lines, and from when to when it is shown.

    Attributes:
        channel: who speaks, where that has to be said; counted from 0.
    """

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    channel: int | None = None

    @property
    def chars(self) -> int:
        """How much there is to read, the line break counted as the space that it is."""
        return len(" ".join(self.lines))


def cues(
    finals: Iterable[Final], rules: CueRules = USUAL, *, channels: int = 1, delay_ms: int = 0
) -> list[Cue]:
    """Return the cues of a whole transcript in the order of time.

    Args:
        finals: in any order, of any channels.
        rules: what a cue may be.
        channels: of the session; with more than one, every cue says which.
        delay_ms: added to every time.
    """
    parts = [cue for final in finals for cue in cut(final, rules, channels=channels)]
    parts.sort(key=lambda cue: cue.start_ms)
    return shift(retime(parts, rules), delay_ms)


def cut(final: Final, rules: CueRules = USUAL, *, channels: int = 1) -> list[Cue]:
    """Return the cues of a final, each as long as its words are spoken."""
    channel = voice(final.channel, channels)
    indent = len(label(channel))
    words = timed_words(final, rules.line_chars - indent)
    return [
        Cue(
            words[i].start_ms,
            words[j - 1].end_ms,
            _lines([word.text for word in words[i:j]], rules, indent),
            channel,
        )
        for i, j in pairwise(_Cutter(words, rules, indent).cuts())
    ]


def retime(cues: Sequence[Cue], rules: CueRules = USUAL, *, floor_ms: int = 0) -> list[Cue]:
    """Return the cues in this order, never overlapping, long enough to be read if there is room.

    Args:
        cues: as `cut` gives them.
        rules: what a cue may be.
        floor_ms: where the cue before them ends.
    """
    timed = []
    for cue, following in zip_longest(cues, cues[1:]):
        timed.append(settle(cue, following, rules, floor_ms=floor_ms))
        floor_ms = timed[-1].end_ms
    return timed


def settle(cue: Cue, following: Cue | None, rules: CueRules = USUAL, *, floor_ms: int = 0) -> Cue:
    """Return a cue with the times at which it is shown.

    Args:
        cue: as `cut` gives it.
        following: the one after it, likewise; None if there is none in sight.
        rules: what a cue may be.
        floor_ms: where the cue before it ends.
    """
    start_ms = max(cue.start_ms, floor_ms)
    reading_ms = max(rules.min_ms, math.ceil(1000 * cue.chars / rules.reading_chars_per_s))
    end_ms = max(cue.end_ms, start_ms + reading_ms)
    if following is not None:
        late_ms = start_ms - cue.start_ms
        same = following.channel == cue.channel
        next_ms = max(following.start_ms, cue.end_ms) if same else following.start_ms
        least_ms = 1
        if late_ms or next_ms < cue.end_ms:
            share = max(0.0, 1 - late_ms / _CATCH_UP_MS)
            least_ms = max(_FLASH_MS, round(share * reading_ms))
        end_ms = min(end_ms, max(next_ms, start_ms + least_ms))
    return replace(cue, start_ms=start_ms, end_ms=end_ms)


def shift(cues: Sequence[Cue], delay_ms: int) -> list[Cue]:
    """Return the cues later by a delay, or earlier; what would end before 0 is left out."""
    if not delay_ms:
        return list(cues)
    return [
        replace(cue, start_ms=max(0, cue.start_ms + delay_ms), end_ms=cue.end_ms + delay_ms)
        for cue in cues
        if cue.end_ms + delay_ms > 0
    ]


def voice(channel: int, channels: int) -> int | None:
    """Return the channel where it has to be said which one speaks, else None."""
    return channel if channels > 1 or channel > 0 else None


def label(channel: int | None) -> str:
    """Return what plain text puts before a cue to say who speaks."""
    return "" if channel is None else f"{channel + 1}: "


def clock(time_ms: int, *, mark: str) -> str:
    """Return hours:minutes:seconds and, after the mark, milliseconds."""
    seconds, millis = divmod(time_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{millis:03}"


def timed_words(final: Final, width: int = USUAL.line_chars) -> list[TimedWord]:
    """Return the words of a final as they are written, else as they were recognised.

    Without word times they share the time of the final by their length. A word longer than `width`
    is cut into pieces that share its time.
    """
    timed = final.words if final.written is None else final.written_words
    if timed:
        words = [TimedWord(" ".join(w.text.split()), _to_ms(w.start), _to_ms(w.end)) for w in timed]
    else:
        words = _spread(final.shown.split(), _to_ms(final.start), _to_ms(final.end))
    return [piece for word in _forward(words) for piece in _pieces(word, width)]


def _forward(words: Iterable[TimedWord]) -> list[TimedWord]:
    """Return the words that say something, each after the end of the one before it."""
    said = [word for word in words if word.text]
    starts = list(accumulate((word.start_ms for word in said), max))
    return [
        replace(word, start_ms=start, end_ms=max(start, min(word.end_ms, limit)))
        for word, start, limit in zip(
            said, starts, [*starts[1:], *(word.end_ms for word in said[-1:])], strict=True
        )
    ]


class _Cutter:
    """The cheapest way to cut words into cues.

    Args:
        words: of one final.
        rules: what a cue may be.
        indent: characters that the first line of each has less.
    """

    def __init__(self, words: Sequence[TimedWord], rules: CueRules, indent: int = 0) -> None:
        self._words = words
        self._rules = rules
        self._indent = indent
        self._before = [0, *accumulate(len(word.text) + 1 for word in words)]

    def cuts(self) -> list[int]:
        """Return where cues begin, and the end: 0 … len(words)."""
        best: list[tuple[float, int]] = [(0.0, 0)]
        for j in range(1, len(self._words) + 1):
            best.append(min((best[i][0] + self.cost(i, j), i) for i in self.beginnings(j)))
        cuts = [len(self._words)]
        while cuts[-1] > 0:
            cuts.append(best[cuts[-1]][1])
        return cuts[::-1] if self._words else []

    def beginnings(self, j: int) -> Iterator[int]:
        """Yield every i so that words i … j-1 make a cue that fits; j-1 is always one."""
        rules, end_ms = self._rules, self._words[j - 1].end_ms
        lines, top = 1, -1  # lines are filled from the last one up: adding a word is one step
        for i in range(j - 1, -1, -1):
            chars = len(self._words[i].text)
            if top + 1 + chars <= rules.line_chars:
                top += 1 + chars
            else:
                lines, top = lines + 1, chars
            too_long = end_ms - self._words[i].start_ms > rules.max_ms
            if lines > rules.lines or (too_long and i < j - 1):
                return
            is_indented_too_far = top + self._indent > rules.line_chars
            if lines + is_indented_too_far <= rules.lines or i == j - 1:
                yield i

    def cost(self, i: int, j: int) -> float:
        """Return what a cue of words i … j-1 costs: 1, and 1 for every character too fast."""
        rules, words = self._rules, self._words
        chars = self._before[j] - self._before[i] - 1
        slack = max(0.0, 1 - chars / (rules.lines * rules.line_chars))
        cost = 1 + 0.5 * slack**2
        if j == len(words):  # what follows is silence: the cue may stay
            return cost
        shown_ms = max(words[j].start_ms, words[j - 1].end_ms) - words[i].start_ms
        unreadable = max(0.0, chars - rules.reading_chars_per_s * shown_ms / 1000)
        flash = max(0.0, 1 - shown_ms / rules.min_ms)
        pause_ms = max(0, words[j].start_ms - words[j - 1].end_ms)
        return cost + unreadable + 3 * flash + 0.5 * max(0.0, 1 - pause_ms / _PAUSE_MS)


def _lines(texts: Sequence[str], rules: CueRules, indent: int) -> tuple[str, ...]:
    """Return the words in as few lines as they fit into, the longest of them as short as can be."""
    lines = _fill(texts, rules.line_chars, indent)
    total = sum(len(text) + 1 for text in texts) - 1 + indent
    for width in range(math.ceil((total + 1) / len(lines)) - 1, rules.line_chars):
        narrow = _fill(texts, width, indent)
        if len(narrow) == len(lines) and all(len(line) <= width for line in narrow):
            return narrow
    return lines


def _fill(texts: Sequence[str], width: int, indent: int) -> tuple[str, ...]:
    """Return the words in lines, filled from the last one up; the first one is `indent` shorter."""
    lines = [[texts[-1]]]
    chars = len(texts[-1])
    for place in range(len(texts) - 2, -1, -1):
        chars += 1 + len(texts[place])
        if chars + (0 if place else indent) <= width:
            lines[-1].append(texts[place])
        else:
            lines.append([texts[place]])
            chars = len(texts[place])
    return tuple(" ".join(reversed(line)) for line in reversed(lines))


def _pieces(word: TimedWord, width: int) -> list[TimedWord]:
    """Return the word itself, or parts no longer than a line."""
    parts = [word.text[i : i + width] for i in range(0, len(word.text), width)]
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
