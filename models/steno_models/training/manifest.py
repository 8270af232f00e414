"""What there is to train on: utterances, read from NeMo manifests or Kaldi data folders.

A manifest holds one JSON object a line: `audio_filepath` (relative to the manifest), `duration`
in seconds, `text`, and optionally `offset` in seconds, `speaker` and `key`. Other fields are
left alone.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import msgspec

from steno_models.errors import DataError
from steno_models.training.kaldi import read_kaldi_folder
from steno_models.training.lines import parse_lines, refuse_duplicates
from steno_models.training.recordings import read_samples
from steno_models.training.utterance import Utterance as Utterance  # noqa: PLC0414 - its home


class _Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    audio_filepath: str
    duration: float
    text: str
    offset: float = 0.0
    speaker: str | int = ""
    key: str = ""


_decoder = msgspec.json.Decoder(_Line)


def read_manifest(path: Path) -> list[Utterance]:
    """Return the utterances of a JSON-lines manifest or, for a folder, of Kaldi data.

    Raises:
        DataError: With every bad line: file, line number, expected, found.
    """
    if path.is_dir():
        return read_kaldi_folder(path)
    utterances = parse_lines(path, partial(_parse_line, base=path.resolve().parent))
    refuse_duplicates(path, [utterance.key for utterance in utterances])
    return utterances


def manifest_name(path: Path) -> str:
    """Return the name that other files call a manifest by: that of its folder, and its own."""
    return f"{path.resolve().parent.name}-{path.stem}"


def write_manifest(path: Path, utterances: Iterable[Utterance]) -> None:
    """Write a manifest that `read_manifest` reads back, at once or not at all.

    Recordings below the manifest's folder are named relative to it, so both can move together.
    """
    base = path.resolve().parent
    base.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with draft.open("wb") as file:
            file.writelines(_format_line(utterance, base) for utterance in utterances)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def check_manifest(
    utterances: Sequence[Utterance], *, on_checked: Callable[[], None] = lambda: None
) -> None:
    """Decode every recording and report all that are missing, corrupt or too short.

    Args:
        utterances: What to check.
        on_checked: Called after each utterance, for a progress bar.

    Raises:
        DataError: Naming every bad recording, one a line.
    """
    complaints = []
    # libsndfile decodes without the interpreter lock: threads are enough.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for complaint in pool.map(_complaint, utterances):
            on_checked()
            complaints += [complaint] if complaint else []
    if complaints:
        bad = "\n".join(complaints)
        raise DataError(f"{len(complaints)} of {len(utterances)} recordings are bad:\n{bad}")


def _parse_line(line: str, *, base: Path) -> Utterance:
    try:
        found = _decoder.decode(line)
    except msgspec.DecodeError as error:
        raise DataError(
            f"expected a JSON object with audio_filepath, duration and text, found: {error}"
        ) from error
    if not found.audio_filepath:
        raise DataError("expected the name of a recording as audio_filepath, found an empty one")
    if found.duration <= 0:
        raise DataError(f"expected a duration above 0 s, found {found.duration}")
    if found.offset < 0:
        raise DataError(f"expected an offset of 0 s or more, found {found.offset}")
    return Utterance(
        key=found.key or _key_of(found),
        audio=base / found.audio_filepath,
        offset_s=found.offset,
        duration_s=found.duration,
        text=found.text,
        speaker=str(found.speaker),
    )


def _key_of(line: _Line) -> str:
    name = line.audio_filepath.rpartition(".")[0] or line.audio_filepath
    return f"{name}@{line.offset}" if line.offset else name


def _format_line(utterance: Utterance, base: Path) -> bytes:
    audio = utterance.audio.resolve()
    line = _Line(
        audio_filepath=str(audio.relative_to(base) if audio.is_relative_to(base) else audio),
        duration=utterance.duration_s,
        text=utterance.text,
        offset=utterance.offset_s,
        speaker=utterance.speaker,
        key=utterance.key,
    )
    return msgspec.json.encode(line) + b"\n"


def _complaint(utterance: Utterance) -> str:
    try:
        read_samples(utterance)
    except DataError as error:
        return f"{utterance.key}: {error}"
    return ""
