"""`steno-models unknown-words`: words that no lexicon holds, found and named.

build     make the vocabulary of candidates of texts and the CMU dictionary
fit       fit the weights on half of the words taken away from a lexicon, then as evaluate
evaluate  measure them on the other half
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import track

from steno_models import bundle
from steno_models.errors import ConfigError, DataError
from steno_models.features.fbank import fbank
from steno_models.lexicon_recogniser import LexiconRecogniser
from steno_models.lm.ngram.corpus import Corpus, CorpusReader, read_sentences
from steno_models.text.g2p import G2P
from steno_models.text.lexicon import Lexicon
from steno_models.text.normalise import normalise, sentences
from steno_models.text.tokens import TokenTable
from steno_models.training.manifest import read_manifest
from steno_models.training.recordings import read_samples
from steno_models.unknown import build
from steno_models.unknown.experiment import Experiment, Report
from steno_models.unknown.trial import Utterance
from steno_models.unknown.vocabulary import DESCRIPTION

_BLOCK = 20_000
_COSTS = ("p50", "p95", "most")


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models unknown-words`; 0 if it went well.

    Raises:
        StenoModelsError: something is wrong with what was given.
    """
    asked = _parser().parse_args(arguments)
    match asked.command:
        case "build":
            return _build(asked)
        case _:
            experiment = _experiment(asked)
            margins = None
            if asked.command == "fit":
                weights, margins = experiment.fitted()
                weights.write(asked.candidates)
            report = experiment.report(confirm=asked.confirm, margins=margins)
            if asked.json:
                sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
            else:
                Console().print(_table(report))
            return 0


def _build(asked: argparse.Namespace) -> int:
    began_s = time.perf_counter()
    corpus = _corpus(asked.text)
    lexicon = Lexicon.from_cmudict(asked.dictionary)
    counts = build.vocabulary_of(corpus, lexicon)
    ways = build.pronounced(counts, lexicon, G2P.load())
    table = TokenTable.read(bundle.find(asked.bundle) / "tokens.txt")
    told = build.write(asked.out, counts, ways, corpus, table)
    mebibytes = sum(told.sizes.values()) / 2**20
    Console().print(
        f"{told.words:,} words of {told.tokens:,} running ones, {mebibytes:.1f} MiB, in "
        f"{time.perf_counter() - began_s:.0f} s: {asked.out}"
    )
    return 0


def _corpus(files: Sequence[Path]) -> Corpus:
    reader = CorpusReader()
    for file in track(files, description="reading"):
        block = []
        for sentence in read_sentences(file, sentences):
            block.append(sentence)
            if len(block) == _BLOCK:
                reader.add(block)
                block.clear()
        reader.add(block)
    return reader.corpus()


def _experiment(asked: argparse.Namespace) -> Experiment:
    if not (asked.candidates / DESCRIPTION).is_file():
        raise DataError(
            f"expected candidates at {asked.candidates} (steno-models unknown-words build makes "
            f"them), found none"
        )
    loaded = bundle.load(asked.bundle)
    first = loaded.first_pass
    if not isinstance(first, LexiconRecogniser):
        raise ConfigError(
            f"expected a bundle of the family ctc that decodes while people speak, found "
            f"{loaded.description.family}"
        )
    utterances = list(_cached(asked.posteriors) if asked.posteriors else _listened(asked, first))
    if not utterances:
        raise ConfigError("expected --manifest or --posteriors with speech, found none")
    return Experiment.of(
        loaded.path, first, utterances, asked.candidates, number=asked.remove, seed=asked.seed
    )


def _cached(files: Sequence[Path]) -> Iterator[Utterance]:
    """Yield what was listened to before: texts, and their posteriors as arrays of their numbers."""
    for file in files:
        try:
            with np.load(file, allow_pickle=False) as found:
                for number, text in enumerate(found["texts"].tolist()):
                    yield Utterance(file.stem, tuple(text.split()), found[str(number)])
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"expected texts and posteriors in {file}, found: {error}") from error


def _listened(asked: argparse.Namespace, first: LexiconRecogniser) -> Iterator[Utterance]:
    for manifest in asked.manifest:
        for one in track(list(read_manifest(manifest)), description=f"listening to {manifest}"):
            log_probs = first.log_probs(fbank(read_samples(one)))
            yield Utterance(str(manifest), tuple(normalise(one.text).split()), log_probs)


def _table(report: Report) -> str:
    found = f"{report.hits} of {report.unknown}"
    lines = [
        f"{report.removed} words taken away, {report.counted} of them to report on",
        f"candidates: {report.candidates:,}",
        f"F1 {report.f1:.3f}",
        f"precision {report.precision:.3f}, recall {report.recall:.3f}: {found}",
        f"false alarms {report.false_alarms_per_hundred:.2f} per 100 known words",
        f"first candidate right {report.first:.1%}, one of five {report.five:.1%}",
        f"of words that no lexicon ever held, {report.never[0]} of {report.never[1]} told of",
    ]
    for name, costs in (
        ("an event", report.costs.event),
        ("a segment", report.costs.segment),
        ("a segment without an event", report.costs.quiet),
    ):
        told = ", ".join(f"{q} {ms:.1f} ms" for q, ms in zip(_COSTS, costs, strict=True))
        lines.append(f"cost of {name} {told}")
    for name, first, five in report.alone:
        lines.append(f"  {name} alone: first {first:.1%}, five {five:.1%}")
    for one in report.confirmed:
        later = f"{one.right} of {one.said} later ones recognised ({one.share:.1%})"
        lines.append(f"confirmed with boost {one.boost:g}: {later}")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models unknown-words",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    made = commands.add_parser("build", help="make the vocabulary of candidates")
    made.add_argument("text", nargs="+", type=Path, help="running text, also .xz or .gz")
    made.add_argument("--out", type=Path, required=True, help="folder to write")
    made.add_argument("--bundle", default="en", help="whose phones they are (en)")
    made.add_argument("--dictionary", type=Path, help="default: that of pocketsphinx")
    for name, what in (
        ("fit", "fit the weights on one half of the words that are taken away, then measure"),
        ("evaluate", "measure them on the other half"),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument("--bundle", default="en", help="name or path (en)")
        command.add_argument("--candidates", type=Path, required=True, help="from `build`")
        command.add_argument("--manifest", type=Path, nargs="+", default=[], help="speech")
        command.add_argument("--posteriors", type=Path, nargs="+", help="or its posteriors, .npz")
        command.add_argument("--remove", type=int, default=200, help="words to take away (200)")
        command.add_argument("--seed", type=int, default=1, help="of the choice (1)")
        command.add_argument("--confirm", action="store_true", help="say what words are, too")
        command.add_argument("--json", action="store_true", help="as one line of JSON")
    return parser
