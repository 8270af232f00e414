"""`steno-models crossmodal` as a user calls it."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from steno_models.__main__ import main
from steno_models.crossmodal.align_command import Report
from steno_models.crossmodal.space import Space
from steno_models.crossmodal.word2vec_command import Summary
from steno_models.crossmodal.word2vec_text import read_text, write_text

V, D = 120, 6


def written_twins(folder: Path) -> tuple[str, str]:
    """Write a space and its rotated copy, the one as a folder and the other as text."""
    random = np.random.default_rng(0)
    weights = np.linspace(2, 0.3, D)
    vectors = (random.standard_gamma(1.0, (V, D)) * weights).astype(np.float32)
    rotation = np.linalg.qr(random.normal(size=(D, D)))[0]
    words, counts = tuple(f"w{n}" for n in range(V)), np.arange(V, 0, -1)
    Space(words, vectors, counts).save(folder / "one")
    copy = Space(words, (vectors @ rotation).astype(np.float32), counts)
    write_text(copy, folder / "other.vec")
    return str(folder / "one"), str(folder / "other.vec")


def test_words_of_a_text_become_a_space(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "text.txt"
    text.write_text("The cat saw the bee. The bee saw the cat!\n" * 30 + "A dog.\n" * 60)
    calls = ["crossmodal", "word2vec", "--text", str(text), "--out", str(tmp_path / "space")]
    options = ["--dimensions", "4", "--epochs", "1", "--part", "1/2", "--json"]
    assert main([*calls, *options, "--text-format", str(tmp_path / "space.vec")]) == 0
    summary = msgspec.json.decode(capsys.readouterr().out, type=Summary)
    space = Space.load(tmp_path / "space")
    assert (summary.words, summary.tokens) == (4, 300)
    assert space.words == ("the", "bee", "cat", "saw")
    assert space.vectors.shape == (4, 4)
    assert read_text(tmp_path / "space.vec").words == space.words


def test_texts_of_other_languages_are_read_as_they_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("Кошка видит пчелу. Пчела видит кошку!\n" * 30)
    call = ["crossmodal", "word2vec", "--text", str(text), "--out", str(tmp_path / "space")]
    assert main(call) == 1
    assert "--as-written" in capsys.readouterr().err
    assert main([*call, "--as-written", "--dimensions", "4", "--epochs", "1"]) == 0
    space = Space.load(tmp_path / "space")
    assert set(space.words) == {"видит", "кошка", "кошку", "пчела", "пчелу"}


def test_a_wrong_part_and_a_missing_text_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["crossmodal", "word2vec", "--text", str(tmp_path / "none"), "--out", str(tmp_path)]
    assert main([*call, "--part", "3/2"]) == 1
    assert "expected a part as 1/2, found 3/2" in capsys.readouterr().err
    assert main(call) == 1
    assert "expected UTF-8 text" in capsys.readouterr().err


def test_two_spaces_are_aligned_measured_and_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["crossmodal", "align", *written_twins(tmp_path), "--start", "gromov-wasserstein"]
    out, plot = tmp_path / "map", tmp_path / "map.svg"
    measured = ["--truth", "same", "--supervised", "40", "--held-out", "50"]
    assert main([*call, *measured, "--out", str(out), "--plot", str(plot), "--json"]) == 0
    report = msgspec.json.decode(capsys.readouterr().out, type=Report)
    assert [row.start for row in report.rows] == [
        "gromov-wasserstein", "supervised, 40 pairs", "random rotation",
    ]  # fmt: skip
    assert report.chosen == 0
    shares = [row.precision.csls[0] for row in report.rows if row.precision]
    assert shares[:2] == [100.0, 100.0]
    assert shares[2] < 30.0
    assert (out / "alignment.safetensors").exists()
    assert "</svg>" in plot.read_text("utf-8")


def test_without_truth_the_table_has_no_precision(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["crossmodal", "align", *written_twins(tmp_path), "--start", "sorted-similarity"]
    assert main(call) == 0
    shown = capsys.readouterr().out
    assert "kept by its mean CSLS alone: sorted-similarity, seed 0" in shown
    assert "P@1" not in shown


def test_seeds_that_are_tried_at_a_time_find_what_they_find_one_by_one(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    call = ["crossmodal", "align", *written_twins(tmp_path), "--start", "sorted-similarity"]
    call += ["--seeds", "3", "--json"]
    fits = []
    for processes in ("1", "2"):
        assert main([*call, "--processes", processes]) == 0
        shown = capfd.readouterr()
        assert shown.err.count("sorted-similarity, seed") == 3
        rows = msgspec.json.decode(shown.out, type=Report).rows
        assert [row.seed for row in rows] == [0, 1, 2]
        fits.append([row.fit.csls for row in rows])
    assert fits[0] == pytest.approx(fits[1], abs=1e-4)


def test_what_cannot_be_aligned_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = written_twins(tmp_path)
    assert main(["crossmodal", "align", one, other, "--supervised", "5"]) == 1
    assert "expected --truth with --supervised" in capsys.readouterr().err
    assert main(["crossmodal", "align", one, other, "--processes", "0"]) == 1
    assert "expected --seeds and --processes of 1 or more" in capsys.readouterr().err
    Path(other).write_text("2 6\nx 1 2 3 4 5 6\ny 6 5 4 3 2 1\n")
    assert main(["crossmodal", "align", one, other, "--truth", "same"]) == 1
    assert "expected vocabularies that share words" in capsys.readouterr().err
    assert main(["crossmodal", "align", one, str(tmp_path / "none")]) == 1
    assert "expected a text of word vectors" in capsys.readouterr().err


def test_the_commands_explain_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crossmodal", "--help"]) == 0
    assert "word2vec" in capsys.readouterr().out
    assert main(["crossmodal", "sing"]) == 2
    assert "expected a command, found sing" in capsys.readouterr().err
    with pytest.raises(SystemExit) as left:
        main(["crossmodal", "align", "--help"])
    assert left.value.code == 0
    assert "--truth" in capsys.readouterr().out
