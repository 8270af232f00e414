"""Expected phrases and added words in the search, against trying everything."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.test_search_exhaustive import (
    TOLERANCE,
    Task,
    Tokens,
    Words,
    _fixed_task,
    all_sentences,
    tasks,
)

from steno_models.errors import ConfigError, DataError
from steno_models.search.phrases.automaton import build
from steno_models.search.phrases.kernels import follow
from steno_models.search.search import BeamSearch

NEW = 3
"""What the language model has besides the words: begin, end, unknown."""


def earned(phrases: Mapping[Words, float], words: Words) -> float:
    """Return what the phrases in `words` add, counted one by one."""
    return sum(
        boost * len(phrase)
        for phrase, boost in phrases.items()
        for begin in range(len(words) - len(phrase) + 1)
        if words[begin : begin + len(phrase)] == phrase
    )


@dataclass(frozen=True, slots=True)
class Richer:
    """A task with more words and phrases."""

    task: Task
    ways: dict[int, list[Tokens]]
    phrases: dict[Words, float]

    @property
    def first_new(self) -> int:
        return self.task.num_words + NEW

    def search(self) -> BeamSearch:
        base = replace(self.task.search(), unknown_word=self.task.num_words + 2)
        num_words = max([self.first_new, *(word + 1 for word in self.ways)])
        return base.extended(self.ways, num_words, self.phrases)

    def sentences(self) -> dict[Words, float]:
        """Return the score of every sentence, all words having been there from the start."""
        merged = [list(several) for several in self.task.pronunciations]
        known = [self.ways.get(word, []) for word in range(len(merged))]
        news = sorted(word for word in self.ways if word >= self.first_new)
        spelled = tuple(
            tuple(several)
            for several in (
                *([*old, *more] for old, more in zip(merged, known, strict=True)),
                *(self.ways[word] for word in news),
            )
        )
        names = {len(merged) + k: word for k, word in enumerate(news)}
        whole = _Renamed(spelled, self.task, self.task.num_words)
        return {
            tuple(names.get(word, word) for word in words): score
            + earned(self.phrases, tuple(names.get(word, word) for word in words))
            for words, score in all_sentences(whole).items()  # type: ignore[arg-type]
        }


@dataclass(frozen=True, slots=True)
class _Renamed:
    """A task with more words than its language model has."""

    pronunciations: tuple[tuple[Tokens, ...], ...]
    task: Task
    known: int

    @property
    def token_scores(self) -> object:
        return self.task.token_scores

    def expected(self, words: Words) -> float:
        unknown = self.known + 2
        named = tuple(word if word < self.known else unknown for word in words)
        bonus = self.task.options.lm_weight * self.task.options.new_word_bonus
        return self.task.expected(named) + bonus * sum(word >= self.known for word in words)


@st.composite
def richer(draw: st.DrawFn) -> Richer:
    """Random tasks with homophones among the added words, and phrases within phrases."""
    task = draw(tasks())
    spelling = st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple)
    first = task.num_words + NEW
    ids = st.sampled_from([*range(task.num_words), first, first + 1])
    ways = draw(
        st.dictionaries(ids, st.lists(spelling, min_size=1, max_size=2, unique=True), max_size=3)
    )
    words = st.sampled_from([*range(task.num_words), *ways])
    phrases = draw(
        st.dictionaries(
            st.lists(words, min_size=1, max_size=3).map(tuple), st.floats(0.1, 3.0), max_size=4
        )
    )
    return Richer(task, ways, phrases)


@settings(deadline=None, max_examples=80)
@given(richer())
def test_a_wide_beam_finds_what_trying_everything_finds(case: Richer) -> None:
    sentences = case.sentences()
    search = case.search()
    (found,) = search.finish(search.step(case.task.log_probs, search.start()))
    words = tuple(word.word for word in found.words)
    assert found.log_score == pytest.approx(max(sentences.values()), abs=TOLERANCE)
    assert found.log_score == pytest.approx(sentences[words], abs=TOLERANCE)


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(
        st.lists(st.integers(0, 2), min_size=1, max_size=4).map(tuple),
        st.floats(0.1, 3.0),
        max_size=6,
    ),
    st.lists(st.integers(0, 3), max_size=12).map(tuple),
)
def test_what_was_lent_is_taken_back(phrases: dict[Words, float], words: Words) -> None:
    tree = _TREE
    arrays = build(phrases, tree, dict.fromkeys(range(4), 0.0))
    state, total = 0, 0.0
    for word in words:
        state, gain = follow(arrays, state, word)
        total += gain
    assert total - arrays.lent[state] == pytest.approx(earned(phrases, words))


def test_what_is_added_leaves_the_search_as_it_was() -> None:
    case = _case()
    search = replace(case.task.search(), unknown_word=case.task.num_words + 2)
    before = search.finish(search.step(case.task.log_probs, search.start()), 5)
    first = case.first_new
    for number in range(20):
        more = search.extended({first + number: [(1, 2, 3)]}, first + 20, {(0,): 1.0 + number})
        more.finish(more.step(case.task.log_probs, more.start()), 5)
    assert search.finish(search.step(case.task.log_probs, search.start()), 5) == before
    again = more.extended({}, first, {})
    assert again.finish(again.step(case.task.log_probs, again.start()), 5) == before


def test_phrases_and_words_that_cannot_be_are_refused() -> None:
    case = _case()
    search = case.task.search()
    with pytest.raises(ConfigError, match="an unknown word, found none"):
        search.extended({}, case.first_new, {})
    search = replace(search, unknown_word=case.task.num_words + 2)
    with pytest.raises(ConfigError, match="a boost above 0, found"):
        search.extended({}, case.first_new, {(0,): 0.0})
    with pytest.raises(DataError, match="expected ids of words"):
        search.extended({case.first_new: [(1,)]}, case.first_new, {})
    with pytest.raises(DataError, match="at least one token each"):
        search.extended({0: [()]}, case.first_new, {})


def test_every_node_above_a_word_is_found_also_of_added_ones() -> None:
    case = _case()
    search = replace(case.task.search(), unknown_word=case.task.num_words + 2)
    first = case.first_new
    tree = search.extended({0: [(3, 3, 3)], first: [(3, 3), (1,)]}, first + 1, {}).tree
    words, nodes = tree.above(np.array([0, first]))
    found = {(word, node) for word, node in zip(words.tolist(), nodes.tolist(), strict=True)}
    for word in (0, first):
        assert {node for of, node in found if of == word} == _above(tree, word)


def _above(tree: object, word: int) -> set[int]:
    """Return the nodes above a word, by walking all of the tree."""
    arrays = tree.arrays  # type: ignore[attr-defined]
    above: set[int] = set()

    def walk(node: int, way: tuple[int, ...]) -> None:
        row = arrays.nodes[node]
        if word in arrays.word[row["word_begin"] : row["word_end"]]:
            above.update(way)
        rows = [*range(row["child_begin"], row["child_end"])]
        rows += range(arrays.added_begin, arrays.added_end) if node == 0 else ()
        for child in rows:
            walk(child, (*way, child))

    walk(0, (0,))
    return above


def _case() -> Richer:
    rng = np.random.default_rng(5)
    return Richer(_fixed_task(rng), {}, {})


_TREE = _case().task.search().tree
