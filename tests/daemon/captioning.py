"""What tests of captions share: finals, random transcripts, and readers of what was written."""

import re

from hypothesis import strategies as st

from steno_daemon.captions.cues import Cue
from steno_daemon.wire import Final, Word


def spoken(words: list[tuple[str, float, float]], *, segment: int = 0, channel: int = 0) -> Final:
    """A final of words with their times."""
    return Final(
        seq=0,
        segment=segment,
        channel=channel,
        text=" ".join(text for text, _, _ in words),
        start=words[0][1],
        end=words[-1][2],
        confidence=1.0,
        words=tuple(Word(text=t, start=a, end=b, confidence=1.0) for t, a, b in words),
    )


WORDS = st.tuples(
    st.sampled_from([0.0, 0.0, 0.04, 0.3, 1.5]),
    st.sampled_from([0.04, 0.12, 0.4, 0.8]),
    st.integers(1, 14),
)
"""The pause before a word, how long it is spoken, and its letters."""


def transcripts(
    *, longest: int = 25, most: int = 4, channel: int = 0
) -> st.SearchStrategy[list[Final]]:
    """Finals of random words, one after the other, with pauses in and between them."""
    segments = st.tuples(
        st.sampled_from([0.0, 0.5, 8.0]), st.lists(WORDS, min_size=1, max_size=longest)
    )
    return st.lists(segments, min_size=1, max_size=most).map(lambda drawn: _told(drawn, channel))


def _told(
    segments: list[tuple[float, list[tuple[float, float, int]]]], channel: int
) -> list[Final]:
    time = 0.0
    finals = []
    for segment, (silence, drawn) in enumerate(segments):
        time += silence
        words = []
        for pause, length, letters in drawn:
            start, time = time + pause, time + pause + length
            words.append(("wonderfullyslow"[-letters:], start, time))
        finals.append(spoken(words, segment=segment, channel=channel))
    return finals


def conversations() -> st.SearchStrategy[list[Final]]:
    """Transcripts of two channels at once, in the order in which their finals come."""
    return st.tuples(transcripts(longest=12), transcripts(longest=12, channel=1)).map(
        lambda both: sorted([*both[0], *both[1]], key=lambda final: final.end)
    )


def parse(text: str) -> list[Cue]:
    """Reads SubRip and WebVTT blocks in the strictest way."""
    time = r"(\d\d):([0-5]\d):([0-5]\d)[,.](\d{3})"
    body = re.sub(r"\AWEBVTT\n(X-TIMESTAMP-MAP=\S+\n)?\n", "", text)
    parsed = []
    for number, block in enumerate((block for block in body.split("\n\n") if block), 1):
        match = re.fullmatch(
            rf"(?:(\d+)\n)?{time} --> {time}\n(?:<v Channel (\d)>|(\d): )?(.+)", block, re.DOTALL
        )
        assert match is not None, block
        assert match[1] in {None, str(number)}
        h, m, s, ms, h2, m2, s2, ms2 = (int(part) for part in match.groups()[1:9])
        start, end = ((h * 60 + m) * 60 + s) * 1000 + ms, ((h2 * 60 + m2) * 60 + s2) * 1000 + ms2
        channel = match[10] or match[11]
        lines = tuple(match[12].split("\n"))
        parsed.append(Cue(start, end, lines, int(channel) - 1 if channel else None))
    return parsed
