"""`steno-models lm build`: from text files to a model file.

Each `--text` is a group of files that is counted and smoothed as one text; several groups are mixed
with the weights given, or with those under which the held-out text of `--tune` is likeliest.
"""

import argparse
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from steno_models.errors import ConfigError
from steno_models.lm.ngram.arpa import write_arpa
from steno_models.lm.ngram.backoff import BackoffModel
from steno_models.lm.ngram.corpus import (
    SPECIAL_WORDS,
    Corpus,
    CorpusReader,
    SentenceSplitter,
    is_manifest,
    read_sentences,
)
from steno_models.lm.ngram.counts import count
from steno_models.lm.ngram.kernels import DoubleArray
from steno_models.lm.ngram.mixture import mix, tuned_weights
from steno_models.lm.ngram.model import NgramModel
from steno_models.lm.ngram.perplexity import perplexity
from steno_models.lm.ngram.prune import history_log_probs, prune
from steno_models.lm.ngram.quantise import BITS
from steno_models.lm.ngram.smoothing import Smoothing, estimate
from steno_models.lm.ngram.vocabulary import (
    order_by_pronunciation,
    read_vocabulary,
    select_words,
    write_vocabulary,
)
from steno_models.text.g2p import G2P
from steno_models.text.lexicon import Lexicon, Pronouncer
from steno_models.text.normalise import sentences

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to make of which texts.

    Attributes:
        groups: files of running text (plain, .gz, .bz2, .xz) or manifests (.jsonl). The words of
            manifests are chosen before all others.
        out: the model. Chosen words and their sounds are written beside it.
        tune: held-out files, for the weights and the report.
        weights: of the groups, normalised; empty to tune them.
        size: how many words to choose.
        vocabulary: a file of words to take instead, one a line.
        lexicon: a file of pronunciations instead of the CMU dictionary.
        order: the length of the longest n-grams.
        smoothing: how what was not seen gets its share.
        threshold: relative rise of the perplexity below which an n-gram is pruned; 0 for none.
        bits: of each log probability, one of `quantise.BITS`.
        arpa: where to write the model as text too.
    """

    groups: tuple[tuple[Path, ...], ...]
    out: Path
    tune: tuple[Path, ...] = ()
    weights: tuple[float, ...] = ()
    size: int = 100_000
    vocabulary: Path | None = None
    lexicon: Path | None = None
    order: int = 3
    smoothing: Smoothing = Smoothing.KNESER_NEY
    threshold: float = 0.0
    bits: int = max(BITS)
    arpa: Path | None = None


def main(
    arguments: Sequence[str],
    *,
    splitter: SentenceSplitter = sentences,
    pronouncer: Pronouncer | None = None,
) -> None:
    """Run `steno-models lm build` with `arguments`.

    Args:
        arguments: of the command line.
        splitter: normalises text.
        pronouncer: guesses how words sound that the lexicon lacks; default the shipped G2P.
    """
    plan = _plan(arguments)
    console = Console()
    with Progress(console=console, transient=True) as progress:
        corpora = [_read(group, splitter, progress) for group in plan.groups]
        held_out = [s for path in plan.tune for s in read_sentences(path, splitter)]
        with _stage(progress, "choosing words"):
            vocabulary = _vocabulary(plan, corpora, pronouncer)
        model = build(corpora, vocabulary, plan, held_out, progress)
        with _stage(progress, "writing"):
            NgramModel.from_backoff(model, plan.bits).write(plan.out)
            if plan.arpa is not None:
                write_arpa(model, plan.arpa)
    for line in _summary(NgramModel.open(plan.out), plan, held_out):
        console.print(line, highlight=False, soft_wrap=True)


def build(
    corpora: Sequence[Corpus],
    vocabulary: tuple[str, ...],
    plan: Plan,
    held_out: Sequence[str],
    progress: Progress,
) -> BackoffModel:
    """Return the pruned model of `corpora`, mixed as `plan` says or as suits `held_out`."""
    smoothed = [
        _smoothed(corpus, vocabulary, plan)
        for corpus in progress.track(corpora, description="counting")
    ]
    model, history = smoothed[0]
    if len(smoothed) > 1:
        with _stage(progress, "mixing"):
            models = [model for model, _ in smoothed]
            weights = _weights(plan, models, held_out)
            _LOG.info("weights of the texts: %s", " ".join(f"{w:.4f}" for w in weights))
            model, history = mix(models, weights, [history for _, history in smoothed])
    if plan.threshold <= 0:
        return model
    with _stage(progress, "pruning"):
        return prune(model, threshold=plan.threshold, history_log_prob=history)


def _smoothed(
    corpus: Corpus, vocabulary: tuple[str, ...], plan: Plan
) -> tuple[BackoffModel, DoubleArray]:
    """Return the unpruned model of one text and ln p(h) of its histories."""
    counts = count(corpus.encode(vocabulary), vocabulary=vocabulary, order=plan.order)
    model = estimate(counts, plan.smoothing)
    return model, history_log_probs(counts, model)


def choose_vocabulary(
    corpora: Sequence[Corpus],
    required: set[str],
    *,
    lexicon: Lexicon,
    pronouncer: Pronouncer,
    size: int,
) -> tuple[tuple[str, ...], Lexicon]:
    """Return the vocabulary, ordered by pronunciation, and its words' pronunciations."""
    frequencies: Counter[str] = Counter()
    for corpus in corpora:
        frequencies.update(dict(zip(corpus.words, corpus.frequencies().tolist(), strict=True)))
    words = select_words(frequencies, lexicon=lexicon, size=size, required=required)
    covered = lexicon.cover(words, pronouncer)
    return (*order_by_pronunciation(words, covered), *SPECIAL_WORDS), covered


