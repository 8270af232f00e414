"""Mozilla Common Voice: SPLIT.tsv with clips/*.mp3 and, in newer releases, clip_durations.tsv.

Ardila et al., "Common Voice: a massively-multilingual speech corpus", LREC 2020.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from steno_models.errors import DataError
from steno_models.training.lines import each_line, parse_lines
from steno_models.training.recordings import recording_duration_s
from steno_models.training.utterance import Utterance

_NEEDED = ("client_id", "path", "sentence")


def read(folder: Path, *, split: str = "train") -> Iterator[Utterance]:
    """Give the utterances that `split`.tsv of the language folder `folder` lists.

    Args:
        folder: The folder of one language, with the lists and clips/.
        split: `train`, `dev`, `test`, `validated` or any other list that is there.

    Raises:
        DataError: The list is missing or has bad lines, or a clip is missing.
    """
    listing = folder / f"{split}.tsv"
    columns = _columns(folder, listing)
    durations_s = _read_durations_s(folder / "clip_durations.tsv")
    parse = partial(_parse_row, columns=columns, clips=folder / "clips", durations_s=durations_s)
    yield from each_line(listing, parse, skip=1)


def _columns(folder: Path, listing: Path) -> dict[str, int]:
    if not listing.is_file():
        found = ", ".join(sorted(path.stem for path in folder.glob("*.tsv"))) or "no list"
        raise DataError(f"{listing}: expected a list of clips, found in its folder: {found}")
    with listing.open(encoding="utf-8-sig") as file:
        names = file.readline().rstrip("\r\n").split("\t")
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        raise DataError(f"{listing}:1: expected the columns {', '.join(missing)}, found {names}")
    return {name: names.index(name) for name in _NEEDED}


def _read_durations_s(path: Path) -> dict[str, float]:
    """Return the seconds of each clip where the release lists them, else nothing."""
    if not path.is_file():
        return {}
    return dict(parse_lines(path, _parse_duration, skip=1))


def _parse_duration(line: str) -> tuple[str, float]:
    clip, _, duration_ms = line.partition("\t")
    if not duration_ms.strip().isdecimal():
        raise DataError(f"expected a clip and its milliseconds, found: {line}")
    return clip, int(duration_ms) / 1000


def _parse_row(
    line: str, *, columns: Mapping[str, int], clips: Path, durations_s: Mapping[str, float]
) -> Utterance:
    fields = line.split("\t")
    if len(fields) <= max(columns.values()):
        raise DataError(
            f"expected {max(columns.values()) + 1} columns or more, found {len(fields)}"
        )
    name = fields[columns["path"]]
    # Early releases leave the ending out.
    audio = clips / (name if Path(name).suffix else f"{name}.mp3")
    return Utterance(
        key=audio.stem,
        audio=audio,
        offset_s=0.0,
        duration_s=durations_s.get(audio.name) or recording_duration_s(audio),
        text=fields[columns["sentence"]].strip(),
        speaker=fields[columns["client_id"]],
    )
