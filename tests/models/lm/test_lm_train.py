"""Trainings of all kinds from one TOML file each: they learn, stop, go on, and are measured."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.models.lm import tiny_text

from steno_models.errors import ConfigError, DataError
from steno_models.lm.neural.batches import SentenceBatches, StreamBatches
from steno_models.lm.ngram.build import main as build
from steno_models.lm.open_model import open_model
from steno_models.lm.perplexity import main as perplexity
from steno_models.lm.recurrent.config import read_config
from steno_models.lm.recurrent.train import train as train_recurrent
from steno_models.lm.train_command import main as train
from steno_models.training.checkpoint import CheckpointFolder
from steno_models.training.distributed import Ranks

torch.set_num_threads(1)

NETWORK = """
[network]
shortlist = 4
class_size = 3
width = 16
dropout = 0.0
"""
RUN = """
[units]
kind = "words"
size = 7
[run]
rows = 4
length = 12
bf16 = false
evaluate_every = 30
checkpoint_every = 10
[optim]
total_steps = 120
warmup_steps = 5
learning_rate = 0.02
"""
SUBWORDS = RUN.replace('"words"\nsize = 7', '"subwords"\nsize = 40').replace("= 120", "= 200")
FACTORS = """
[factors]
width = 3
order = 3
least = 2
rows = 8
"""
KINDS = {
    "recurrent": ("recurrent", RUN + NETWORK + "cells = 24\n"),
    "sentences": ("recurrent", 'context = "sentence"\n' + RUN + NETWORK + "cells = 24\n"),
    "subwords": ("recurrent", SUBWORDS + NETWORK + "cells = 24\n"),
    "feedforward": ("feedforward", RUN + NETWORK + "hidden = 24\n"),
    "factorized": ("factorized", RUN + FACTORS),
}
# Four sentences of equal chance: ln 4 each at best, over 7.25 words and ends on average.
BEST = 4 ** (1 / 7.25)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tiny_text_is_learnt_and_measured(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny_text.write_config(tmp_path, *KINDS[kind])
    assert train([str(config), "--device", "cpu"], splitter=tiny_text.split) == 0
    assert "best: step" in capsys.readouterr().err
    model = tmp_path / "run" / "lm"
    arguments = [str(model), "--text", str(tmp_path / "dev.txt"), "--json"]
    assert perplexity(arguments, splitter=tiny_text.split) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert BEST * 0.9 < found["perplexity"] < BEST * 1.6
    assert found["unknown"] == 0
    assert (model / "weights.safetensors").exists()


def _fit(folder: Path, *, stop_at: int = 0) -> dict[str, torch.Tensor]:
    """Train to the end, or as if it were killed after step `stop_at`; return the weights."""
    config = read_config(folder / "lm.toml")
    ranks = Ranks(0, 1, torch.device("cpu"))
    train_recurrent(config, ranks, tiny_text.split)
    checkpoints = CheckpointFolder(config.folder / "checkpoints")
    for path in checkpoints.paths() if stop_at else ():
        if int(path.stem.split("-")[1]) > stop_at:
            path.unlink()
    newest = checkpoints.latest()
    assert newest is not None
    return dict(newest.model)


def test_a_resumed_training_is_the_same_with_its_memory(tmp_path: Path) -> None:
    rest = RUN.replace("= 120", "= 24") + NETWORK.replace("0.0", "0.2") + "cells = 24\n"
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    for folder in (tmp_path / "one", tmp_path / "two"):
        tiny_text.write_config(folder, "recurrent", rest)
    wanted = _fit(tmp_path / "one")
    _fit(tmp_path / "two", stop_at=10)
    found = _fit(tmp_path / "two")
    assert "carried" in wanted
    assert wanted.keys() == found.keys()
    assert all(torch.equal(value, found[name]) for name, value in wanted.items())


def test_a_training_goes_on_from_another_model_and_its_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny_text.write_config(tmp_path, *KINDS["recurrent"])
    train([str(config), "--device", "cpu"], splitter=tiny_text.split)
    more = config.read_text().replace('"run"', '"more"\ninit = "run/lm"').replace("0.02", "1e-9")
    config.write_text(more.replace("= 120", "= 8"))
    (tmp_path / "train.txt").write_text("a cat of other words\n" * 40)
    train([str(config), "--device", "cpu"], splitter=tiny_text.split)
    dev = ["--text", str(tmp_path / "dev.txt"), "--json"]
    models = [str(tmp_path / folder / "lm") for folder in ("run", "more")]
    capsys.readouterr()
    perplexity([*models, *dev], splitter=tiny_text.split)
    before, after = json.loads(capsys.readouterr().out)
    assert after["perplexity"] == pytest.approx(before["perplexity"], rel=1e-3)


def test_a_model_of_another_shape_is_not_begun_with(tmp_path: Path) -> None:
    config = tiny_text.write_config(tmp_path, *KINDS["recurrent"])
    config.write_text(config.read_text().replace("= 120", "= 10"))
    train([str(config), "--device", "cpu"], splitter=tiny_text.split)
    more = config.read_text().replace('"run"', '"more"\ninit = "run/lm"')
    config.write_text(more.replace("cells = 24", "cells = 25"))
    with pytest.raises(ConfigError, match="init: expected a recurrent model of the shape"):
        train([str(config), "--device", "cpu"], splitter=tiny_text.split)


def test_models_of_two_kinds_and_their_mixture_are_one_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny_text.write_config(tmp_path, *KINDS["feedforward"])
    train([str(config), "--device", "cpu"], splitter=tiny_text.split)
    words = tmp_path / "words.txt"
    words.write_text("the cat ate bean bee saw\n")
    text, ngrams = str(tmp_path / "train.txt"), str(tmp_path / "lm.bin")
    common = ["--text", text, "--vocabulary-file", str(words), "--out", ngrams]
    build([*common, "--smoothing", "witten-bell"], splitter=tiny_text.split)
    capsys.readouterr()
    dev = str(tmp_path / "dev.txt")
    arguments = [ngrams, str(tmp_path / "run" / "lm"), "--text", dev, "--interpolate", dev]
    perplexity([*arguments, "--json", "--carry"], splitter=tiny_text.split)
    rows = json.loads(capsys.readouterr().out)
    assert [row["model"] for row in rows][2] == "interpolated"
    assert rows[0]["weight"] + rows[1]["weight"] == pytest.approx(1.0)
    assert rows[2]["perplexity"] <= min(row["perplexity"] for row in rows) * 1.001
    assert rows[0]["unknown"] > 0  # "a" and "and"
    assert rows[1]["unknown"] == 0
    perplexity(arguments, splitter=tiny_text.split)
    assert "interpolated" in capsys.readouterr().out


def test_streams_go_on_from_batch_to_batch() -> None:
    stream = np.arange(1, 101, dtype=np.int32)
    batches = StreamBatches(stream, rows=3, length=8, seed=3)
    found = [batch.targets.numpy() for batch in batches.epoch(0)]
    assert len(found) == batches.count(0) == 4
    for before, after in pairwise(found):
        assert before[:, -1].tolist() == after[:, 0].tolist()
    seen = np.concatenate([rows[:, 1:].ravel() for rows in found])
    assert len(set(seen.tolist())) == len(seen) == 96
    (again, *_) = [batch.targets.numpy() for batch in batches.epoch(0, 2)]
    assert again.tolist() == found[2].tolist()


def test_every_sentence_comes_once_an_epoch() -> None:
    rng = np.random.default_rng(1)
    sentences = [[*rng.integers(1, 9, rng.integers(1, 15)).tolist(), 0] for _ in range(60)]
    stream = np.array([unit for s in sentences for unit in s], np.int32)
    batches = SentenceBatches(stream, units_per_batch=64, seed=1)
    found = []
    for batch in batches.epoch(1):
        assert batch.targets[:, 0].tolist() == [0] * len(batch.keys)
        for row, length in zip(batch.targets.tolist(), batch.target_lengths.tolist(), strict=True):
            found.append(row[1 : 1 + length])
    assert sorted(found) == sorted(sentences)
    assert batches.count(1) > 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("recurrent", "transformer"), "expected a kind of: recurrent, feedforward, factorized"),
        (("cells", "neurons"), "unknown field `neurons`"),
        (("rows = 4", "rows = 4000"), "expected more than 4000 rows of 12 units"),
        (("train.txt", "nowhere.txt"), "nowhere.txt"),
    ],
)
def test_what_a_file_gets_wrong_is_said(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    config = tiny_text.write_config(tmp_path, *KINDS["recurrent"])
    config.write_text(config.read_text().replace(*change))
    with pytest.raises((ConfigError, DataError), match=message):
        train([str(config), "--device", "cpu"], splitter=tiny_text.split)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a language model's description"):
        open_model(tmp_path)


def test_export_needs_a_checkpoint(tmp_path: Path) -> None:
    config = tiny_text.write_config(tmp_path, *KINDS["recurrent"])
    with pytest.raises(ConfigError, match="expected checkpoints of a training"):
        train([str(config), "--export", str(tmp_path / "out")], splitter=tiny_text.split)
