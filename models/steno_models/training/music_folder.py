"""A folder of synthetic music: recordings like any others, made once and kept."""

from pathlib import Path

import numpy as np
import soundfile
from rich.console import Console
from rich.progress import track

from steno_models.audio import SAMPLE_RATE
from steno_models.errors import ConfigError
from steno_models.training.folders import finished_folder
from steno_models.training.music import music

# A folder says by its name which program made it: count up when `music` sounds different.
_VERSION = 1
_SHORTEST_S, LONGEST_S = 4, 9


def music_folder(root: Path, hours: float, seed: int = 7) -> Path:
    """Return a folder below `root` with `hours` of music, made if it is not there.

    Pieces are FLAC files of 4 to 9 whole seconds; every one has a seed of its own, so more hours
    begin with the same pieces. Processes that ask at the same time wait for the first of them.

    Raises:
        ConfigError: `hours` are too few for one piece.
    """
    durations_s = _durations_s(hours, seed)
    folder = root / f"music-{_VERSION}-{seed}-{len(durations_s)}"
    with finished_folder(folder) as draft:
        if draft is not None:
            _write(draft, durations_s, seed)
    return folder


def _durations_s(hours: float, seed: int) -> list[int]:
    rng = np.random.default_rng([seed, 0])
    durations_s: list[int] = []
    while sum(durations_s) + LONGEST_S <= hours * 3600:
        durations_s.append(int(rng.integers(_SHORTEST_S, LONGEST_S + 1)))
    if not durations_s:
        raise ConfigError(f"expected at least {LONGEST_S / 3600:g} hours of music, found {hours:g}")
    return durations_s


def _write(folder: Path, durations_s: list[int], seed: int) -> None:
    pieces = track(
        enumerate(durations_s, 1), "making music", len(durations_s), console=Console(stderr=True)
    )
    for number, duration_s in pieces:
        samples = music(duration_s, np.random.default_rng([seed, number]))
        soundfile.write(folder / f"{number:05d}.flac", samples, SAMPLE_RATE)
