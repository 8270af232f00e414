"""What each part of recognition costs: ratios measured in one run, on one core.

    steno-models bench [--bundle en] [--audio FILE…]

Every figure is a ratio to real time (the sound's own duration) or to the bare encoder, so that it
says the same on a busy machine as on an idle one.
"""

import argparse
import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from steno_models import bundle
from steno_models.audio import read_file
from steno_models.encoders.subsampling import CONTEXT_FRAMES, FACTOR
from steno_models.errors import DataError
from steno_models.features.fbank import SAMPLE_RATE, fbank
from steno_models.recogniser import DecodeOptions, Recogniser, Work
from steno_models.types import FloatArray

_Result = TypeVar("_Result")


def timed(call: Callable[[], _Result]) -> tuple[_Result, float]:
    """Return the result of `call` and the CPU seconds of this process that it took."""
    began = time.process_time()
    result = call()
    return result, time.process_time() - began


def encode(recogniser: Recogniser, features: FloatArray) -> FloatArray:
    """Return log probabilities, (S, V), of whole chunks of `features`, (T, F): the bare encoder."""
    context = recogniser.context
    state = recogniser.acoustic.start(context)
    frames = torch.from_numpy(recogniser.cmvn.apply(features))
    chunk, begin, out = context.chunk_steps * FACTOR, 0, []
    end = chunk + CONTEXT_FRAMES - FACTOR
    while end <= len(frames):
        [(log_probs, state)] = recogniser.acoustic.step([(frames[begin:end], state)], context)
        out.append(log_probs)
        begin, end = end, end + chunk
    return torch.cat(out).numpy()


def search(recogniser: Recogniser, log_probs: FloatArray) -> None:
    """Search `log_probs` in chunks, asking for the best words after each, as a stream does."""
    beam = recogniser.language_models["general"].search
    state = beam.start()
    for chunk in np.split(log_probs, range(16, len(log_probs), 16)):
        state = beam.step(chunk, state)
        beam.best(state)
        beam.stable_words(state)
    beam.finish(state)


def batch(recogniser: Recogniser, features: FloatArray, streams: int) -> None:
    """Encode `streams` equal streams together."""
    context = recogniser.context
    chunk = context.chunk_steps * FACTOR
    states = [recogniser.acoustic.start(context)] * streams
    frames = torch.from_numpy(recogniser.cmvn.apply(features))
    begin, end = 0, chunk + CONTEXT_FRAMES - FACTOR
    while end <= len(frames):
        work = [(frames[begin:end], state) for state in states]
        states = [state for _, state in recogniser.acoustic.step(work, context)]
        begin, end = end, end + chunk


def measure(recogniser: Recogniser, samples: FloatArray) -> dict[str, float]:
    """Return ratios to real time by part, for `samples`, (N,), of at least a few seconds."""
    audio_s = len(samples) / SAMPLE_RATE
    whole = Work(fbank(samples), recogniser.start(DecodeOptions()), is_last=True)
    recogniser.step([whole])  # compiles what compiles
    features, features_s = timed(lambda: fbank(samples))
    log_probs, encoder_s = timed(lambda: encode(recogniser, features))
    _, search_s = timed(lambda: search(recogniser, log_probs))
    _, whole_s = timed(lambda: recogniser.step([whole]))
    _, batch_s = timed(lambda: batch(recogniser, features, 8))
    return {
        "features": features_s / audio_s,
        "encoder": encoder_s / audio_s,
        "encoder, each of 8 streams together": batch_s / 8 / audio_s,
        "search": search_s / audio_s,
        "recogniser, whole file": whole_s / audio_s,
        "search / encoder": search_s / encoder_s,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models bench",
        description="Measure what each part of recognition costs on one core, as a ratio to the "
        "duration of the sound (real-time factor) or to the bare encoder.",
    )
    parser.add_argument("--bundle", default="en", help="a bundle's name or directory")
    parser.add_argument(
        "--audio",
        type=Path,
        nargs="+",
        default=sorted(Path("tests/data/librivox").glob("*.flac")),
        help="sound files of speech (default: the clips of the source tree)",
    )
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models bench`."""
    asked = _parser().parse_args(arguments)
    if not asked.audio:
        raise DataError("expected sound files after --audio, found none, and no clips here")
    torch.set_num_threads(1)
    recogniser = bundle.load(asked.bundle).recogniser
    samples = np.concatenate([read_file(file) for file in asked.audio])
    table = Table(
        "part", "ratio to real time", title=f"{len(samples) / SAMPLE_RATE:.0f} s of speech"
    )
    for part, ratio in measure(recogniser, samples).items():
        table.add_row(part, f"{ratio:.4f}")
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    table.add_row("(resident memory, MB)", f"{memory_mb:.0f}")
    Console().print(table)
    return 0
