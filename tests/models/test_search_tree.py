"""The lexicon tree against dictionaries of prefixes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_models.errors import DataError
from steno_models.search.tree import LexiconTree, TreeArrays

Tokens = tuple[int, ...]
Lexicon = list[list[Tokens]]

spellings = st.lists(st.integers(1, 4), min_size=1, max_size=5).map(tuple)
lexica = st.lists(st.lists(spellings, max_size=3), min_size=1, max_size=12).filter(any)


def _prefixes(arrays: TreeArrays) -> list[Tokens]:
    """Return the tokens on the way to each node."""
    spelled: list[Tokens] = [()] * len(arrays.nodes)
    for node, tokens in zip(arrays.nodes, spelled, strict=True):
        for child in range(node["child_begin"], node["child_end"]):
            spelled[child] = (*tokens, int(arrays.token[child]))
    return spelled


def _words_at(arrays: TreeArrays, node: int) -> list[int]:
    at = arrays.nodes[node]
    return [int(word) for word in arrays.word[at["word_begin"] : at["word_end"]]]


@settings(deadline=None, max_examples=100)
@given(lexica)
def test_nodes_are_the_distinct_prefixes_and_know_the_words_that_end_there(
    lexicon: Lexicon,
) -> None:
    tree = LexiconTree.build(lexicon)
    spelled = _prefixes(tree.arrays)
    expected = {
        tokens[:n] for several in lexicon for tokens in several for n in range(len(tokens) + 1)
    }
    assert len(spelled) == len(tree) == len(set(spelled))
    assert set(spelled) == expected
    for node, tokens in enumerate(spelled):
        words = [word for word, several in enumerate(lexicon) if tokens in several]
        assert _words_at(tree.arrays, node) == words


@settings(deadline=None, max_examples=100)
@given(lexica)
def test_every_word_below_a_node_is_in_its_range_or_its_extra_words(lexicon: Lexicon) -> None:
    arrays = LexiconTree.build(lexicon).arrays
    for node, prefix in enumerate(_prefixes(arrays)):
        below = {
            word
            for word, several in enumerate(lexicon)
            if any(tokens[: len(prefix)] == prefix for tokens in several)
        }
        at = arrays.nodes[node]
        span = range(at["first_word"], at["last_word"])
        extra = arrays.extra[at["extra_begin"] : at["extra_end"]].tolist()
        assert below <= {*span, *extra}
        assert not set(extra) & set(span)
        assert set(extra) <= below
        assert sorted(set(extra)) == extra


@settings(deadline=None, max_examples=100)
@given(st.lists(spellings, min_size=1, max_size=12))
def test_ordered_words_make_exact_ranges_without_extra_words(spelled: list[Tokens]) -> None:
    ordered = sorted(spelled)
    arrays = LexiconTree.build([[tokens] for tokens in ordered]).arrays
    assert len(arrays.extra) == 0
    for node, prefix in enumerate(_prefixes(arrays)):
        below = [word for word, tokens in enumerate(ordered) if tokens[: len(prefix)] == prefix]
        at = arrays.nodes[node]
        assert below == list(range(at["first_word"], at["last_word"]))


@settings(deadline=None, max_examples=100)
@given(lexica)
def test_a_node_is_marked_where_it_has_the_words_of_its_parent(lexicon: Lexicon) -> None:
    arrays = LexiconTree.build(lexicon).arrays
    for number, node in enumerate(arrays.nodes):
        for child in range(node["child_begin"], node["child_end"]):
            alone = node["child_end"] - node["child_begin"] == 1
            same = number > 0 and alone and not _words_at(arrays, number)
            assert bool(arrays.same_words[child]) == same


def test_words_without_pronunciation_are_skipped() -> None:
    tree = LexiconTree.build([[], [(2,)], []])
    assert tree.num_words == 3
    assert tree.num_tokens == 3
    assert tree.arrays.word.tolist() == [1]


def test_empty_or_blank_pronunciations_are_a_data_error() -> None:
    with pytest.raises(DataError, match="found none"):
        LexiconTree.build([[], []])
    with pytest.raises(DataError, match="at least one token each"):
        LexiconTree.build([[(1,), ()]])
    with pytest.raises(DataError, match="token ids from 1 on, found an empty one or id 0"):
        LexiconTree.build([[(1, 0)]])
