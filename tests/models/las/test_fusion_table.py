"""From TOML files to fused spellers and their table, on two seconds of noise."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file
from tests.models.las import fusion_experiment

from steno_models import fusion_table
from steno_models.__main__ import main
from steno_models.bundle_create import main as create_bundle
from steno_models.errors import ConfigError
from steno_models.fusion_table.config import read_fusion_table
from steno_models.fusion_table.curves import curve
from steno_models.las import command
from steno_models.las.config import read_config
from steno_models.las.trained import TrainedLas
from steno_models.lm.open_model import open_label_network
from steno_models.lm.recurrent.config import read_config as read_language_model
from steno_models.training.manifest import Utterance, write_manifest

torch.set_num_threads(1)

RECIPES = Path(fusion_table.__file__).parent
LM = """kind = "recurrent"
folder = "lm-{name}"
text = ["text.txt"]
dev = ["text.txt"]
context = "sentence"
units = {{ kind = "characters" }}
network = {{ width = {width}, cells = 8 }}
run = {{ rows = 4, length = 16, bf16 = false }}
optim = {{ total_steps = 2, warmup_steps = 1 }}
"""
SPELLER = """family = "las"
folder = "{kind}"
cache = "cache"
units = {{ kind = "characters" }}
optim = {{ total_steps = 2, warmup_steps = 1 }}
encoder = {{ width = 16, layers = 2, heads = 2, feed_forward = 16, kernel = 3 }}
speller = {{ width = 8, attention = {{ width = 8, channels = 2, kernel = 3 }} }}
search = {{ labels_per_step = 0.2 }}
{fusion}
[[corpora]]
manifest = "speech.jsonl"
[[dev]]
manifest = "speech.jsonl"
"""
FUSIONS = {
    "plain": "",
    "deep": 'fusion = { kind = "deep", language_model = "lm-one/lm", after = "plain" }',
    "cold": 'fusion = { kind = "cold", language_model = "lm-one/lm", width = 6 }',
}
TABLE = """folder = "table"
plain = "plain.toml"
deep = "deep.toml"
cold = "cold.toml"
search = { beam = 2, candidates = 2, labels_per_step = 0.2 }
domains = [
  { name = "one", language_model = "one.toml", manifest = "speech.jsonl" },
  { name = "two", language_model = "two.toml", manifest = "speech.jsonl" },
]
"""


def prepare(folder: Path) -> Path:
    """Write speech, texts and recipes; return the table's."""
    rng, utterances = np.random.default_rng(0), []
    for name, text in (("first", "red"), ("second", "a red")):
        audio = folder / f"{name}.wav"
        soundfile.write(audio, rng.normal(0, 0.1, 16_000).clip(-1, 1), 16_000)
        utterances.append(Utterance(name, audio, 0.0, 1.0, text, ""))
    write_manifest(folder / "speech.jsonl", utterances)
    (folder / "text.txt").write_text("a red bee.\nthe bee is red.\n" * 30, encoding="utf-8")
    for name, width in (("one", 4), ("two", 6)):
        (folder / f"{name}.toml").write_text(LM.format(name=name, width=width), encoding="utf-8")
    for kind, fusion in FUSIONS.items():
        recipe = SPELLER.format(kind=kind, fusion=fusion)
        (folder / f"{kind}.toml").write_text(recipe, encoding="utf-8")
    (folder / "table.toml").write_text(TABLE, encoding="utf-8")
    return folder / "table.toml"


def check_weights(folder: Path) -> None:
    """Deep fusion has left what it goes on from as it was, and no language model is stored."""
    plain, deep, cold = (
        load_file(folder / kind / "acoustic/model.safetensors") for kind in FUSIONS
    )
    moved = {name for name, weight in plain.items() if not torch.equal(weight, deep[name])}
    assert moved == {f"speller.{x}.{y}" for x in ("hidden", "output") for y in ("weight", "bias")}
    added = {name.removeprefix("speller.fusion.") for name in cold.keys() - plain.keys()}
    assert added == {"projection.weight", "gate.weight", "gate.bias", "output.weight"}
    assert (folder / "deep/cmvn.safetensors").read_bytes() == (
        folder / "plain/cmvn.safetensors"
    ).read_bytes()


