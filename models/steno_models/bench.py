"""What recognition costs: its parts on one core, or a whole daemon under many sessions.

    steno-models bench [--bundle en] [--audio FILE…]
    steno-models bench --sessions [1 2 4 8] [--seconds 30] [--plot capacity.png] [--json]

Every figure of the parts is a ratio to real time (the sound's own duration) or to the bare encoder,
so that it says the same on a busy machine as on an idle one. A daemon is measured in real time, and
wants a machine that does nothing else; `bench_sessions.py` has more.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from steno_models import bench_sessions, bundle
from steno_models.audio import read_file
from steno_models.errors import DataError
from steno_models.features.fbank import SAMPLE_RATE
from steno_models.lexicon_recogniser import LexiconRecogniser
from steno_models.listening import Ear
from steno_models.recogniser import DecodeOptions, Recogniser, Work
from steno_models.types import FloatArray

_Result = TypeVar("_Result")


def timed(call: Callable[[], _Result]) -> tuple[_Result, float]:
    """Return the result of `call` and the CPU seconds of this process that it took."""
    began = time.process_time()
    result = call()
    return result, time.process_time() - began


def encode(recogniser: LexiconRecogniser, features: FloatArray) -> FloatArray:
    """Return log probabilities, (S, V), of whole chunks of `features`, (T, F): no search."""
    [steps] = _steps(recogniser, features, 1)
    with torch.inference_mode():
        return recogniser.acoustic.log_probs(steps).numpy()


def search(recogniser: LexiconRecogniser, log_probs: FloatArray) -> None:
    """Search `log_probs` in chunks, asking for the best words after each, as a stream does."""
    beam = recogniser.language_models["general"].search
    state = beam.start()
    for chunk in np.split(log_probs, range(16, len(log_probs), 16)):
        state = beam.step(chunk, state)
        beam.best(state)
        beam.stable_words(state)
    beam.finish(state)


def batch(recogniser: LexiconRecogniser, features: FloatArray, streams: int) -> None:
    """Encode `streams` equal streams together."""
    _steps(recogniser, features, streams)


def _steps(recogniser: LexiconRecogniser, features: FloatArray, streams: int) -> list[torch.Tensor]:
    """Return the steps, (S, D), of whole chunks of `features`, (T, F), of equal streams."""
    ear = Ear(recogniser.acoustic.encoder)
    context = ear.context(recogniser.context.chunk_steps, recogniser.context.left_steps)
    heard, frames = [ear.start(context)] * streams, recogniser.cmvn.apply(features)
    found: list[list[torch.Tensor]] = [[] for _ in heard]
    while len(frames) >= (need := ear.frames_of_chunk(heard[0])):
        stepped = ear.step([(frames[:need], each) for each in heard], context)
        heard = [each for _, each in stepped]
        for several, (steps, _) in zip(found, stepped, strict=True):
            several.append(steps)
        frames = frames[need:]
    for several, steps in zip(found, ear.finish(heard, context), strict=True):
        several.append(steps)
    return [torch.cat(several) for several in found]


def measure(recogniser: Recogniser, samples: FloatArray) -> dict[str, float]:
    """Return ratios to real time by part, for `samples`, (N,), of at least a few seconds.

    Encoder and search are told apart where the model is a CTC model.
    """
    audio_s = len(samples) / SAMPLE_RATE
    features, features_s = timed(lambda: recogniser.features().accept(samples))
    whole = Work(features, recogniser.start(DecodeOptions()), is_last=True)
    recogniser.step([whole])  # compiles what compiles
    _, whole_s = timed(lambda: recogniser.step([whole]))
    ratios = {"features": features_s / audio_s, "recogniser, whole file": whole_s / audio_s}
    if not isinstance(recogniser, LexiconRecogniser):
        return ratios
    return ratios | _parts(recogniser, features, audio_s)


def _parts(recogniser: LexiconRecogniser, features: FloatArray, audio_s: float) -> dict[str, float]:
    """Return ratios to real time of encoder and search for `features`, (T, F)."""
    log_probs, encoder_s = timed(lambda: encode(recogniser, features))
    _, search_s = timed(lambda: search(recogniser, log_probs))
    _, batch_s = timed(lambda: batch(recogniser, features, 8))
    return {
        "encoder": encoder_s / audio_s,
        "encoder, each of 8 streams together": batch_s / 8 / audio_s,
        "search": search_s / audio_s,
        "search / encoder": search_s / encoder_s,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models bench",
        description="Measure what each part of recognition costs on one core, as a ratio to the "
        "duration of the sound (real-time factor) or to the bare encoder. With --sessions start a "
        "daemon instead and let so many clients speak to it at once, in real time.",
    )
    parser.add_argument("--bundle", default="en", help="a bundle's name or directory")
    parser.add_argument(
        "--audio",
        type=Path,
        nargs="+",
        default=sorted(Path("tests/data/librivox").glob("*.flac")),
        help="sound files of speech (default: the clips of the source tree)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    sessions = parser.add_argument_group("a whole daemon")
    sessions.add_argument(
        "--sessions",
        type=_count,
        nargs="*",
        metavar="N",
        help="sessions at once; `1 8 1 8 1 8` compares medians where the machine's speed drifts; "
        "without a number clients come until one is refused, and 1, 2, 4, … are measured, to "
        "twice as many as were let in",
    )
    sessions.add_argument(
        "--seconds", type=float, default=30.0, help="speech of each session (default: 30)"
    )
    sessions.add_argument("--config", type=Path, metavar="FILE", help="of the daemon, in TOML")
    sessions.add_argument("--plot", type=Path, metavar="FILE", help="draw it, as PNG or SVG")
    return parser


def _count(text: str) -> int:
    """Return a number of sessions."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {text}")
    return int(text)


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models bench`."""
    asked = _parser().parse_args(arguments)
    if not asked.audio:
        raise DataError("expected sound files after --audio, found none, and no clips here")
    recordings = [read_file(file) for file in asked.audio]
    if asked.sessions is not None:
        return _bench_sessions(asked, recordings)
    torch.set_num_threads(1)
    recogniser = bundle.load(asked.bundle).first_pass
    samples = np.concatenate(recordings)
    ratios = measure(recogniser, samples)
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if asked.json:
        json.dump({**ratios, "memory_mb": memory_mb}, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return 0
    table = Table(
        "part", "ratio to real time", title=f"{len(samples) / SAMPLE_RATE:.0f} s of speech"
    )
    for part, ratio in ratios.items():
        table.add_row(part, f"{ratio:.4f}")
    table.add_row("(resident memory, MB)", f"{memory_mb:.0f}")
    Console().print(table)
    return 0


def _bench_sessions(asked: argparse.Namespace, recordings: Sequence[FloatArray]) -> int:
    """Measure a daemon, saying what was measured as it goes."""
    progress = Console(stderr=True)

    def report(level: bench_sessions.Level) -> None:
        progress.print(f"{level.sessions} sessions measured", highlight=False)

    capacity = bench_sessions.daemon_measure()(
        asked.bundle,
        recordings,
        sessions=asked.sessions,
        audio_s=asked.seconds,
        config=asked.config,
        report=report,
    )
    bench_sessions.show(capacity, as_text=not asked.json)
    if asked.plot:
        bench_sessions.plot(capacity, asked.plot)
    return 0
