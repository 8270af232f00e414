"""Alignments as files: CTM, Praat's TextGrid and JSON; SRT and WebVTT come from captions.py."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from steno_models.alignments.captions import srt, webvtt
from steno_models.alignments.timed import Timed, TimedPhone

_Interval = tuple[float, float, str]


def ctm(alignment: Timed) -> str:
    """Return NIST's time-marked conversation format: a line a word.

    Recording, channel, start and duration in seconds, word, confidence. The format has no spaces
    in a word: what was written as several is joined by underscores.
    """
    name = alignment.name.replace(" ", "_")
    return "".join(
        f"{name} 1 {word.start_s:.3f} {word.end_s - word.start_s:.3f} "
        f"{word.text.replace(' ', '_')} {word.confidence:.3f}\n"
        for word in alignment.words
    )


def text_grid(alignment: Timed) -> str:
    """Return Praat's long text format with the interval tiers "words" and "phones"."""
    end_s = max(alignment.duration_s, alignment.words[-1].end_s)
    words = [(word.start_s, word.end_s, word.text) for word in alignment.words]
    phones = [(p.start_s, p.end_s, p.phone) for word in alignment.words for p in word.phones]
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {end_s:.4f}",
        "tiers? <exists>",
        "size = 2",
        "item []:",
    ]
    for number, (name, intervals) in enumerate((("words", words), ("phones", phones)), start=1):
        whole = _without_gaps(intervals, end_s)
        lines += [
            f"    item [{number}]:",
            '        class = "IntervalTier"',
            f'        name = "{name}"',
            "        xmin = 0",
            f"        xmax = {end_s:.4f}",
            f"        intervals: size = {len(whole)}",
        ]
        for place, (begin_s, stop_s, label) in enumerate(whole, start=1):
            quoted = label.replace('"', '""')
            lines += [
                f"        intervals [{place}]:",
                f"            xmin = {begin_s:.4f}",
                f"            xmax = {stop_s:.4f}",
                f'            text = "{quoted}"',
            ]
    return "\n".join(lines) + "\n"


def json(alignment: Timed) -> str:
    """Return one object: the recording, and its words with their phones inside."""
    words = [
        {
            "word": word.text,
            "start_s": round(word.start_s, 4),
            "end_s": round(word.end_s, 4),
            "score": round(word.score, 4),
            "confidence": round(word.confidence, 4),
            "phones": [_phone(phone) for phone in word.phones],
        }
        for word in alignment.words
    ]
    found = {
        "recording": alignment.name,
        "duration_s": round(alignment.duration_s, 4),
        "words": words,
    }
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"


FORMATS: Mapping[str, tuple[str, Callable[[Timed], str]]] = {
    "json": (".json", json),
    "textgrid": (".TextGrid", text_grid),
    "ctm": (".ctm", ctm),
    "srt": (".srt", srt),
    "vtt": (".vtt", webvtt),
}
"""By name: the ending of its files, and how it is written."""


def _phone(phone: TimedPhone) -> dict[str, str | float]:
    return {
        "phone": phone.phone,
        "start_s": round(phone.start_s, 4),
        "end_s": round(phone.end_s, 4),
        "score": round(phone.score, 4),
    }


def _without_gaps(intervals: Sequence[_Interval], end_s: float) -> list[_Interval]:
    """Return `intervals` and empty ones between them, from 0 to `end_s`.

    Times are those that four decimals can say; what has no length in them is left out.
    """
    found: list[_Interval] = []
    now_s = 0.0
    for start_s, stop_s, label in intervals:
        begin_s, finish_s = round(start_s, 4), round(stop_s, 4)
        if begin_s > now_s:
            found.append((now_s, begin_s, ""))
        if finish_s > begin_s:
            found.append((begin_s, finish_s, label))
        now_s = max(now_s, finish_s)
    if round(end_s, 4) > now_s:
        found.append((now_s, round(end_s, 4), ""))
    return found
