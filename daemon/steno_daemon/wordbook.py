"""Words that administrators add to language models, for good.

They lie beside the domains, so that the next daemon knows them too: NAME.added.lexicon.txt in the
folder of domains, for the bundle's own language models as for those that lie there. A line is a
word, its boost and a pronunciation, with tabs between, the boost being "-" where nobody named one;
the first line has the SHA-256 of the rest.
Written whole or not at all.

Each change makes a further version of the language model, beside which sessions keep theirs. What
comes while one is being made goes into the next, all at once: a thousand words that are added one
by one cost little more than as many at once.
"""

import asyncio
import hashlib
import logging
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from steno_daemon import wire
from steno_daemon.domains import Domains
from steno_daemon.errors import DomainError
from steno_daemon.library import LOOK_S
from steno_daemon.vocabulary import WordLimits, settled, spelled, taken_words, with_words
from steno_daemon.wordsmith import Wordsmith
from steno_models.errors import DataError
from steno_models.recogniser import AddedWord, Wishes

if TYPE_CHECKING:
    from steno_models.vocabulary import Extended

logger = logging.getLogger(__name__)

SUFFIX = ".added.lexicon.txt"
_NONE = "-"
_HEAD = "# words added by administrators; sha256 of the rest: "


class Wordbook:
    """The words added to each language model; lives on the event loop.

    Args:
        domains: the language models.
        smith: makes them; None where words cannot be added.
        directory: returns the folder of domains; None where there is none and words last as long as
            the daemon.
        limits: how many words.
    """

    def __init__(
        self,
        domains: Domains,
        smith: Wordsmith | None,
        directory: Callable[[], Path | None],
        limits: WordLimits,
    ) -> None:
        self._domains = domains
        self._smith = smith
        self._directory = directory
        self._limits = limits
        self._words: dict[str, tuple[AddedWord, ...]] = {}
        self._sounds: dict[str, dict[str, wire.TakenWord]] = {}
        self._refused: dict[str, dict[str, str]] = {}
        self._turn = asyncio.Lock()
        self._asked: Counter[str] = Counter()
        self._done: Counter[str] = Counter()

    async def watch(self) -> None:
        """Look now and then, for ever, whether a language model was loaded anew."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.restore()

    async def restore(self) -> None:
        """Add the words that were added before to the language models that lack them.

        A file that is damaged is named in the log, and left as it is.
        """
        if self._smith is None:
            return
        async with self._turn:
            for name in self._domains.names:
                if name not in self._words:
                    self._words[name] = await self._read(name)
                if self._words[name] and not self._domains.newest(name).has_added:
                    await self._apply(name)

    async def _read(self, name: str) -> tuple[AddedWord, ...]:
        path = self._path(name)
        if path is None:
            return ()
        try:
            return await asyncio.to_thread(read, path)
        except (DataError, OSError) as error:
            logger.warning("words added to %s are left out: %s", name, error)
            return ()

    def listed(
        self,
        name: str,
        refused: Sequence[wire.RefusedText] = (),
        only: Collection[str] | None = None,
    ) -> wire.DomainWords:
        """Return the words of a language model, or those of them that are among `only`.

        Raises:
            UnknownModelError: there is none of that name.
        """
        version, sounds = self._domains.newest(name), self._sounds.get(name, {})
        return wire.DomainWords(
            name=name,
            version=version.number,
            words=tuple(sounds[text] for text in (only or sounds) if text in sounds),
            refused=tuple(refused),
            is_kept=self._path(name) is not None,
        )

    async def add(self, name: str, words: Sequence[wire.NewWord]) -> wire.DomainWords:
        """Add words to a language model.

        Raises:
            UnknownModelError: there is none of that name.
            DomainError: words cannot be added, or not be kept.
        """
        self._check(name)
        wishes, refused = with_words(Wishes(self._words.get(name, ())), words, self._limits)
        self._words[name] = wishes.words
        await self._settle(name)
        reasons = self._refused.get(name, {})
        bad = [text for text in dict.fromkeys(word.text for word in words) if text in reasons]
        wrong = [wire.RefusedText(text=text, reason=reasons[text]) for text in bad]
        return self.listed(name, (*refused, *wrong), [word.text for word in words])

    async def remove(self, name: str, words: Sequence[str]) -> wire.DomainWords:
        """Take words back.

        Raises:
            UnknownModelError: there is no language model of that name.
            DomainError: words cannot be added, or not be kept.
        """
        self._check(name)
        there = {one.text for one in self._words.get(name, ())}
        reason = "expected a word that was added, found none"
        refused = [wire.RefusedText(text=w, reason=reason) for w in words if w not in there]
        self._words[name] = tuple(
            one for one in self._words.get(name, ()) if one.text not in set(words)
        )
        await self._settle(name)
        return self.listed(name, refused)

    def _check(self, name: str) -> None:
        self._domains.newest(name)
        if self._smith is None:
            raise DomainError(
                "expected a model that words can be added to, found one that writes by itself"
            )

    async def _settle(self, name: str) -> None:
        """Return once a language model has the words that are there now, also on disk."""
        self._asked[name] += 1
        mine = self._asked[name]
        async with self._turn:
            if self._done[name] >= mine:  # somebody took them along
                return
            now = self._asked[name]
            await self._apply(name)
            await self._keep(name)
            self._done[name] = now

    async def _apply(self, name: str) -> None:
        assert self._smith is not None  # noqa: S101 — checked
        base = self._domains.newest(name)
        wishes = Wishes(self._words.get(name, ()))
        smith = self._smith

        def work() -> "Extended":
            model = base.language_model
            model = smith.extender.own[model] if isinstance(model, str) else model
            return smith.extender(model.plain or model, wishes)

        extended = await smith.run(work)
        reasons = {one.text: one.reason for one in extended.refused}
        taken = {one.text: one for one in taken_words(extended)}
        found = {word.text: taken.get(spelled(word.text)) for word in wishes.words}
        self._refused[name] = reasons
        self._sounds[name] = {
            text: one for text, one in found.items() if one is not None and text not in reasons
        }
        now = Wishes(self._words[name])
        self._words[name] = settled(now, extended).words
        self._domains.enrich(name, extended.model)

    async def _keep(self, name: str) -> None:
        """Write what was taken of the words that there are."""
        path, sounds = self._path(name), self._sounds.get(name, {})
        if path is None:
            return
        rows = [
            replace(word, pronunciations=sounds[word.text].pronunciations)
            for word in self._words[name]
            if word.text in sounds
        ]
        try:
            await asyncio.to_thread(write, path, rows)
        except OSError as error:
            raise DomainError(f"the words count, and cannot be kept: {path}: {error}") from error

    def _path(self, name: str) -> Path | None:
        directory = self._directory()
        return None if directory is None else directory / (name + SUFFIX)


def read(path: Path) -> tuple[AddedWord, ...]:
    """Return the words in a file, none where it is not there.

    Raises:
        DataError: it is damaged.
        OSError: it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except UnicodeDecodeError as error:
        raise DataError(f"expected text in {path}, found: {error}") from error
    head, _, body = text.partition("\n")
    if head != _HEAD + _digest(body):
        raise DataError(f"expected the hash of {path} in its first line, found {head[-64:]!r}")
    words: dict[str, AddedWord] = {}
    for line in body.splitlines():
        text, boost, way = line.split("\t")
        known = words.get(text, AddedWord(text, (), None if boost == _NONE else float(boost)))
        ways = (*known.pronunciations, way) if way else known.pronunciations
        words[text] = replace(known, pronunciations=ways)
    return tuple(words.values())


def write(path: Path, words: Sequence[AddedWord]) -> None:
    """Write words to a file, whole or not at all; without words it goes.

    Raises:
        OSError: there is no room, or it may not be written.
    """
    if not words:
        path.unlink(missing_ok=True)
        return
    body = "".join(
        f"{word.text}\t{_NONE if word.boost is None else f'{word.boost:g}'}\t{way}\n"
        for word in words
        for way in word.pronunciations or ("",)
    )
    file, fresh = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(file, "w", encoding="utf-8") as opened:
            opened.write(_HEAD + _digest(body) + "\n" + body)
            opened.flush()
            os.fsync(opened.fileno())
        Path(fresh).chmod(0o644)
        Path(fresh).replace(path)
    except OSError:
        with suppress(OSError):
            Path(fresh).unlink()
        raise


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
