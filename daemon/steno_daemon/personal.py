"""What speakers say, remembered as fading counts for those who ask for it, and for nobody else.

A client that names a personal model in `start` is expected to say again what it said in earlier
sessions of the same token and name. What is kept is how often words and pairs of words were said,
in a file of its own within the state directory, for no other user of the system to read; no audio,
no transcript, and nothing of it in the log. It goes with a call of an administrator.

    STATE_DIRECTORY/personal/<hash of the token's name>/NAME.json
"""

import hashlib
import logging
import os
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

import msgspec

from steno_daemon.errors import DomainError
from steno_models.errors import DataError
from steno_models.lm.cache.counts import Counts

logger = logging.getLogger(__name__)

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_SUFFIX = ".json"
_AT_A_TIME = 10
"""So many finals are written at once; the others wait for them, or for the end of the session."""


class Stored(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file holds."""

    owner: str
    name: str
    finals: int
    words: dict[str, float]
    pairs: tuple[tuple[str, str, float], ...]

    def counts(self) -> Counts:
        """Return the counts.

        Raises:
            DataError: one is none.
        """
        return Counts(self.words, {(v, w): count for v, w, count in self.pairs})


@dataclass(frozen=True, slots=True)
class Kept:
    """One personal model on disk.

    Attributes:
        owner: the name of the token.
        name: that the client gave it.
        finals: how many it was made of.
        words: how many different ones it remembers.
        changed_s_ago: since when it is as it is.
    """

    owner: str
    name: str
    finals: int
    words: int
    changed_s_ago: float


class Memory:
    """One personal model; shared by the sessions that have it. Lives on the event loop.

    Args:
        path: its file.
        owner: the name of the token.
        name: that the client gave it.
        bench: where files are written.
    """

    def __init__(self, path: Path, owner: str, name: str, bench: ThreadPoolExecutor) -> None:
        self._path = path
        self._owner = owner
        self._name = name
        self._bench = bench
        self._heard: list[tuple[str, ...]] = []
        self._is_deleted = False

    def load(self) -> Counts:
        """Return what was said in earlier sessions; called in a thread.

        A file that is damaged is named in the log, and counts as none.
        """
        try:
            return read(self._path).counts()
        except FileNotFoundError:
            return Counts()
        except (DataError, OSError) as error:
            logger.warning("a personal model is left out: %s", error)
            return Counts()

    def hear(self, words: Sequence[str]) -> None:
        """Remember a final."""
        self._heard.append(tuple(words))
        if len(self._heard) >= _AT_A_TIME:
            self.save()

    def save(self) -> None:
        """Begin to write what was heard since the last time."""
        heard, self._heard = self._heard, []
        if heard and not self._is_deleted:
            self._bench.submit(self._add, heard)

    def delete(self) -> None:
        """Forget it, and whatever its sessions still hear."""
        self._is_deleted = True
        self._heard = []
        self._bench.submit(self._path.unlink, missing_ok=True).result()

    def _add(self, heard: Sequence[tuple[str, ...]]) -> None:
        """Add finals to the file; in the thread of files."""
        if self._is_deleted:
            return
        try:
            try:
                former = read(self._path)
                counts, finals = former.counts(), former.finals
            except FileNotFoundError:
                counts, finals = Counts(), 0
            after = counts.after(heard)
            pairs = tuple((v, w, count) for (v, w), count in after.pairs.items())
            fresh = Stored(
                owner=self._owner,
                name=self._name,
                finals=finals + len(heard),
                words=dict(after.words),
                pairs=pairs,
            )
            write(self._path, fresh)
        except (DataError, OSError) as error:
            logger.warning("a personal model cannot be kept: %s", error)


class Memories:
    """The personal models of a daemon; lives on the event loop.

    Args:
        directory: the state directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "personal"
        self._bench = ThreadPoolExecutor(1, thread_name_prefix="personal")
        self._live: WeakValueDictionary[Path, Memory] = WeakValueDictionary()

    def of(self, owner: str) -> Callable[[str], Memory]:
        """Return what finds the personal models of a token by their names."""

        def find(name: str) -> Memory:
            path = self._path(owner, name)
            memory = self._live.get(path)
            if memory is None:
                memory = self._live[path] = Memory(path, owner, name, self._bench)
            return memory

        return find

    def kept(self) -> list[Kept]:
        """Return what is on disk, by owner and name; called in a thread."""
        found = []
        now_s = time.time()
        for path in self._directory.glob(f"*/*{_SUFFIX}"):
            try:
                stored, changed_s = read(path), path.stat().st_mtime
            except FileNotFoundError:  # gone since
                continue
            except (DataError, OSError) as error:
                logger.warning("a personal model is left out: %s", error)
                continue
            age_s = round(max(0.0, now_s - changed_s), 1)
            found.append(Kept(stored.owner, stored.name, stored.finals, len(stored.words), age_s))
        return sorted(found, key=lambda one: (one.owner, one.name))

    def delete(self, owner: str, name: str) -> None:
        """Forget one for good; called in a thread.

        Raises:
            DomainError: there is none.
        """
        there = [f"{one.name} of {one.owner}" for one in self.kept()]
        if f"{name} of {owner}" not in there:
            raise DomainError(
                f"expected one of the personal models {', '.join(there) or '(none)'}, found "
                f"{name} of {owner}"
            )
        self.of(owner)(name).delete()
        self._live.pop(self._path(owner, name), None)

    def close(self) -> None:
        """Write what is still to be written."""
        for memory in list(self._live.values()):
            memory.save()
        self._bench.shutdown()

    def _path(self, owner: str, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise DomainError(f"expected a name of a-z, 0-9, - and _, found {name!r}")
        return self._directory / hashlib.sha256(owner.encode()).hexdigest()[:32] / (name + _SUFFIX)


def read(path: Path) -> Stored:
    """Return what a file holds.

    Raises:
        FileNotFoundError: it is not there.
        DataError: it is damaged.
        OSError: it cannot be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Stored)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"expected a personal model in {path}, found: {error}") from error


def write(path: Path, stored: Stored) -> None:
    """Write a file, whole or not at all, for its owner to read alone.

    Raises:
        OSError: there is no room, or it may not be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file, fresh = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(file, "wb") as opened:
            opened.write(msgspec.json.encode(stored))
        Path(fresh).replace(path)
    except OSError:
        with suppress(OSError):
            Path(fresh).unlink()
        raise
