"""Searches for a map that go on after an interruption, and how often starts succeed."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.models.crossmodal.test_crossmodal_command import written_twins

from steno_models.__main__ import main
from steno_models.crossmodal.align_command import Report
from steno_models.crossmodal.align_table import Row, successes
from steno_models.crossmodal.alignment import alignment
from steno_models.crossmodal.alignment.adversarial import AdversarialOptions, Epoch, adversarial
from steno_models.crossmodal.alignment.alignment import AlignOptions, find
from steno_models.crossmodal.alignment.evaluation import Precision
from steno_models.crossmodal.alignment.keep import Keep
from steno_models.crossmodal.alignment.refinement import Fit
from steno_models.crossmodal.space import Space, normalised
from steno_models.errors import ConfigError, DataError

GAME = AdversarialOptions(epochs=4, samples=640, hidden=16)


def drawn(seed: int) -> Space:
    vectors = np.random.default_rng(seed).normal(size=(90, 6)).astype(np.float32)
    return Space(tuple(f"w{n}" for n in range(90)), vectors, np.arange(90, 0, -1))


def test_a_game_that_was_interrupted_ends_as_one_that_was_not(tmp_path: Path) -> None:
    x, y = normalised(drawn(0).vectors), normalised(drawn(1).vectors)
    whole = adversarial(x, y, GAME, seed=3)
    keep = Keep(tmp_path / "game.safetensors", "these")

    def stop(epoch: Epoch) -> None:
        if epoch.number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        adversarial(x, y, GAME, seed=3, report=stop, keep=keep)
    heard: list[Epoch] = []
    resumed = adversarial(x, y, GAME, seed=3, report=heard.append, keep=keep)
    assert [each.number for each in heard] == [3, 4]
    np.testing.assert_array_equal(resumed, whole)


def test_a_map_that_was_found_is_not_looked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spaces = drawn(0), drawn(1)
    first = find(spaces, "sorted-similarity", 2, AlignOptions(), keep=tmp_path)
    monkeypatch.delattr(alignment, "sorted_similarity")
    again = find(spaces, "sorted-similarity", 2, AlignOptions(), keep=tmp_path)
    np.testing.assert_array_equal(again.rotation, first.rotation)
    assert (again.fit, again.rounds) == (first.fit, first.rounds)
    with pytest.raises(ConfigError, match="found that of others; choose another folder"):
        find((drawn(0), drawn(4)), "sorted-similarity", 2, AlignOptions(), keep=tmp_path)
    (tmp_path / "sorted-similarity-2.safetensors").write_bytes(b"no tensors")
    with pytest.raises(DataError, match="expected what was kept"):
        find(spaces, "sorted-similarity", 2, AlignOptions(), keep=tmp_path)


def row(start: str, seed: int | None, right: float, csls: float, *, taught: bool = False) -> Row:
    return Row(
        start=start, seed=seed, rounds=1, seconds=0.0, fit=Fit(csls, 0.5, 0.5), supervised=taught,
        precision=Precision(nearest=(0.0, 0.0, 0.0), csls=(right, 99.0, 99.0), tested=10),
    )  # fmt: skip


def test_a_seed_succeeds_at_most_a_point_below_the_supervised_map() -> None:
    rows = [
        row("sorted", 0, 46.0, 0.16), row("sorted", 1, 45.0, 0.15), row("game", 0, 0.1, 0.02),
        row("game", 1, 44.9, 0.14), row("supervised", None, 46.0, 0.16, taught=True),
    ]  # fmt: skip
    sure, game = successes(rows)
    assert (sure.start, sure.succeeded, sure.seeds) == ("sorted", 2, 2)
    assert (sure.fit_of_successes, sure.fit_of_failures) == (0.15, None)
    assert (game.succeeded, game.seeds, game.lowest, game.highest) == (0, 2, 0.1, 44.9)
    assert (game.fit_of_successes, game.fit_of_failures) == (None, 0.14)
    assert successes(rows[:-1]) == []


def test_one_command_tells_how_often_starts_succeed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["crossmodal", "align", *written_twins(tmp_path), "--truth", "same", "--keep"]
    call += [str(tmp_path / "maps"), "--supervised", "40", "--start", "sorted-similarity"]
    assert main([*call, "--seeds", "2", "--json"]) == 0
    report = msgspec.json.decode(capsys.readouterr().out, type=Report)
    assert [(each.start, each.seeds) for each in report.successes] == [("sorted-similarity", 2)]
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == [
        "sorted-similarity-0.safetensors", "sorted-similarity-1.safetensors",
    ]  # fmt: skip
    assert main([*call, "--seeds", "2"]) == 0
    shown = capsys.readouterr().out
    assert "at most 1 point below the supervised map" in shown
    assert " of 2 " in shown
