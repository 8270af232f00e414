"""How hybrids learn: four utterances by heart, borders put right, interrupted and gone on with."""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from rich.progress import Progress
from tests.models.hmm.toy import timed
from tests.models.remembered import Memory

from steno_models.encoders.protocol import Grid
from steno_models.errors import ConfigError, DataError
from steno_models.hmm.hybrid import rounds, train
from steno_models.hmm.hybrid.changes import Changed
from steno_models.hmm.hybrid.config import Augment, HybridConfig, read_hybrid
from steno_models.hmm.hybrid.data import (
    NO_LABEL,
    Aligned,
    LabelledFeatures,
    NormalisedFeatures,
    read_nodes,
    split_labels,
)
from steno_models.hmm.hybrid.loss import frame_loss
from steno_models.hmm.hybrid.phones import PhoneLoop, heard
from steno_models.hmm.hybrid.rounds import Row, moved, read_table, train_rounds, write_table
from steno_models.hmm.hybrid.states import at_steps
from steno_models.hmm.hybrid.task import Held, HybridTask
from steno_models.hmm.hybrid.train import Lesson, Speech, export, realign, train_network
from steno_models.hmm.topology import Monophones
from steno_models.hmm_decoder import Dictionary, HmmDecoder
from steno_models.lm.ngram.counts import count
from steno_models.lm.ngram.kneser_ney import estimate
from steno_models.lm.ngram.model import NgramModel
from steno_models.search.options import SearchOptions
from steno_models.search.pronunciations import Pronunciations
from steno_models.training.checkpoint import read_checkpoint
from steno_models.training.data import Batch
from steno_models.training.distributed import Ranks

torch.set_num_threads(1)

BINS = 80
UNITS = Monophones(1, silence_states=1)
GRID = Grid(4, 7)
ONE = Ranks(0, 1, torch.device("cpu"))
WORDS = {"bed": [2, 3], "see": [4, 5], "tea": [6, 5], "add": [3, 2]}
_SAID = [[0, 1], [2, 3, 0], [1, 2], [3, 0, 2]]


def _config(folder: Path, steps: int, **changed: object) -> HybridConfig:
    told = {
        "kind": "hybrid", "folder": folder, "gmm": folder, "cache": folder, "dev": [folder],
        "optim": {"total_steps": steps, "learning_rate": 5e-3, "warmup_steps": 5, "ema_decay": 0.0},
        "encoder": {
            "kind": "conformer", "width": 24, "layers": 1, "heads": 2,
            "feed_forward": 32, "kernel": 5, "subsampling_channels": 8, "dropout": 0.0,
        },
        "smoothing": 0.0,
        "augment": {"tempo_share": 0.0, "warp_share": 0.0, "mask_share": 0.0},
        "chunks": {"unlimited_share": 1.0, "dev_chunk": 1000},
        "run": {
            "frames_per_batch": 600, "evaluate_every": 1000, "report_every": 1000, "bf16": False,
            "checkpoint_every": 5, "threads": 0,
        },
    }  # fmt: skip
    return msgspec.convert({**told, **changed}, HybridConfig, dec_hook=lambda _, value: value)


def _lesson(count: int, noise: float) -> tuple[Lesson, list[list[int]]]:
    """Return utterances whose phones are spectra in noise, their true paths, and their words."""
    rng = np.random.default_rng(0)
    centres = np.random.default_rng(99).normal(0, 1.5, (UNITS.num_states, BINS))
    ways = list(WORDS.values())
    said = [_SAID[i % len(_SAID)] for i in range(count)]
    words = [[ways[word] for word in each] for each in said]
    nodes = [timed(rng, each, UNITS, 9) for each in words]
    keys = [f"u{i}" for i in range(count)]
    aligned = Aligned(keys, [[[word] for word in each] for each in words], nodes)
    features = [
        [(centres[states] + noise * rng.normal(size=(len(states), BINS))).astype(np.float32)]
        for states in aligned.states(UNITS)
    ]
    speech = Speech(aligned, NormalisedFeatures(Memory(*features), [0] * count))
    dev = train._dev_batches(speech, UNITS, 600)
    return Lesson(UNITS, GRID, speech, Held(dev, PhoneLoop.of(aligned, UNITS, GRID))), said


