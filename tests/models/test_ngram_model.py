"""The stored model: look-up, states, and files that are not what they should be."""

import math
import random
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from steno_models.errors import DataError
from steno_models.lm.ngram import kernels
from steno_models.lm.ngram.backoff import LN_10, BackoffModel
from steno_models.lm.ngram.corpus import SPECIAL_WORDS, CorpusReader
from steno_models.lm.ngram.counts import count
from steno_models.lm.ngram.kneser_ney import estimate
from steno_models.lm.ngram.model import NgramModel
from steno_models.lm.ngram.packed.kernels import Packed
from steno_models.lm.ngram.perplexity import perplexity
from steno_models.lm.ngram.prune import prune

WORDS = ("a", "b", "c", "d")
VOCABULARY = (*WORDS, *SPECIAL_WORDS)


def _backoff_model(order: int, threshold: float = 2e-3) -> BackoffModel:
    chance = random.Random(order)
    reader = CorpusReader()
    reader.add(" ".join(chance.choices("abcde", [5, 3, 2, 1, 1], k=5)) for _ in range(60))
    tokens = reader.corpus().encode(VOCABULARY)
    whole = estimate(count(tokens, vocabulary=VOCABULARY, order=order))
    return prune(whole, threshold=threshold)


@pytest.fixture(scope="module")
def full() -> BackoffModel:
    return _backoff_model(4)


@pytest.fixture(scope="module")
def model(full: BackoffModel) -> NgramModel:
    return NgramModel.from_backoff(full)


def _packed(model: NgramModel) -> list[Packed]:
    return [field for field in model.arrays if isinstance(field, Packed)]


def _stored(model: NgramModel) -> list[NDArray[np.generic]]:
    """Return every array of the file but the vocabulary."""
    return [field.words if isinstance(field, Packed) else field for field in model.arrays]


def _log_prob(model: BackoffModel, words: list[int]) -> float:
    """Return ln p(last word | the others) from the exact numbers, by the definition."""
    trie = model.trie
    words = words[-trie.order :]
    node = int(trie.find(np.array([words], np.int32))[0])
    if node >= 0:
        return float(model.log_prob[node])
    history = int(trie.find(np.array([words[:-1]], np.int32))[0])
    weight = float(model.backoff[history]) if 0 <= history < len(model.backoff) else 0.0
    return weight + _log_prob(model, words[1:])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from([0, 1, 2, 3, 6]), max_size=8))
def test_a_walk_through_states_gives_the_exact_probabilities(
    full: BackoffModel, model: NgramModel, words: list[int]
) -> None:
    state, spoken = model.start_state, [model.begin_word]
    for word in [*words, model.end_word]:
        spoken.append(word)
        state, found = model.advance(state, word)
        assert found == pytest.approx(_log_prob(full, spoken), abs=1e-4 * LN_10)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from([0, 1, 2, 3, 6]), max_size=6))
def test_the_state_is_the_longest_ending_that_is_a_history(
    full: BackoffModel, model: NgramModel, words: list[int]
) -> None:
    state, spoken = model.start_state, [model.begin_word, *words]
    for word in words:
        state, _ = model.advance(state, word)
    trie = full.trie
    children = trie.num_children()
    for start in range(max(0, len(spoken) - 3), len(spoken) + 1):
        node = int(trie.find(np.array([spoken[start:]], np.int32).reshape(1, -1))[0])
        if 0 <= node < len(children) and children[node]:
            break
    else:
        node = 0
    assert state == node


def test_probabilities_sum_to_one_in_every_state(model: NgramModel) -> None:
    predicted = [*range(4), model.end_word, model.unknown_word]
    states = {model.start_state}
    for words in product(range(4), repeat=3):
        state = model.start_state
        for word in words:
            state, _ = model.advance(state, word)
            states.add(state)
    assert len(states) > 10
    for state in states:
        total = math.fsum(math.exp(model.advance(state, word)[1]) for word in predicted)
        assert total == pytest.approx(1.0, abs=5e-5)


def test_children_are_found_and_others_are_not(full: BackoffModel, model: NgramModel) -> None:
    trie = full.trie
    for node in range(trie.num_histories):
        found = [int(kernels.find_child(model.arrays, node, w)) for w in range(len(VOCABULARY))]
        children = list(range(trie.child_begin[node], trie.child_begin[node + 1]))
        assert [child for child in found if child >= 0] == children
        assert all(trie.word[child] == w for w, child in enumerate(found) if child >= 0)
    assert kernels.find_child(model.arrays, len(trie) - 1, 0) == -1
    assert kernels.find_child(model.arrays, 0, len(VOCABULARY)) == -1


