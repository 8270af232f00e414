"""Folders that are there whole or not at all, whoever else wants to make them."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def finished_folder(folder: Path) -> Iterator[Path | None]:
    """Give a draft to fill, which becomes `folder` when all went well, or None if it is there.

    A draft goes away if something went wrong. Processes that want the same folder at the same
    time wait for the first of them, even if it crashes.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_suffix(".lock")):
        if folder.exists():
            yield None
            return
        draft = folder.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)  # of a process that was killed
        draft.mkdir()
        try:
            yield draft
            draft.replace(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # let go when the file is closed, even by a crash
        yield