def _moved_borders(aligned: Aligned, rng: np.random.Generator, frames: int) -> Aligned:
    """Return `aligned` with every border moved by up to so many frames."""
    found = []
    for nodes in aligned.nodes:
        borders = np.flatnonzero(np.diff(nodes)) + 1
        shifted = np.sort(borders + rng.integers(-frames, frames + 1, len(borders)))
        names = nodes[np.concatenate([[0], borders])]
        lengths = np.diff(np.concatenate([[0], shifted, [len(nodes)]]))
        found.append(np.repeat(names, lengths).astype(np.int32))
    return replace(aligned, nodes=found)


def _silent() -> Progress:
    return Progress(disable=True)


def _wrong(aligned: Aligned, truth: Aligned) -> float:
    """Return the share of steps that are in another phone than in truth."""
    pairs = zip(aligned.nodes, truth.nodes, strict=True)
    other = [at_steps(found, GRID) != at_steps(true, GRID) for found, true in pairs]
    return float(np.concatenate(other).mean())


def test_four_utterances_are_learnt_by_heart_and_decoded_without_a_wrong_word(
    tmp_path: Path,
) -> None:
    lesson, said = _lesson(4, noise=0.3)
    config = _config(tmp_path, 60)
    aligned = lesson.train.aligned
    outcome = train_network(config, lesson, (tmp_path, ONE), aligned)
    assert outcome.dev["error"] == 0.0
    assert outcome.dev["frame_error"] < 0.1
    system = export(config, lesson, aligned, tmp_path)
    vocabulary = (*WORDS, "<s>", "</s>", "<unk>")
    text = [t for each in said for t in (len(WORDS), *each, len(WORDS) + 1)]
    model = estimate(count(np.array(text, np.int32), vocabulary=vocabulary, order=2))
    dictionary = Dictionary(
        NgramModel.from_backoff(model), Pronunciations.of([[way] for way in WORDS.values()])
    )
    decoder = HmmDecoder.build(system, dictionary, SearchOptions(beam=50.0, max_tokens=500), 0.4)
    features = lesson.train.features
    found = [decoder.decode(system.front_end(features.read(i, 0))) for i in range(4)]
    assert found == said


def test_realigning_by_the_network_never_moves_borders_away_from_the_truth(tmp_path: Path) -> None:
    lesson, _ = _lesson(16, noise=0.8)
    truth = lesson.train.aligned
    aligned = _moved_borders(truth, np.random.default_rng(1), 7)
    errors = [_wrong(aligned, truth)]
    assert errors[0] > 0.15
    for number in (1, 2):
        folder = tmp_path / f"{number}"
        config = _config(folder, 60, augment={"mask_share": 0.0}, smoothing=0.1)
        train_network(config, lesson, (folder, ONE), aligned)
        system = export(config, lesson, aligned, folder)
        aligned, failed = realign(system, lesson.train, aligned, Progress(disable=True))
        assert failed == 0
        errors.append(_wrong(aligned, truth))
    assert errors[1] < 0.6 * errors[0]
    assert errors[2] <= errors[1] + 0.01


def test_a_training_that_crashed_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson, _ = _lesson(8, noise=0.5)
    augment = {"tempo_share": 0.5, "warp_share": 0.5, "mask_share": 0.5}
    aligned, last = lesson.train.aligned, "checkpoints/step-000000014.safetensors"
    straight, torn = tmp_path / "straight", tmp_path / "torn"
    config = _config(tmp_path, 14, augment=augment)
    train_network(config, lesson, (straight, ONE), aligned)
    calls: list[None] = []
    loss = HybridTask.loss

    def crashing(task: HybridTask, batch: Batch) -> object:
        calls.append(None)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return loss(task, batch)

    with monkeypatch.context() as patch:
        patch.setattr(HybridTask, "loss", crashing)
        with pytest.raises(KeyboardInterrupt):
            train_network(config, lesson, (torn, ONE), aligned)
    train_network(config, lesson, (torn, ONE), aligned)
    expected, found = read_checkpoint(straight / last).model, read_checkpoint(torn / last).model
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())


