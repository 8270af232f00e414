"""`steno-models lm build --name`: plain text becomes a domain that a running daemon can load."""

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from steno_models.errors import ConfigError, DataError
from steno_models.lm.domain.build import General, Plan, Report, build
from steno_models.lm.domain.mixing import check_weights
from steno_models.lm.ngram.corpus import SentenceSplitter, read_sentences
from steno_models.lm.ngram.quantise import BITS
from steno_models.text.g2p import G2P
from steno_models.text.lexicon import Pronouncer
from steno_models.text.normalise import sentences

BUNDLES = Path(__file__).resolve().parents[2] / "bundles"
_GENERAL = Path("lm", "general.bin")
_LEXICON = Path("lm", "general.lexicon.txt")
_SHOWN = 12

_DESCRIPTION = """\
Turn plain text into a domain: a vocabulary with pronunciations, an n-gram model, and domain.toml
with what they were made of. A daemon with `engine.domains_directory` loads what lies there.
Without --name a bare model file is written instead; `steno-models lm build --help` tells of it.
"""

_EXAMPLES = """\
examples:
  steno-models lm build --text statutes.txt --name legal --out /etc/steno/domains/legal
        the words of the text alone: small, quick, and deaf to every other word

  steno-models lm build --text statutes.txt --name legal --with-general en \\
        --out /etc/steno/domains/legal
        with the general model of the bundle en; how much each weighs is found on a tenth of the
        text's sentences, held out for it with all their copies

  steno-models lm build --text *.txt --name legal --with-general en:0.4 \\
        --pronunciations names.txt --prune 1e-8 --out ./legal
        the general model has 0.4 of the weight; names.txt says how names sound, one a line:
            Nguyen  W IH N
            voir    V W AA R

Then `steno lm load legal`, or wait a few seconds; `steno caption --domain legal` speaks of it.
A domain that is there already is replaced as a whole, or not at all.
"""


def main(
    arguments: Sequence[str],
    *,
    splitter: SentenceSplitter = sentences,
    pronouncer: Callable[[], Pronouncer] = G2P.load,
) -> None:
    """Run `steno-models lm build --name` with `arguments`.

    Args:
        arguments: of the command line.
        splitter: normalises text.
        pronouncer: gives what guesses how words sound.
    """
    plan = _plan(arguments)
    console = Console()
    with Progress(console=console, transient=True) as progress:
        report = build(
            plan,
            read=partial(_read, splitter, progress),
            pronouncer=pronouncer,
            stage=partial(_stage, progress),
        )
    _show(console, plan, report)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(
        prog="steno-models lm build",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = found.add_argument
    # fmt: off
    add("--text", type=Path, nargs="+", required=True, metavar="FILE",
        help="plain text (.gz, .bz2, .xz too) or manifests (.jsonl), UTF-8")
    add("--name", required=True, help="of the domain: a-z, 0-9, - and _")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the domain")
    add("--pronunciations", type=Path, metavar="FILE",
        help='how words sound, "word P1 P2 …" a line, in the 39 phones of the CMU dictionary')
    add("--with-general", nargs="+", default=[], metavar="B[:WEIGHT]",
        help="bundles whose general model to mix in, by name or path, each with its share of 0 to "
        "1; without, the shares under which held-out text is likeliest")
    add("--tune", type=Path, nargs="+", default=[], metavar="FILE",
        help="held-out text (a tenth of the sentences of --text)")
    add("--vocabulary", type=int, default=100_000, metavar="N",
        help="words of the text to know at most (default %(default)s)")
    add("--order", type=int, default=3,
        help="words in the longest n-grams (default %(default)s); with --with-general its own")
    add("--prune", type=float, default=0.0, metavar="THRESHOLD",
        help="drop n-grams worth less than this share of the perplexity, say 1e-8")
    add("--bits", type=int, choices=BITS, default=min(BITS),
        help="of each log probability (default %(default)s)")
    # fmt: on
    return found


def _plan(arguments: Sequence[str]) -> Plan:
    asked = parser().parse_args(arguments)
    if asked.order < 1 or asked.vocabulary < 1:
        raise ConfigError(
            f"expected --order and --vocabulary of 1 or more, found {asked.order} and "
            f"{asked.vocabulary}"
        )
    general = tuple(map(_general, asked.with_general))
    check_weights([one.weight for one in general])
    return Plan(
        name=asked.name,
        texts=tuple(asked.text),
        out=asked.out,
        fallback=BUNDLES / "en" / _LEXICON,
        general=general,
        pronunciations=asked.pronunciations,
        tune=tuple(asked.tune),
        size=asked.vocabulary,
        order=asked.order,
        threshold=asked.prune,
        bits=asked.bits,
    )


def _general(said: str) -> General:
    """Return the general model that `B` or `B:WEIGHT` names.

    Raises:
        ConfigError: the weight is no number.
        DataError: there is no such bundle.
    """
    name, colon, share = said.rpartition(":")
    if not colon:
        name = said
    try:
        weight = float(share) if colon else None
    except ValueError:
        raise ConfigError(
            f"--with-general: expected BUNDLE or BUNDLE:WEIGHT, such as en:0.4, found {said}"
        ) from None
    for folder in (Path(name), BUNDLES / name):
        if (folder / _GENERAL).is_file() and (folder / _LEXICON).is_file():
            return General(
                source=name, model=folder / _GENERAL, lexicon=folder / _LEXICON, weight=weight
            )
    raise DataError(
        f"--with-general: expected a bundle with {_GENERAL} and {_LEXICON}, by path or by name, "
        f"found {name}"
    )


def _read(splitter: SentenceSplitter, progress: Progress, path: Path) -> Iterable[str]:
    size = path.stat().st_size if path.exists() else None
    task = progress.add_task(f"reading {path.name}", total=size)
    return read_sentences(path, splitter, partial(progress.advance, task))


@contextmanager
def _stage(progress: Progress, name: str) -> Iterator[None]:
    task = progress.add_task(name, total=None)
    yield
    progress.update(task, total=1, completed=1)


def _show(console: Console, plan: Plan, report: Report) -> None:
    """Say what was written, what was guessed, and how well it predicts."""
    made = report.description
    ngrams = ", ".join(f"{size} {k}-grams" for k, size in enumerate(made.ngrams, start=1))

    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True, markup=False)

    say(f"{plan.out}: {made.words} words, {report.size_bytes / 1e6:.1f} MB, {ngrams}")
    if report.guessed:
        say(f"{len(report.guessed)} words sound as the G2P model guesses, among them:")
        for word, sound in report.guessed[:_SHOWN]:
            say(f"  {word}  {sound}")
        say("  where that is wrong, say so with --pronunciations")
    if not report.rows:
        say("the text is too short to hold any out: nothing was measured")
        return
    words = report.rows[0].found.words
    share = report.unknown / max(words, 1)
    say(f"held-out text: {words} words, {report.unknown} of them ({share:.2%}) in no other text")
    table = Table("", "weight", "perplexity", box=None)
    for row in report.rows:
        table.add_row(row.source, f"{row.weight:.3f}", f"{row.found.perplexity:.1f}")
    console.print(table)
