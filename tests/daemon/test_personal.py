"""What speakers said is kept for those who ask, by token and name, and can be deleted."""

import logging
import stat
from pathlib import Path

import pytest

from steno_daemon.errors import DomainError
from steno_daemon.personal import Memories, read


def said(folder: Path, owner: str, name: str, *finals: str) -> None:
    memories = Memories(folder)
    memory = memories.of(owner)(name)
    for final in finals:
        memory.hear(final.split())
    memory.save()
    memories.close()


def file_of(folder: Path) -> Path:
    [file] = (folder / "personal").glob("*/*.json")
    return file


def test_what_was_said_is_there_next_time(tmp_path: Path) -> None:
    said(tmp_path, "token", "anna", "do re", "do")
    said(tmp_path, "token", "anna", "mi")
    counts = Memories(tmp_path).of("token")("anna").load()
    assert set(counts.words) == {"do", "re", "mi", "</s>"}
    assert counts.words["do"] > counts.words["mi"] > 0.99
    assert ("do", "re") in counts.pairs
    [kept] = Memories(tmp_path).kept()
    assert (kept.owner, kept.name, kept.finals, kept.words) == ("token", "anna", 3, 4)


def test_nobody_gets_what_another_token_or_name_said(tmp_path: Path) -> None:
    said(tmp_path, "token", "anna", "do re")
    memories = Memories(tmp_path)
    assert not memories.of("other")("anna").load().words
    assert not memories.of("token")("berta").load().words


def test_a_file_is_for_its_owner_alone_and_holds_no_sentence(tmp_path: Path) -> None:
    said(tmp_path, "../../token", "anna", "do re mi fa so")
    file = file_of(tmp_path)
    assert file.parent.parent == tmp_path / "personal"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "do re mi" not in file.read_text()


def test_sessions_of_one_name_share_what_they_hear(tmp_path: Path) -> None:
    memories = Memories(tmp_path)
    first, second = memories.of("token")("anna"), memories.of("token")("anna")
    first.hear(["do"])
    second.hear(["re"])
    first.save()
    memories.close()
    assert set(read(file_of(tmp_path)).words) == {"do", "re", "</s>"}


def test_what_is_deleted_stays_away_whatever_its_sessions_still_hear(tmp_path: Path) -> None:
    said(tmp_path, "token", "anna", "do")
    memories = Memories(tmp_path)
    memory = memories.of("token")("anna")
    memory.hear(["re"])
    memories.delete("token", "anna")
    memory.hear(["mi"])
    memory.save()
    memories.close()
    assert not list((tmp_path / "personal").glob("*/*.json"))


def test_what_is_not_there_cannot_be_deleted(tmp_path: Path) -> None:
    said(tmp_path, "token", "anna", "do")
    with pytest.raises(
        DomainError, match="one of the personal models anna of token, found berta of token"
    ):
        Memories(tmp_path).delete("token", "berta")
    with pytest.raises(DomainError, match=r"\(none\), found \.\./anna of token"):
        Memories(tmp_path / "empty").delete("token", "../anna")


@pytest.mark.parametrize("text", ["", "{}", '{"owner":', "\0\1"])
def test_a_damaged_file_counts_as_none_and_is_left_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    said(tmp_path, "token", "anna", "do")
    file = file_of(tmp_path)
    file.write_text(text)
    with caplog.at_level(logging.WARNING):
        assert not Memories(tmp_path).of("token")("anna").load().words
        said(tmp_path, "token", "anna", "secretword")
    assert file.read_text() == text
    assert f"expected a personal model in {file}" in caplog.text
    assert "secretword" not in caplog.text
    assert Memories(tmp_path).kept() == []


def test_counts_that_are_none_are_damage(tmp_path: Path) -> None:
    said(tmp_path, "token", "anna", "do")
    file = file_of(tmp_path)
    file.write_text(file.read_text().replace('"do":1', '"do":-1', 1).replace('"do":0', '"do":-0'))
    assert not Memories(tmp_path).of("token")("anna").load().words
