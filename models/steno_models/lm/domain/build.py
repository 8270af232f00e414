"""From plain text to a domain's folder.

Without held-out text of the user's, a tenth of the sentences is held out to find the weights of the
mixture and to measure it; the model that is written is then made of all of them. Texts repeat
themselves, by the page: all copies of a sentence are held out or none is, else the text would seem
to predict itself.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zlib import crc32

import numpy as np

from steno_models.errors import DataError
from steno_models.lm.domain import folder
from steno_models.lm.domain.description import (
    Description,
    Measure,
    Share,
    check_name,
    files_of,
    tree_of,
)
from steno_models.lm.domain.general import words_of
from steno_models.lm.domain.mixing import (
    Part,
    check_held_out,
    check_weights,
    mixed,
    part_of_general,
    part_of_text,
    weights_of,
)
from steno_models.lm.domain.prepared import write_tree
from steno_models.lm.domain.words import Words, choose, dictionary, read_pronunciations
from steno_models.lm.ngram.backoff import BackoffModel
from steno_models.lm.ngram.corpus import Corpus, CorpusReader
from steno_models.lm.ngram.model import NgramModel
from steno_models.lm.ngram.perplexity import Perplexity, perplexity
from steno_models.lm.ngram.prune import prune
from steno_models.text.lexicon import Pronouncer

_EVERY = 10
_SENTENCES = 20
"""A text of fewer is too short to hold any out."""
_HELD_OUT_MAX = 20_000
_COPIED = 6
"""So many words that stand twice are a copy; of shorter sentences people say the same again."""

Stage = Callable[[str], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class General:
    """A general model to mix in.

    Attributes:
        source: what the user calls it.
        model: its file.
        lexicon: how its words sound.
        weight: its share; None to find it.
    """

    source: str
    model: Path
    lexicon: Path
    weight: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to make of which text.

    Attributes:
        name: of the domain.
        texts: running text (plain, .gz, .bz2, .xz) or manifests (.jsonl).
        out: the folder.
        fallback: a lexicon where no other is at hand.
        general: models to mix in.
        pronunciations: a file of the user's.
        tune: held-out files.
        size: how many words of the text to know at most.
        order: of the longest n-grams; that of the general models where there are any.
        threshold: relative rise of the perplexity below which an n-gram is pruned; 0 for none.
        bits: of each log probability.
    """

    name: str
    texts: tuple[Path, ...]
    out: Path
    fallback: Path
    general: tuple[General, ...] = ()
    pronunciations: Path | None = None
    tune: tuple[Path, ...] = ()
    size: int = 100_000
    order: int = 3
    threshold: float = 0.0
    bits: int = 8


