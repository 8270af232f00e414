"""From a TOML file to the weights of listener and speller."""

import json
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file
from tests.models.las import tiny_las as tiny
from torch import Tensor

from steno_models.audio import read_file
from steno_models.encoders.build import build_encoder
from steno_models.encoders.conformer import ConformerOptions
from steno_models.encoders.protocol import Context
from steno_models.errors import ConfigError
from steno_models.features.cmvn import GlobalCmvn
from steno_models.features.fbank import SAMPLE_RATE, fbank
from steno_models.las import command
from steno_models.las.attention import AttentionOptions
from steno_models.las.config import read_config
from steno_models.las.loss import (
    TrainingLas,
    Weights,
    ctc_loss,
    spelling_loss,
    weighted,
)
from steno_models.las.model import LasModel, LasOptions
from steno_models.las.rescore import spelling_log_probs
from steno_models.las.search import SearchOptions
from steno_models.las.speller import SpellerOptions
from steno_models.las.task import Course, LasTask
from steno_models.las.trained import TrainedLas
from steno_models.text.tokens import TokenTable
from steno_models.training.checkpoint import CheckpointFolder
from steno_models.training.contexts import Contexts
from steno_models.training.data import Batch, BatchOptions, BucketedBatches
from steno_models.training.loop import FitOptions, Outcome, fit
from steno_models.training.manifest import Utterance, write_manifest
from steno_models.training.optim import OptimOptions
from steno_models.training.runlog import read_run_log
from steno_models.training.varied import Changes, Plain, Varied
from steno_models.types import FloatArray, IntArray

torch.set_num_threads(1)

CLIPS = Path(__file__).parents[2] / "data/librivox"
RECIPE = Path(command.__file__).with_name("librispeech_mini.toml")
WHOLE = Contexts(dev=Context(1000, 1), unlimited_share=1.0)
CONFIG = """
family = "las"
folder = "run"
cache = "cache"
units = { kind = "characters" }
optim = { total_steps = 2, warmup_steps = 1 }
encoder = { width = 16, layers = 2, heads = 2, feed_forward = 16, kernel = 3 }
speller = { width = 8, attention = { width = 8, channels = 2, kernel = 3 } }
[[corpora]]
manifest = "train.jsonl"
[[dev]]
manifest = "train.jsonl"
"""


class Memory:
    """Features that are there already, in one variant."""

    def __init__(self, utterances: Sequence[FloatArray]) -> None:
        self._utterances = utterances
        self.keys = [f"u{i}" for i in range(len(utterances))]
        self.lengths: IntArray = np.array([[len(u)] for u in utterances], np.int32)

    def read(self, utterance: int, _variant: int) -> FloatArray:
        return self._utterances[utterance]


class Words:
    """Units that are words."""

    def __init__(self, texts: Sequence[str]) -> None:
        known = sorted({word for text in texts for word in text.split()})
        self.table = TokenTable(("<blk>", *known))

    def encode(self, text: str) -> IntArray:
        return np.array(self.table.ids(text.split()), np.int32)

    def parts(self, tokens: Sequence[int]) -> list[str]:
        return [self.table.symbols[token] for token in tokens]


@cache
def clips() -> tuple[tuple[str, FloatArray], ...]:
    """Four recordings of read speech: what is said, and log-mel energies."""
    lines = (CLIPS / "manifest.jsonl").read_text(encoding="utf-8").splitlines()[1:]
    rows = [json.loads(line) for line in lines]
    return tuple(
        (row["text"], fbank(read_file(CLIPS / row["audio_filepath"], SAMPLE_RATE))) for row in rows
    )


# --- the losses


def a_batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    return Batch(
        torch.randn(2, 47, 80, generator=generator),
        torch.tensor([47, 31], dtype=torch.int32),
        torch.tensor([[1, 2, 3], [2, 0, 0]], dtype=torch.int32),
        torch.tensor([3, 1], dtype=torch.int32),
        ("long", "short"),
    )


