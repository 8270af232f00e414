"""LJSpeech: metadata.csv (key|text|text with numbers and abbreviations spelled out), wavs/KEY.wav.

Ito and Johnson, "The LJ Speech Dataset", 2017.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from steno_models.errors import DataError
from steno_models.training.lines import each_line
from steno_models.training.recordings import recording_duration_s
from steno_models.training.utterance import Utterance


def read(folder: Path) -> Iterator[Utterance]:
    """Give the utterances of `folder`, with the texts whose numbers are spelled out.

    Raises:
        DataError: metadata.csv is missing or has bad lines, or a recording is missing.
    """
    yield from each_line(folder / "metadata.csv", partial(_parse_line, wavs=folder / "wavs"))


def _parse_line(line: str, *, wavs: Path) -> Utterance:
    # The texts hold quotes that mean themselves: this is no CSV as the csv module reads it.
    fields = line.split("|")
    if len(fields) not in {2, 3}:
        raise DataError(f"expected key|text|normalised text, found {len(fields)} fields: {line}")
    audio = wavs / f"{fields[0]}.wav"
    text = fields[-1].strip() or fields[1].strip()
    return Utterance(fields[0], audio, 0.0, recording_duration_s(audio), text, "lj")
