"""Scorers of all kinds: batches, prefixes, whole vocabularies, and what is carried over."""

import math
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.lm import tiny_text

from steno_models.errors import ConfigError
from steno_models.lm.factorized.counts import PairCounts
from steno_models.lm.factorized.model import Factors, SmoothedPairs
from steno_models.lm.factorized.scorer import FactorizedScorer
from steno_models.lm.feedforward.model import FeedforwardLm, FeedforwardShape
from steno_models.lm.interpolation import Interpolation
from steno_models.lm.neural.corpus import encode
from steno_models.lm.neural.prefixes import prefix_tree
from steno_models.lm.neural.scorer import SubwordScorer, WordScorer
from steno_models.lm.neural.units import SubwordUnits, WordUnits
from steno_models.lm.ngram.corpus import SPECIAL_WORDS, CorpusReader
from steno_models.lm.ngram.counts import count
from steno_models.lm.ngram.kneser_ney import estimate
from steno_models.lm.ngram.model import NgramModel
from steno_models.lm.ngram.scorer import NgramScorer
from steno_models.lm.recurrent.model import RecurrentLm, RecurrentShape
from steno_models.lm.scorer import END, Scorer, State, score_by_prefixes

torch.set_num_threads(1)

COUNTS = {"the": 9, "cat": 5, "bee": 4, "ate": 2, "bean": 1, "zebu": 0}
WORDS = (*COUNTS, "<unk>")
HYPOTHESES = [["the", "cat"], ["the", "cat", "ate"], ["bee"], [], ["the", "zebu", "ate", "gnu"]]


def _recurrent(*, carries: bool = True) -> WordScorer:
    torch.manual_seed(6)
    units = WordUnits.of_counts(COUNTS, 4, ())
    shape = RecurrentShape(width=6, cells=8, shortlist=3, class_size=2)
    return WordScorer(RecurrentLm(units.size, shape).eval(), units, carries=carries)


def _feedforward() -> WordScorer:
    torch.manual_seed(7)
    units = WordUnits.of_counts(COUNTS, 3, ())
    shape = FeedforwardShape(order=3, width=6, hidden=8, shortlist=3, class_size=2)
    return WordScorer(FeedforwardLm(units.size, shape).eval(), units, carries=False)


def _subwords() -> SubwordScorer:
    torch.manual_seed(8)
    units = SubwordUnits.learn({"the": 9, "then": 4, "hen": 5}, 36)
    shape = RecurrentShape(width=6, cells=8, shortlist=10, class_size=5)
    return SubwordScorer(RecurrentLm(units.size, shape).eval(), units, carries=True)


def _ngrams() -> NgramScorer:
    reader = CorpusReader()
    reader.add(tiny_text.SENTENCES)
    vocabulary = (*COUNTS, *SPECIAL_WORDS)
    tokens = reader.corpus().encode(vocabulary)
    model = estimate(count(tokens, vocabulary=vocabulary, order=3))
    return NgramScorer(NgramModel.from_backoff(model))


def _factorized() -> FactorizedScorer:
    reader = CorpusReader()
    reader.add(tiny_text.SENTENCES)
    units = WordUnits.of_counts(COUNTS, 4, ())
    counts = PairCounts.of_text(encode(reader.corpus(), units), units.size, order=3, least=1)
    torch.manual_seed(9)
    factors = Factors(len(counts), units.size, 4).requires_grad_(requires_grad=False)
    return FactorizedScorer(SmoothedPairs(factors, counts, transform="log", share=0.5), units)


def _mixed() -> Interpolation:
    return Interpolation((_ngrams(), _recurrent(), _factorized()), (0.5, 0.3, 0.2))


KINDS: dict[str, Callable[[], Scorer]] = {
    "n-grams": _ngrams,
    "recurrent": _recurrent,
    "feed-forward": _feedforward,
    "factorized": _factorized,
    "interpolated": _mixed,
}


def _walked(scorer: Scorer, sentence: Sequence[str]) -> tuple[list[float], State]:
    """Return the scores of words and end, one call for each."""
    state, found = scorer.start(), []
    for word in [*sentence, END]:
        (log_prob,), (state,) = scorer.score([state], [word])
        found.append(float(log_prob))
    return found, state


