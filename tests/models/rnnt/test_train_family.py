"""Which training `steno-models train` runs."""

import re
from pathlib import Path

import pytest

from steno_models.__main__ import main


def written(folder: Path, text: str) -> str:
    path = folder / "small.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("family", ["rnnt", "las"])
def test_a_file_of_another_family_is_read_as_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], family: str
) -> None:
    path = written(tmp_path, f'family = "{family}"\nfolder = "run"')
    assert main(["train", "--device", "cpu", path]) == 1
    assert "missing required field `cache`" in capsys.readouterr().err


def test_a_file_without_a_family_is_one_of_ctc(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", written(tmp_path, "transducer = 1")]) == 1
    assert "unknown field `transducer`" in capsys.readouterr().err


@pytest.mark.parametrize("family", ['"lass"', "3"])
def test_an_unknown_family_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], family: str
) -> None:
    assert main(["train", written(tmp_path, f"family = {family}")]) == 1
    wanted = f"expected a family of: ctc, rnnt, las, speech2vec, found {family}".replace('"', "'")
    assert wanted in capsys.readouterr().err


@pytest.mark.parametrize("text", [None, "family = "])
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None
) -> None:
    path = str(tmp_path / "small.toml") if text is None else written(tmp_path, text)
    assert main(["train", path]) == 1
    assert re.search(r"expected a TOML file at .*small\.toml", capsys.readouterr().err)


def test_without_a_file_the_usage_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--device", "cpu"])
    assert "usage: steno-models train" in capsys.readouterr().err
