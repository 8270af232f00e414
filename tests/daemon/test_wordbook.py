"""Administrators add words to language models, for good."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from tests.daemon.test_words import extended

from steno_daemon import wire
from steno_daemon.domains import Domains
from steno_daemon.errors import DomainError, UnknownModelError
from steno_daemon.vocabulary import WordLimits
from steno_daemon.wordbook import SUFFIX, Wordbook, read, write
from steno_daemon.wordsmith import Wordsmith
from steno_models.errors import DataError
from steno_models.recogniser import AddedWord, LanguageModel, Wishes
from steno_models.vocabulary import Extended, Extender


@dataclass(frozen=True)
class Plain:
    """A language model that is a name, and what it extends."""

    name: str
    plain: "Plain | None" = None


class FakeExtender:
    """Makes names of names."""

    def __init__(self) -> None:
        self.own: Mapping[str, Plain] = {"general": Plain("general")}
        self.made: list[int] = []

    def __call__(self, model: Plain, wishes: Wishes) -> Extended:
        self.made.append(len(wishes.words))
        found = extended(model.name, wishes)
        longer = Plain(cast("str", found.model), model)
        return Extended(cast("LanguageModel", longer), found.taken, (), found.refused)


def name_of(domains: Domains) -> str:
    """What the general language model is now."""
    return cast("Plain", domains.newest("general").language_model).name


class Office:
    """A wordbook and what is behind it."""

    def __init__(self, directory: Path | None, limits: WordLimits) -> None:
        self.domains = Domains(("general",))
        self.extender = FakeExtender()
        self.smith = Wordsmith(cast("Extender", self.extender))
        self.book = Wordbook(self.domains, self.smith, lambda: directory, limits)


@asynccontextmanager
async def office(directory: Path | None, limits: WordLimits | None = None) -> AsyncIterator[Office]:
    found = Office(directory, limits or WordLimits())
    try:
        yield found
    finally:
        found.smith.close()


def new(*texts: str) -> list[wire.NewWord]:
    return [wire.NewWord(text=text, boost=1.5) for text in texts]


async def test_words_outlive_the_daemon_and_count_for_sessions_that_begin(tmp_path: Path) -> None:
    async with office(tmp_path) as first:
        held = first.domains.newest("general")
        first.domains.hold("session", [held])
        answer = await first.book.add("general", new("kow", "tam"))
        assert [one.text for one in answer.words] == ["kow", "tam"]
        assert answer.is_kept
        assert answer.version == 2
        assert held.language_model == "general"
        assert name_of(first.domains) == "general+kow+tam"
        first.domains.let_go("session")
        await first.book.remove("general", ["tam"])
    async with office(tmp_path) as second:
        await second.book.restore()
        assert name_of(second.domains) == "general+kow"
        assert [one.text for one in second.book.listed("general").words] == ["kow"]
        await second.book.restore()
        assert second.extender.made == [1]


async def test_what_cannot_be_added_or_taken_back_is_named(tmp_path: Path) -> None:
    async with office(tmp_path, WordLimits(words=2)) as found:
        answer = await found.book.add("general", new("kow", "bad", "more"))
        assert {one.text for one in answer.refused} == {"bad", "more"}
        assert [one.text for one in answer.words] == ["kow"]
        assert [one.text for one in read(tmp_path / f"general{SUFFIX}")] == ["kow"]
        answer = await found.book.remove("general", ["kow", "tam"])
        assert [one.text for one in answer.refused] == ["tam"]
        assert read(tmp_path / f"general{SUFFIX}") == ()
        with pytest.raises(UnknownModelError):
            await found.book.add("legal", new("kow"))


async def test_a_thousand_words_one_by_one_are_made_a_few_times() -> None:
    async with office(None) as found:
        answers = await asyncio.gather(
            *(found.book.add("general", new(f"word{number}")) for number in range(1_000))
        )
        assert len(found.extender.made) <= 3
        assert len(found.book.listed("general").words) == 1_000
        assert not answers[-1].is_kept


async def test_a_damaged_file_is_left_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / f"general{SUFFIX}"
    write(path, [AddedWord("kow", ("K OW", "K AW"), 2.0)])
    assert read(path) == (AddedWord("kow", ("K OW", "K AW"), 2.0),)
    path.write_text(path.read_text().replace("K OW", "T OW"))
    with pytest.raises(DataError, match="expected the hash"):
        read(path)
    async with office(tmp_path) as found:
        await found.book.restore()
        assert found.domains.newest("general").language_model == "general"
        assert "are left out" in caplog.text


def test_a_word_without_a_boost_keeps_none(tmp_path: Path) -> None:
    words = (AddedWord("kow", ("K OW",)), AddedWord("tam", ("T AE M",), 0.0))
    path = tmp_path / f"general{SUFFIX}"
    write(path, words)
    assert read(path) == words


async def test_a_full_disk_is_told_and_the_words_count(tmp_path: Path) -> None:
    async with office(tmp_path / "gone") as found:
        with pytest.raises(DomainError, match="cannot be kept"):
            await found.book.add("general", new("kow"))
        assert name_of(found.domains) == "general+kow"


async def test_a_model_that_writes_by_itself_takes_no_words() -> None:
    book = Wordbook(Domains(("general",)), None, lambda: None, WordLimits())
    await book.restore()
    with pytest.raises(DomainError, match="words can be added to"):
        await book.add("general", new("kow"))
