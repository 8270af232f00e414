"""Language models as run-time objects: versions, who holds them, the folder, and administrators."""

import asyncio
import shutil
from pathlib import Path

import pytest
from tests.daemon.made import Folder, domain

from steno_daemon import wire
from steno_daemon.domains import Domains, Origin, Version
from steno_daemon.errors import DomainError, FixedModelError, UnknownModelError
from steno_daemon.library import Library

HERE = Origin("legal", 0.5)


def in_memory(version: Version) -> bool:
    return version.domain is not None


def test_the_bundles_own_are_named_first_and_general_is_the_default() -> None:
    assert Domains(("legal", "general")).default == "general"
    assert Domains(("legal", "medical")).default == "legal"
    domains = Domains(("general",))
    domains.add(domain("art"), HERE)
    assert domains.names == ("general", "art")
    assert domains.newest("general").language_model == "general"
    assert domains.newest("art").language_model == "model of art"


def test_a_name_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(UnknownModelError, match=r"one of general, found \.\./general"):
        Domains().newest("../general")


def test_a_session_keeps_the_version_that_it_holds() -> None:
    domains = Domains()
    first = domains.add(domain("legal"), HERE)
    domains.hold("a", [first])
    second = domains.add(domain("legal"), HERE)
    assert (first.number, second.number) == (1, 2)
    assert domains.newest("legal") is second
    assert first.is_retired
    assert in_memory(first)
    assert domains.versions == [domains.newest("general"), first, second]
    domains.hold("a", [second])
    assert not in_memory(first)
    assert domains.versions == [domains.newest("general"), second]


def test_a_retired_version_stays_until_the_last_session_lets_go() -> None:
    domains = Domains()
    version = domains.add(domain("legal"), HERE)
    domains.hold("a", [version])
    domains.hold("b", [version, domains.newest("general")])
    assert domains.retire("legal") is version
    assert domains.names == ("general",)
    domains.let_go("a")
    domains.let_go("a")
    assert in_memory(version)
    domains.let_go("b")
    assert not in_memory(version)
    assert not domains.newest("general").holders


def test_what_nobody_holds_leaves_at_once_and_comes_back_as_another_version() -> None:
    domains = Domains()
    version = domains.add(domain("legal"), HERE)
    domains.retire("legal")
    assert not in_memory(version)
    assert domains.add(domain("legal"), HERE).number == 2


def test_the_bundles_own_can_neither_be_replaced_nor_retired() -> None:
    domains = Domains()
    with pytest.raises(FixedModelError, match="found general, which is the bundle's own"):
        domains.retire("general")
    with pytest.raises(FixedModelError, match="found general, which is the bundle's own"):
        domains.add(domain("general"), HERE)
    with pytest.raises(UnknownModelError):
        domains.retire("legal")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "domains")


@pytest.fixture
def domains() -> Domains:
    return Domains()


@pytest.fixture
def library(domains: Domains, folder: Folder) -> Library:
    return Library(domains, folder.load, folder.path)


async def test_what_lies_in_the_folder_is_loaded_at_once_when_the_daemon_begins(
    library: Library, folder: Folder, domains: Domains
) -> None:
    folder.put("legal")
    folder.put(".hidden")
    (folder.path / "notes.txt").write_text("no domain")
    (folder.path / "empty").mkdir()
    await library.look(at_once=True)
    assert domains.names == ("general", "legal")
    assert folder.loads == ["legal"]


async def test_what_is_dropped_there_is_loaded_once_it_stays_as_it_is(
    library: Library, folder: Folder, domains: Domains
) -> None:
    folder.put("legal", "bad: half of it")
    await library.look()
    folder.put("legal")
    await library.look()
    assert folder.loads == []
    await library.look()
    assert domains.names == ("general", "legal")
    for _ in range(3):
        await library.look()
    assert folder.loads == ["legal"]
    folder.put("legal", (folder.path / "legal/domain.toml").read_text() + "# anew\n")
    await library.look()
    await library.look()
    assert domains.newest("legal").number == 2


async def test_what_is_gone_is_retired_the_second_time(
    library: Library, folder: Folder, domains: Domains
) -> None:
    folder.put("legal")
    await library.look(at_once=True)
    shutil.rmtree(folder.path / "legal")
    await library.look()
    assert "legal" in domains.names
    await library.look()
    assert "legal" not in domains.names


