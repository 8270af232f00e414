"""LibriSpeech and corpora in its form: SPEAKER/CHAPTER/KEY.flac with SPEAKER-CHAPTER.trans.txt.

Panayotov et al., "LibriSpeech: an ASR corpus based on public domain audio books", ICASSP 2015.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from steno_models.errors import DataError
from steno_models.training.lines import each_line
from steno_models.training.recordings import recording_duration_s
from steno_models.training.utterance import Utterance


def read(folder: Path) -> Iterator[Utterance]:
    """Give the utterances below `folder`, at any depth (one split or all of the corpus).

    Raises:
        DataError: No transcript is there, a line has no text, or a recording is missing.
    """
    transcripts = sorted(folder.rglob("*.trans.txt"))
    if not transcripts:
        raise DataError(f"{folder}: expected SPEAKER/CHAPTER/*.trans.txt below it, found none")
    for transcript in transcripts:
        yield from each_line(transcript, partial(_parse_line, chapter=transcript.parent))


def _parse_line(line: str, *, chapter: Path) -> Utterance:
    key, _, text = line.partition(" ")
    if not text.strip():
        raise DataError(f"expected a key and its text, found: {line}")
    # The key says it too (SPEAKER-CHAPTER-NUMBER), but corpora in this form name keys freely.
    speaker = chapter.parent.name
    audio = _recording(chapter, key)
    return Utterance(key, audio, 0.0, recording_duration_s(audio), text.strip(), speaker)


def _recording(chapter: Path, key: str) -> Path:
    for ending in (".flac", ".wav", ".opus"):
        if (chapter / f"{key}{ending}").is_file():
            return chapter / f"{key}{ending}"
    raise DataError(f"expected the recording {chapter / key}.flac, found none")
