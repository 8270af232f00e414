"""From a TOML file to the acoustic part of a bundle."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from steno_models import recogniser
from steno_models.bundle import BUNDLES
from steno_models.ctc import data
from steno_models.ctc.config import read_config
from steno_models.ctc.data import (
    SILENT,
    UNKNOWN,
    Changes,
    LabelledFeatures,
    Plain,
    Sounds,
    Varied,
    read_arrays,
    silent,
    split_labels,
    spoken,
)
from steno_models.ctc.loss import NO_LABEL, TrainingCtc, Weights
from steno_models.ctc.model import CtcModel
from steno_models.ctc.task import Contexts, Course, CtcTask, steps_of_all
from steno_models.ctc.train import main
from steno_models.encoders.conformer import ConformerOptions, Context
from steno_models.encoders.subsampling import steps_of
from steno_models.errors import ConfigError, DataError
from steno_models.features.cmvn import GlobalCmvn
from steno_models.text.g2p import G2P
from steno_models.text.lexicon import Lexicon
from steno_models.text.tokens import TokenTable
from steno_models.training.data import Batch, BatchOptions, BucketedBatches
from steno_models.training.loop import FitOptions, fit
from steno_models.training.manifest import Utterance, read_manifest, write_manifest
from steno_models.training.optim import OptimOptions
from steno_models.training.runlog import read_run_log
from steno_models.types import FloatArray, IntArray

torch.set_num_threads(1)

SMALL = ConformerOptions(
    width=16, layers=2, heads=2, feed_forward=32, kernel=3, subsampling_channels=4, dropout=0.0
)
UNTOUCHED = GlobalCmvn(np.zeros(80, np.float32), np.ones(80, np.float32))
CONFIG = """
folder = "run"
cache = "cache"
optim = { total_steps = 2, warmup_steps = 1 }
encoder = { width = 16, layers = 2, heads = 2, feed_forward = 16, kernel = 3 }
[[corpora]]
manifest = "train.jsonl"
[[dev]]
manifest = "train.jsonl"
"""


class Memory:
    """Features that are there already, a row of variants for each utterance."""

    def __init__(self, *utterances: list[FloatArray]) -> None:
        self._utterances = utterances
        self.keys = [f"u{i}" for i in range(len(utterances))]
        self.lengths: IntArray = np.array([[len(v) for v in u] for u in utterances], np.int32)

    def read(self, utterance: int, variant: int) -> FloatArray:
        return self._utterances[utterance][variant]


def counting(frames: int) -> FloatArray:
    """(frames, 80), each frame its number."""
    return np.repeat(np.arange(frames, dtype=np.float32)[:, None], 80, axis=1)


# --- labels of frames


def test_the_label_of_a_faster_frame_is_that_of_the_frame_it_was() -> None:
    labels = np.arange(20, dtype=np.int8)
    features = LabelledFeatures(
        Memory([counting(20), counting(22), counting(18)]), [labels], (1.0, 0.9, 1.1)
    )
    for variant, speed in enumerate((1.0, 0.9, 1.1)):
        read = features.read(0, variant)
        assert read.dtype == np.float32
        np.testing.assert_array_equal(read[:, :80], counting(len(read)))
        expected = [
            min(math.floor(f * round(10 * speed) / 10 + 1e-9), 19) for f in range(len(read))
        ]
        np.testing.assert_array_equal(read[:, 80], expected)


def test_labels_survive_silence_warping_and_masks() -> None:
    labels = (np.arange(40) % 40).astype(np.int8)
    read = LabelledFeatures(Memory([counting(40) / np.float32(20) - 1]), [labels], (1.0,)).read(
        0, 0
    )
    varied = Varied(UNTOUCHED, Changes(volume=0.1, warp_share=0.5, mask_share=0.5))
    for seed in range(20):
        column = varied(read, np.random.default_rng(seed))[:, 80]
        before = int(np.flatnonzero(column)[0]) - 1
        np.testing.assert_array_equal(column[before : before + 40], labels)
        assert not column[:before].any()
        assert not column[before + 40 :].any()
        assert 6 <= len(column) - before - 40 < 60
        assert 0 <= before < 30


def test_silence_around_an_unlabelled_utterance_has_no_label() -> None:
    read = LabelledFeatures(Memory([counting(9)]), [UNKNOWN], (1.0,)).read(0, 0)
    column = Varied(UNTOUCHED, Changes())(read, np.random.default_rng(0))[:, 80]
    assert len(column) > 9
    assert (column == NO_LABEL).all()


def test_noise_is_silence_throughout() -> None:
    read = LabelledFeatures(Memory([counting(9)]), [SILENT], (1.1,)).read(0, 0)
    assert not read[:, 80].any()


def test_a_step_has_the_label_of_its_middle_frame_and_none_after_the_end() -> None:
    frames = torch.tensor([31, 18])
    batch = torch.zeros(2, 31, 3)
    batch[0, :, 2] = torch.arange(31)
    batch[1, :18, 2] = torch.arange(18)
    features, labels = split_labels(batch, steps_of_all(frames))
    assert features.shape == (2, 31, 2)
    assert labels.tolist() == [[3, 7, 11, 15, 19, 23, 27], [3, 7, 11, *[NO_LABEL] * 4]]


def test_steps_of_a_batch_are_those_of_each_utterance() -> None:
    frames = torch.arange(60)
    assert steps_of_all(frames).tolist() == [steps_of(int(T)) for T in frames]


# --- features


def test_features_are_limited_as_the_recogniser_limits_them() -> None:
    assert data.FEATURE_LIMIT == recogniser.FEATURE_LIMIT
    assert data.TAIL_FRAMES == recogniser.TAIL_FRAMES
    plain = Plain(UNTOUCHED)(counting(9) - 20, np.random.default_rng(0))
    assert plain.shape == (9 + recogniser.TAIL_FRAMES, 80)
    assert (plain[9:] == -recogniser.FEATURE_LIMIT).all()
    assert plain.min() == -recogniser.FEATURE_LIMIT


def test_without_changes_only_silence_is_added() -> None:
    read = np.column_stack([np.tanh(counting(9) - 4), np.ones(9, np.float32)])
    varied = Varied(UNTOUCHED, Changes(volume=0.0, warp_share=0.0, mask_share=0.0))
    found = varied(read, np.random.default_rng(1))
    before = int(np.flatnonzero(found[:, 80])[0])
    np.testing.assert_array_equal(found[before : before + 9], read)
    silence = np.concatenate([found[:before, :80], found[before + 9 :, :80]])
    assert len(np.unique(silence)) == 1
    assert -4 <= silence[0, 0] <= -1


def test_noise_comes_in_pieces(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.zeros(int(2.3 * 16_000)), 16_000)
    soundfile.write(tmp_path / "short.wav", np.zeros(8_000), 16_000)
    pieces = silent(tmp_path, piece_s=1.0, turns=0.25)
    times = [(u.audio.name, u.offset_s, u.duration_s) for u in pieces.utterances]
    assert times == [("long.wav", 0.0, 1.0), ("long.wav", 1.0, 1.0), ("short.wav", 0.0, 0.5)]
    assert {len(target) for target in pieces.targets} == {0}
    assert len({u.key for u in pieces.utterances}) == 3


# --- targets


@pytest.fixture(scope="module")
def sounds() -> Sounds:
    lexicon = Lexicon({"red": (("R", "EH", "D"), ("R", "IY", "D")), "a": (("AH",),)})
    return Sounds(lexicon, G2P.load(), TokenTable.phones())


def test_a_target_is_the_first_pronunciation_of_every_word(sounds: Sounds) -> None:
    assert sounds("A red, red").tolist() == TokenTable.phones().ids(
        ["AH", "R", "EH", "D", "R", "EH", "D"]
    )


def test_a_word_of_no_dictionary_is_guessed(sounds: Sounds) -> None:
    assert len(sounds("zorblat")) > 4


def test_what_the_aligner_heard_goes_before_the_dictionary(sounds: Sounds, tmp_path: Path) -> None:
    np.savez(tmp_path / "tokens.npz", one=np.array([28, 18, 9], np.int8))
    np.savez(tmp_path / "labels.npz", two=np.array([0, 3, 3], np.int8))
    utterances = [Utterance(key, tmp_path, 0, 1, "a", "") for key in ("one", "two")]
    found = spoken(
        utterances, sounds, tokens=tmp_path / "tokens.npz", labels=tmp_path / "labels.npz"
    )
    assert [target.tolist() for target in found.targets] == [[28, 18, 9], [3]]
    assert found.labels[0] is UNKNOWN
    assert found.labels[1].tolist() == [0, 3, 3]


@pytest.mark.parametrize("array", [[0, 40], [-1], [0.5], [[1]], []], ids=str)
def test_arrays_of_something_else_than_phones_are_refused(
    array: list[float], tmp_path: Path
) -> None:
    np.savez(tmp_path / "labels.npz", one=np.array(array))
    with pytest.raises(DataError, match="one"):
        read_arrays(tmp_path / "labels.npz")


def test_a_file_that_is_no_npz_is_named(tmp_path: Path) -> None:
    (tmp_path / "labels.npz").write_text("no")
    with pytest.raises(DataError, match=r"expected arrays of phones in .*labels\.npz"):
        read_arrays(tmp_path / "labels.npz")


# --- the course of the losses


def test_frames_come_first_and_ctc_comes_in_after_them() -> None:
    weights = Weights(ctc=2.0, middle_ctc=1.0, frame=0.3, middle_frame=0.2)
    course = Course(batches=100, weights=weights, frame_only_share=0.1, ramp_share=0.1)
    found = [course.weights_at(batch) for batch in range(100)]
    assert [w.ctc for w in found[:10]] == [0.0] * 10
    assert [w.ctc for w in found[10:20]] == pytest.approx(np.arange(0.2, 2.1, 0.2))
    assert {(w.ctc, w.middle_ctc) for w in found[20:]} == {(2.0, 1.0)}
    assert [w.frame for w in found] == [0.6] * 14 + [0.3] * 86


def test_without_a_frame_stage_ctc_counts_from_the_first_batch() -> None:
    course = Course(batches=10, weights=Weights(), frame_only_share=0.0, ramp_share=0.0)
    assert course.weights_at(0).ctc == Weights().ctc


def test_contexts_are_drawn_from_those_given() -> None:
    contexts = Contexts(dev=Context(2, 2), unlimited_share=0.5, chunk_steps=(3, 5), left_steps=(7,))
    drawn = {contexts.draw() for _ in range(100)}
    assert drawn == {None, Context(3, 7), Context(5, 7)}


# --- learning


def two_utterances() -> tuple[Memory, list[IntArray], list[data.Labels]]:
    """Two sequences of phones, each a spectrum for twelve frames, with their alignments."""
    targets = [np.array([3, 1, 2, 2], np.int32), np.array([2, 3, 1], np.int32)]
    spectra = np.random.default_rng(0).normal(0, 1.5, (4, 80)).astype(np.float32)
    rows = [np.concatenate([[0], *([p, 0] for p in target)]) for target in targets]
    labels = [np.repeat(row, 12).astype(np.int8) for row in rows]
    features = [[spectra[label]] for label in labels]
    return Memory(*features), targets, labels


def overfitted(folder: Path, labels: list[data.Labels] | None, steps: int) -> dict[str, float]:
    memory, targets, _ = two_utterances()
    varied = Varied(UNTOUCHED, Changes(volume=0.0, warp_share=0.0, mask_share=0.0))

    def as_trained(features: FloatArray, _: np.random.Generator) -> FloatArray:
        labelled = np.pad(features, ((0, 0), (0, 1)))
        return varied(labelled, np.random.default_rng(0))[:, :80]

    batches = BucketedBatches(
        LabelledFeatures(memory, labels or [UNKNOWN] * 2, (1.0,)),
        targets,
        BatchOptions(),
        augment=lambda x, _: varied(x, np.random.default_rng(0)),
    )
    torch.manual_seed(0)
    task = CtcTask(
        TrainingCtc(CtcModel(SMALL, 4)),
        Course(batches=steps, weights=Weights()),
        Contexts(dev=Context(8, 8), unlimited_share=0.0, chunk_steps=(8,), left_steps=(8,)),
        {"both": BucketedBatches(memory, targets, BatchOptions(), augment=as_trained)},
        aligned=labels is not None,
    )
    optim = OptimOptions(0.02, warmup_steps=5, total_steps=steps, clip_norm=2.0)
    options = FitOptions(
        folder=folder, optim=optim, show_progress=False, draw_curves=False, report_every=10
    )
    return dict(fit(task, batches, options).dev)


def test_a_small_model_learns_two_utterances_by_heart(tmp_path: Path) -> None:
    _, _, labels = two_utterances()
    assert overfitted(tmp_path, labels, 100) == {"error": 0.0, "error_both": 0.0}
    reports = read_run_log(tmp_path / "log.jsonl")
    assert set(reports[-1].metrics) == {"ctc", "middle_ctc", "frame", "middle_frame"}
    assert (reports[-1].metrics["ctc"] or 0) < 0.1 * (reports[0].metrics["ctc"] or 0)


def test_without_alignments_ctc_is_all_there_is_and_counts_at_once(tmp_path: Path) -> None:
    overfitted(tmp_path, None, 10)
    (report,) = read_run_log(tmp_path / "log.jsonl")
    assert set(report.metrics) == {"ctc", "middle_ctc"}
    ctc, middle = report.metrics["ctc"] or 0, report.metrics["middle_ctc"] or 0
    assert report.loss == pytest.approx(2 * ctc + 0.6 * middle, rel=1e-4)


def test_a_batch_without_any_label_leaves_the_frame_outputs_alone() -> None:
    torch.manual_seed(0)
    model = TrainingCtc(CtcModel(SMALL, 40))
    task = CtcTask(
        model,
        Course(batches=10, weights=Weights(), frame_only_share=0.0, ramp_share=0.0),
        Contexts(dev=Context(4, 8)),
        {},
        aligned=True,
    )
    features = torch.randn(1, 27, 81)
    features[..., 80] = NO_LABEL
    one = torch.tensor([1], dtype=torch.int32)
    loss, metrics = task.loss(Batch(features, torch.tensor([27]), one[None], one, ("a",)))
    (gradient,) = torch.autograd.grad(loss, model.frame_output.weight)
    assert metrics["frame"] == 0.0
    assert not gradient.any()
    assert int(model.batches_seen) == 1


# --- the configuration


def config_file(folder: Path, text: str = CONFIG) -> Path:
    path = folder / "small.toml"
    path.write_text(text)
    return path


def test_paths_are_seen_from_the_file_and_variables_filled_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STENO_DATA", "/corpora")
    monkeypatch.setenv("HOME", "/home/a")
    text = CONFIG.replace('"run"', '"~/run"').replace('"train.jsonl"', '"$STENO_DATA/t"', 1)
    config = read_config(config_file(tmp_path, text))
    assert config.folder == Path("/home/a/run")
    assert config.cache == tmp_path / "cache"
    assert config.corpora[0].manifest == Path("/corpora/t")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("folder =", "foldr =", r"unknown field `foldr`"),
        ("total_steps = 2", "total_steps = 'two'", r"expected `int`, got `str` - at `\$\.optim"),
        ("total_steps = 2, ", "", r"missing required field `total_steps` - at `\$\.optim`"),
        ("heads = 2", "heads = 3", r"multiple of 2 x 3 heads, found 16 - at `\$\.encoder`"),
        ('cache = "cache"', "cache = 3", r"small\.toml: expected `?str`?.* `\$\.cache`|cache"),
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
    config = read_config(BUNDLES / "en.train.toml")
    assert config.folder == Path("/runs/en")
    assert sum(corpus.turns for corpus in config.corpora) == pytest.approx(4.6)


def test_a_warmup_longer_than_the_training_is_refused_before_any_work(tmp_path: Path) -> None:
    path = config_file(tmp_path, CONFIG.replace("warmup_steps = 1", "warmup_steps = 2"))
    with pytest.raises(ConfigError, match="expected 0 < warmup_steps < total_steps, found 2 and 2"):
        main([str(path), "--device", "cpu"])


def test_an_export_needs_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected checkpoints of a training in .*run"):
        main([str(config_file(tmp_path)), "--export", str(tmp_path / "out")])


def test_the_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert re.search(r"\[\[corpora\]\].*torchrun", capsys.readouterr().out, re.DOTALL)


# --- the whole


def recorded(folder: Path) -> None:
    rng = np.random.default_rng(0)
    utterances = []
    for name, text in (("one", "red"), ("two", "a red")):
        audio = folder / f"{name}.wav"
        soundfile.write(audio, rng.normal(0, 0.1, 16_000).clip(-1, 1), 16_000)
        utterances.append(Utterance(name, audio, 0.0, 1.0, text, ""))
    write_manifest(folder / "train.jsonl", utterances)


def test_the_command_trains_and_writes_what_a_bundle_loads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(tmp_path)
    np.savez(tmp_path / "labels.npz", one=np.array([0, 28], np.int8))
    text = CONFIG.replace("[[dev]]", 'labels = "labels.npz"\n[[dev]]')
    path = config_file(tmp_path, text)
    assert main([str(path), "--device", "cpu"]) == 0
    assert "step 2" in capsys.readouterr().err
    acoustic = tmp_path / "run" / "acoustic"
    weights = load_file(acoustic / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float16}
    options = ConformerOptions(width=16, layers=2, heads=2, feed_forward=16, kernel=3)
    table = TokenTable.read(acoustic / "tokens.txt")
    model = CtcModel(options, len(table))
    model.load_state_dict({name: weight.float() for name, weight in weights.items()})
    assert GlobalCmvn.load(acoustic / "cmvn.safetensors").mean.shape == (80,)
    assert main([str(path), "--export", str(tmp_path / "again")]) == 0
    for file in sorted(acoustic.iterdir()):
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


@pytest.mark.data
def test_two_steps_on_real_speech_and_noise(data_root: Path, tmp_path: Path) -> None:
    utterances = read_manifest(data_root / "an4" / "train.jsonl")[:4]
    write_manifest(tmp_path / "train.jsonl", utterances)
    noise = tmp_path / "noise"
    noise.mkdir()
    soundfile.write(noise / "hiss.wav", np.random.default_rng(0).normal(0, 0.01, 16_000), 16_000)
    text = CONFIG.replace('cache = "cache"', 'cache = "cache"\nspeeds = [1.0, 0.9, 1.1]')
    path = config_file(tmp_path, f'{text}[noise]\nfolder = "noise"\nturns = 1\n')
    assert main([str(path), "--device", "cpu"]) == 0
    (report,) = read_run_log(tmp_path / "run" / "log.jsonl")
    assert report.step == 2
    assert math.isfinite(report.loss or math.inf)
    assert report.dev["error"] is not None
