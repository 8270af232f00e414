"""Word confidences that mean what they say: fitted on one half of a manifest, shown on the other.

    steno-models calibrate --bundle DIR --manifest dev.jsonl [--plot reliability.png]

Every second recording is decoded to fit the logistic regression of `search/confidence.py`; the
reliability (how many words of a confidence are right) is measured on the rest. The weights go into
the bundle's bundle.toml, which is then sealed anew. Where the bundle has a second pass, this is
about the words of the first; `steno-models tune-second-pass` knows the others.
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import tomli_w
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from steno_models import bundle, bundle_command
from steno_models.bundle import CalibrationSection
from steno_models.recogniser import BundledRecogniser, DecodeOptions, Work
from steno_models.search.confidence import (
    Calibration,
    ReliabilityBin,
    expected_calibration_error,
    fit,
    reliability,
)
from steno_models.text.normalise import normalise
from steno_models.text.wer import align
from steno_models.training.manifest import read_manifest
from steno_models.training.recordings import read_samples
from steno_models.training.utterance import Utterance

Measured = NDArray[np.float64]
Correct = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Judged:
    """Recognised words, (words, features), and whether each was right, (words,)."""

    measured: Measured
    correct: Correct


def judge(recogniser: BundledRecogniser, utterances: Iterable[Utterance]) -> Judged:
    """Return what the search knows of each word that it finds in `utterances`, and its truth."""
    measured, correct = [], []
    for utterance in utterances:
        features = recogniser.features().accept(read_samples(utterance))
        work = Work(features, recogniser.start(DecodeOptions()), is_last=True)
        [(_, state)] = recogniser.step([work])
        found = recogniser.measured(state)
        pairs = align(normalise(utterance.text).split(), list(found.words)).pairs
        correct.append([ours == theirs for theirs, ours in pairs if ours is not None])
        measured.append(found.features)
    return Judged(np.concatenate(measured), np.concatenate(correct).astype(bool))


def confidences(calibration: Calibration, measured: Measured) -> Measured:
    """Return (words,) the probability that each word is right."""
    odds = measured @ np.array(calibration.weights) + calibration.bias
    probability: Measured = 1.0 / (1.0 + np.exp(-odds))
    return probability


def plot(bins: Sequence[ReliabilityBin], path: Path) -> None:
    """Draw the reliability diagram: accuracy over confidence, and how many words there are."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="0.7", linestyle="--", label="perfect")
    sizes = [20 + 300 * b.count / max(x.count for x in bins) for b in bins]
    axes.plot([b.confidence for b in bins], [b.accuracy for b in bins], color="C0")
    axes.scatter([b.confidence for b in bins], [b.accuracy for b in bins], sizes, label="words")
    axes.set(xlabel="confidence", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1))
    axes.legend()
    figure.savefig(path, dpi=120)


def _write(path: Path, calibration: Calibration) -> None:
    section = CalibrationSection(weights=calibration.weights, bias=calibration.bias)
    described = msgspec.structs.replace(bundle.describe(path), calibration=section)
    (path / bundle.DESCRIPTION).write_text(tomli_w.dumps(msgspec.to_builtins(described)))
    bundle_command.seal(path)


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models calibrate`."""
    parser = argparse.ArgumentParser(
        prog="steno-models calibrate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--bundle", required=True, help="the bundle's directory or name")
    parser.add_argument(
        "--manifest",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE.jsonl",
        help="speech that the bundle was not trained on, as `steno-models manifest` lists it",
    )
    parser.add_argument("--plot", type=Path, help="draw the reliability diagram there, as PNG")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    path = bundle.find(asked.bundle)
    recogniser = bundle.load(path).first_pass
    utterances = [one for manifest in asked.manifest for one in read_manifest(manifest)]
    console = Console(stderr=True)
    halves = [
        judge(recogniser, track(utterances[half::2], f"half {half + 1}", console=console))
        for half in (0, 1)
    ]
    calibration = fit(halves[0].measured, halves[0].correct)
    bins = reliability(confidences(calibration, halves[1].measured), halves[1].correct)
    for b in bins:
        Console().print(f"{b.confidence:.2f} → {b.accuracy:.2f} right of {b.count} words")
    Console().print(f"expected calibration error {100 * expected_calibration_error(bins):.1f} %")
    if asked.plot:
        plot(bins, asked.plot)
    _write(path, calibration)
    return 0
