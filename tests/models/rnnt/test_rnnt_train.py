"""From a TOML file to a transducer's weights."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file
from tests.models.rnnt import tiny_transducer as tiny

from steno_models import recogniser
from steno_models.bundle import BUNDLES
from steno_models.encoders.build import build_encoder
from steno_models.encoders.conformer import Conformer, ConformerOptions, Context
from steno_models.encoders.subsampling import steps_of, steps_of_all
from steno_models.errors import ConfigError
from steno_models.features.cmvn import GlobalCmvn
from steno_models.rnnt.command import main
from steno_models.rnnt.config import read_config
from steno_models.rnnt.loss import transducer_loss
from steno_models.rnnt.model import TransducerModel, TransducerOptions
from steno_models.rnnt.objective import TrainingTransducer, Weights, Work, weighted
from steno_models.rnnt.task import Course, TransducerTask
from steno_models.rnnt.train import options_of
from steno_models.text.bpe import Bpe
from steno_models.text.g2p import G2P
from steno_models.text.lexicon import Lexicon
from steno_models.text.tokens import TokenTable
from steno_models.text.units import Phones, Subwords
from steno_models.training import varied
from steno_models.training.contexts import Contexts
from steno_models.training.data import BatchOptions, BucketedBatches
from steno_models.training.loop import FitOptions, fit
from steno_models.training.manifest import Utterance, write_manifest
from steno_models.training.optim import OptimOptions
from steno_models.training.runlog import read_run_log
from steno_models.training.start import EncoderStart
from steno_models.training.varied import Changes, Plain, Varied
from steno_models.types import FloatArray, IntArray

torch.set_num_threads(1)

UNTOUCHED = GlobalCmvn(np.zeros(80, np.float32), np.ones(80, np.float32))
SMALL = ConformerOptions(
    width=16, layers=2, heads=2, feed_forward=32, kernel=3, subsampling_channels=4, dropout=0.0
)
STILL = Changes(volume=0.0, mask_share=0.0)
CONFIG = """
family = "rnnt"
folder = "run"
cache = "cache"
units = { size = 30 }
optim = { total_steps = 2, warmup_steps = 1 }
encoder = { width = 16, layers = 2, heads = 2, feed_forward = 16, kernel = 3 }
transducer = { predictor_width = 8, joiner_width = 8 }
[[corpora]]
manifest = "train.jsonl"
[[dev]]
manifest = "train.jsonl"
"""


class Memory:
    """Features that are there already, in one variant."""

    def __init__(self, *utterances: FloatArray) -> None:
        self._utterances = utterances
        self.keys = [f"u{i}" for i in range(len(utterances))]
        self.lengths: IntArray = np.array([[len(u)] for u in utterances], np.int32)

    def read(self, utterance: int, _variant: int) -> FloatArray:
        return self._utterances[utterance]


class Letters:
    """Units whose parts are themselves."""

    table = TokenTable(("<blk>", "a", "b", "c"))

    def encode(self, text: str) -> IntArray:
        return np.array(self.table.ids(text), np.int32)

    def parts(self, tokens: Sequence[int]) -> list[str]:
        return [self.table.symbols[token] for token in tokens]


def config_file(folder: Path, text: str = CONFIG) -> Path:
    path = folder / "small.toml"
    path.write_text(text)
    return path


# --- features and units


def test_features_are_limited_as_the_recogniser_limits_them() -> None:
    assert varied.FEATURE_LIMIT == recogniser.FEATURE_LIMIT
    assert varied.TAIL_FRAMES == recogniser.TAIL_FRAMES
    loud = np.full((9, 80), -20, np.float32)
    plain = Plain(UNTOUCHED)(loud, np.random.default_rng(0))
    assert plain.shape == (9 + recogniser.TAIL_FRAMES, 80)
    assert (plain == -recogniser.FEATURE_LIMIT).all()


def test_without_changes_only_silence_is_added() -> None:
    features = np.tanh(np.arange(720, dtype=np.float32).reshape(9, 80) / 360 - 1) + 5
    found = Varied(UNTOUCHED, STILL)(features.clip(-4, 4), np.random.default_rng(1))
    silence = found[found[:, 0] != 4]
    assert len(silence) == len(found) - 9
    assert len(np.unique(silence)) == 1


def test_masks_and_volume_change_features() -> None:
    features = np.random.default_rng(0).normal(size=(200, 80)).astype(np.float32)
    changed = Varied(UNTOUCHED, Changes(mask_share=1.0))(features, np.random.default_rng(0))
    assert len(changed) > 200
    assert np.isin(features, changed).mean() < 0.01
    masked = len(changed) * 80 - len(np.unique(changed))
    assert masked > 80 * (len(changed) - 200)


def test_steps_of_a_batch_are_those_of_each_utterance() -> None:
    frames = torch.arange(60)
    assert steps_of_all(frames).tolist() == [steps_of(int(T)) for T in frames]


def test_subwords_are_counted_in_words() -> None:
    units = Subwords(Bpe.learn(["red red bed"], 31))
    tokens = units.encode("Red bed")
    assert tokens.dtype == np.int32
    assert units.parts(tokens.tolist()) == ["red", "bed"]


def test_phones_are_those_of_the_first_pronunciation() -> None:
    lexicon = Lexicon({"red": (("R", "EH", "D"), ("R", "IY", "D"))})
    units = Phones(lexicon, G2P.load())
    tokens = units.encode("Red!")
    assert units.parts(tokens.tolist()) == ["R", "EH", "D"]


# --- the losses


def work() -> Work:
    generator = torch.Generator().manual_seed(0)
    return Work(
        torch.randn(2, 31, 80, generator=generator),
        torch.tensor([7, 5]),
        torch.tensor([[1, 2, 3], [2, 0, 0]], dtype=torch.int32),
        torch.tensor([3, 1]),
    )


def training(name: str, columns: int) -> TrainingTransducer:
    torch.manual_seed(0)
    return TrainingTransducer(TransducerModel(tiny.SHAPES[name], 4), columns=columns).eval()


@pytest.mark.parametrize("name", tiny.SHAPES)
def test_with_enough_columns_the_pruned_loss_is_the_whole_one(name: str) -> None:
    model, given = training(name, 9), work()
    found = model(given, Context(4, 8))
    logits = model.model(given.features, given.steps, given.targets, Context(4, 8))
    whole = transducer_loss(logits, given.targets, given.steps, given.target_lengths)
    torch.testing.assert_close(found["pruned"], whole.sum() / 12)
    assert set(found) == set(Weights.__slots__)


def test_all_weights_of_the_model_learn_something() -> None:
    model = training("recurrent", 2)
    loss = weighted(model(work(), None), Weights())
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    assert all(gradient.any() for gradient in gradients)


def test_the_pruned_loss_comes_in_while_the_simple_one_steps_back() -> None:
    course = Course(weights=Weights(pruned=1.0, simple=0.5, ctc=0.3), warm_batches=10)
    found = [course.weights_at(batch) for batch in range(30)]
    assert [w.pruned for w in found[:10]] == pytest.approx(np.arange(0.19, 1.01, 0.09))
    assert found[9] == found[29] == Weights(pruned=1.0, simple=0.5, ctc=0.3)
    assert found[0].simple == pytest.approx(0.95)
    assert {w.ctc for w in found} == {0.3}


def test_a_small_model_learns_two_utterances_by_heart(tmp_path: Path) -> None:
    targets = [np.array([3, 1, 2, 2], np.int32), np.array([2, 3, 1], np.int32)]
    spectra = np.random.default_rng(0).normal(0, 3, (4, 80)).astype(np.float32)
    rows = [np.concatenate([[0], *([p, 0] for p in target)]) for target in targets]
    memory = Memory(*(spectra[np.repeat(row, 8)] for row in rows))
    plain = Plain(UNTOUCHED)
    torch.manual_seed(0)
    options = TransducerOptions(encoder=SMALL, predictor_width=16, joiner_width=16, dropout=0.0)
    task = TransducerTask(
        TrainingTransducer(TransducerModel(options, 4), columns=3),
        Course(weights=Weights(ctc=1.0, middle_ctc=0.5), warm_batches=10),
        Contexts(dev=Context(8, 8), unlimited_share=0.0, chunk_steps=(8,), left_steps=(8,)),
        {"both": BucketedBatches(memory, targets, BatchOptions(), augment=plain)},
        Letters(),
    )
    batches = BucketedBatches(memory, targets, BatchOptions(), augment=plain)
    fit_options = FitOptions(
        folder=tmp_path,
        optim=OptimOptions(0.01, warmup_steps=5, total_steps=120, clip_norm=2.0),
        show_progress=False,
        draw_curves=False,
        report_every=20,
    )
    assert dict(fit(task, batches, fit_options).dev) == {"error": 0.0, "error_both": 0.0}
    reports = read_run_log(tmp_path / "log.jsonl")
    assert set(reports[-1].metrics) == set(Weights.__slots__)
    assert (reports[-1].metrics["pruned"] or 9) < 0.1 * (reports[0].metrics["pruned"] or 0)


# --- the encoder to begin with


def encoder(**changed: int) -> Conformer:
    torch.manual_seed(len(changed))
    return Conformer(replace(tiny.ENCODER, **changed))


def beside_cmvn(folder: Path, weights: dict[str, torch.Tensor]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors")
    UNTOUCHED.save(folder / "cmvn.safetensors")
    return folder


def test_the_encoder_of_a_bundle_is_taken_over(tmp_path: Path) -> None:
    source = encoder()
    weights = {f"encoder.{name}": w.half() for name, w in source.state_dict().items()}
    start = EncoderStart.find(beside_cmvn(tmp_path, {**weights, "output.bias": torch.ones(3)}))
    torch.manual_seed(9)
    other = Conformer(tiny.ENCODER)
    start.give(other)
    for name, weight in other.state_dict().items():
        torch.testing.assert_close(weight, source.state_dict()[name].half().float())
    np.testing.assert_array_equal(start.read_cmvn().mean, UNTOUCHED.mean)


def test_an_encoder_of_another_shape_is_refused(tmp_path: Path) -> None:
    weights = {f"encoder.{name}": w for name, w in encoder(layers=2).state_dict().items()}
    start = EncoderStart.find(beside_cmvn(tmp_path, weights))
    with pytest.raises(ConfigError, match=r"expected an encoder as \[encoder\] says, found"):
        start.give(encoder())


def test_a_place_without_weights_or_normalisation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a training, a bundle or weights at"):
        EncoderStart.find(tmp_path)
    save_file({"encoder.a": torch.ones(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ConfigError, match=r"expected cmvn\.safetensors beside"):
        EncoderStart.find(tmp_path)
    UNTOUCHED.save(tmp_path / "cmvn.safetensors")
    (tmp_path / "model.safetensors").write_text("no")
    with pytest.raises(ConfigError, match="expected weights, found"):
        EncoderStart.find(tmp_path).give(encoder())


# --- the configuration and the command


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('family = "rnnt"', 'family = "ctc"', r"invalid enum value 'ctc' - at `\$\.family`"),
        ("size = 30", "size = 3", r"`int` >= 29 - at `\$\.units\.size`"),
        ("heads = 2", "heads = 3", r"multiple of 2 x 3 heads, found 16 - at `\$\.encoder`"),
        ("predictor_width = 8", "predictr = 8", r"unknown field `predictr`"),
        ('"train.jsonl"', '"$STENO_NOWHERE/t"', r"variable STENO_NOWHERE to be set.*manifest"),
        ("[[dev]]", "[[dev", r"expected a TOML file at .*small\.toml"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = config_file(tmp_path, CONFIG.replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        read_config(path)


def test_the_shipped_recipe_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STENO_DATA", "/corpora")
    monkeypatch.setenv("STENO_RUNS", "/runs")
    config = read_config(BUNDLES / "en-rnnt.train.toml")
    assert config.folder == Path("/runs/en-rnnt")
    start = EncoderStart.find(config.init_encoder or Path())
    options = options_of(config)
    start.give(build_encoder(options.encoder))
    assert options == TransducerOptions(encoder=ConformerOptions(), joiner="factorised")


def test_the_command_trains_from_a_trained_encoder_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    utterances = []
    for name, text in (("one", "red"), ("two", "a red")):
        audio = tmp_path / f"{name}.wav"
        soundfile.write(audio, rng.normal(0, 0.1, 16_000).clip(-1, 1), 16_000)
        utterances.append(Utterance(name, audio, 0.0, 1.0, text, ""))
    write_manifest(tmp_path / "train.jsonl", utterances)
    path = config_file(tmp_path)
    assert main([str(path), "--device", "cpu"]) == 0
    assert "step 2" in capsys.readouterr().err
    acoustic = tmp_path / "run" / "acoustic"
    table = Bpe(TokenTable.read(acoustic / "tokens.txt")).table
    model = TransducerModel(options_of(read_config(path)), len(table))
    weights = load_file(acoustic / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float16}
    model.load_state_dict({name: weight.float() for name, weight in weights.items()})
    assert GlobalCmvn.load(acoustic / "cmvn.safetensors").mean.shape == (80,)
    for init in ("run", "run/acoustic"):  # a training, and what could be a bundle
        text = CONFIG.replace('"run"', f'"{init}-next"\ninit_encoder = "{init}"', 1)
        assert main([str(config_file(tmp_path, text)), "--device", "cpu"]) == 0
        cmvn = [tmp_path / folder / "cmvn.safetensors" for folder in ("run", f"{init}-next")]
        assert cmvn[0].read_bytes() == cmvn[1].read_bytes()


def test_an_export_needs_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected checkpoints of a training in .*run"):
        main([str(config_file(tmp_path)), "--export", str(tmp_path / "out")])


def test_the_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert re.search(r"\[\[corpora\]\].*en-rnnt", capsys.readouterr().out, re.DOTALL)
