"""What is measured of a system, and the files that remember it.

A file is named by all that the measurement depends on: the system's files, the manifest of the
recordings, the language model and how it is searched. So nothing is measured twice, and nothing
old is shown.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from steno_models.bundle import file_digest
from steno_models.compare.config import CompareConfig, System
from steno_models.compare.standing import Standing, located

_FORMAT = 1

Hears = Literal["chunks", "utterance", "speaker"]

Tick = Callable[[int, int], None]
"""Told how many recordings were heard, and of how many."""


class Decoded(msgspec.Struct, frozen=True, kw_only=True):
    """What a system found.

    Attributes:
        texts: of each utterance.
        compute_s: processor time, of features and search, all utterances together.
    """

    texts: list[str]
    compute_s: float


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of a system.

    Attributes:
        references: what was said in each utterance, in the order of the texts found.
        audio_s: how long all are together.
        alone: what was found without a language model.
        with_lm: what was found with it; None where the system has none.
        parameters: how many numbers were learned that it takes to decode.
        memory_mb: the most memory that a process had which decoded with it, with the language
            model where it has one.
        hears: what it has to hear before it can say anything that stays.
        delay_ms: how long it waits for the end of a chunk and what it sees of the next; None where
            it hears no chunks.
    """

    references: list[str]
    audio_s: float
    alone: Decoded
    with_lm: Decoded | None
    parameters: int
    memory_mb: float
    hears: Hears
    delay_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be measured.

    Attributes:
        system: whose files are all there.
        files: these files.
        manifest: of the recordings.
        limit: so many of them, from the first; all if None.
        lm: the folder of the language model.
        lm_name: its name there.
        word_score_without: added for each word where there is no language model.
    """

    system: System
    files: tuple[Path, ...]
    manifest: Path
    limit: int | None
    lm: Path
    lm_name: str
    word_score_without: float

    @property
    def lexicon(self) -> Path:
        """How words sound."""
        return self.lm / f"{self.lm_name}.lexicon.txt"


def request(
    config: CompareConfig, system: System, found: Standing, limit: int | None = None
) -> Request:
    """Return what is to be measured of a system that is trained.

    Raises:
        BundleError: there is no bundle with the language model.
    """
    section, own = config.language_model, system.word_score_without
    return Request(
        system=system,
        files=found.files,
        manifest=config.manifest,
        limit=limit,
        lm=located(section.bundle) / "lm",
        lm_name=section.name,
        word_score_without=section.word_score_without if own is None else own,
    )


def memory_path(folder: Path, asked: Request, settings: str) -> Path:
    """Return where the measurement that is asked for is remembered in `folder`.

    Raises:
        OSError: a file is not there.
    """
    manifest = asked.manifest
    speech = [manifest] if manifest.is_file() else sorted(manifest.glob("*"))
    lm = [asked.lm / f"{asked.lm_name}.{ending}" for ending in ("bin", "lexicon.txt")]
    system = asked.system
    parts = [
        _FORMAT,
        [system.kind, system.stage, system.hears, repr(system.search), settings],
        [asked.limit, asked.word_score_without, str(manifest.resolve())],
        _digests(asked.files),
        _digests(path for path in (*speech, *lm) if path.is_file()),
        *([] if system.acoustic_scale is None else [system.acoustic_scale]),
    ]
    key = hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]
    readable = re.sub(r"[^a-z0-9]+", "-", system.name.lower()).strip("-")
    return folder / f"{readable}-{key}.json"


def remembered(path: Path) -> Measurement | None:
    """Return what the file at `path` remembers; None if nothing."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Measurement)
    except (OSError, msgspec.DecodeError):
        return None


def remember(path: Path, measured: Measurement) -> None:
    """Write `measured` to `path`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(measured), indent=1))
    draft.replace(path)


def _digests(paths: Iterable[Path]) -> list[tuple[str, str]]:
    return [(path.name, file_digest(path)) for path in paths]
