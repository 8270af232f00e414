"""Models at as many bits as they need: every look-up is that of the plain arrays."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_models.errors import DataError
from steno_models.lm.ngram import codebook, kernels
from steno_models.lm.ngram.backoff import NEVER, BackoffModel
from steno_models.lm.ngram.binary import write_binary
from steno_models.lm.ngram.kernels import LINEAR, NgramArrays
from steno_models.lm.ngram.model import NgramModel
from steno_models.lm.ngram.packed.kernels import Packed, bits_for, get, pack, unpack
from steno_models.lm.ngram.quantise import quantise, restore
from steno_models.lm.ngram.trie import assemble


def random_model(seed: int, order: int, num_words: int = 9) -> BackoffModel:
    """Return n-grams with random numbers; some endings and most back-off weights are missing."""
    rng = np.random.default_rng(seed)
    V = num_words + 3
    histories: list[tuple[int, ...]] = [(word,) for word in range(V)]
    ngrams = []
    for length in range(2, order + 1):
        longer = [(*h, word) for h in histories for word in range(V) if rng.random() < 0.2]
        ngrams.append(np.array(longer, np.int32).reshape(-1, length))
        histories = longer
    trie, _ = assemble(V, ngrams)
    log_prob = np.where(rng.random(len(trie)) < 0.05, NEVER, -rng.gamma(2.0, 2.0, len(trie)))
    backoff = np.where(
        rng.random(trie.num_histories) < 0.6, 0.0, rng.normal(size=trie.num_histories)
    )
    vocabulary = (*map(str, range(num_words)), "<s>", "</s>", "<unk>")
    return BackoffModel(vocabulary, trie, log_prob, backoff)


models = st.builds(random_model, st.integers(0, 2**32 - 1), st.integers(1, 4))


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 32), st.data())
def test_what_is_packed_is_read_again(bits: int, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.integers(0, 2**bits - 1), max_size=70))
    packed = pack(np.array(values, np.int64), bits)
    assert [get(packed, i) for i in range(len(values))] == values
    assert unpack(packed, len(values)).tolist() == values
    assert packed.words.nbytes <= -(-len(values) * bits // 32) * 4 + 4


def test_the_largest_number_decides_how_many_bits() -> None:
    assert [bits_for(n) for n in (0, 1, 2, 255, 256, 2**32 - 1)] == [1, 1, 2, 8, 9, 32]
    assert pack(np.array([5, 0, 1])).bits == 3


@settings(deadline=None, max_examples=25)
@given(models)
def test_the_packed_shape_is_that_of_the_trie(model: BackoffModel) -> None:
    arrays, trie = quantise(model), model.trie
    for node in range(len(trie)):
        inner = node < trie.num_histories
        children = trie.child_begin[node : node + 2].tolist() if inner else [0, 0]
        low, high = kernels.children(arrays, node)
        assert range(low, high) == range(*children)
        assert kernels.ending(arrays, node) == trie.suffix[node]
        history = inner and (children[0] < children[1] or model.backoff[node] != 0.0)
        assert kernels.is_history(arrays, node) == history
        for word in range(trie.num_words):
            child = int(trie.children(np.array([node]), np.array([word]))[0])
            assert kernels.find_child(arrays, node, word) == child


@settings(deadline=None, max_examples=25)
@given(models)
def test_sixteen_bits_are_the_nearest_of_a_line(model: BackoffModel) -> None:
    arrays, trie = quantise(model, 16), model.trie
    assert arrays.log_prob_book.shape[1] == LINEAR
    for node in range(1, len(trie)):
        step = arrays.log_prob_book[kernels.level_of(arrays, node), 1]
        error = kernels.log_prob(arrays, node) - model.log_prob[node]
        assert abs(error) <= 0.5001 * step + 1e-12
    for node in range(trie.num_histories):
        step = arrays.backoff_book[kernels.level_of(arrays, node), 1]
        error = kernels.backoff(arrays, node) - model.backoff[node]
        assert abs(error) <= 0.5001 * step + 1e-12


@settings(deadline=None, max_examples=25)
@given(models, st.sampled_from([3, 8]))
def test_fewer_bits_are_the_nearest_of_the_book(model: BackoffModel, bits: int) -> None:
    arrays, trie = quantise(model, bits), model.trie
    assert arrays.log_prob_book.shape == (trie.order + 1, 2**bits)
    for node in range(1, len(trie)):
        found, exact = kernels.log_prob(arrays, node), model.log_prob[node]
        book = arrays.log_prob_book[kernels.level_of(arrays, node), 1:]
        nearest = np.abs(book[book != 0.0] - exact).min() if exact != NEVER else 0.0
        assert abs(found - exact) == pytest.approx(nearest, abs=1e-12)
    for node in range(trie.num_histories):
        found, exact = kernels.backoff(arrays, node), model.backoff[node]
        book = arrays.backoff_book[kernels.level_of(arrays, node), 1:]
        nearest = np.abs(book[book != 0.0] - exact).min() if exact != 0.0 else 0.0
        assert abs(found - exact) == pytest.approx(nearest, abs=1e-12)


@settings(deadline=None, max_examples=25)
@given(models, st.sampled_from([8, 16]))
def test_what_is_restored_gives_the_same_codes_again(model: BackoffModel, bits: int) -> None:
    arrays = quantise(model, bits)
    restored = restore(model.vocabulary, arrays)
    for name in ("level_begin", "word", "child_begin", "suffix"):
        wanted, found = getattr(model.trie, name)[1:], getattr(restored.trie, name)[1:]
        np.testing.assert_array_equal(found, wanted, name)
    for node in range(1, len(model.trie)):
        assert restored.log_prob[node] == pytest.approx(kernels.log_prob(arrays, node))
    for node in range(model.trie.num_histories):
        assert restored.backoff[node] == pytest.approx(kernels.backoff(arrays, node))


@given(st.lists(st.floats(-20, 0), min_size=1, max_size=60), st.integers(1, 12))
def test_a_book_holds_what_it_can_and_its_values_are_means(values: list[float], size: int) -> None:
    given_values = np.array(values)
    book = codebook.fit(given_values, size)
    assert 1 <= len(book) <= size
    assert (np.diff(book) > 0).all()
    if len(set(values)) <= size:
        assert book.tolist() == sorted(set(values))
    nearest = codebook.nearest(given_values, book)
    distance = np.abs(book[nearest] - given_values)
    assert distance == pytest.approx(np.abs(book - given_values[:, None]).min(axis=1))


def test_a_fitted_book_beats_one_of_equal_steps() -> None:
    values = -np.random.default_rng(0).gamma(2.0, 2.0, 5000)
    book, line = codebook.fit(values, 15), np.linspace(values.min(), values.max(), 15)
    errors = [
        np.square(some[codebook.nearest(values, some)] - values).mean() for some in (book, line)
    ]
    assert errors[0] < 0.5 * errors[1]


def _with(arrays: NgramArrays, name: str, change: Any) -> NgramArrays:
    field = getattr(arrays, name)
    changed = (
        field._replace(words=change(field.words)) if isinstance(field, Packed) else change(field)
    )
    return NgramArrays(**{**arrays._asdict(), name: changed})


@pytest.mark.parametrize(
    "name",
    ["word", "suffix", "history", "child_begin", "log_prob", "backoff", "log_prob_book",
     "backoff_book"],
)  # fmt: skip
def test_an_array_of_another_size_is_refused_by_name(tmp_path: Path, name: str) -> None:
    model = random_model(1, 3)
    path = tmp_path / "toy.bin"
    for bits in (8, 16):
        write_binary(path, model.vocabulary, quantise(model, bits))
        assert NgramModel.open(path).vocabulary == model.vocabulary
        write_binary(path, model.vocabulary, _with(quantise(model, bits), name, lambda a: a[:-1]))
        with pytest.raises(DataError, match=rf"expected {name} of shape .*, found"):
            NgramModel.open(path)


def test_children_that_end_before_the_last_node_are_refused(tmp_path: Path) -> None:
    model = random_model(1, 3)
    arrays = quantise(model)
    inner = range(model.trie.num_histories)
    end = 1 + max(kernels.history_number(arrays, node) for node in inner)
    begins = unpack(arrays.child_begin, end + 1)
    begins[end] -= 1
    wrong = arrays._replace(child_begin=pack(begins, arrays.child_begin.bits))
    write_binary(tmp_path / "toy.bin", model.vocabulary, wrong)
    with pytest.raises(DataError, match=r"expected child_begin to end at \d+, found \d+"):
        NgramModel.open(tmp_path / "toy.bin")
