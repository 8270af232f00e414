"""How many words are found where there are none: in silence, noise and music.

    steno-models evaluate --bundle en --wordless noise/ music/ synthetic [--streaming] [--json]

Each name is a folder of recordings, a JSON lines manifest, or `synthetic`: ten minutes of sounds
made on the spot.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from steno_models.audio import SAMPLE_RATE, read_file
from steno_models.errors import DataError
from steno_models.training.degrade import find_recordings
from steno_models.training.manifest import read_manifest
from steno_models.training.recordings import read_samples
from steno_models.training.wordless import wordless
from steno_models.types import FloatArray

SYNTHETIC = "synthetic"
ENDINGS = (".opus", ".ogg", ".flac", ".wav", ".mp3")

# Not the seed of those that a speech gate is fitted on.
_SEED = 2026
_SYNTHETIC_S = 600
_SYNTHETIC_PIECE_S = 10


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in the sounds of one name.

    Attributes:
        name: as it was given.
        recordings: how many there are.
        minutes: how long they are together.
        words: how many words their finals have.
        texts: the finals' texts, of the recordings that have any.
    """

    name: str
    recordings: int
    minutes: float
    words: int
    texts: tuple[str, ...]


def sounds(name: str) -> Iterator[FloatArray]:
    """Yield the sounds of `name`, each (N,) at 16 kHz.

    Raises:
        DataError: there are none, or one cannot be decoded.
    """
    path = Path(name)
    if name == SYNTHETIC and not path.exists():
        made = wordless(np.random.default_rng(_SEED), _SYNTHETIC_PIECE_S)
        for _, sound in islice(made, _SYNTHETIC_S // _SYNTHETIC_PIECE_S):
            yield sound
    elif path.is_dir():
        recordings = find_recordings(path, ENDINGS)
        if not recordings:
            raise DataError(f"expected recordings ({', '.join(ENDINGS)}) in {path}, found none")
        for recording in recordings:
            yield read_file(recording)
    else:
        for utterance in read_manifest(path):
            yield read_samples(utterance)


def listen(
    names: Sequence[str], hear: Callable[[FloatArray], str], progress: Progress
) -> list[Found]:
    """Return what `hear` finds in the sounds of each of `names`: the text of the finals."""
    found = []
    for name in names:
        task = progress.add_task(name, total=None)
        texts, num_samples = [], 0
        for sound in sounds(name):
            texts.append(hear(sound))
            num_samples += len(sound)
            progress.advance(task)
        words = sum(len(text.split()) for text in texts)
        minutes = num_samples / SAMPLE_RATE / 60
        found.append(Found(name, len(texts), minutes, words, tuple(filter(None, texts))))
    return found


def report(found: Sequence[Found], title: str, *, as_json: bool) -> None:
    """Print what was found, as a table or as JSON."""
    minutes, words = sum(one.minutes for one in found), sum(one.words for one in found)
    if as_json:
        numbers = {"minutes": minutes, "words": words, "sounds": [asdict(one) for one in found]}
        json.dump(numbers, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    table = Table("", "recordings", "minutes", "words", title=title)
    for one in found:
        table.add_row(one.name, str(one.recordings), f"{one.minutes:.1f}", str(one.words))
    recordings = sum(one.recordings for one in found)
    table.add_section()
    table.add_row("all", str(recordings), f"{minutes:.1f}", str(words))
    Console().print(table)
    for one in found:
        for text in one.texts:
            Console().print(f"{one.name}: {text}")
