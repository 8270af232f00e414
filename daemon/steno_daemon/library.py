"""The folder of domains: what is dropped there is loaded, what changes is loaded anew.

    /etc/steno/domains/legal/domain.toml, legal.bin, legal.lexicon.txt
                      /medical/…

Each folder is a domain, as `steno-models lm build --name` writes it, under the name that its
domain.toml says. A look now and then finds what is new or different and has stayed so since the
look before, so that nobody is read who is still being copied; a reload of the daemon and an
administrator's call come to the same place and wait for nothing. Loading is done in a thread. A
domain that cannot be loaded says why and leaves the one that is there. Names come from the files
and are compared with those that clients say, which lead to no file.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, TypeAlias

from steno_daemon.domains import Domains, Origin, Version
from steno_daemon.errors import DomainError, FixedModelError, UnknownModelError
from steno_daemon.memory import give_back
from steno_models.errors import StenoModelsError
from steno_models.lm.domain.description import DESCRIPTION, describe

if TYPE_CHECKING:
    from steno_models.domain import Domain

logger = logging.getLogger(__name__)

LOOK_S = 2.0

LoadDomain: TypeAlias = Callable[[Path], "Domain"]
Signature: TypeAlias = tuple[tuple[str, int, int, int], ...]
"""Name, inode, size and time of change of every file of a folder."""


@dataclass(slots=True)
class Shelf:
    """One folder of the library.

    Attributes:
        folder: where.
        signature: what was seen there at the last look.
        tried: what was there when it was loaded, or could not be.
        name: of the domain, once it is known.
        fault: why it could not be loaded; empty where it could.
        is_missing: whether it was not there at the last look.
    """

    folder: Path
    signature: Signature = ()
    tried: Signature | None = None
    name: str = ""
    fault: str = ""
    is_missing: bool = False

    @property
    def called(self) -> str:
        """The name of the domain, or of the folder where the domain does not say it."""
        return self.name or self.folder.name


class Library:
    """Keeps the loaded domains as the folder says; lives on the event loop.

    Args:
        domains: where to put what was loaded.
        load: loads one; called in a thread. None where the bundle takes no domains.
        directory: the folder; None where there is none.

    Attributes:
        directory: as given; a reload may change it.
        fault: why the folder itself cannot be read; empty where it can.
    """

    def __init__(
        self, domains: Domains, load: LoadDomain | None = None, directory: Path | None = None
    ) -> None:
        self.directory = directory
        self.fault = ""
        self._domains = domains
        self._load_domain = load
        self._shelves: dict[str, Shelf] = {}
        self._latest: dict[str, Signature] = {}
        self._turn = asyncio.Lock()
        self._given_back = 0  # of the versions that have left memory

    @property
    def shelves(self) -> list[Shelf]:
        """What lies in the folder, by the names of its folders."""
        return [self._shelves[name] for name in sorted(self._shelves)]

    async def watch(self) -> None:
        """Look now and then, for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()
            await self._give_back()

    async def look(self, *, at_once: bool = False) -> None:
        """Load what is new or different, retire what is gone.

        Args:
            at_once: take things as they are, and try again what could not be loaded.
        """
        async with self._turn:
            for shelf in await self._seen():
                is_steady = not self._notice(shelf) or at_once
                is_new = shelf.signature != shelf.tried
                if is_steady and (is_new or (at_once and shelf.fault)):
                    await self._try(shelf)
            self._miss(at_once=at_once)

    async def _give_back(self) -> None:
        """Give memory back that versions left since the last time.

        It is not done at once: the engine may still hold the last pieces of work.
        """
        dropped = self._domains.dropped
        if dropped != self._given_back:
            self._given_back = dropped
            await asyncio.to_thread(give_back)

    async def load(self, name: str) -> Version:
        """Load a domain as it is now, whether it is loaded or not.

        Raises:
            UnknownModelError: none of that name lies in the folder.
            FixedModelError: the name is the bundle's.
            DomainError: it cannot be loaded.
        """
        self._domains.check_free(name)
        async with self._turn:
            found = await self._seen()
            for shelf in found:
                self._notice(shelf)
            await asyncio.to_thread(_name, found)
            named = [one for one in found if one.called == name]
            # The one that it came from counts first, where others claim the name.
            wanted = min(named, key=lambda one: one.folder.name != self._home(name), default=None)
            if wanted is None:
                known = sorted({one.called for one in found})
                raise UnknownModelError(expected=known or ["none that lies there"], found=name)
            version = await self._try(wanted)
            if version is None:
                raise DomainError(wanted.fault)
            return version

    def _home(self, name: str) -> str | None:
        """Return the folder that a language model was loaded from; None where none was."""
        if name not in self._domains.names:
            return None
        origin = self._domains.newest(name).origin
        return origin.folder if origin else None

    async def _seen(self) -> list[Shelf]:
        """Return the folders that are there, with what is in them now noted as `signature`."""
        directory = self.directory
        if directory is None or self._load_domain is None:
            seen: dict[str, Signature] = {}
        else:
            try:
                seen, self.fault = await asyncio.to_thread(folders_of, directory), ""
            except OSError as error:
                fault = f"expected a folder of domains at {directory}, found: {error.strerror}"
                if fault != self.fault:
                    logger.warning("%s", fault)
                self.fault = fault
                seen = {name: shelf.signature for name, shelf in self._shelves.items()}
        self._latest = seen
        for name in seen:
            if name not in self._shelves and directory is not None:
                self._shelves[name] = Shelf(directory / name)
        return [self._shelves[name] for name in sorted(seen)]

    def _notice(self, shelf: Shelf) -> bool:
        """Take note of what is in a folder now; return whether that is different."""
        found = self._latest[shelf.folder.name]
        changed = found != shelf.signature
        shelf.signature, shelf.is_missing = found, False
        return changed

    def _miss(self, *, at_once: bool) -> None:
        """Forget the folders that are gone, the second time that they are, and what they brought.

        A folder that is replaced may be gone for a moment.
        """
        for name, shelf in list(self._shelves.items()):
            if name in self._latest:
                continue
            if at_once or shelf.is_missing:
                del self._shelves[name]
                self._retire_from(shelf)
            shelf.is_missing = True

    def _retire_from(self, shelf: Shelf) -> None:
        """Retire what was loaded from a folder, if it still counts."""
        for version in self._domains.versions:
            origin = version.origin
            if origin and origin.folder == shelf.folder.name and not version.is_retired:
                logger.info("%s is retired: %s is gone", version.name, shelf.folder)
                self._domains.retire(version.name)

    async def _try(self, shelf: Shelf) -> Version | None:
        """Load what is in a folder; return None, and note why, where that is impossible."""
        assert self._load_domain is not None  # noqa: S101 — there is a shelf
        shelf.tried, shelf.fault = shelf.signature, ""
        began_s = monotonic()
        try:
            domain = await asyncio.to_thread(self._load_domain, shelf.folder)
            name = domain.description.name
            self._check_shelf(name, shelf)
            if shelf.name not in ("", name):
                self._retire_from(shelf)
            origin = Origin(shelf.folder.name, monotonic() - began_s)
            version = self._domains.add(domain, origin)
        except (StenoModelsError, DomainError, FixedModelError, MemoryError) as error:
            shelf.fault = str(error) or "expected room in memory, found none"
            logger.warning("the domain in %s is not loaded: %s", shelf.folder, shelf.fault)
            return None
        except Exception:
            shelf.fault = "the daemon has a fault; its log has more"
            logger.exception("the domain in %s is not loaded", shelf.folder)
            return None
        shelf.name = name
        logger.info("%s %d was loaded in %.2f s", name, version.number, origin.load_s)
        return version

    def _check_shelf(self, name: str, shelf: Shelf) -> None:
        """Check that no other folder has brought a domain of that name."""
        for version in self._domains.versions:
            origin = version.origin
            if version.name == name and origin and not version.is_retired:
                other = self._shelves.get(origin.folder)
                if other is not None and other is not shelf:
                    raise DomainError(
                        f"expected one folder for {name}, found {other.folder.name} and "
                        f"{shelf.folder.name}"
                    )


def folders_of(directory: Path) -> dict[str, Signature]:
    """Return the folders of a directory that hold a domain, and what is in each."""
    found = {}
    for folder in directory.iterdir():
        if not folder.name.startswith(".") and (folder / DESCRIPTION).exists():
            found[folder.name] = _signature(folder)
    return found


def _signature(folder: Path) -> Signature:
    stats = []
    for file in folder.iterdir():
        try:
            stat = file.stat()
        except FileNotFoundError:  # gone since; the next look sees it settled
            continue
        stats.append((file.name, stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return tuple(sorted(stats))


def _name(shelves: list[Shelf]) -> None:
    """Note the names of domains that were not loaded yet."""
    for shelf in shelves:
        try:
            shelf.name = describe(shelf.folder).name
        except StenoModelsError as error:
            shelf.fault = shelf.fault or str(error)
