"""CTC and CTC-CRF learn four utterances by heart."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.models.remembered import UNTOUCHED, Memory

from steno_models.ctc.crf import LabelLm
from steno_models.ctc.data import LabelledFeatures
from steno_models.ctc.label_lm import count_phones, estimate
from steno_models.ctc.loss import TrainingCtc, Weights
from steno_models.ctc.model import CtcModel
from steno_models.ctc.task import Course, CtcTask
from steno_models.ctc.variation import Changes, Varied
from steno_models.encoders.conformer import ConformerOptions, Context
from steno_models.training.contexts import Contexts
from steno_models.training.data import BatchOptions, BucketedBatches
from steno_models.training.loop import FitOptions, fit
from steno_models.training.optim import OptimOptions
from steno_models.training.runlog import read_run_log
from steno_models.types import FloatArray

torch.set_num_threads(1)

ENCODER = ConformerOptions(
    width=16, layers=2, heads=2, feed_forward=32, kernel=3, subsampling_channels=4, dropout=0.0
)
SAID = ([3, 1, 2, 2], [2, 3, 1], [1, 1, 3], [3, 2])
STEPS = 100
UNCHANGED = Varied(UNTOUCHED, Changes(volume=0.0, tempo_share=0.0, warp_share=0.0, mask_share=0.0))


def labelled(features: FloatArray, rng: np.random.Generator, before: int) -> FloatArray:
    return UNCHANGED(features, rng, before)


def plain(features: FloatArray, rng: np.random.Generator, before: int) -> FloatArray:
    return labelled(np.pad(features, ((0, 0), (0, 1))), rng, before)[:, :80]


@pytest.mark.parametrize("name", ["ctc", "crf"])
def test_four_utterances_are_learnt_by_heart(name: str, tmp_path: Path) -> None:
    targets = [np.array(said, np.int32) for said in SAID]
    spectra = np.random.default_rng(0).normal(0, 1.5, (4, 80)).astype(np.float32)
    rows = [np.concatenate([[0], *([phone, 0] for phone in target)]) for target in targets]
    labels = [np.repeat(row, 12).astype(np.int8) for row in rows]
    memory = Memory(*([spectra[each]] for each in labels))
    lm = LabelLm.of_table(torch.from_numpy(estimate(count_phones(targets, 4))))
    weights = Weights(crf=Weights().ctc) if name == "crf" else Weights()
    torch.manual_seed(0)
    task = CtcTask(
        TrainingCtc(CtcModel(ENCODER, 4)),
        Course(batches=STEPS, weights=weights),
        Contexts(dev=Context(8, 8), unlimited_share=0.0, chunk_steps=(8,), left_steps=(8,)),
        {"four": BucketedBatches(memory, targets, BatchOptions(), augment=plain)},
        aligned=True,
        lm=lm if name == "crf" else None,
    )
    batches = BucketedBatches(
        LabelledFeatures(memory, labels, (1.0,)), targets, BatchOptions(), augment=labelled
    )
    options = FitOptions(
        folder=tmp_path,
        optim=OptimOptions(0.02, warmup_steps=5, total_steps=STEPS, clip_norm=2.0),
        show_progress=False,
        draw_curves=False,
        report_every=10,
    )
    assert fit(task, batches, options).dev["error"] == 0.0
    metrics = read_run_log(tmp_path / "log.jsonl")[-1].metrics
    assert ("crf" in metrics) == (name == "crf")