def _plan(arguments: Sequence[str]) -> Plan:
    parser = argparse.ArgumentParser(prog="steno-models lm build", description=__doc__)
    add = parser.add_argument
    # fmt: off
    add("--text", type=Path, nargs="+", action="append", required=True, metavar="FILE",
        help="text or manifests (.jsonl) that count as one; repeat for texts to be mixed")
    add("--tune", type=Path, nargs="+", default=[], metavar="FILE", help="held-out text")
    add("--weights", type=float, nargs="+", default=[], metavar="W", help="one for each --text")
    words = parser.add_mutually_exclusive_group()
    words.add_argument("--vocabulary", type=int, default=100_000, metavar="N",
                       help="choose N words (default %(default)s)")
    words.add_argument("--vocabulary-file", type=Path, metavar="FILE", help="take these words")
    add("--lexicon", type=Path, metavar="FILE", help="instead of the CMU dictionary")
    add("--order", type=int, default=3, help="words in the longest n-grams (default %(default)s)")
    add("--smoothing", type=Smoothing, choices=tuple(Smoothing), default=Smoothing.KNESER_NEY,
        help="of what was not seen (default %(default)s)")
    add("--prune", type=float, default=0.0, metavar="THRESHOLD",
        help="drop n-grams worth less than this share of the perplexity, say 1e-8")
    add("--bits", type=int, choices=BITS, default=max(BITS),
        help="of each log probability (default %(default)s)")
    add("--arpa", type=Path, metavar="FILE", help="write the model as text too")
    add("--out", type=Path, required=True, metavar="FILE")
    # fmt: on
    found = parser.parse_args(arguments)
    return Plan(
        groups=tuple(tuple(group) for group in found.text),
        out=found.out,
        tune=tuple(found.tune),
        weights=tuple(found.weights),
        size=found.vocabulary,
        vocabulary=found.vocabulary_file,
        lexicon=found.lexicon,
        order=found.order,
        smoothing=found.smoothing,
        threshold=found.prune,
        bits=found.bits,
        arpa=found.arpa,
    )


def _read(group: Sequence[Path], splitter: SentenceSplitter, progress: Progress) -> Corpus:
    reader = CorpusReader()
    for path in group:
        size = path.stat().st_size if path.exists() else None
        task = progress.add_task(f"reading {path.name}", total=size)
        reader.add(read_sentences(path, splitter, partial(progress.advance, task)))
    return reader.corpus()


@contextmanager
def _stage(progress: Progress, name: str) -> Iterator[None]:
    task = progress.add_task(name, total=None)
    yield
    progress.update(task, total=1, completed=1)


def _vocabulary(
    plan: Plan, corpora: Sequence[Corpus], pronouncer: Pronouncer | None
) -> tuple[str, ...]:
    """Return the words of the file that `plan` names, or those chosen, which are written out."""
    if plan.vocabulary is not None:
        return read_vocabulary(plan.vocabulary)
    lexicon = Lexicon.from_cmudict() if plan.lexicon is None else Lexicon.read(plan.lexicon)
    required = {
        word
        for group, corpus in zip(plan.groups, corpora, strict=True)
        if all(map(is_manifest, group))
        for word in corpus.words
    }
    vocabulary, covered = choose_vocabulary(
        corpora, required, lexicon=lexicon, pronouncer=pronouncer or G2P.load(), size=plan.size
    )
    write_vocabulary(plan.out.with_suffix(".vocabulary.txt"), vocabulary)
    covered.write(plan.out.with_suffix(".lexicon.txt"))
    return vocabulary


def _weights(plan: Plan, models: Sequence[BackoffModel], held_out: Sequence[str]) -> list[float]:
    if not plan.weights:
        if not held_out:
            raise ConfigError(f"expected --tune or --weights for {len(models)} texts, found none")
        return tuned_weights([NgramModel.from_backoff(model) for model in models], held_out)
    if len(plan.weights) != len(models) or min(plan.weights) < 0 or sum(plan.weights) <= 0:
        raise ConfigError(f"expected {len(models)} weights, found {list(plan.weights)}")
    return [weight / sum(plan.weights) for weight in plan.weights]


def _summary(model: NgramModel, plan: Plan, held_out: Sequence[str]) -> Iterator[str]:
    sizes = np.diff(model.arrays.level_begin)[1:]
    ngrams = ", ".join(f"{size} {k}-grams" for k, size in enumerate(sizes, start=1))
    yield f"{plan.out}: {plan.out.stat().st_size / 1e6:.1f} MB, {ngrams}"
    if held_out:
        found = perplexity(model, held_out)
        yield (
            f"held-out text: perplexity {found.perplexity:.1f} over {found.words} words, "
            f"{100 * found.unknown_rate:.2f} % of them unknown"
        )
