"""Kaldi data folders: `wav.scp`, `text`, and where there are any `segments` and `utt2spk`.

Recordings that `wav.scp` gives as a command (`flac -d -c FILE |`) are never run: a data folder is
data. The usual commands only unpack one file, which this project reads itself, so the file is
taken out of them; any other command is refused.
"""

import math
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from steno_models.errors import DataError
from steno_models.training.lines import parse_lines, raise_complaints, refuse_duplicates
from steno_models.training.recordings import recording_duration_s
from steno_models.training.utterance import Utterance

# Commands that do nothing but unpack one file, with the flags that leave its samples as they are.
_UNPACKERS: dict[str, frozenset[str]] = {
    "cat": frozenset(),
    "flac": frozenset({"-c", "-d", "-s", "-cd", "-dc", "-cds", "-dcs", "--decode", "--stdout"}),
    "sph2pipe": frozenset({"-f wav", "-p"}),
    "sox": frozenset({"-t wav", "-t flac", "-t mp3", "-r 16000", "-b 16", "-c 1", "-"}),
}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Segment:
    key: str
    recording: str
    start_s: float
    end_s: float


def read_kaldi_folder(folder: Path) -> list[Utterance]:
    """Return the utterances of a Kaldi data folder, in the order of `segments` or `wav.scp`.

    Raises:
        DataError: With every bad line, or every utterance that has no text or no recording.
    """
    recordings = _read_table(folder / "wav.scp", partial(_parse_recording, folder=folder))
    texts = _read_table(folder / "text", _parse_pair)
    speakers = _read_table(folder / "utt2spk", _parse_word, optional=True)
    segments = _read_segments(folder, recordings)
    _refuse_gaps(folder, segments, recordings, texts)
    return [
        Utterance(
            key=segment.key,
            audio=recordings[segment.recording],
            offset_s=segment.start_s,
            duration_s=segment.end_s - segment.start_s,
            text=texts[segment.key],
            speaker=speakers.get(segment.key, ""),
        )
        for segment in segments
    ]


def _parse_recording(line: str, *, folder: Path) -> tuple[str, Path]:
    key, place = _parse_pair(line)
    if not place:
        raise DataError(f"expected a recording and its file, found only: {line}")
    if place.endswith("|"):
        place = _unpacked_file(place.removesuffix("|").strip())
    # Kaldi means the folder that its scripts run in; a folder that moved is right about itself.
    beside = folder / place
    return key, beside if beside.exists() else Path(place).absolute()


def _unpacked_file(command: str) -> str:
    """Return the one file that `command` decodes, without running anything."""
    try:
        program, *words = shlex.split(command)
    except ValueError as error:
        raise DataError(
            f"expected a file, found a malformed command ({error}): {command}"
        ) from error
    harmless = _UNPACKERS.get(Path(program).name, frozenset())
    files: list[str] = []
    while words:
        if " ".join(words[:2]) in harmless:
            words = words[2:]
        elif words[0] in harmless:
            words = words[1:]
        else:
            files.append(words.pop(0))
    known = Path(program).name in _UNPACKERS
    if known and len(files) == 1 and not files[0].startswith("-") and "|" not in files[0]:
        return files[0]
    raise DataError(
        "expected a file, or a command that only unpacks one (flac -c -d -s, sph2pipe -f wav, "
        f"sox FILE -t wav -, cat), found a command that is not run: {command}"
    )


def _parse_pair(line: str) -> tuple[str, str]:
    key, *rest = line.split(maxsplit=1)
    return key, rest[0].strip() if rest else ""


def _parse_word(line: str) -> tuple[str, str]:
    words = line.split()
    if len(words) != 2:
        raise DataError(f"expected two words, found {len(words)}: {line}")
    return words[0], words[1]


def _parse_segment(line: str) -> _Segment:
    words = line.split()
    if len(words) != 4:
        raise DataError(f"expected utterance, recording, start and end, found: {line}")
    try:
        start_s, end_s = float(words[2]), float(words[3])
    except ValueError:
        raise DataError(f"expected start and end in seconds, found: {line}") from None
    # Kaldi writes -1 where a segment ends with its recording.
    if not (math.isfinite(end_s) and start_s >= 0 and (start_s < end_s or end_s == -1)):
        raise DataError(f"expected 0 <= start < end, found: {line}")
    return _Segment(words[0], words[1], start_s, end_s)


def _parse_duration(line: str) -> tuple[str, float]:
    key, word = _parse_word(line)
    try:
        duration_s = float(word)
    except ValueError:
        raise DataError(f"expected a duration in seconds, found: {line}") from None
    if not (math.isfinite(duration_s) and duration_s > 0):
        raise DataError(f"expected a duration above 0 s, found: {line}")
    return key, duration_s


def _read_table(
    path: Path, parse: Callable[[str], tuple[str, T]], *, optional: bool = False
) -> dict[str, T]:
    if optional and not path.exists():
        return {}
    pairs = parse_lines(path, parse)
    refuse_duplicates(path, [key for key, _ in pairs])
    return dict(pairs)


def _read_segments(folder: Path, recordings: dict[str, Path]) -> list[_Segment]:
    """Return the segments, ends known: without `segments` each recording is one utterance."""
    path = folder / "segments"
    if not path.exists():
        return _whole_recordings(folder, recordings)
    segments = parse_lines(path, _parse_segment)
    refuse_duplicates(path, [segment.key for segment in segments])
    return [_with_end(segment, recordings) for segment in segments]


def _whole_recordings(folder: Path, recordings: dict[str, Path]) -> list[_Segment]:
    known_s = _read_table(folder / "utt2dur", _parse_duration, optional=True)
    segments: list[_Segment] = []
    complaints: list[str] = []
    for key, audio in recordings.items():
        try:
            end_s = known_s[key] if key in known_s else recording_duration_s(audio)
        except DataError as error:
            complaints.append(str(error))
        else:
            segments.append(_Segment(key, key, 0.0, end_s))
    raise_complaints(complaints, kind="bad recordings")
    return segments


def _with_end(segment: _Segment, recordings: dict[str, Path]) -> _Segment:
    if segment.end_s != -1 or segment.recording not in recordings:
        return segment
    return replace(segment, end_s=recording_duration_s(recordings[segment.recording]))


def _refuse_gaps(
    folder: Path, segments: list[_Segment], recordings: dict[str, Path], texts: dict[str, str]
) -> None:
    silent = [
        f"{folder / 'text'}: expected a line for {segment.key}, found none"
        for segment in segments
        if segment.key not in texts
    ]
    lost = [
        f"{folder / 'wav.scp'}: expected recording {segment.recording} of {segment.key}, found none"
        for segment in segments
        if segment.recording not in recordings
    ]
    raise_complaints(silent + lost, kind="gaps")