def test_one_command_trains_and_measures_every_fusion(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = prepare(tmp_path)
    assert main(["fusion-table", str(table), "--no-train"]) == 1
    assert "steno-models train" in capsys.readouterr().err
    figures = tmp_path / "figures.json"
    assert main(["fusion-table", str(table), "--markdown", "--json", str(figures)]) == 0
    shown = capsys.readouterr().out
    ways = [
        ("no language model", None),
        ("shallow", "one"),
        ("shallow", "two"),
        ("shallow, internal taken away", "one"),
        ("shallow, internal taken away", "two"),
        ("shallow, density ratio", "two"),
        ("deep", "one"),  # the other one's width is another
        ("cold", "one"),
        ("cold", "two"),
    ]
    found = json.loads(figures.read_bytes())
    assert [(row["fusion"], row["language_model"]) for row in found] == ways
    for row in found:
        one, two = row["wer"]["one"], row["wer"]["two"]
        assert one == two  # the same speech
        assert one["low"] <= one["rate"] <= one["high"]
        assert (
            f"| {row['fusion']} | {row['language_model'] or '–'} | {100 * one['rate']:.1f}" in shown
        )
    assert (tmp_path / "table/curves.png").stat().st_size > 1000
    steps, losses = curve(tmp_path / "cold")
    assert steps == [2]
    assert 0 < losses[0] < 10
    check_weights(tmp_path)
    assert main(["fusion-table", str(table), "--no-train", "--limit", "1"]) == 0
    assert "cold" in capsys.readouterr().out
    check_refusals(tmp_path)


def check_refusals(folder: Path) -> None:
    """What a fused speller cannot be used for, and language models that do not fit."""
    config = read_config(folder / "cold.toml")
    with pytest.raises(ConfigError, match="without a language model within, found cold"):
        TrainedLas.load(config)
    with pytest.raises(ConfigError, match=r"without a fusion for a bundle.*found cold"):
        create_bundle([str(folder / "cold.toml"), str(folder / "bundle")])
    with pytest.raises(ConfigError, match="recogniser's 3 tokens, found 29 others"):
        open_label_network(folder / "lm-one/lm", ["<blk>", "a", "b"])
    network = open_label_network(
        folder / "lm-one/lm", ("<blk>", "▁", "'", *map(chr, range(97, 123)))
    )
    hidden, _ = network.read(torch.tensor([0]), network.begin())
    assert float(network.log_probs(hidden).exp().sum()) == pytest.approx(1, abs=1e-5)
    again = (folder / "deep.toml").read_text(encoding="utf-8").replace('"plain"', '"cold"')
    (folder / "again.toml").write_text(again.replace('folder = "deep"', 'folder = "again"'))
    with pytest.raises(ConfigError, match=r"without a fusion, found differences: speller\.fusion"):
        command.main([str(folder / "again.toml")], open_language=open_label_network)


@pytest.mark.parametrize(
    ("fusion", "message"),
    [
        (
            '{ kind = "deep", language_model = "x" }',
            "training that deep fusion comes after, found none",
        ),
        ('{ kind = "cold", language_model = "x", after = "y" }', "begin by itself, found it after"),
        ('{ kind = "warm", language_model = "x" }', "invalid enum value 'warm'"),
        (
            '{ kind = "deep", language_model = "x", after = "y" }\ninit_encoder = "z"',
            "expected no init_encoder beside a training",
        ),
    ],
)
def test_a_mistake_in_a_fusion_is_named(tmp_path: Path, fusion: str, message: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(SPELLER.format(kind="x", fusion=f"fusion = {fusion}"), encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_config(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "two"', 'name = "one"', "domains of different names"),
        ('plain = "plain.toml"', 'plain = "cold.toml"', "expected no fusion, found cold"),
        ('deep = "deep.toml"', 'deep = "cold.toml"', "expected deep fusion, found cold"),
        ('"one.toml"', '"two.toml"', "expected the language model of one"),
        ("beam = 2", "beam = 0", "at `\\$.search.beam`"),
    ],
)
def test_a_mistake_in_a_table_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = prepare(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_fusion_table(path).spellers()


def test_the_shipped_recipes_belong_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STENO_DATA", "/corpora")
    monkeypatch.setenv("STENO_RUNS", "/runs")
    table = read_fusion_table(RECIPES / "librispeech_mini.toml")
    plain, deep, cold = table.spellers().values()
    assert plain.speller == deep.speller == cold.speller
    assert plain.encoder == deep.encoder == cold.encoder
    assert plain.init_encoder == cold.init_encoder
    assert plain.freeze_encoder
    assert cold.freeze_encoder
    assert deep.fusion is not None
    assert deep.fusion.after == plain.folder
    novels, an4 = (read_language_model(domain.language_model) for domain in table.domains)
    assert novels.units == an4.units
    assert novels.units.tokens == plain.folder / "tokens.txt"
    assert novels.network.cells == an4.network.cells  # else deep fusion cannot take the other


def test_the_experiment_writes_recipes_that_fit(tmp_path: Path) -> None:
    fusion_experiment.write_recipes(tmp_path, steps=100, lm_steps=10)
    spellers = read_fusion_table(tmp_path / "table.toml").spellers()
    assert list(spellers) == ["plain", "deep", "cold"]
    rng = np.random.default_rng(0)
    alike, other = (
        [len(np.unique(fusion_experiment.sound(text, rng).round(1))) for text in pair]
        for pair in (("bad", "pat"), ("", "a"))
    )
    assert min(alike) > 1
    assert other[1] > other[0]


def test_the_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["fusion-table", "--help"])
    assert ended.value.code == 0
    assert re.search(r"\[\[domains\]\].*--no-train", capsys.readouterr().out, re.DOTALL)
