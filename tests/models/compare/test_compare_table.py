"""The table, its other forms, how long trainings took, and what is remembered."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jiwer
import msgspec
import numpy as np
import pytest
from rich.console import Console
from safetensors.torch import save_file
from torch import zeros

from steno_models.compare.config import System
from steno_models.compare.measurement import (
    Decoded,
    Measurement,
    Request,
    memory_path,
    remember,
    remembered,
)
from steno_models.compare.parameters import parameters
from steno_models.compare.plot import plot
from steno_models.compare.table import (
    HEADINGS,
    Comparison,
    Row,
    as_json,
    as_markdown,
    as_table,
    cells,
    figures,
    lacking,
)
from steno_models.compare.training_time import stage_seconds, steps_seconds
from steno_models.errors import ConfigError, DataError
from steno_models.training.runlog import Report, RunLog

REFERENCES = ["a red door", "a door"]
MEASURED = Measurement(
    references=REFERENCES,
    audio_s=4.0,
    alone=Decoded(texts=["red door", "a red"], compute_s=3.0),
    with_lm=Decoded(texts=["a red door", "a red"], compute_s=1.0),
    parameters=1_234_567,
    memory_mb=512.3,
    hears="chunks",
    delay_ms=670,
)


def ways(word: str) -> list[tuple[str, ...]]:
    return [tuple(word)]


ROW = Row(
    name="CTC",
    kind="ctc",
    training_s=1800.0,
    total_training_s=7200.0,
    total_is_whole=True,
    figures=figures(MEASURED, ways),
)
COMMAND = "not trained: steno-models train las.toml"
ABSENT = Row(name="LAS", kind="las", total_training_s=60.0, lacking=COMMAND)
COMPARED = Comparison([ROW, ABSENT], "Recognisers on dev")


def test_figures_are_those_of_an_independent_count() -> None:
    found = ROW.figures
    assert found is not None
    assert found.wer.rate == pytest.approx(jiwer.wer(REFERENCES, MEASURED.alone.texts))
    assert found.wer_lm is not None
    assert found.wer_lm.rate == pytest.approx(jiwer.wer(REFERENCES, ["a red door", "a red"]))
    spelled = [
        [" ".join("".join(t.split())) for t in ts] for ts in (REFERENCES, ["red door", "a red"])
    ]
    assert found.per.rate == pytest.approx(jiwer.wer(*spelled))
    assert (found.real_time_factor, found.real_time_factor_alone) == (0.25, 0.75)


def test_a_row_says_all_that_was_measured() -> None:
    row = dict(zip(HEADINGS, cells(ROW), strict=True))
    assert row["WER, LM"].startswith("20.0 [")
    assert (row["parameters"], row["training"], row["in all"]) == ("1.23 M", "30 min", "2.0 h")
    assert (row["RTF"], row["delay"], row["streams"]) == ("0.25", "670 ms", "yes")
    whole = msgspec.structs.replace(MEASURED, hears="utterance", delay_ms=None, with_lm=None)
    of_whole = msgspec.structs.replace(
        ROW, figures=figures(whole, ways), total_is_whole=False, training_s=None
    )
    row = dict(zip(HEADINGS, cells(of_whole), strict=True))
    assert (row["delay"], row["streams"], row["WER, LM"]) == ("utterance", "no", "–")
    assert (row["training"], row["in all"]) == ("–", "> 2.0 h")
    assert row["RTF"] == "0.75"


def test_what_is_not_trained_has_its_command_in_every_form() -> None:
    assert lacking(COMPARED) == [f"LAS: {COMMAND}"]
    markdown = as_markdown(COMPARED).splitlines()
    table = [line for line in markdown if line.startswith("|")]
    assert len(table) == 4
    assert {line.count("|") for line in table} == {len(HEADINGS) + 1}
    assert COMMAND in table[3]
    decoded = json.loads(as_json(COMPARED))
    assert decoded["title"] == "Recognisers on dev"
    assert decoded["systems"][0]["figures"]["wer_lm"]["rate"] == pytest.approx(0.2)
    assert decoded["systems"][1]["figures"] is None
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(as_table(COMPARED))
    shown = console.export_text()
    assert "670 ms" in shown
    assert "LAS" in shown


def test_a_plot_has_a_bar_for_each_rate(tmp_path: Path) -> None:
    alone = msgspec.structs.replace(MEASURED, with_lm=None)
    rows = [ROW, ABSENT, Row(name="spells", kind="las", figures=figures(alone, ways))]
    plot(Comparison(rows, "both"), tmp_path / "both.svg")
    drawn = (tmp_path / "both.svg").read_text()
    assert drawn.startswith("<?xml")
    plot(COMPARED, tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ConfigError, match=r"to end in \.png or \.svg, found one\.gif"):
        plot(COMPARED, tmp_path / "one.gif")


# --- training time and size


def test_steps_took_what_the_log_says_of_them(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    assert steps_seconds(log) is None
    written = RunLog(log)
    for step, hours, factor in ((10, 0.5, 0.1), (20, 1.5, 0.2)):
        written.write(
            Report(
                step=step,
                epoch=0.0,
                loss=1.0,
                learning_rate=0.1,
                gradient_norm=1.0,
                audio_hours=hours,
                real_time_factor=factor,
            )
        )
    assert steps_seconds(log) == pytest.approx(3600 * (0.5 * 0.1 + 1.0 * 0.2))


def test_a_stage_took_what_its_last_round_says(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    assert stage_seconds(log, "tri1") is None
    rounds = [("tri1", 5.0), ("tri1", 9.5), ("tri2", 3.0), ("tri2", 2.0)]
    log.write_text(
        "".join(
            json.dumps({"stage": s, "round": 1, "seconds": x, "gaussians": 9}) + "\n"
            for s, x in rounds
        )
    )
    assert (stage_seconds(log, "tri1"), stage_seconds(log, "tri2")) == (9.5, 2.0)
    assert stage_seconds(log, "mono") is None
    log.write_text("no json")
    with pytest.raises(DataError, match=r"log\.jsonl:1: expected a round of a training"):
        stage_seconds(log, "tri1")


def test_parameters_are_the_numbers_that_were_learned(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", means=np.zeros((3, 4)), table=np.zeros(100, np.int32))
    save_file({"w": zeros(5, 2), "seen": zeros(1).long()}, tmp_path / "b.safetensors")
    assert parameters([tmp_path / "a.npz", tmp_path / "b.safetensors"]) == 22


MEMORY = """
import numpy as np
from steno_models.compare.parameters import forget_memory, memory_mb

