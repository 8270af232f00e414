"""How well a bundle recognises a manifest, and how fast: whole files, or streamed as a client does.

    steno-models evaluate --bundle en --manifest dev.jsonl [--streaming] [--chunk-ms 640] [--json]
    steno-models evaluate --bundle en --manifest letters.jsonl --domain domains/letters

Whole: every file is one segment. Streamed: every file goes through a real session in blocks of
20 ms, so voice activity, endpoints and partials are those of the daemon. Then the report also has
the delay from the end of a word to its first appearance, the delay from the end of speech to the
final, and how much the partials took back. With --noise FOLDER … every recording is heard again,
in noise; with --wordless FOLDER … in place of a manifest the words are counted that are found where
there are none.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from steno_models import bundle, evaluate_wordless
from steno_models.audio import read_file
from steno_models.domain import loader_of
from steno_models.errors import ConfigError
from steno_models.evaluate_noise import in_noise, noises
from steno_models.features.fbank import SAMPLE_RATE
from steno_models.peers import pocketsphinx
from steno_models.recogniser import DecodeOptions, LanguageModel, Recogniser, Work
from steno_models.text.normalise import normalise
from steno_models.text.wer import (
    Alignment,
    ErrorRate,
    align,
    difference,
    word_alignments,
    word_error_rate,
)
from steno_models.training.manifest import read_manifest
from steno_models.types import FloatArray

Event = object
Replay = Callable[[Recogniser, FloatArray, int], Iterator[tuple[int, Event]]]


@dataclass(frozen=True, slots=True)
class Latency:
    """Delays of one or many recordings, in seconds, and how much was taken back.

    Attributes:
        words: from the end of a word to its first appearance as it stayed.
        finals: from the end of the last word to its final.
        shown: words that partials newly showed.
        revised: words that a later partial or final changed or took away.
        broken: partials and finals that did not begin with what had been called stable.
    """

    words: list[float] = field(default_factory=list)
    finals: list[float] = field(default_factory=list)
    shown: int = 0
    revised: int = 0
    broken: int = 0


@dataclass(frozen=True, slots=True)
class Heard:
    """What was recognised in one recording, and what it cost."""

    text: str
    compute_s: float
    latency: Latency | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The result of an evaluation; `audio_s` and `compute_s` are totals."""

    wer: ErrorRate
    audio_s: float
    compute_s: float
    memory_mb: float
    latency: Latency | None
    references: tuple[str, ...]
    hypotheses: tuple[str, ...]

    @property
    def real_time_factor(self) -> float:
        """Seconds of work for one second of sound."""
        return self.compute_s / self.audio_s if self.audio_s else 0.0


def hear_whole(recogniser: Recogniser, samples: FloatArray, options: DecodeOptions) -> Heard:
    """Return what is recognised in `samples`, (N,), decoded as one segment."""
    began = time.process_time()
    features = recogniser.features().accept(samples)
    work = Work(features, recogniser.start(options), is_last=True)
    [(update, _)] = recogniser.step([work])
    return Heard(" ".join(word.text for word in update.words), time.process_time() - began)


def hear_streamed(events: Iterator[tuple[int, Event]]) -> Heard:
    """Return what a session said, from its events with the samples received before each."""
    began = time.process_time()
    texts, latency = [], Latency()
    showing: list[tuple[str, float]] = []  # words of the last partial, when each came
    stable = ""
    for samples, event in events:
        kind = type(event).__name__
        if kind not in {"Partial", "Final"}:
            continue
        words = [word.text for word in event.words or ()]  # type: ignore[attr-defined]
        now = samples / SAMPLE_RATE
        aligned = align([text for text, _ in showing], words)
        kept = aligned.hits
        text: str = event.text  # type: ignore[attr-defined]
        latency = replace(
            latency,
            shown=latency.shown + len(words) - kept,
            revised=latency.revised + len(showing) - kept,
            broken=latency.broken + (not text.startswith(stable)),
        )
        showing = _shown_since(aligned, showing, now)
        stable = "" if kind == "Final" else text[: event.stable_chars]  # type: ignore[attr-defined]
        if kind == "Final":
            ends = [word.end for word in event.words or ()]  # type: ignore[attr-defined]
            latency.words.extend(at - end for (_, at), end in zip(showing, ends, strict=True))
            latency.finals.append(now - ends[-1])
            texts.append(text)
            showing = []
    return Heard(" ".join(texts), time.process_time() - began, latency)