async def test_memory_is_given_back_once_for_what_has_left_it(
    library: Library, domains: Domains, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    looked = asyncio.Event()
    monkeypatch.setattr("steno_daemon.library.LOOK_S", 0.0)
    monkeypatch.setattr("steno_daemon.library.give_back", lambda: asked.append(domains.dropped))
    look = library.look

    async def looking() -> None:
        await look()
        looked.set()

    async def seen() -> None:
        for _ in range(3):
            looked.clear()
            await looked.wait()

    monkeypatch.setattr(library, "look", looking)
    watching = asyncio.create_task(library.watch())
    await seen()
    assert asked == []
    version = domains.add(domain("legal"), HERE)
    domains.hold("a", [version])
    domains.retire("legal")
    await seen()
    assert asked == []
    domains.let_go("a")
    await seen()
    assert asked == [1]
    watching.cancel()


async def test_a_failed_load_says_why_and_leaves_the_old_one(
    library: Library, folder: Folder, domains: Domains
) -> None:
    folder.put("legal")
    await library.look(at_once=True)
    old = domains.newest("legal")
    folder.put("legal", "bad")
    for _ in range(3):
        await library.look()
    assert domains.newest("legal") is old
    assert [shelf.fault for shelf in library.shelves] == ["legal is damaged"]
    assert folder.loads == ["legal", "legal"]
    await library.look(at_once=True)
    assert folder.loads == ["legal"] * 3


async def test_a_call_loads_what_is_there_now(
    library: Library, folder: Folder, domains: Domains
) -> None:
    folder.put("legal")
    assert (await library.load("legal")).number == 1
    assert (await library.load("legal")).number == 2
    assert domains.newest("legal").number == 2
    folder.put("legal", "bad")
    for name in ("legal", "../legal", "legal/../legal", "/etc/passwd", ""):
        with pytest.raises((DomainError, UnknownModelError)) as refused:
            await library.load(name)
        assert name != "legal" or "legal is damaged" in str(refused.value)
    assert set(folder.loads) == {"legal"}
    with pytest.raises(FixedModelError):
        await library.load("general")


async def test_a_retired_domain_is_not_loaded_again_until_somebody_asks(
    library: Library, folder: Folder, domains: Domains
) -> None:
    folder.put("legal")
    await library.look(at_once=True)
    domains.retire("legal")
    await library.look()
    await library.look(at_once=True)
    assert domains.names == ("general",)
    assert (await library.load("legal")).number == 2


async def test_two_folders_of_one_name_are_one_too_many(
    library: Library, folder: Folder, domains: Domains
) -> None:
    folder.put("legal")
    folder.put("legal", folder="newer")
    folder.put("general")
    await library.look(at_once=True)
    faults = {shelf.folder.name: shelf.fault for shelf in library.shelves}
    assert faults["newer"] == "expected one folder for legal, found legal and newer"
    assert "the bundle's own" in faults["general"]
    folder.put("legal", folder="a-copy")
    origin = (await library.load("legal")).origin
    assert origin is not None
    assert origin.folder == "legal"
    assert domains.names == ("general", "legal")


async def test_a_domain_that_changes_its_name_leaves_the_old_one(
    library: Library, folder: Folder, domains: Domains
) -> None:
    folder.put("legal", folder="one")
    await library.look(at_once=True)
    folder.put("medical", folder="one")
    await library.look(at_once=True)
    assert domains.names == ("general", "medical")


async def test_a_folder_that_cannot_be_read_leaves_everything(
    library: Library, folder: Folder, domains: Domains, tmp_path: Path
) -> None:
    folder.put("legal")
    await library.look(at_once=True)
    library.directory = tmp_path / "nowhere"
    await library.look(at_once=True)
    assert "expected a folder of domains at" in library.fault
    assert "legal" in domains.names
    library.directory = None
    await library.look(at_once=True)
    assert "legal" not in domains.names


async def test_a_loader_that_breaks_is_a_fault_of_one_domain(
    domains: Domains, folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    def load(_: Path) -> None:
        raise ZeroDivisionError

    library = Library(domains, load, folder.path)  # type: ignore[arg-type]
    folder.put("legal")
    await library.look(at_once=True)
    assert "the daemon has a fault" in library.shelves[0].fault
    assert "ZeroDivisionError" in caplog.text


def test_wire_names_of_states_are_those_that_are_documented() -> None:
    assert [state.value for state in wire.DomainState] == [
        "loaded", "retiring", "failed", "unloaded",
    ]  # fmt: skip
