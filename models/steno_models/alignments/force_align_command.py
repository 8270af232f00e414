"""`steno-models force-align`: where the words of known texts are in recordings."""

import argparse
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from steno_models.alignments.dictionary import Dictionary, english_dictionary, read_dictionary
from steno_models.alignments.formats import FORMATS
from steno_models.alignments.phrases import phrases
from steno_models.alignments.route import Job, Outcome, Report, Route
from steno_models.alignments.sound import file_blocks, utterance_blocks
from steno_models.alignments.timed import Timed
from steno_models.alignments.written import Written
from steno_models.errors import ConfigError, DataError
from steno_models.hmm.corpus import by_speaker
from steno_models.text.lexicon import Pronunciation
from steno_models.training.manifest import read_manifest, write_manifest
from steno_models.training.recordings import recording_duration_s
from steno_models.training.utterance import Utterance

_log = logging.getLogger(__name__)

TRAINING_LABELS = "--training-labels"
DOUBTFUL = 0.05  # a lower median confidence tells of a text that is not this recording's

_DESCRIPTION = """Say when each word and phone of a known text is spoken.

The text is given as words or as a file, with punctuation and capitals as it is; numbers and
abbreviations are read out, and the words come back as written. Words that the CMU dictionary lacks
are pronounced by the G2P model. Either a bundle's CTC model aligns, or GMM-HMMs, which are more
exact (see --system and --train). Recordings may be hours long.
"""