@pytest.mark.parametrize("kind", KINDS)
def test_the_whole_vocabulary_sums_to_one_after_any_history(kind: str) -> None:
    scorer = KINDS[kind]()
    for history in [(), *product(("the", "zebu", "gnu"), repeat=2)]:
        state = scorer.start()
        for word in history:
            _, (state,) = scorer.score([state], [word])
        log_probs, _ = scorer.score([state] * (len(WORDS) + 1), [*WORDS, END])
        # The codes of n-grams are rounded.
        assert math.fsum(np.exp(log_probs)) == pytest.approx(1.0, abs=2e-4)


@pytest.mark.parametrize("kind", [*KINDS, "subwords"])
def test_hypotheses_together_are_worth_what_they_are_alone(kind: str) -> None:
    scorer = _subwords() if kind == "subwords" else KINDS[kind]()
    together = scorer.score_sentences(HYPOTHESES)
    for found, sentence in zip(together.log_probs, HYPOTHESES, strict=True):
        assert found.tolist() == pytest.approx(_walked(scorer, sentence)[0], abs=1e-5)
    assert together.totals() == pytest.approx([x.sum() for x in together.log_probs])


SENTENCES = st.lists(
    st.lists(st.sampled_from(["the", "cat", "zebu", "gnu"]), max_size=5), max_size=9
)


@settings(deadline=None)
@given(sentences=SENTENCES, before=st.lists(st.sampled_from(WORDS), max_size=3))
def test_a_tree_of_prefixes_is_worth_what_its_texts_are(
    sentences: list[list[str]], before: list[str]
) -> None:
    scorer = _recurrent()
    state = scorer.start()
    for word in before:
        _, (state,) = scorer.score([state], [word])
    together = scorer.score_sentences(sentences, state)
    apart = score_by_prefixes(scorer, sentences, state)
    further = [
        [scorer.score([after], ["cat"])[0][0] for after in scored.states]
        for scored in (together, apart)
    ]
    assert further[0] == pytest.approx(further[1], abs=1e-4)
    for found, expected in zip(together.log_probs, apart.log_probs, strict=True):
        assert found == pytest.approx(expected, abs=1e-4)


@given(sentences=SENTENCES)
def test_every_distinct_prefix_is_a_node(sentences: list[list[str]]) -> None:
    texts = [[len(word) for word in sentence] for sentence in sentences]
    tree = prefix_tree(texts)
    spelled: list[tuple[int, ...]] = [()]
    for node in range(1, len(tree)):
        spelled.append((*spelled[tree.parents[node]], int(tree.units[node])))
    prefixes = {tuple(text[:k]) for text in texts for k in range(1 + len(text))} | {()}
    assert sorted(spelled) == sorted(prefixes)
    assert [spelled[end] for end in tree.ends] == [tuple(text) for text in texts]
    for depth, level in enumerate(tree.levels, 1):
        assert {len(each) for each in spelled[level]} == {depth}


ALL_ALIKE = [[*before, "the", "cat", "ate"] for before in (["bee"], ["zebu"], ["cat", "bee"])]


@settings(deadline=None)
@given(sentences=SENTENCES, alike=st.integers(2, 4))
def test_histories_that_a_model_cannot_tell_apart_may_be_one(
    sentences: list[list[str]], alike: int
) -> None:
    scorer = _feedforward()  # which reads two words
    exact = scorer.score_sentences(sentences).log_probs
    for found, expected in zip(
        scorer.score_sentences(sentences, alike=alike).log_probs, exact, strict=True
    ):
        assert found == pytest.approx(expected, abs=1e-5)


def test_the_first_of_histories_that_are_alike_stands_for_all() -> None:
    scorer = _recurrent()
    first, second, third = scorer.score_sentences(ALL_ALIKE, alike=2).log_probs
    exact = scorer.score_sentences(ALL_ALIKE).log_probs
    assert first == pytest.approx(exact[0], abs=1e-5)
    assert second[-2:] == pytest.approx(first[-2:], abs=1e-5)  # after `the cat`, and `cat ate`
    assert second[:-2] == pytest.approx(exact[1][:-2], abs=1e-5)
    assert third[-2:] == pytest.approx(first[-2:], abs=1e-5)
    assert abs(exact[1][-1] - exact[0][-1]) > 1e-4


