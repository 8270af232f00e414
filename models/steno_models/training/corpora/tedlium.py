"""TED-LIUM: stm/TALK.stm transcripts of sph/TALK.sph recordings, many segments in each.

Rousseau et al., "TED-LIUM: an automatic speech recognition dedicated corpus", LREC 2012.
"""

import math
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from steno_models.errors import DataError
from steno_models.training.lines import each_line
from steno_models.training.utterance import Utterance

_UNTRANSCRIBED = "ignore_time_segment_in_scoring"
# Marks of noises and fillers, "<unk>" and pronunciation variants, "read(2)".
_MARKS = re.compile(r"<[^>]*>|\{[^}]*\}|\[[^\]]*\]|\(\d+\)")
# "we 've" is "we've".
_APART = re.compile(r"\s+'(?=[a-z])")


def read(folder: Path) -> Iterator[Utterance]:
    """Give the transcribed segments below `folder`, at any depth (one split or all).

    Raises:
        DataError: No transcript is there, or one has bad lines, or a recording is missing.
    """
    transcripts = sorted(folder.rglob("*.stm"))
    if not transcripts:
        raise DataError(f"{folder}: expected stm/*.stm below it, found none")
    for transcript in transcripts:
        parse = partial(_parse_line, split=transcript.parent.parent)
        yield from (found for found in each_line(transcript, parse) if found is not None)


def _parse_line(line: str, *, split: Path) -> Utterance | None:
    """Return the segment of an STM line, or None for one without a transcript.

    A line is: talk, channel, speaker, start, end, <conditions>, text.
    """
    if line.startswith(";;"):
        return None
    fields = line.split(maxsplit=6)
    if len(fields) < 6:
        raise DataError(f"expected talk, channel, speaker, start, end, labels, text, found: {line}")
    talk, _, speaker = fields[:3]
    start_s, end_s = _parse_times(fields[3], fields[4])
    text = _plain(fields[6]) if len(fields) > 6 else ""
    if not text or _UNTRANSCRIBED in text:
        return None
    key = f"{talk}-{round(start_s * 100):07d}-{round(end_s * 100):07d}"
    return Utterance(key, _recording(split, talk), start_s, end_s - start_s, text, speaker)


def _parse_times(start: str, end: str) -> tuple[float, float]:
    try:
        start_s, end_s = float(start), float(end)
    except ValueError:
        raise DataError(f"expected times in seconds, found: {start} {end}") from None
    if not (math.isfinite(end_s) and 0 <= start_s < end_s):
        raise DataError(f"expected 0 <= start < end, found: {start} {end}")
    return start_s, end_s


def _plain(text: str) -> str:
    return " ".join(_APART.sub("'", _MARKS.sub(" ", text)).split())


def _recording(split: Path, talk: str) -> Path:
    for place in (split / "sph" / talk, split / "wav" / talk):
        for ending in (".sph", ".wav", ".flac"):
            if place.with_name(f"{talk}{ending}").is_file():
                return place.with_name(f"{talk}{ending}")
    raise DataError(f"expected the recording {split / 'sph' / talk}.sph, found none")
