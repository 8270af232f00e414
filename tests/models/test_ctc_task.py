"""How a CTC model learns: the course of the losses, and two utterances by heart."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.models.remembered import UNTOUCHED, Memory

from steno_models.ctc import data
from steno_models.ctc.data import UNKNOWN, LabelledFeatures
from steno_models.ctc.loss import NO_LABEL, TrainingCtc, Weights
from steno_models.ctc.model import CtcModel
from steno_models.ctc.task import Course, CtcTask
from steno_models.ctc.variation import Changes, Varied
from steno_models.encoders.conformer import ConformerOptions, Context
from steno_models.training.contexts import Contexts
from steno_models.training.data import Batch, BatchOptions, BucketedBatches
from steno_models.training.loop import FitOptions, fit
from steno_models.training.optim import OptimOptions
from steno_models.training.runlog import read_run_log
from steno_models.types import FloatArray, IntArray

torch.set_num_threads(1)

SMALL = ConformerOptions(
    width=16, layers=2, heads=2, feed_forward=32, kernel=3, subsampling_channels=4, dropout=0.0
)


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
    changes = Changes(volume=0.0, tempo_share=0.0, warp_share=0.0, mask_share=0.0)

    def varied(labelled: FloatArray, _rng: np.random.Generator, before: int) -> FloatArray:
        return Varied(UNTOUCHED, changes)(labelled, np.random.default_rng(0), before)

    def as_trained(features: FloatArray, rng: np.random.Generator, before: int) -> FloatArray:
        return varied(np.pad(features, ((0, 0), (0, 1))), rng, before)[:, :80]

    batches = BucketedBatches(
        LabelledFeatures(memory, labels or [UNKNOWN] * 2, (1.0,)),
        targets,
        BatchOptions(),
        augment=varied,
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