_EXAMPLE = """examples:

  steno-models force-align talk.wav --text talk.txt --format srt --out talk.srt
  steno-models force-align hello.wav --text "Hello, Mr. Smith!"
  steno-models force-align --system hmm/tri3.npz talk.wav --text talk.txt --format textgrid ctm \\
      --out aligned
  steno-models force-align --manifest dev.jsonl --format textgrid --out aligned
  steno-models force-align --train mboshi.npz --lexicon mboshi.lexicon.txt \\
      --manifest mboshi/train.jsonl --format textgrid --out aligned
  steno-models force-align --manifest train.jsonl --out aligned --phrases short.jsonl
        a manifest of the same recordings cut at pauses, in pieces of a few seconds, for trainings
        that cannot begin with long ones

Arrays of phones and frames, from which other models learn, are a thing of their own:

  steno-models force-align --training-labels --help
"""


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models force-align`."""
    if TRAINING_LABELS in arguments:
        from steno_models.hmm.command import main as write_labels  # noqa: PLC0415

        return write_labels([each for each in arguments if each != TRAINING_LABELS])
    parser = _parser()
    asked = parser.parse_args(arguments)
    if (asked.audio is None) == (asked.manifest is None):
        parser.error("expected either a recording with --text or --manifest")
    if (asked.audio is None) != (asked.text is None):
        parser.error("expected --text with a recording, and only there")
    if asked.out is None and (asked.manifest or len(asked.format) > 1):
        parser.error("expected --out DIR for several files")
    if asked.phrases is not None and asked.manifest is None:
        parser.error("expected --phrases with --manifest")
    dictionary = read_dictionary(asked.lexicon) if asked.lexicon else english_dictionary()
    if asked.audio is not None:
        return _align_file(asked, dictionary)
    return _align_manifests(asked, dictionary)


def read_text(text: str) -> str:
    """Return what the file called `text` holds, or `text` itself where there is none.

    Raises:
        DataError: the file is no text.
    """
    path = Path(text)
    try:
        if not path.is_file():
            return text
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"expected text in UTF-8 in {path}, found: {error}") from error
    except (OSError, ValueError):  # too long for a path, or no possible one
        return text


def file_job(audio: Path, text: str, dictionary: Dictionary) -> Job:
    """Return the job of one recording.

    Raises:
        DataError: the text is empty or the recording is not there.
    """
    written = dictionary.speller(read_text(text))
    return Job(
        name=audio.stem,
        duration_s=recording_duration_s(audio),
        open=lambda: file_blocks(audio),
        written=written,
        ways=dictionary.pronunciations(written),
    )


def open_route(asked: argparse.Namespace, dictionary: Dictionary) -> Route:
    """Return the way to align that was asked for."""
    if asked.system is not None:
        from steno_models.alignments.hmm_route import HmmRoute  # noqa: PLC0415

        return HmmRoute.read(asked.system, dictionary)
    from steno_models.alignments.ctc_route import CtcRoute  # noqa: PLC0415

    return CtcRoute.of_bundle(asked.bundle)


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what aligns."""
    parser.add_argument("--bundle", default="en", help="whose CTC model aligns (en)")
    parser.add_argument(
        "--system", type=Path, metavar="FILE.npz", help="GMM-HMMs of `steno-models hmm train`"
    )
    parser.add_argument(
        "--lexicon",
        type=Path,
        metavar="FILE.txt",
        help='lines "word P1 P2 …" that go before the dictionary, or, with phones of their own, '
        "in its place",
    )


def _align_file(asked: argparse.Namespace, dictionary: Dictionary) -> int:
    if asked.train is not None:
        raise ConfigError("expected --manifest to train on, found one recording")
    job = file_job(asked.audio, asked.text, dictionary)
    route = open_route(asked, dictionary)
    with _bar() as progress:
        [outcome] = route.align([job], _report(progress, job.name))
    if isinstance(outcome.found, DataError):
        raise outcome.found
    _doubt([outcome.found])
    if asked.out is None:
        sys.stdout.write(FORMATS[asked.format[0]][1](outcome.found))
    else:
        _write(outcome.found, asked.format, asked.out, alone=True)
    return 0


def _align_manifests(asked: argparse.Namespace, dictionary: Dictionary) -> int:
    utterances = [each for path in asked.manifest for each in read_manifest(path)]
    with _bar() as progress:
        speakers = list(_jobs(utterances, dictionary, progress))
        if asked.train is not None:
            from steno_models.alignments.hmm_route import train_system  # noqa: PLC0415

            train_system(speakers, dictionary, asked.train, progress)
            asked.system = asked.train
        route = open_route(asked, dictionary)
        found = []
        task = progress.add_task("aligning", total=sum(map(len, speakers)))
        for outcome in _outcomes(route, speakers):
            if isinstance(outcome.found, DataError):
                _left_out(progress, outcome.found)
            else:
                found.append(outcome.found)
                _write(outcome.found, asked.format, asked.out, alone=False)
            progress.advance(task)
    _doubt(found)
    if asked.phrases is not None:
        _write_phrases(utterances, found, asked.phrases)
    Console(stderr=True, soft_wrap=True).print(
        f"{len(found)} of {len(utterances)} utterances aligned, in {asked.out}", highlight=False
    )
    return 0 if found else 1


def _jobs(
    utterances: Sequence[Utterance], dictionary: Dictionary, progress: Progress
) -> Iterator[list[Job]]:
    """Yield the jobs of each speaker; what has no words, or unknown ones, is left out."""
    for group in by_speaker(utterances):
        jobs = []
        for utterance in group:
            try:
                written = dictionary.speller(utterance.text)
                ways = dictionary.pronunciations(written)
            except DataError as error:
                _left_out(progress, DataError(f"{utterance.key}: {error}"))
                continue
            jobs.append(_utterance_job(utterance, written, ways))
        if jobs:
            yield jobs


def _utterance_job(
    utterance: Utterance, written: Sequence[Written], ways: Sequence[Sequence[Pronunciation]]
) -> Job:
    return Job(
        name=utterance.key,
        duration_s=utterance.duration_s,
        open=lambda: utterance_blocks(utterance),
        written=written,
        ways=ways,
    )


def _outcomes(route: Route, speakers: Sequence[Sequence[Job]]) -> Iterable[Outcome]:
    for jobs in speakers:
        yield from route.align(jobs, lambda _what, _share: None)


def _write(found: Timed, formats: Sequence[str], out: Path, *, alone: bool) -> None:
    """Write `found`: to the file `out` if it is alone and in one format, else into the folder."""
    try:
        for name in formats:
            ending, written = FORMATS[name]
            is_file = alone and len(formats) == 1 and not out.is_dir()
            path = out if is_file else out / f"{found.name.replace('/', '_')}{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(written(found), encoding="utf-8")
    except OSError as error:
        raise DataError(f"expected to write to {out}, found: {error}") from error


def _write_phrases(utterances: Sequence[Utterance], found: Sequence[Timed], path: Path) -> None:
    """Write the manifest of what was aligned, cut at pauses."""
    timed = {each.name: each for each in found}
    whole = [utterance for utterance in utterances if utterance.key in timed]
    try:
        write_manifest(path, [p for each in whole for p in phrases(each, timed[each.key])])
    except OSError as error:
        raise DataError(f"expected to write to {path}, found: {error}") from error


def _doubt(found: Sequence[Timed]) -> None:
    """Warn of recordings whose text is hardly theirs."""
    for each in found:
        confidences = sorted(word.confidence for word in each.words)
        median = confidences[len(confidences) // 2]
        if median < DOUBTFUL:
            _log.warning(
                "%s: is this its text? Half of its words have a confidence of %.2f or less",
                each.name,
                median,
            )


def _left_out(progress: Progress, error: DataError) -> None:
    progress.console.print(f"left out: {error}", highlight=False, markup=False)


@contextmanager
def _bar() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    console = Console(stderr=True, soft_wrap=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        yield progress


def _report(progress: Progress, name: str) -> Report:
    task = progress.add_task(name, total=1.0)

    def report(what: str, share: float) -> None:
        progress.update(task, description=f"{name}: {what}", completed=share)

    return report


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models force-align",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("audio", type=Path, nargs="?", metavar="AUDIO", help="a recording")
    parser.add_argument("--text", metavar="FILE|WORDS", help="what is said in it")
    parser.add_argument(
        "--manifest", type=Path, nargs="+", metavar="FILE.jsonl", help="recordings with texts"
    )
    add_model_arguments(parser)
    parser.add_argument(
        "--train",
        type=Path,
        metavar="FILE.npz",
        help="first train GMM-HMMs of phones on the manifests themselves, and write them there",
    )
    parser.add_argument(
        "--format", nargs="+", choices=tuple(FORMATS), default=["json"], help="of the files (json)"
    )
    parser.add_argument(
        "--phrases",
        type=Path,
        metavar="FILE.jsonl",
        help="with --manifest: write there a manifest of the recordings cut at pauses",
    )
    parser.add_argument(
        "--out", type=Path, help="file, or folder for several; a single one may go to the screen"
    )
    return parser
