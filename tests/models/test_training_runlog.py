import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from steno_models.errors import DataError
from steno_models.training.runlog import (
    Report,
    RunLog,
    plot_learning_curves,
    read_run_log,
    training_bar,
)


def make_report(step: int, *, loss: float | None = 1.0, error: float | None = None) -> Report:
    return Report(
        step=step,
        epoch=step / 10,
        loss=loss,
        learning_rate=1e-3,
        gradient_norm=0.5,
        audio_hours=step / 100,
        real_time_factor=0.01,
        metrics={"accuracy": 0.25},
        dev={} if error is None else {"error": error},
    )


def test_reports_read_back(tmp_path: Path) -> None:
    path = tmp_path / "run" / "log.jsonl"
    log = RunLog(path)
    reports = [make_report(1), make_report(2, error=0.5)]
    for report in reports:
        log.write(report)
    assert read_run_log(path) == reports


def test_a_loss_that_is_no_number_is_written_as_none(tmp_path: Path) -> None:
    RunLog(tmp_path / "log.jsonl").write(make_report(1, loss=float("nan")))
    assert read_run_log(tmp_path / "log.jsonl") == [make_report(1, loss=None)]


def test_a_resumed_log_drops_the_steps_that_are_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = RunLog(path)
    for step in (10, 20, 30):
        log.write(make_report(step))
    with path.open("ab") as file:
        file.write(b'{"step": 40, "epo')
    RunLog(path, after_step=20).write(make_report(21))
    assert [report.step for report in read_run_log(path)] == [10, 20, 21]
    assert [each.name for each in tmp_path.iterdir()] == ["log.jsonl"]


def test_a_line_that_is_no_report_is_named(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('\n{"step": "one"}\n')
    with pytest.raises(DataError, match=r"log\.jsonl:2: expected a report of a training, found"):
        read_run_log(tmp_path / "log.jsonl")


def drawn_share(path: Path) -> float:
    """Return the share of pixels that are neither white nor grey."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return float((np.ptp(pixels, axis=2) > 40).mean())


def test_learning_curves_are_drawn_with_and_without_dev_errors(tmp_path: Path) -> None:
    plain = [make_report(step, loss=1 / step) for step in range(1, 50)]
    measured = [make_report(step, loss=1 / step, error=0.5) for step in range(1, 50)]
    for name, reports in (("none", []), ("plain", plain), ("measured", measured)):
        plot_learning_curves(reports, tmp_path / "plots" / f"{name}.png")
    shares = [drawn_share(tmp_path / "plots" / f"{n}.png") for n in ("none", "plain", "measured")]
    assert shares[0] == 0 < shares[1] < shares[2]


def test_the_bar_shows_steps_loss_and_dev_error(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr("sys.stderr", shown)
    monkeypatch.setenv("COLUMNS", "120")
    with training_bar(40) as bar:
        bar.show_step(30)
        bar.show_report(make_report(30, loss=2.5, error=0.125))
        bar.show_report(make_report(30, loss=None))
    assert "30/40 loss –  dev error 0.125" in shown.getvalue()


def test_a_hidden_bar_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with training_bar(40, shown=False) as bar:
        bar.show_step(30)
    assert capsys.readouterr().err.strip() == ""