def test_codes_are_within_half_a_step(full: BackoffModel, model: NgramModel) -> None:
    for node in range(1, len(full.trie)):
        found = kernels.log_prob(model.arrays, node)
        assert found == pytest.approx(full.log_prob[node], abs=1e-4)
    for node in range(len(full.backoff)):
        assert kernels.backoff(model.arrays, node) == pytest.approx(full.backoff[node], abs=1e-4)


def test_scores_are_those_of_the_words_and_the_end(model: NgramModel) -> None:
    scores = model.score("b zebra")
    state, first = model.advance(model.start_state, 1)
    state, second = model.advance(state, model.unknown_word)
    assert scores == [first, second, model.advance(state, model.end_word)[1]]
    assert model.word_id("zebra") == model.unknown_word == 6
    assert [model.word_id(word) for word in VOCABULARY] == list(range(7))


def test_perplexity_leaves_unknown_words_out(model: NgramModel) -> None:
    found = perplexity(model, ["a b", "zebra a"])
    first, second = model.score("a b"), model.score("zebra a")
    assert (found.sentences, found.words, found.unknown) == (2, 4, 1)
    assert found.unknown_rate == 0.25
    assert found.unknown_log_prob == pytest.approx(second[0])
    assert found.perplexity == pytest.approx(math.exp(-(sum(first) + sum(second[1:])) / 5))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_file_gives_the_model_back(tmp_path: Path, order: int) -> None:
    model = NgramModel.from_backoff(_backoff_model(order))
    path = tmp_path / "toy.bin"
    model.write(path)
    again = NgramModel.open(path)
    assert again.vocabulary == model.vocabulary
    assert again.order == order
    assert [packed.bits for packed in _packed(again)] == [packed.bits for packed in _packed(model)]
    for ours, theirs in zip(_stored(model), _stored(again), strict=True):
        np.testing.assert_array_equal(ours, theirs, strict=True)
    assert again.score("a b e c") == model.score("a b e c")


def test_arrays_are_mapped_read_only_and_aligned(tmp_path: Path, model: NgramModel) -> None:
    path = tmp_path / "toy.bin"
    model.write(path)
    for array in _stored(NgramModel.open(path)):
        assert not array.flags.writeable
        assert not array.flags.owndata
        assert array.ctypes.data % 64 == 0


def test_an_open_model_survives_its_file_being_replaced(tmp_path: Path, model: NgramModel) -> None:
    path = tmp_path / "toy.bin"
    model.write(path)
    old = NgramModel.open(path)
    NgramModel.from_backoff(_backoff_model(2)).write(path)
    assert old.score("a b c d") == model.score("a b c d")


def test_a_truncated_file_is_refused(tmp_path: Path, model: NgramModel) -> None:
    path = tmp_path / "toy.bin"
    model.write(path)
    whole = path.read_bytes()
    last_block = len(whole) - 64
    for length in [0, 4, 15, 40, 200, len(whole) // 2, 900, last_block]:
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"expected .*found") as raised:
            NgramModel.open(path)
        assert "toy.bin" in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"STENO-NG", b"SOMETHIN", "starting b'STENO-NG', found b'SOMETHIN'"),
        (b"STENO-NG\x02", b"STENO-NG\x07", "of version 2, found 7"),
        (b'"blocks":', b'"blokks":', "an intact header"),
        (b'"suffix":', b'"suffox":', "the array suffix, found none"),
        (b'"<u4"', b'"<i4"', "word as uint32, found <i4"),
        (b'"bits":3', b'"bits":0', "word of 1 to 32 bits, found 0"),
        (b'"bits":3', b'"bits":9', r"word of shape \(\d+,\), found \(\d+,\)"),
        (b"a\nb\nc", b"a b c", r"to fit a vocabulary of 5 words .* found \[0, 1, 8, "),
    ],
)
def test_another_file_is_refused(
    tmp_path: Path, model: NgramModel, old: bytes, new: bytes, message: str
) -> None:
    path = tmp_path / "toy.bin"
    model.write(path)
    whole = path.read_bytes()
    assert old in whole
    path.write_bytes(whole.replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        NgramModel.open(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected an n-gram model, found none readable: .*none"):
        NgramModel.open(tmp_path / "none.bin")
