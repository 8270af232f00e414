"""`steno-models compare`: trains, measures in processes of their own, remembers, shows."""

import json
import subprocess
from pathlib import Path

import pytest
from rich.console import Console
from tests.models.compare.small import comparison, recipes

from steno_models import compare_command
from steno_models.__main__ import main
from steno_models.compare import run
from steno_models.compare.child import measure_in_child
from steno_models.compare.config import read_compare
from steno_models.compare.measurement import Measurement, Request, Tick, request
from steno_models.compare.standing import Standing, standing
from steno_models.errors import ConfigError, DataError


def test_two_systems_are_trained_and_measured_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes(tmp_path)
    path = comparison(tmp_path, "gmm mono,las -")
    text = path.read_text()
    path.write_text(
        text.replace('stage = "mono"\n', 'stage = "mono"\n', 1) + 'after = "gmm mono"\n'
    )
    assert main(["compare", str(path), "--no-train"]) == 0
    shown = capsys.readouterr().out
    assert (
        f"gmm mono: not trained: steno-models hmm train {tmp_path}/gmm.toml --until mono" in shown
    )
    assert f"las -: not trained: steno-models train {tmp_path}/las.toml" in shown
    out = {name: tmp_path / f"table.{name}" for name in ("json", "svg")}
    wanted = [str(path), "--limit", "3", "--json", str(out["json"]), "--plot", str(out["svg"])]
    assert main(["compare", *wanted]) == 0
    assert "first 3 utterances" in capsys.readouterr().out
    table = json.loads(out["json"].read_text())
    gaussians, speller = table["systems"]
    assert gaussians["figures"]["wer_lm"]["rate"] == 0.0
    assert gaussians["figures"]["per"]["rate"] == 0.0
    assert gaussians["figures"]["utterances"] == 3
    assert speller["figures"]["hears"] == "utterance"
    assert speller["training_s"] > 0
    assert not speller["total_is_whole"]  # phones tell nobody how long they took
    assert "gmm mono" in out["svg"].read_text()

    def never(asked: Request, tick: Tick) -> Measurement:
        raise AssertionError(asked, tick)

    monkeypatch.setattr(run, "measure_in_child", never)
    capsys.readouterr()
    assert main(["compare", *wanted, "--markdown"]) == 0
    assert json.loads(out["json"].read_text()) == table
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith("| ")]) == 3


def test_what_is_wrong_in_a_child_is_known_to_its_parent(tmp_path: Path) -> None:
    recipes(tmp_path)
    [system] = read_compare(comparison(tmp_path, "gmm mono")).systems
    config = read_compare(tmp_path / "compare.toml")
    asked = request(config, system, Standing())
    with pytest.raises(DataError, match="gmm mono: expected one of the stages none, found mono"):
        measure_in_child(asked, lambda *_: None)


def test_a_training_that_fails_or_stops_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes(tmp_path)
    [system] = read_compare(comparison(tmp_path, "las -")).systems

    class Done:
        def __init__(self, status: int) -> None:
            self.returncode = status

    for status, message in ((1, "found status 1 of: steno-models train"), (0, "at step 0 of 2")):
        done = Done(status)
        monkeypatch.setattr(subprocess, "run", lambda *_, done=done, **__: done)
        with pytest.raises(ConfigError, match=message):
            run.trained(system, standing(system), Console(quiet=True))


@pytest.mark.parametrize(
    ("wishes", "message"),
    [(["--limit", "0"], "expected 1 or more, found 0"), (["--limit", "few"], "--limit")],
)
def test_an_impossible_limit_is_refused(
    wishes: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        compare_command.main(["compare.toml", *wishes])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_plot_of_another_format_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"found table\.gif"):
        compare_command.main([str(tmp_path / "none.toml"), "--plot", "table.gif"])


def test_the_help_says_what_the_columns_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        compare_command.main(["--help"])
    assert ended.value.code == 0
    assert "phone error rate. The words found without a language model" in capsys.readouterr().out