@dataclass(frozen=True, slots=True)
class Row:
    """How well one model predicts the held-out text."""

    source: str
    weight: float
    found: Perplexity


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it.

    Attributes:
        description: what was written.
        guessed: the words whose sound was guessed, with it, most frequent first.
        rows: each part alone and the mixture, where there is held-out text.
        unknown: of its words, how many the domain would lack, were it not for that text itself.
        size_bytes: of the model's file.
    """

    description: Description
    guessed: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    unknown: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Text:
    """What was read: all of it, what is left for estimation meanwhile, and what is held out."""

    whole: Corpus
    rest: Corpus
    held_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Findings:
    """What the mixture is made of, how well it predicts, and what it would not know."""

    shares: tuple[Share, ...]
    rows: tuple[Row, ...]
    unknown: int


def build(
    plan: Plan,
    *,
    read: Callable[[Path], Iterable[str]],
    pronouncer: Callable[[], Pronouncer],
    stage: Stage,
) -> Report:
    """Write a domain and return what came of it.

    Args:
        plan: what to make.
        read: gives the normalised sentences of a file.
        pronouncer: gives what guesses the sound of words.
        stage: shows a stage while it lasts.

    Raises:
        DataError: a file cannot be read, has no words or a wrong pronunciation; a full disk.
        ConfigError: a weight is impossible, or something else is at the place.
    """
    check_name(plan.name)
    check_weights([general.weight for general in plan.general])
    folder.check_place(plan.out)
    said = read_pronunciations(plan.pronunciations) if plan.pronunciations else {}
    text = _read(plan, read)
    check_held_out([general.weight for general in plan.general], text.held_out)
    with stage("opening general models"):
        stored = [NgramModel.open(general.model) for general in plan.general]
    with stage("choosing words"):
        words = choose(
            dict(zip(text.whole.words, text.whole.frequencies().tolist(), strict=True)),
            size=plan.size,
            general={word for model in stored for word in words_of(model.vocabulary)},
            said=said,
            known=dictionary([general.lexicon for general in plan.general], plan.fallback),
            pronouncer=pronouncer(),
        )
    final, shares, rows = _model(plan, text, stored, words, stage)
    familiar = {*text.rest.words, *said, *(word for one in stored for word in one.vocabulary)}
    unknown = sum(word not in familiar for line in text.held_out for word in line.split())
    with stage("writing"):
        return _write(plan, final, _Findings(shares, rows, unknown), words)


def _read(plan: Plan, read: Callable[[Path], Iterable[str]]) -> _Text:
    for by_content in (True, False):  # a short text may have none by the first way
        reader, held_out = CorpusReader(), list[str]()
        for path in plan.texts:
            sentences = read(path)
            reader.add(
                sentences
                if plan.tune
                else _without_held_out(sentences, held_out, by_content=by_content)
            )
        if held_out or plan.tune:
            break
    rest = reader.corpus()
    if not rest.words:
        raise DataError(
            f"expected words in {', '.join(map(str, plan.texts))}, found none: nothing is left "
            "once the text is normalised to words of a-z and '"
        )
    is_short = rest.num_sentences + len(held_out) < _SENTENCES
    reader.add(held_out)
    whole = reader.corpus()
    if is_short:
        held_out, rest = [], whole
    if plan.tune:
        held_out = [sentence for path in plan.tune for sentence in read(path)]
        if not any(held_out):
            raise DataError(f"--tune: expected words in {plan.tune[0]}, found none")
    return _Text(whole, rest, tuple(_without_copies(held_out)))


def _without_held_out(
    sentences: Iterable[str], held_out: list[str], *, by_content: bool
) -> Iterator[str]:
    """Yield sentences but for a tenth, which goes to `held_out`: of long ones with all copies."""
    for number, sentence in enumerate(sentences):
        is_chosen_whole = by_content and _may_be_copied(sentence)
        chance = crc32(sentence.encode()) if is_chosen_whole else number
        if chance % _EVERY == _EVERY - 1 and len(held_out) < _HELD_OUT_MAX:
            held_out.append(sentence)
        else:
            yield sentence


def _without_copies(sentences: Iterable[str]) -> Iterator[str]:
    """Yield sentences, long ones once."""
    seen: set[str] = set()
    for sentence in sentences:
        if not _may_be_copied(sentence):
            yield sentence
        elif sentence not in seen:
            seen.add(sentence)
            yield sentence


def _may_be_copied(sentence: str) -> bool:
    return sentence.count(" ") >= _COPIED - 1


def _model(
    plan: Plan, text: _Text, stored: Sequence[NgramModel], words: Words, stage: Stage
) -> tuple[BackoffModel, tuple[Share, ...], tuple[Row, ...]]:
    """Return the model of the whole text, mixed; its shares; and how well the parts predict."""
    orders = {model.order for model in stored} or {plan.order}
    order = max(orders)
    if len(orders) > 1:
        raise DataError(f"expected general models of one order, found {sorted(orders)}")
    with stage("counting"):
        measured = part_of_text(text.rest, words.vocabulary, order)
        whole = measured
        if text.whole is not text.rest and len(text.whole.tokens) != len(text.rest.tokens):
            whole = part_of_text(text.whole, words.vocabulary, order)
    generals = []
    for general, model in zip(plan.general, stored, strict=True):
        with stage(f"reading {general.source}"):
            generals.append(part_of_general(general.source, model, words.vocabulary))
    wished = [general.weight for general in plan.general]
    with stage("weighing"):
        weights = weights_of([measured, *generals], wished, text.held_out) if generals else [1.0]
    with stage("measuring"):
        rows = _rows([measured, *generals], weights, text.held_out)
    with stage("mixing"):
        final = mixed([whole, *generals], weights)
    shares = tuple(
        Share(source=part.source, weight=round(min(1.0, weight), 6))
        for part, weight in zip([whole, *generals], weights, strict=True)
    )
    if plan.threshold <= 0:
        return final.model, shares, rows
    with stage("pruning"):
        pruned = prune(final.model, threshold=plan.threshold, history_log_prob=final.history)
    return pruned, shares, rows


def _rows(
    parts: Sequence[Part], weights: Sequence[float], held_out: Sequence[str]
) -> tuple[Row, ...]:
    """Return how well each part and their mixture predict the held-out text, if there is any."""
    if not held_out:
        return ()
    rows = [
        Row(part.source, weight, perplexity(NgramModel.from_backoff(part.model), held_out))
        for part, weight in zip(parts, weights, strict=True)
    ]
    if len(parts) > 1:
        both = mixed(parts, weights).model
        rows.append(Row("mixture", 1.0, perplexity(NgramModel.from_backoff(both), held_out)))
    return tuple(rows)


def _write(plan: Plan, model: BackoffModel, findings: _Findings, words: Words) -> Report:
    file, lexicon = files_of(plan.name)
    stored = NgramModel.from_backoff(model, plan.bits)
    best = findings.rows[-1].found if findings.rows else None
    description = Description(
        name=plan.name,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        words=len(words_of(words.vocabulary)),
        ngrams=tuple(np.diff(model.trie.level_begin)[1:].tolist()),
        shares=findings.shares,
        held_out=Measure(
            words=best.words,
            perplexity=round(best.perplexity, 2),
            unknown_rate=round(findings.unknown / max(best.words, 1), 6),
        )
        if best
        else None,
        texts={path.name: folder.file_digest(path) for path in plan.texts},
        files={},
    )
    with folder.replacing(plan.out) as place:
        stored.write(place / file)
        words.lexicon.write(place / lexicon)
        write_tree(place / tree_of(plan.name), place / lexicon, words_of(words.vocabulary))
        folder.write_description(place, description)
    return Report(
        description,
        tuple((word, " ".join(words.lexicon[word][0])) for word in words.guessed),
        findings.rows,
        findings.unknown,
        (plan.out / file).stat().st_size,
    )