forget_memory()
print(memory_mb())
block = np.ones(30_000_000)  # 240 MB
print(memory_mb())
del block
print(memory_mb())
forget_memory()
print(memory_mb())
"""


def test_memory_is_that_of_this_process() -> None:
    # a process of its own: of this one, other tests' threads may let memory go meanwhile
    said = subprocess.run(
        [sys.executable, "-c", MEMORY], check=True, capture_output=True, text=True
    ).stdout
    before, most, after, forgotten = map(float, said.split())
    assert most >= before + 200  # the system counts pages roughly
    assert after >= most - 20
    assert forgotten <= most - 200


# --- what is remembered


def asked(folder: Path) -> Request:
    (folder / "lm").mkdir()
    for name, text in {
        "model": "weights",
        "dev.jsonl": "speech",
        "lm/general.bin": "n-gram",
        "lm/general.lexicon.txt": "cat K AE T",
    }.items():
        (folder / name).write_text(text)
    return Request(
        system=System(name="GMM: one", kind="gmm", recipe=Path("gmm.toml"), stage="mono"),
        files=(folder / "model",),
        manifest=folder / "dev.jsonl",
        limit=None,
        lm=folder / "lm",
        lm_name="general",
        word_score_without=0.0,
    )


def test_what_was_measured_is_remembered(tmp_path: Path) -> None:
    path = memory_path(tmp_path / "compare", asked(tmp_path), "")
    assert path.name.startswith("gmm-one-")
    assert remembered(path) is None
    remember(path, MEASURED)
    assert remembered(path) == MEASURED
    path.write_text("{")
    assert remembered(path) is None


@pytest.mark.parametrize("name", ["model", "dev.jsonl", "lm/general.bin", "lm/general.lexicon.txt"])
def test_another_file_is_another_measurement(tmp_path: Path, name: str) -> None:
    wanted = asked(tmp_path)
    before = memory_path(tmp_path, wanted, "")
    assert memory_path(tmp_path, wanted, "") == before
    (tmp_path / name).write_text("changed")
    assert memory_path(tmp_path, wanted, "") != before


def test_other_wishes_are_other_measurements_but_another_place_in_the_table_is_not(
    tmp_path: Path,
) -> None:
    wanted = asked(tmp_path)
    before = memory_path(tmp_path, wanted, "")
    later = msgspec.structs.replace(wanted.system, after="another")
    assert memory_path(tmp_path, replace(wanted, system=later), "") == before
    slow = msgspec.structs.replace(wanted.system, way="speaker")
    others = [
        memory_path(tmp_path, replace(wanted, limit=3), ""),
        memory_path(tmp_path, replace(wanted, word_score_without=-1.0), ""),
        memory_path(tmp_path, replace(wanted, system=slow), ""),
        memory_path(tmp_path, wanted, "other settings"),
    ]
    assert len({before, *others}) == 5
