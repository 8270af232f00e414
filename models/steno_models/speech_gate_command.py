"""Fit the gate that keeps noise and music without words: on speech against what has none.

    steno-models speech-gate --bundle DIR --manifest dev.jsonl … --wordless FOLDER …

Speech are the recordings of the manifests, as they are and once more in noise or music; without
words are the recordings in the folders and synthetic sounds. Every second one of each fits the
logistic regression of `vad/speech_gate.py`; what became of the others is printed. The weights go
into the bundle's bundle.toml, which is then sealed anew.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
import tomli_w
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from steno_models import bundle, bundle_command, logistic
from steno_models.audio import SAMPLE_RATE, read_file
from steno_models.bundle import SpeechGateSection
from steno_models.errors import ConfigError, DataError
from steno_models.evaluate_wordless import ENDINGS
from steno_models.features.fbank import fbank
from steno_models.lexicon_recogniser import LexiconRecogniser
from steno_models.rewriting_recogniser import unwrapped
from steno_models.training.augment import add_noise
from steno_models.training.degrade import find_recordings
from steno_models.training.manifest import read_manifest
from steno_models.training.recordings import read_samples
from steno_models.training.wordless import KINDS, wordless
from steno_models.types import FloatArray
from steno_models.vad.speech_gate import (
    LOOK_STEPS,
    SpeechGate,
    features,
    look,
    nothing_heard,
    telling,
)

DoubleArray = NDArray[np.float64]

PIECE_SAMPLES = 8 * SAMPLE_RATE
SYNTHETIC_PIECES = 96
# How much louder the speech is than the noise behind it.
SNR_DB = (0.0, 20.0)
STEP_S = 0.04
# Nats by which speech must be likelier: words that come a look later harm less than wrong ones.
CAUTION = 3.0


@dataclass(frozen=True, slots=True)
class Sound:
    """What is to be judged: (N,) samples, where they come from, and which half they belong to."""

    group: str
    half: int
    samples: FloatArray


@dataclass(frozen=True, slots=True)
class Piece:
    """A sound as one segment.

    Attributes:
        group: where it comes from.
        half: 0 fits, 1 shows.
        is_speech: whether it has words.
        windows: (W, sums) what the gate sees of it; see `look`.
        seconds: how long it is.
    """

    group: str
    half: int
    is_speech: bool
    windows: DoubleArray
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the gate did to the pieces of a group.

    Attributes:
        group: where they come from.
        pieces: how many there are.
        minutes: how long they are together.
        opened: for how many of them it opened.
        delays_s: from the first look at a phone to the opening, for each of those.
    """

    group: str
    pieces: int
    minutes: float
    opened: int
    delays_s: tuple[float, ...]


