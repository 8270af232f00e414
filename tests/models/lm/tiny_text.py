"""A text of a few words that follow each other by a simple rule, and what trains on it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

SENTENCES = (
    "the cat ate the bean",
    "the bee saw the cat",
    "a bean saw a bee",
    "the cat saw a bee and the bee ate a bean",
)


def split(text: str) -> Iterator[str]:
    """One sentence a line."""
    return (line for line in text.splitlines() if line)


def write_text(path: Path, sentences: int, seed: int = 1) -> Path:
    """Write so many of `SENTENCES`, drawn at random, to `path`."""
    drawn = np.random.default_rng(seed).choice(SENTENCES, sentences)
    path.write_text("\n".join(drawn) + "\n")
    return path


def write_config(folder: Path, kind: str, rest: str) -> Path:
    """Write a configuration whose run is in `folder`/run; `rest` is the rest of it."""
    write_text(folder / "train.txt", 300)
    write_text(folder / "dev.txt", 40, seed=2)
    path = folder / "lm.toml"
    path.write_text(
        f'kind = "{kind}"\nfolder = "run"\ntext = ["train.txt"]\ndev = ["dev.txt"]\n{rest}'
    )
    return path