def _shown_since(
    aligned: Alignment, showing: Sequence[tuple[str, float]], now_s: float
) -> list[tuple[str, float]]:
    """Return the words that are shown now, and since when each has been.

    One that changes in the middle leaves those behind it as they are.
    """
    found, before = [], iter(showing)
    for old, new in aligned.pairs:
        since_s = next(before)[1] if old is not None else now_s
        if new is not None:
            found.append((new, since_s if new == old else now_s))
    return found


def _sum(parts: Sequence[Latency]) -> Latency:
    return Latency(
        [delay for part in parts for delay in part.words],
        [delay for part in parts for delay in part.finals],
        sum(part.shown for part in parts),
        sum(part.revised for part in parts),
        sum(part.broken for part in parts),
    )


def session_replay() -> Replay:
    """Return the replay that an installed daemon offers.

    Raises:
        SystemExit: no daemon is installed.
    """
    found = list(entry_points(group="steno.streaming", name="evaluate"))
    if not found:
        raise SystemExit("--streaming needs the daemon: pip install 'steno-asr[daemon]'")
    replay: Replay = found[0].load()
    return replay


def evaluate(
    manifest: Path, hear: Callable[[FloatArray], Heard], progress: Progress | None = None
) -> Report:
    """Return how well `hear` recognises the recordings of `manifest`.

    Raises:
        DataError: a manifest line or a recording is missing or malformed.
    """
    utterances = read_manifest(manifest)
    task = progress.add_task("recognising", total=len(utterances)) if progress else None
    heard, audio_s = [], 0.0
    for utterance in utterances:
        samples = read_file(utterance.audio)
        begin = round(utterance.offset_s * SAMPLE_RATE)
        samples = samples[begin : begin + round(utterance.duration_s * SAMPLE_RATE)]
        heard.append(hear(samples))
        audio_s += len(samples) / SAMPLE_RATE
        if progress and task is not None:
            progress.advance(task)
    references = tuple(normalise(utterance.text) for utterance in utterances)
    hypotheses = tuple(one.text for one in heard)
    latencies = [one.latency for one in heard if one.latency]
    return Report(
        wer=word_error_rate(references, hypotheses),
        audio_s=audio_s,
        compute_s=sum(one.compute_s for one in heard),
        memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        latency=_sum(latencies) if latencies else None,
        references=references,
        hypotheses=hypotheses,
    )


def figures(report: Report) -> dict[str, float]:
    """Return the report's numbers by name, rates as fractions and delays in seconds."""
    wer = report.wer
    numbers = {
        "wer": wer.rate,
        "wer_low": wer.low,
        "wer_high": wer.high,
        "substitutions": wer.substitutions,
        "deletions": wer.deletions,
        "insertions": wer.insertions,
        "reference_words": wer.reference_length,
        "audio_s": report.audio_s,
        "real_time_factor": report.real_time_factor,
        "memory_mb": report.memory_mb,
    }
    if report.latency and report.latency.finals:
        latency = report.latency
        for name, delays in (("word", latency.words), ("final", latency.finals)):
            numbers[f"{name}_delay_p50_s"] = float(np.percentile(delays, 50))
            numbers[f"{name}_delay_p95_s"] = float(np.percentile(delays, 95))
        numbers["revision_rate"] = latency.revised / max(1, latency.shown)
        numbers["stable_broken"] = latency.broken
    return numbers


def _table(report: Report, title: str) -> Table:
    table = Table(title=title, show_header=False)
    table.add_row("word error rate", str(report.wer))
    numbers = figures(report)
    for name in ("substitutions", "deletions", "insertions", "reference_words"):
        table.add_row(name.replace("_", " "), f"{numbers[name]:.0f}")
    for name in list(numbers)[7:]:
        table.add_row(name.replace("_", " "), f"{numbers[name]:.3f}")
    return table


def domain(loaded: bundle.Bundle, folder: Path) -> LanguageModel:
    """Return the language model of a domain's folder.

    Raises:
        ConfigError: the bundle takes none.
        DataError: there is no domain, or a damaged one.
    """
    load = loader_of(loaded)
    if load is None:
        raise ConfigError(
            f"--domain: expected a bundle of the family ctc, found {loaded.description.family}"
        )
    return load(folder).model


def hear_pocketsphinx() -> Callable[[FloatArray], Heard]:
    """Return PocketSphinx as what hears."""
    transcribe = pocketsphinx()

    def hear(samples: FloatArray) -> Heard:
        return Heard(*transcribe(samples))

    return hear


