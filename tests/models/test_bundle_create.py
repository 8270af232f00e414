"""From what a training left to a bundle that loads."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tests.models import tiny_bundles as tiny
from torch import Tensor

from steno_models import bundle
from steno_models.bundle_command import main
from steno_models.ctc.config import read_stages
from steno_models.ctc.model import CtcModel
from steno_models.errors import BundleError, ConfigError
from steno_models.features.cmvn import GlobalCmvn
from steno_models.las.config import read_config as read_las
from steno_models.las.model import LasModel
from steno_models.rnnt.config import read_config as read_rnnt
from steno_models.rnnt.model import TransducerModel
from steno_models.rnnt.train import options_of
from steno_models.text.tokens import TokenTable
from steno_models.training.checkpoint import Checkpoint, CheckpointFolder
from steno_models.training.data import Position
from steno_models.training.manifest import Utterance, write_manifest

ANY_SPEECH = """
folder = "run"
cache = "cache"
optim = { total_steps = 2, warmup_steps = 1 }
encoder = { ENCODER }
chunks = { dev_chunk = 4, dev_left = 8 }
[[corpora]]
manifest = "train.jsonl"
[[dev]]
manifest = "train.jsonl"
"""
CONFORMER = "width = 16, layers = 2, heads = 2, feed_forward = 16, kernel = 3"
SPEECH = ANY_SPEECH.replace("ENCODER", CONFORMER)
ENCODERS = {
    "lstm": ("width = 8, layers = 2, factors = [2, 4]", 8),
    "blstm": ("width = 8, layers = 2, factors = [2, 1]", 2),
    "pyramid": ("width = 8, halvings = 2", 4),
    "cnn": ("width = 8, inner = 8, factors = [1, 3, 1], ahead = 'chunk'", 3),
    "tdnn": ("width = 8, offsets = [[-1, 1], [0, 2]], factors = [1, 4]", 4),
    "tdnnf": ("width = 8, bottleneck = 4, spans = [[1, 1], [1, 0]], factors = [1, 2, 2]", 4),
    "transformer": ("width = 8, layers = 1, heads = 2, feed_forward = 8", 4),
}
"""A shape of each kind, and how many steps of 40 ms four of its own are."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a manifest and language models of words and of their spellings."""
    samples = 0.1 * np.random.default_rng(0).normal(size=16_000)
    soundfile.write(tmp_path / "a.wav", samples, 16_000)
    write_manifest(
        tmp_path / "train.jsonl",
        [Utterance(f"{i}", tmp_path / "a.wav", 0.0, 1.0, "see cat", "s") for i in range(3)],
    )
    tiny.word_model(tmp_path / "models", tiny.WORDS)
    return tmp_path


def config(folder: Path, text: str) -> Path:
    path = folder / "small.toml"
    path.write_text(text)
    return path


def leave(run: Path, weights: Mapping[str, Tensor], tokens: TokenTable) -> None:
    """Leave what a training does: a checkpoint, the normalisation and the tokens."""
    CheckpointFolder(run / "checkpoints").save(
        Checkpoint(
            step=7,
            position=Position(0, 0),
            model={f"model.{name}": weight.detach() for name, weight in weights.items()},
            optimiser={},
            optimiser_groups=[],
            metrics={"error": 0.25},
        )
    )
    GlobalCmvn(np.zeros(80, np.float32), np.ones(80, np.float32)).save(run / "cmvn.safetensors")
    tokens.write(run / "tokens.txt")


def create(path: Path, out: Path, *wishes: str) -> bundle.Bundle:
    assert main(["create", str(path), str(out), *wishes]) == 0
    return bundle.load(out)


