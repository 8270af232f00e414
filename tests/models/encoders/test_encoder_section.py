"""The table `[encoder]` of a training's file."""

from dataclasses import fields
from pathlib import Path

import pytest
from msgspec import convert, structs

from steno_models.bundle import BUNDLES
from steno_models.ctc.config import read_stages
from steno_models.encoders.build import build_encoder
from steno_models.encoders.cnn import Cnn
from steno_models.encoders.conformer import Conformer
from steno_models.encoders.lstm import Blstm, Lstm
from steno_models.encoders.section import ConformerSection, Encoder, with_encoder_kind
from steno_models.encoders.tdnn import Tdnn, Tdnnf
from steno_models.encoders.transformer import Transformer
from steno_models.errors import ConfigError

KINDS: dict[str, type] = {
    "conformer": Conformer,
    "blstm": Blstm,
    "lstm": Lstm,
    "pyramid": Blstm,
    "cnn": Cnn,
    "tdnn": Tdnn,
    "tdnnf": Tdnnf,
    "transformer": Transformer,
}
TRAINING = """
folder = "run"
cache = "cache"
optim = { total_steps = 300 }
corpora = [{ manifest = "a.jsonl" }]
dev = [{ manifest = "b.jsonl" }]
"""


def written(folder: Path, encoder: str) -> Path:
    path = folder / "training.toml"
    path.write_text(TRAINING + encoder)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_built_and_its_defaults_are_those_of_its_options(kind: str) -> None:
    section: Encoder = convert({"kind": kind}, Encoder)
    options = section.options()
    assert options == type(options)()
    assert {"bins", *structs.asdict(section)} == {field.name for field in fields(options)}
    model = build_encoder(options)
    assert isinstance(model, KINDS[kind])
    assert sum(weight.numel() for weight in model.parameters()) > 3_000_000


def test_without_a_kind_it_is_a_conformer(tmp_path: Path) -> None:
    [config] = read_stages(written(tmp_path, "[encoder]\nwidth = 64\n"))
    assert config.encoder == ConformerSection(width=64)
    [config] = read_stages(written(tmp_path, ""))
    assert config.encoder == ConformerSection()


def test_a_file_says_its_shape(tmp_path: Path) -> None:
    [config] = read_stages(
        written(
            tmp_path,
            '[encoder]\nkind = "tdnnf"\nwidth = 64\nspans = [[1, 1], [3, 0]]\n'
            "factors = [1, 4, 1]\ndropout = [[0, 0], [1, 0.2]]\n",
        )
    )
    model = build_encoder(config.encoder.options())
    assert isinstance(model, Tdnnf)
    assert (model.width, model.grid.factor, len(model.layers)) == (64, 4, 3)


def test_all_is_how_a_file_says_without_bound() -> None:
    section: Encoder = convert({"kind": "transformer", "right_steps": "all"}, Encoder)
    assert not build_encoder(section.options()).streaming


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ('kind = "perceptron"', "perceptron"),
        ('kind = "lstm"\nheads = 4', "unknown field `heads`"),
        ('kind = "lstm"\nlayers = 2', r"expected factors of 1 or more for each of 2 layers"),
        ('kind = "cnn"\nahead = 15', "expected to look ahead by less than a kernel of 15"),
        ("heads = 5", "expected width to be a multiple of 2 x 5 heads, found 256"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, encoder: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_stages(written(tmp_path, f"[encoder]\n{encoder}\n"))


def test_the_training_of_the_embedded_bundle_is_that_of_a_conformer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STENO_DATA", "data")
    monkeypatch.setenv("STENO_RUNS", "runs")
    stages = read_stages(BUNDLES / "en.train.toml")
    assert all(isinstance(stage.encoder, ConformerSection) for stage in stages)


def test_a_table_that_says_its_kind_or_has_no_encoder_stays_as_it_is() -> None:
    tables: list[dict[str, object]] = [
        {"folder": "x"},
        {"encoder": {"kind": "lstm"}},
        {"encoder": 3},
    ]
    for table in tables:
        assert with_encoder_kind(table) is table