def sounds_without_words(folders: Sequence[Path]) -> Iterator[Sound]:
    """Yield pieces of the recordings in `folders`, and synthetic sounds.

    Raises:
        DataError: a folder has no recordings.
    """
    for folder in folders:
        recordings = find_recordings(folder, ENDINGS)
        if not recordings:
            raise DataError(f"expected recordings without words in {folder}, found none")
        for number, recording in enumerate(recordings):
            samples = read_file(recording)
            for begin in range(0, len(samples), PIECE_SAMPLES):
                yield Sound(folder.name, number % 2, samples[begin : begin + PIECE_SAMPLES])
    synthetic = wordless(np.random.default_rng(1), PIECE_SAMPLES / SAMPLE_RATE)
    for number, (kind, samples) in enumerate(islice(synthetic, SYNTHETIC_PIECES)):
        yield Sound(f"synthetic {kind}", number // len(KINDS) % 2, samples)


def speech(manifest: Path, noises: Sequence[Sound]) -> Iterator[Sound]:
    """Yield the recordings of `manifest`, each as it is and in one of the `noises` of its half."""
    rng = np.random.default_rng(2)
    group = f"{manifest.parent.name}/{manifest.stem}"
    for number, utterance in enumerate(read_manifest(manifest)):
        half = number % 2
        samples = read_samples(utterance)
        yield Sound(group, half, samples)
        choice = [noise.samples for noise in noises if noise.half == half]
        noise = choice[int(rng.integers(len(choice)))]
        noisy = add_noise(samples, noise, rng.uniform(*SNR_DB), rng)
        yield Sound(f"{group} in noise", half, noisy)


def heard(recogniser: LexiconRecogniser, sound: Sound, *, is_speech: bool) -> Piece:
    """Return what the gate sees of `sound` as one segment."""
    log_probs = recogniser.log_probs(fbank(sound.samples))
    nothing = nothing_heard(log_probs.shape[1], recogniser.blank)
    windows, _ = look(log_probs, recogniser.blank, nothing)
    seconds = len(sound.samples) / SAMPLE_RATE
    return Piece(sound.group, sound.half, is_speech, windows, seconds)


def fit(pieces: Sequence[Piece]) -> SpeechGate:
    """Return the gate that tells the windows of speech from those of `pieces` without.

    Raises:
        DataError: no phone is heard in one of the two.
    """
    rows = [piece.windows[telling(piece.windows)] for piece in pieces]
    truth = np.repeat([piece.is_speech for piece in pieces], [len(windows) for windows in rows])
    if truth.all() or not truth.any():
        raise DataError(
            f"expected windows with phones in speech and in what has no words, found "
            f"{int(truth.sum())} and {int((~truth).sum())}"
        )
    weights, bias = logistic.fit(features(np.concatenate(rows)), truth)
    return SpeechGate(weights, bias - CAUTION)


def outcomes(gate: SpeechGate, pieces: Sequence[Piece]) -> list[Outcome]:
    """Return what `gate` does to `pieces`, group by group."""
    return [
        _outcome(gate, group, [piece for piece in pieces if piece.group == group])
        for group in dict.fromkeys(piece.group for piece in pieces)
    ]


def _outcome(gate: SpeechGate, group: str, pieces: Sequence[Piece]) -> Outcome:
    delays_s = []
    for piece in pieces:
        opened = np.flatnonzero(gate.log_odds(piece.windows) > 0)
        if len(opened):
            first = np.flatnonzero(piece.windows[:, 0] > 0)[0]
            delays_s.append(float(opened[0] - first) * LOOK_STEPS * STEP_S)
    minutes = sum(piece.seconds for piece in pieces) / 60
    return Outcome(group, len(pieces), minutes, len(delays_s), tuple(delays_s))


def table(found: Sequence[Outcome], title: str) -> Table:
    """Return the outcomes as a table."""
    shown = Table("", "pieces", "minutes", "opened", "after p50, p95", title=title)
    for one in found:
        after = (
            "{:.2f} s, {:.2f} s".format(*np.percentile(one.delays_s, [50, 95]))
            if one.delays_s
            else "–"
        )
        shown.add_row(one.group, str(one.pieces), f"{one.minutes:.1f}", str(one.opened), after)
    return shown


def _write(path: Path, gate: SpeechGate) -> None:
    section = SpeechGateSection(weights=gate.weights, bias=gate.bias)
    described = msgspec.structs.replace(bundle.describe(path), speech_gate=section)
    (path / bundle.DESCRIPTION).write_text(tomli_w.dumps(msgspec.to_builtins(described)))
    bundle_command.seal(path)


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models speech-gate`."""
    parser = argparse.ArgumentParser(prog="steno-models speech-gate", description=__doc__)
    parser.add_argument("--bundle", required=True, help="the bundle's directory or name")
    parser.add_argument("--manifest", type=Path, nargs="+", required=True, help="speech")
    parser.add_argument("--wordless", type=Path, nargs="+", required=True, help="folders")
    parser.add_argument("--threads", type=int, default=1, help="for the encoder (default: 1)")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(asked.threads)
    path = bundle.find(asked.bundle)
    recogniser = unwrapped(bundle.load(path).first_pass)
    if not isinstance(recogniser, LexiconRecogniser):
        raise ConfigError(
            f"expected a bundle of the family ctc, whose posteriors a gate sees, found {path}"
        )
    console = Console(stderr=True)
    without = list(sounds_without_words(asked.wordless))
    pieces = [
        heard(recogniser, sound, is_speech=False)
        for sound in track(without, "without words", console=console)
    ]
    for manifest in asked.manifest:
        pieces += [
            heard(recogniser, sound, is_speech=True)
            for sound in track(
                speech(manifest, without),
                manifest.parent.name,
                total=2 * len(read_manifest(manifest)),
                console=console,
            )
        ]
    gate = fit([piece for piece in pieces if piece.half == 0])
    shown = [piece for piece in pieces if piece.half == 1]
    Console().print(table(outcomes(gate, shown), f"{asked.bundle}: the half that did not fit"))
    _write(path, gate)
    return 0
