"""Take words away from a lexicon and see whether they are found: truth and hits.

What is taken away is written far more often than what a lexicon of a hundred thousand words lacks,
so how often a candidate is written tells more here than it will of real names: the figures without
that part are the honest ones for those.
"""

import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from steno_models.ctc.align import label_graph
from steno_models.ctc.extents import label_spans
from steno_models.errors import DataError
from steno_models.recogniser import LanguageModel
from steno_models.search.hypothesis import SearchWord
from steno_models.search.pronunciations import Pronunciations
from steno_models.search.search import BeamSearch
from steno_models.search.tree import LexiconTree
from steno_models.types import FloatArray

_SHORTEST = 4
_COMMON = 300


@dataclass(frozen=True, slots=True)
class Utterance:
    """A recording as the encoder hears it, and what was said.

    Attributes:
        source: the manifest that it is from.
        text: the words said.
        log_probs: (S, V) ln p(token).
    """

    source: str
    text: tuple[str, ...]
    log_probs: FloatArray


@dataclass(frozen=True, slots=True)
class Said:
    """A word that was said, and the steps at which."""

    word: str
    start: int
    end: int


def chosen(
    utterances: Iterable[Utterance],
    lexicon: Collection[str],
    common: Sequence[str],
    number: int,
    seed: int,
) -> tuple[list[str], list[str]]:
    """Return words to take away: those to tune on, and those to report on, in two halves.

    Words of four letters and more that were said, are in the lexicon and are not among the few
    hundred most frequent ones of the texts, which nobody ever lacks.

    Args:
        utterances: what was said.
        lexicon: words known.
        common: words of the texts, the most frequent first.
        number: how many to take away.
        seed: of the choice.

    Raises:
        DataError: there are too few.
    """
    frequent = set(common[:_COMMON])
    said = Counter(word for one in utterances for word in one.text)
    pool = sorted(
        word for word in said
        if word in lexicon and len(word) >= _SHORTEST and word not in frequent
    )  # fmt: skip
    if len(pool) < number:
        raise DataError(f"expected {number} different words to take away, found {len(pool)}")
    taken = random.Random(seed).sample(pool, number)
    return sorted(taken[: number // 2]), sorted(taken[number // 2 :])


def without(
    model: LanguageModel, pronunciations: Pronunciations, words: Collection[str]
) -> LanguageModel:
    """Return a language model that cannot recognise `words`: they have no pronunciation any more.

    No n-gram with them can be reached then, neither as the word nor in its history. Nothing is
    spelled so any more: they may be candidates.
    """
    numbers = [i for i, word in enumerate(model.words) if word in words]
    keep = ~np.isin(pronunciations.words, numbers)
    kept = Pronunciations(
        pronunciations.num_words,
        pronunciations.words[keep],
        pronunciations.lengths[keep],
        pronunciations.tokens[np.repeat(keep, pronunciations.lengths)],
    )
    old = model.search
    search = BeamSearch(
        LexiconTree.build(kept),
        old.lm,
        topology=old.topology,
        start_state=old.start_state,
        end_word=old.end_word,
        unknown_word=old.unknown_word,
        options=old.options,
    )
    left = tuple("" if word in words else word for word in model.words)
    return replace(model, search=search, words=left)


def recognised(model: LanguageModel, log_probs: FloatArray) -> tuple[SearchWord, ...]:
    """Return the words of a segment."""
    search = model.search
    found = search.finish(search.step(log_probs, search.start()), 1)
    return found[0].words if found else ()


def located(utterance: Utterance, ways: Mapping[str, Sequence[Sequence[int]]]) -> list[Said]:
    """Return where each word was said; none where the text does not fit the sound.

    Args:
        utterance: what was said.
        ways: token ids of the pronunciations of its words.
    """
    graph = label_graph([ways[word] for word in utterance.text])
    if graph.network.least_frames() > len(utterance.log_probs):
        return []
    spans = label_spans(utterance.log_probs, graph)
    found = []
    for number, word in enumerate(utterance.text):
        mine = [span for span in spans if span.word == number]
        start = round(mine[0].start)
        found.append(Said(word, start, max(round(mine[-1].end), start + 1)))
    return found


def is_hit(start: int, end: int, said: Said) -> bool:
    """Return whether a stretch and a word that was said each hold the other's middle."""
    middle, theirs = (start + end) / 2, (said.start + said.end) / 2
    return start <= theirs <= end and said.start - 1 <= middle <= said.end + 1