def test_of_ctc(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = config(folder, SPEECH)
    [found] = read_stages(path)
    table = TokenTable.phones()
    leave(folder / "run", CtcModel(found.encoder.options(), len(table)).state_dict(), table)
    made = create(path, folder / "made", "--lm", str(folder / "models"), "--version", "2")
    assert (made.name, made.version, made.language_models) == ("made", "2", ("general",))
    assert made.description.streaming.chunk_steps == 4
    assert "made 2 (ctc): 5 files" in capsys.readouterr().out
    card = (folder / "made" / "MODEL_CARD.md").read_text()
    assert "From step 7 of the training that `small.toml` says." in card
    assert "- `general`: 2-grams of 4 words" in card
    assert "| 3 | 0.0 |" in card
    assert "- error: 25.0 %" in card


@pytest.mark.parametrize("kind", ENCODERS)
def test_with_any_encoder(folder: Path, kind: str) -> None:
    shape, chunk_steps = ENCODERS[kind]
    path = config(folder, ANY_SPEECH.replace("ENCODER", f"kind = '{kind}', {shape}"))
    [found] = read_stages(path)
    table = TokenTable.phones()
    leave(folder / "run", CtcModel(found.encoder.options(), len(table)).state_dict(), table)
    made = create(path, folder / "made", "--lm", str(folder / "models"))
    assert made.description.encoder == found.encoder
    assert made.description.streaming.chunk_steps == chunk_steps


@pytest.mark.parametrize("lm", [[], ["--lm", "models"]])
def test_of_a_transducer_of_subwords(
    folder: Path, lm: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    path = config(folder, f'family = "rnnt"\ntransducer = {{ cell = "gru" }}{SPEECH}')
    table = tiny.subwords().table
    model = TransducerModel(options_of(read_rnnt(path)), len(table))
    leave(folder / "run", model.state_dict(), table)
    made = create(path, folder / "made", *lm)
    assert made.description.family == "rnnt"
    assert made.language_models == ("general",)
    if lm:
        lexicon = (folder / "made" / "lm" / "general.lexicon.txt").read_text()
        assert "".join(lexicon.splitlines()[1].split()[1:]) == "▁cat"
    else:
        assert not (folder / "made" / "lm").exists()
        assert "its own spelling" in (folder / "made" / "MODEL_CARD.md").read_text()


def test_of_a_speller(folder: Path) -> None:
    path = config(folder, f'family = "las"\nspeller = {{ width = 8 }}{SPEECH}')
    table = tiny.subwords().table
    torch.manual_seed(0)
    leave(folder / "run", LasModel(read_las(path).options(), len(table)).state_dict(), table)
    made = create(path, folder / "made")
    assert made.description.las is not None
    assert made.description.las.width == 8
    phones = config(folder, f'family = "las"\nunits = {{ kind = "phones" }}{SPEECH}')
    with pytest.raises(ConfigError, match="subwords or characters for a bundle, found phones"):
        main(["create", str(phones), str(folder / "other")])


def test_of_gaussians(folder: Path) -> None:
    path = config(folder, 'folder = "run"\nmanifests = ["train.jsonl"]')
    for stage, adapted in {"mono": False, "tri3": True}.items():
        system = tiny.hmm(folder / stage, adapted=adapted) / "model.npz"
        (folder / "run").mkdir(exist_ok=True)
        (folder / "run" / f"{stage}.npz").write_bytes(system.read_bytes())
    lm = ("--lm", str(folder / "models"))
    made = create(path, folder / "made", *lm)
    assert made.description.family == "hmm"
    card = (folder / "made" / "MODEL_CARD.md").read_text()
    assert "From the stage mono of the training" in card
    with pytest.raises(BundleError, match="for any speaker"):
        create(path, folder / "other", "--stage", "tri3", *lm)
    assert not (folder / "other").exists()
    with pytest.raises(ConfigError, match="one of the stages mono, tri3, found sgmm"):
        create(path, folder / "other", "--stage", "sgmm", *lm)


def test_without_a_training_there_is_nothing_to_bundle(folder: Path) -> None:
    for text in (SPEECH, f'family = "rnnt"{SPEECH}'):
        with pytest.raises(ConfigError, match="expected checkpoints of"):
            create(config(folder, text), folder / "made")
    path = config(folder, 'folder = "run"\nmanifests = ["train.jsonl"]')
    with pytest.raises(ConfigError, match="expected a trained stage in"):
        create(path, folder / "made")
    with pytest.raises(ConfigError, match="expected --stage for hidden Markov models only"):
        create(config(folder, SPEECH), folder / "made", "--stage", "mono")
    with pytest.raises(ConfigError, match="las, Gaussians or a hybrid, found oracle"):
        create(config(folder, f'family = "oracle"{SPEECH}'), folder / "made")
    assert not (folder / "made").exists()


def test_what_is_there_already_stays(folder: Path) -> None:
    path = config(folder, SPEECH)
    with pytest.raises(ConfigError, match="expected a new or empty folder for the bundle"):
        create(path, folder)
    assert (folder / "train.jsonl").is_file()


def test_a_language_model_that_lacks_is_named(folder: Path) -> None:
    path = config(folder, SPEECH)
    [found] = read_stages(path)
    table = TokenTable.phones()
    leave(folder / "run", CtcModel(found.encoder.options(), len(table)).state_dict(), table)
    wishes = ("--lm", str(folder / "models"), "--language-model", "general", "legal")
    with pytest.raises(ConfigError, match=r"expected a language model legal in .*legal\.bin"):
        create(path, folder / "made", *wishes)
    assert not (folder / "made").exists()