def test_what_cannot_be_aligned_keeps_its_alignment(tmp_path: Path) -> None:
    lesson, _ = _lesson(2, noise=0.3)
    config = _config(tmp_path, 6)
    aligned = lesson.train.aligned
    train_network(config, lesson, (tmp_path, ONE), aligned)
    system = export(config, lesson, aligned, tmp_path)
    long = replace(aligned, words=[[*aligned.words[0]] * 20, aligned.words[1]])
    after, failed = realign(system, lesson.train, long, Progress(disable=True))
    assert failed == 1
    np.testing.assert_array_equal(after.nodes[0], aligned.nodes[0])


# --- rounds


def test_rounds_end_where_the_margin_is_missed_and_go_on_where_they_were_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson, _ = _lesson(4, noise=0.5)
    config = _config(tmp_path, 8, rounds={"most": 4, "margin": 2.0, "begin": "before", "steps": 6})
    monkeypatch.setattr(rounds, "ensure_start", lambda *_: tmp_path)
    monkeypatch.setattr(rounds, "read_lesson", lambda *_: lesson)
    table = train_rounds(config, ONE, _silent)
    assert table is not None
    assert [row.round for row in table.rows] == [1, 2]  # no error falls by more than all of it
    gain = table.rows[1].gain
    assert gain is not None
    assert gain == pytest.approx(table.rows[0].phone_error - table.rows[1].phone_error)
    assert table.best == 1 + int(gain > 0)
    assert (tmp_path / "rounds.png").is_file()
    assert sorted(read_nodes(tmp_path / "round2" / "train.npz")) == ["u0", "u1", "u2", "u3"]
    weights = (tmp_path / "round2" / "network.safetensors").read_bytes()
    assert train_rounds(config, ONE, _silent) == table == read_table(tmp_path)
    assert (tmp_path / "round2" / "network.safetensors").read_bytes() == weights


def test_whole_sequences_are_learnt_after_the_rounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson, _ = _lesson(8, noise=1.0)
    config = _config(
        tmp_path, 15, rounds={"most": 1}, sequence={"steps": 10, "learning_rate": 2e-3}
    )
    monkeypatch.setattr(rounds, "ensure_start", lambda *_: tmp_path)
    monkeypatch.setattr(rounds, "read_lesson", lambda *_: lesson)
    table = train_rounds(config, ONE, _silent)
    assert table is not None
    after = table.sequence
    assert after is not None
    assert after.gain == pytest.approx(table.rows[0].phone_error - after.phone_error)
    assert after.phone_error <= table.rows[0].phone_error + 0.02
    better = after.phone_error < table.rows[0].phone_error
    assert table.best_name == ("sequence" if better else "round1")
    assert (tmp_path / "sequence" / "network.safetensors").is_file()
    assert train_rounds(config, ONE, _silent) == table


def test_a_table_of_rounds_is_asked_for_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected the rounds of a training"):
        read_table(tmp_path)
    row = Row(round=1, phone_error=0.5, frame_error=0.4, state_error=0.6, moved=0.1, failed=0)
    write_table(tmp_path, rounds.Rounds(margin=0.1, best=1, rows=[row]))
    assert read_table(tmp_path).rows == [row]


def test_moved_is_the_share_of_frames_in_other_states() -> None:
    words = [[[[2, 3]]]]
    before = Aligned(["a"], words, [np.array([0, 1, 2, 3], np.int32)])
    after = Aligned(["a"], words, [np.array([0, 1, 1, 3], np.int32)])
    assert moved(before, after, UNITS) == 0.25


def test_several_processes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected one process, found 2"):
        train_rounds(_config(tmp_path, 6), replace(ONE, world_size=2), _silent)


# --- data