def _comparison(report: Report, peer: Report, name: str) -> str:
    ours, theirs = (word_alignments(r.references, r.hypotheses) for r in (report, peer))
    found = difference(theirs, ours)
    return (
        f"word error rate less that of {name}: {100 * found.rate:+.1f} % "
        f"[{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models evaluate",
        description="Measure a bundle on a manifest: word error rate with its 95 % interval, "
        "speed on one core, memory; with --streaming also the delays a viewer sees.",
    )
    parser.add_argument("--bundle", default="en", help="a bundle's name or directory")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--manifest", type=Path, help="a JSON lines manifest")
    what.add_argument(
        "--wordless",
        nargs="+",
        metavar="SOUNDS",
        help="count the words found where there are none: folders of recordings, manifests, or "
        "`synthetic` for ten minutes of silence, noise, tones and music",
    )
    parser.add_argument(
        "--noise",
        nargs="+",
        metavar="SOUNDS",
        help="hear the manifest in noise, too: folders of recordings, manifests, single recordings",
    )
    parser.add_argument(
        "--snr-db",
        type=float,
        default=10.0,
        help="speech above that noise, over each recording (default: 10)",
    )
    parser.add_argument("--streaming", action="store_true", help="through a session, in 20 ms")
    parser.add_argument("--chunk-ms", type=int, help="decoding step (default: the bundle's)")
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--language-model", default="general", help="one of the bundle's own")
    model.add_argument(
        "--domain", type=Path, metavar="FOLDER", help="decode with a domain of `lm build --name`"
    )
    parser.add_argument("--threads", type=int, default=1, help="for the encoder (default: 1)")
    parser.add_argument(
        "--against",
        choices=("pocketsphinx",),
        help="decode the same recordings with a peer and compare, by paired bootstrap",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--hypotheses", type=Path, help="write reference and hypothesis lines")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models evaluate`."""
    import torch  # noqa: PLC0415

    asked = _parser().parse_args(arguments)
    torch.set_num_threads(asked.threads)
    loaded = bundle.load(asked.bundle)
    recogniser = loaded.recogniser
    steps = max(1, round(asked.chunk_ms / 40)) if asked.chunk_ms else None
    language_model = asked.language_model if asked.domain is None else domain(loaded, asked.domain)
    options = DecodeOptions(chunk_steps=steps, language_model=language_model)
    hear_whole(recogniser, np.zeros(SAMPLE_RATE, np.float32), options)  # what compiles, compiles
    replay = session_replay() if asked.streaming else None
    mixed = in_noise(noises(asked.noise), asked.snr_db) if asked.noise else None

    def hear(samples: FloatArray) -> Heard:
        if replay is None:
            return hear_whole(recogniser, samples, options)
        return hear_streamed(replay(recogniser, samples, steps or recogniser.context.chunk_steps))

    if replay is not None and language_model != bundle.GENERAL:
        raise ConfigError("--streaming: expected the general language model, found another one")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as progress:
        if asked.wordless:
            found = evaluate_wordless.listen(asked.wordless, lambda x: hear(x).text, progress)
            evaluate_wordless.report(found, f"{asked.bundle} without words", as_json=asked.json)
            return 0
        report = evaluate(asked.manifest, hear, progress)
        noisy = mixed and evaluate(asked.manifest, lambda x: hear(mixed(x)), progress)
        peer = evaluate(asked.manifest, hear_pocketsphinx(), progress) if asked.against else None
    if asked.hypotheses:
        _write_hypotheses(asked.hypotheses, report)
    _tell(asked, report, noisy, peer)
    return 0


def _write_hypotheses(path: Path, report: Report) -> None:
    """Write what was said and what was heard, a line each."""
    pairs = zip(report.references, report.hypotheses, strict=True)
    lines = (f"REF {reference}\nHYP {hypothesis}\n" for reference, hypothesis in pairs)
    path.write_text("\n".join(lines), encoding="utf-8")


def _tell(
    asked: argparse.Namespace, report: Report, noisy: Report | None, peer: Report | None
) -> None:
    """Print what was found, as tables or as JSON."""
    if asked.json:
        numbers: dict[str, object] = {**figures(report)}
        if noisy:
            numbers["noise"] = {"snr_db": asked.snr_db, **figures(noisy)}
        if peer:
            numbers[asked.against] = figures(peer)
        json.dump(numbers, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    Console().print(_table(report, f"{asked.bundle} on {asked.manifest}"))
    if noisy:
        times = noisy.wer.rate / max(report.wer.rate, 1e-9)
        Console().print(_table(noisy, f"the same in noise at {asked.snr_db:g} dB"))
        Console().print(f"word error rate in noise: {times:.2f} times that without")
    if peer:
        Console().print(_table(peer, f"{asked.against} on {asked.manifest}"))
        Console().print(_comparison(report, peer, asked.against))
