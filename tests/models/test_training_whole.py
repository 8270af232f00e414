"""The parts together, on recordings: manifest, cache, batches, loop."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from steno_models.training.augment import Masks, spec_augment
from steno_models.training.data import Batch, BatchOptions, BucketedBatches
from steno_models.training.degrade import Degrade, find_recordings
from steno_models.training.feature_cache import JoinedFeatures, Recipe, Variant, cached_features
from steno_models.training.loop import FitOptions, fit
from steno_models.training.manifest import Utterance, read_manifest, write_manifest
from steno_models.training.optim import OptimOptions
from steno_models.training.runlog import read_run_log
from steno_models.types import FloatArray, IntArray

torch.set_num_threads(1)

LETTERS = " 'abcdefghijklmnopqrstuvwxyz"


def letters(utterance: Utterance) -> IntArray:
    return np.array([1 + LETTERS.index(letter) for letter in utterance.text], np.int32)


def augment(features: FloatArray, rng: np.random.Generator, _: int) -> FloatArray:
    return spec_augment(features, rng, Masks(1, 8, 1, 10))


class LetterTask:
    """CTC over letters with one convolution: enough to learn how often each letter comes."""

    def __init__(self, dev: BucketedBatches) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(
            nn.BatchNorm1d(80), nn.Conv1d(80, 64, 7, stride=3), nn.ReLU(), nn.Conv1d(64, 29, 5)
        )
        self._dev = dev

    def loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
        scores = self.model(batch.features.transpose(1, 2)).permute(2, 0, 1).float()
        lengths = (batch.feature_lengths - 7) // 3 + 1 - 4
        losses = nn.functional.ctc_loss(
            scores.log_softmax(-1),
            batch.targets.long(),
            lengths.long(),
            batch.target_lengths.long(),
            reduction="none",
            zero_infinity=True,
        )
        return (losses / batch.target_lengths).mean(), {}

    def evaluate(self) -> Mapping[str, float]:
        batches = list(self._dev.epoch(0))
        total = sum(float(self.loss(batch)[0]) * len(batch.keys) for batch in batches)
        return {"error": total / sum(len(batch.keys) for batch in batches)}


@pytest.mark.data
def test_a_small_model_learns_from_recordings_on_disk(data_root: Path, tmp_path: Path) -> None:
    noises = find_recordings(data_root / "noise")[:5]
    recipe = Recipe(variants=(Variant(), Variant(1.1, Degrade(tuple(noises)))))
    parts = []
    for corpus in ("librispeech_mini", "an4"):
        listed = sorted(
            read_manifest(data_root / corpus / "train.jsonl"), key=lambda u: u.duration_s
        )
        short = [replace(each, text=each.text.lower()) for each in listed if each.text][5:45]
        write_manifest(tmp_path / f"{corpus}.jsonl", short)
        parts.append(read_manifest(tmp_path / f"{corpus}.jsonl"))
    caches = [
        cached_features(part, tmp_path / "cache", recipe=recipe, processes=1) for part in parts
    ]
    targets = [letters(each) for part in parts for each in part]
    options = BatchOptions(frames_per_batch=2_000, threads=1)
    batches = BucketedBatches(JoinedFeatures(caches), targets, options, augment=augment)
    dev = BucketedBatches(caches[1], targets[40:], BatchOptions())
    fit(
        LetterTask(dev),
        batches,
        FitOptions(
            folder=tmp_path / "run",
            optim=OptimOptions(0.005, warmup_steps=5, total_steps=60, ema_decay=0.9),
            report_every=5,
            evaluate_every=20,
            bf16=True,
        ),
    )
    reports = read_run_log(tmp_path / "run" / "log.jsonl")
    errors = [report.dev["error"] or 0.0 for report in reports if report.dev]
    assert errors[-1] < errors[0]
    assert (reports[-1].loss or 0.0) < 0.6 * (reports[0].loss or 0.0)
    assert reports[-1].audio_hours > 0.05
    assert (tmp_path / "run" / "learning-curves.png").exists()