def training(smoothing: float = 0.1) -> TrainingLas:
    torch.manual_seed(0)
    return TrainingLas(LasModel(tiny.options(layers=2), 4), smoothing=smoothing).eval()


def test_the_smoothed_loss_is_the_cross_entropy_to_a_mixture() -> None:
    logits = torch.randn(2, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    targets, lengths = torch.tensor([[1, 2, 1], [2, 9, 9]]), torch.tensor([3, 1])
    log_probs = logits.log_softmax(-1)
    wanted = []
    for i, text in enumerate(([1, 2, 1, 0], [2, 0])):
        rows = [log_probs[i, u] for u in range(len(text))]
        wanted.append(
            sum(float(-0.8 * row[y] - 0.2 * row.mean()) for row, y in zip(rows, text, strict=True))
        )
    found = spelling_loss(logits, targets, lengths, 0.2)
    assert found.tolist() == pytest.approx(wanted)


def test_losses_are_those_of_the_second_pass_and_of_all_paths() -> None:
    model, batch = training(smoothing=0.0), a_batch()
    with torch.no_grad():
        found = model(batch, None)
    encoded = model.model.encode(batch.features, batch.feature_lengths)
    texts = [(1, 2, 3), (2,)]
    ((first,), (second,)) = spelling_log_probs(model.model, encoded, [[text] for text in texts])
    assert float(found["speller"]) == pytest.approx(-(first + second) / 6, rel=1e-5)
    steps = encoded.steps[1:, :5].detach()  # few enough steps to count all paths
    only = replace(batch, targets=batch.targets[1:], target_lengths=batch.target_lengths[1:])
    by_ctc = ctc_loss(model.model.ctc_output(steps), torch.tensor([5]), only)
    paths = tiny.ctc_texts(model.model.ctc_log_probs(steps)[0].double().detach().numpy())
    assert float(by_ctc.detach()) == pytest.approx(-np.log(paths[2,]), rel=1e-5)


def test_all_weights_of_the_model_learn_something() -> None:
    model = training().train()
    loss = weighted(model(a_batch(), None), Weights(ctc=0.3, middle_ctc=0.2))
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    assert all(gradient.any() for gradient in gradients)


def test_the_speller_has_what_ctc_leaves() -> None:
    parts = {"speller": 10.0, "ctc": 1.0, "middle_ctc": 4.0, "guide": 7.0}
    found = weighted(
        {name: torch.tensor(part) for name, part in parts.items()},
        Weights(ctc=0.3, middle_ctc=0.5, guide=2.0),
    )
    assert float(found) == pytest.approx(0.7 * 10 + 0.3 * 1 + 0.5 * 4 + 2 * 7)


def test_the_speller_draws_more_and_more_itself() -> None:
    course = Course(
        batches=100, weights=Weights(), sampling=0.4, sampling_from=0.2, sampling_until=0.6
    )
    found = [course.sampling_at(batch) for batch in (0, 19, 39, 59, 99)]
    assert found == pytest.approx([0, 0, 0.2, 0.4, 0.4])
    at_once = replace(course, sampling_from=0.0, sampling_until=0.0)
    assert at_once.sampling_at(0) == 0.4


# --- trainings


def options(dropout: float = 0.0) -> LasOptions:
    attention = AttentionOptions(width=24, channels=4, kernel=15)
    return LasOptions(
        encoder=ConformerOptions(
            width=32,
            layers=1,
            heads=2,
            feed_forward=32,
            kernel=5,
            subsampling_channels=4,
            dropout=dropout,
        ),
        speller=SpellerOptions(width=48, attention=attention, dropout=dropout),
    )


def test_four_recordings_are_learnt_by_heart(tmp_path: Path) -> None:
    units = Words([text for text, _ in clips()])
    memory = Memory([features for _, features in clips()])
    targets = [units.encode(text) for text, _ in clips()]
    plain = Plain(GlobalCmvn.accumulate(features for _, features in clips()))
    batches = BucketedBatches(memory, targets, BatchOptions(), augment=plain)
    torch.manual_seed(0)
    task = LasTask(
        TrainingLas(LasModel(options(), len(units.table)), smoothing=0.0),
        Course(batches=70, weights=Weights(ctc=0.2)),
        WHOLE,
        {"four": batches},
        units,
        SearchOptions(beam=2, ctc_weight=0.1),
    )
    fit_options = FitOptions(
        folder=tmp_path,
        optim=OptimOptions(0.01, warmup_steps=10, total_steps=70, clip_norm=1.0),
        show_progress=False,
        draw_curves=False,
        report_every=10,
    )
    found = dict(fit(task, batches, fit_options).dev)
    assert found.pop("spelling_loss") < 0.2
    assert found == {"error": 0.0, "error_four": 0.0}
    reports = read_run_log(tmp_path / "log.jsonl")
    assert set(reports[-1].metrics) == {"speller", "ctc", "middle_ctc", "guide"}


class Stopped(LasTask):
    """Asks the training to stop in the middle."""

    def loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
        if int(self.model.batches_seen) == 2:
            signal.raise_signal(signal.SIGINT)
        return super().loss(batch)


def changed(folder: Path, kind: type[LasTask]) -> Outcome:
    """A short training in which everything is random that can be."""
    rng = np.random.default_rng(0)
    memory = Memory([rng.normal(size=(T, 80)).astype(np.float32) for T in (60, 40, 90)])
    targets = [np.array(t, np.int32) for t in ([1, 2], [2], [1, 2, 2])]
    cmvn = GlobalCmvn(np.zeros(80, np.float32), np.ones(80, np.float32))
    varied = Varied(cmvn, Changes(mask_share=1.0))
    batches = BucketedBatches(memory, targets, BatchOptions(frames_per_batch=200), augment=varied)
    torch.manual_seed(0)
    task = kind(
        TrainingLas(LasModel(options(dropout=0.2), 3)),
        Course(batches=5, weights=Weights(middle_ctc=0.1), sampling=0.5),
        Contexts(dev=Context(8, 8)),
        {"all": batches},
        Words(["a b"]),
        SearchOptions(beam=1, labels_per_step=0.2),
    )
    optim = OptimOptions(0.01, warmup_steps=2, total_steps=5, ema_decay=0.9)
    given = FitOptions(folder=folder, optim=optim, show_progress=False, draw_curves=False)
    return fit(task, batches, given)


def test_a_training_that_was_interrupted_ends_with_the_same_weights(tmp_path: Path) -> None:
    assert not changed(tmp_path / "whole", LasTask).interrupted
    assert changed(tmp_path / "parts", Stopped).step == 3
    assert changed(tmp_path / "parts", LasTask).step == 5
    whole, parts = (
        CheckpointFolder(tmp_path / name / "checkpoints").latest() for name in ("whole", "parts")
    )
    assert whole is not None
    assert parts is not None
    for name, weight in whole.model.items():
        assert torch.equal(weight, parts.model[name]), name
    for name, weight in whole.average.items():
        assert torch.equal(weight, parts.average[name]), name


# --- the configuration and the command


def config_file(folder: Path, text: str = CONFIG) -> Path:
    path = folder / "small.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('family = "las"', 'family = "ctc"', r"invalid enum value 'ctc' - at `\$\.family`"),
        ("kernel = 3 } }", "kernel = 4 } }", r"odd kernel.*found 4 - at `\$\.speller\.attention`"),
        ("speller = {", 'speller = { feeds = "none",', r"'none' - at `\$\.speller\.feeds`"),
        ("speller = {", "loss = { ctc = 2 }\nspeller = {", r"<= 1.0 - at `\$\.loss\.ctc`"),
        ("speller = {", "loss = { sampling_from = 0.9 }\nspeller = {", r"found 0\.9 and 0\.6"),
        ("speller = {", "search = { beam = 0 }\nspeller = {", r">= 1 - at `\$\.search\.beam`"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = config_file(tmp_path, CONFIG.replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        read_config(path)


def test_the_shipped_recipe_fits_its_first_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STENO_DATA", "/corpora")
    monkeypatch.setenv("STENO_RUNS", "/runs")
    config = read_config(RECIPE)
    assert config.folder == Path("/runs/las")
    assert config.init_encoder == Path("/runs/ctc/ctc")
    assert build_encoder(config.options().encoder).width == 144


def test_another_encoder_can_listen(tmp_path: Path) -> None:
    pyramid = 'encoder = { kind = "pyramid", width = 8, halvings = 2 }'
    text = re.sub(r"encoder = .*", pyramid, CONFIG)
    model = LasModel(read_config(config_file(tmp_path, text)).options(), 3).eval()
    features = torch.randn(2, 40, 80, generator=torch.Generator().manual_seed(0))
    both = model.encode(features, torch.tensor([40, 24]))
    alone = model.encode(features[1:, :24], torch.tensor([24]))
    targets = torch.tensor([[[1, 2]], [[1, 2]]])
    with torch.no_grad():
        together, _ = model.speller(targets, model.memory(both))
        one, _ = model.speller(targets[1:], model.memory(alone))
    torch.testing.assert_close(together[1], one[0])


def test_the_command_trains_and_what_it_wrote_is_used(
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
    assert command.main([str(path), "--device", "cpu"]) == 0
    assert "step 2" in capsys.readouterr().err
    trained = TrainedLas.load(read_config(path))
    features = rng.normal(size=(60, 80)).astype(np.float32)
    (best,) = trained.recognise(features, SearchOptions(beam=2))
    assert spelling_log_probs(trained.model, trained.encode(features), [[best.tokens]]) == [
        [pytest.approx(best.spelling_log_prob, abs=1e-4)]
    ]
    symbols, looks = trained.attention_map(features, "Red")
    assert symbols == ["▁", "r", "e", "d"]
    np.testing.assert_allclose(looks.sum(1), 1, atol=1e-5)
    frozen = '"next"\ninit_encoder = "run/acoustic/model.safetensors"\nfreeze_encoder = true'
    text = CONFIG.replace('"run"', frozen, 1)
    assert command.main([str(config_file(tmp_path, text)), "--device", "cpu"]) == 0
    cmvn = [tmp_path / folder / "cmvn.safetensors" for folder in ("run", "next")]
    assert cmvn[0].read_bytes() == cmvn[1].read_bytes()
    before, after = (
        load_file(tmp_path / folder / "acoustic/model.safetensors") for folder in ("run", "next")
    )
    kept = {name for name in before if torch.equal(before[name], after[name])}
    assert kept >= {name for name in before if name.startswith("encoder.")}
    assert not kept >= {name for name in before if name.startswith("speller.")}


def test_an_encoder_that_stays_as_it_is_must_come_from_somewhere(tmp_path: Path) -> None:
    text = CONFIG.replace('"run"', '"run"\nfreeze_encoder = true', 1)
    with pytest.raises(ConfigError, match="expected init_encoder, an encoder that stays"):
        read_config(config_file(tmp_path, text))


def test_a_model_that_was_not_trained_cannot_be_loaded(tmp_path: Path) -> None:
    config = read_config(config_file(tmp_path))
    folder = tmp_path / "acoustic"
    folder.mkdir()
    TokenTable(("<blk>", "▁", "'", *"abcdefghijklmnopqrstuvwxyz")).write(folder / "tokens.txt")
    with pytest.raises(ConfigError, match="expected the weights of a training in"):
        TrainedLas.load(config, folder)


def test_the_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--help"])
    assert ended.value.code == 0
    assert re.search(r"\[\[corpora\]\].*librispeech_mini", capsys.readouterr().out, re.DOTALL)