@given(sentences=SENTENCES, alike=st.integers(1, 6))
def test_alike_histories_make_a_tree_smaller_and_no_path_another(
    sentences: list[list[str]], alike: int
) -> None:
    texts = [[len(word) for word in sentence] for sentence in sentences]
    tree, whole = prefix_tree(texts, alike), prefix_tree(texts)
    assert len(tree) <= len(whole)
    for path, text in zip(tree.paths, texts, strict=True):
        assert [int(tree.units[node]) for node in path] == text
    above = 1
    for level in tree.levels:
        assert (tree.parents[level] < above).all()
        above = level.stop
    assert above == len(tree)


def test_no_hypothesis_is_no_work() -> None:
    assert _recurrent().score_sentences([]).log_probs == []


@pytest.mark.parametrize("scorer", [_recurrent(), _subwords()])
def test_what_was_said_before_is_carried_over(scorer: Scorer) -> None:
    _, after = _walked(scorer, ["the", "cat"])
    carried = scorer.score_sentences([["the"]], after).log_probs[0]
    fresh = scorer.score_sentences([["the"]]).log_probs[0]
    assert not np.allclose(carried, fresh, atol=1e-4)
    first = scorer.score_sentences([["the", "cat"]])
    again = scorer.score_sentences([["the"]], first.states[0]).log_probs[0]
    assert again.tolist() == pytest.approx(carried.tolist(), abs=1e-5)


def test_a_carried_state_equals_one_long_text() -> None:
    scorer = _recurrent()
    network, units = scorer._reader.network, scorer._units
    text = [["the", "cat"], ["bee", "ate"], ["the"]]
    ids = [0, *(i for s in text for i in (*(units.spell(w)[0] for w in s), 0))]
    assert isinstance(network, RecurrentLm)
    whole, _ = network(torch.tensor([ids[:-1]]), torch.tensor([ids[1:]]))
    state, found = scorer.start(), []
    for sentence in text:
        scored = scorer.score_sentences([sentence], state)
        state = scored.states[0]
        # Every word here but the rare one stands alone in its unit.
        found += scored.log_probs[0].tolist()
    assert found == pytest.approx(whole[0].tolist(), abs=1e-5)


def test_sentences_alone_carry_nothing() -> None:
    scorer = _recurrent(carries=False)
    _, after = _walked(scorer, ["the", "cat"])
    fresh = scorer.score_sentences([["bee"]]).log_probs[0]
    assert scorer.score_sentences([["bee"]], after).log_probs[0].tolist() == fresh.tolist()


def test_a_word_of_subwords_has_the_probability_of_its_spelling_and_a_boundary() -> None:
    scorer = _subwords()
    network, units = scorer._reader.network, scorer._units
    spelled = [*units.spell("hen"), *units.spell("then"), 0]
    hidden, memory = network.read(torch.tensor([0]), network.begin())
    rows = []
    for unit in spelled:
        rows.append(network.softmax.all(hidden, network.embedding.weight)[0])
        hidden, memory = network.read(torch.tensor([unit]), memory)
    wanted = sum(float(row[unit].detach()) for row, unit in zip(rows, spelled, strict=True))
    first_boundary = float(rows[0][units.boundaries()].logsumexp(0).detach())
    (total,) = scorer.score_sentences([["hen", "then"]]).totals()
    assert total == pytest.approx(wanted - first_boundary, abs=1e-4)


def test_a_mixture_is_the_weighted_sum() -> None:
    parts: list[Scorer] = [_ngrams(), _recurrent(), _factorized()]
    wanted = np.log(
        sum(
            weight * np.exp(part.score_sentences([["the", "cat"]]).log_probs[0])
            for weight, part in zip((0.5, 0.3, 0.2), parts, strict=True)
        )
    )
    found = _mixed().score_sentences([["the", "cat"]]).log_probs[0]
    assert found.tolist() == pytest.approx(wanted.tolist(), abs=1e-6)


def test_weights_that_do_not_sum_to_one_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"expected 2 weights that sum to 1, found \[0.5, 0.6\]"):
        Interpolation((_ngrams(), _recurrent()), (0.5, 0.6))


def test_words_and_counts_read_back(tmp_path: Path) -> None:
    units = WordUnits.of_counts(COUNTS, 4, ("bean", "cat", "gnu", "the"))
    units.write(tmp_path / "words.txt")
    assert WordUnits.read(tmp_path / "words.txt", units.own) == units
    assert units.words == ("the", "cat", "bean", "gnu", "<unk>")
    assert units.counts[-1] == 4 + 2  # bee and ate are unknown