def test_a_speakers_features_are_normalised_together_and_labels_follow_the_speed() -> None:
    rng = np.random.default_rng(0)
    slow = [rng.normal(5.0 + i, 2.0, (40, 3)).astype(np.float32) for i in range(3)]
    features = NormalisedFeatures(Memory(*([x, x[::2]] for x in slow)), [0, 0, 1])
    pooled = np.concatenate([features.read(0, 0), features.read(1, 0)])
    np.testing.assert_allclose(pooled.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(features.read(2, 1).std(axis=0), 1.0, atol=1e-4)
    states = [np.arange(40, dtype=np.int32)] * 3
    labelled = LabelledFeatures(features, states, (1.0, 2.0))
    np.testing.assert_array_equal(labelled.read(0, 1)[:, -1], np.arange(0, 40, 2))


def test_steps_have_the_state_of_their_middle_frame_and_none_beyond_the_end() -> None:
    column = np.arange(15, dtype=np.float32)
    batch = torch.from_numpy(np.column_stack([np.zeros((15, 2), np.float32), column]))[None]
    features, labels = split_labels(batch, torch.tensor([2]), GRID)
    assert features.shape == (1, 15, 2)
    assert labels.tolist() == [[3, 7, NO_LABEL]]


def test_the_frame_loss_is_the_mean_over_labelled_steps() -> None:
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[1, 2, NO_LABEL], [4, NO_LABEL, NO_LABEL]])
    log_probs = logits.log_softmax(-1)
    expected = -(log_probs[0, 0, 1] + log_probs[0, 1, 2] + log_probs[1, 0, 4]) / 3
    assert frame_loss(logits, labels).item() == pytest.approx(expected.item(), rel=1e-5)
    assert frame_loss(logits, torch.full((2, 3), NO_LABEL)).item() == 0.0


def test_changes_keep_labels_with_their_frames() -> None:
    labels = np.repeat(np.arange(10), 12).astype(np.float32)
    features = np.repeat(labels[:, None], 4, axis=1)
    options = Augment(tempo_share=1.0, warp_share=1.0, mask_share=0.0)
    found = Changed(options)(np.column_stack([features, labels]), np.random.default_rng(0), 0)
    assert len(found) != len(labels)
    assert np.abs(found[:, 0] - found[:, -1]).max() <= 1.0
    assert np.isin(found[:, -1], labels).all()


# --- phones


def test_clear_posteriors_are_heard_as_the_phones_that_were_said() -> None:
    lesson, _ = _lesson(8, noise=0.0)
    aligned = lesson.train.aligned
    loop = PhoneLoop.of(aligned, UNITS, GRID)
    np.testing.assert_allclose(np.exp(loop.bigram).sum(axis=1), 1.0)
    np.testing.assert_allclose(np.exp(loop.stays) + np.exp(loop.leaves), 1.0)
    for graph, nodes in zip(aligned.graphs(UNITS), aligned.nodes, strict=True):
        states = at_steps(graph.states[nodes], GRID)
        sure = np.full((len(states), UNITS.num_states), -20.0, np.float32)
        sure[np.arange(len(states)), states] = 0.0
        assert loop.transcribe(sure) == heard(graph.phones[nodes])
    assert loop.transcribe(np.zeros((0, UNITS.num_states), np.float32)) == []
    assert heard([0, 3, 3, 0, 3, 5, 0]) == [3, 5]


def test_a_phone_has_the_posteriors_of_all_its_states() -> None:
    lesson, _ = _lesson(4, noise=0.0)
    loop = lesson.held.loop
    posteriors = np.random.default_rng(0).dirichlet(np.ones(UNITS.num_states), 6)
    found = loop.log_likelihoods(np.log(posteriors).astype(np.float32)) + loop.log_priors
    np.testing.assert_allclose(np.exp(found), posteriors, atol=1e-5)


# --- configuration


def test_a_configuration_is_read_and_a_wrong_one_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    right = 'kind = "hybrid"\nfolder = "run"\ngmm = "g.toml"\ncache = "c"\ndev = ["d.jsonl"]\n'
    right += "optim = {total_steps = 300}\n"
    file.write_text(right)
    assert read_hybrid(file).folder == tmp_path / "run"
    wrong = (
        'encoder = {kind = "gru"}',
        "speeds = [0.9, 1.0]",
        'rounds = {begin = "anywhere"}',
        'stage = "sgmm"',
        "depth = 3",
    )
    for text in wrong:
        file.write_text(right + text)
        with pytest.raises(ConfigError):
            read_hybrid(file)


def test_batches_of_held_out_speech_have_phones_as_targets() -> None:
    lesson, _ = _lesson(4, noise=0.0)
    (batch,) = lesson.held.batches.epoch(0)
    row = batch.keys.index("u1")
    length = int(batch.target_lengths[row])
    assert batch.targets[row, :length].tolist() == [6, 5, 3, 2, 3]
