"""The transducer's searches beside exhaustive ones."""

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.rnnt import tiny_transducer as tiny

from steno_models.errors import ConfigError, DataError
from steno_models.lm.ngram.counts import count
from steno_models.lm.ngram.kneser_ney import estimate
from steno_models.lm.ngram.model import NgramModel
from steno_models.rnnt.fusion import Fusion
from steno_models.rnnt.greedy import GreedySearch
from steno_models.rnnt.hypothesis import SpelledWord, Token, spelled_words
from steno_models.rnnt.loss import transducer_loss
from steno_models.rnnt.model import TransducerModel
from steno_models.rnnt.search import SearchOptions, SearchState, TransducerSearch
from steno_models.search.fusion import NgramScorer

torch.set_num_threads(1)


def wide(*, max_symbols: int, fusion: Fusion | None = None) -> SearchOptions:
    """A search that drops nothing."""
    return SearchOptions(
        beam=10_000,
        max_drop=1e6,
        candidates=10,
        max_symbols=max_symbols,
        fusion=fusion or Fusion(),
    )


class Bigram:
    """A language model of two labels that likes them by turns; its states are texts."""

    def start(self) -> tuple[int, ...]:
        return ()

    def advance(self, state: tuple[int, ...], token: int) -> tuple[tuple[int, ...], float]:
        other = bool(state) and state[-1] != token
        return (*state, token), math.log(0.7 if other else 0.2)

    def end(self, state: tuple[int, ...]) -> float:
        return math.log(0.1 + 0.01 * len(state))


def added(model: TransducerModel, fusion: Fusion, labels: tuple[int, ...]) -> float:
    """What fusion adds to the score of a text that ends."""
    assert isinstance(fusion.scorer, Bigram)
    state, total = fusion.scorer.start(), 0.0
    known = internal(model, labels)
    for label, own in zip(labels, known, strict=True):
        state, log_prob = fusion.scorer.advance(state, label)
        total += fusion.weight * log_prob - fusion.internal_weight * own + fusion.label_score
    return total + fusion.weight * fusion.scorer.end(state)


def internal(model: TransducerModel, labels: tuple[int, ...]) -> list[float]:
    """ln p of each label without sound, of its own logits."""
    predicted = model.predictor(torch.tensor([labels], dtype=torch.int64).view(1, -1))[0]
    hidden = torch.tanh(model.joiner.predictor(predicted))
    log_probs = model.joiner.output(hidden)[:, 1:].log_softmax(-1)
    return [float(log_probs[u, label - 1]) for u, label in enumerate(labels)]


@pytest.mark.parametrize("name", tiny.SHAPES)
@pytest.mark.parametrize("max_symbols", [1, 2])
def test_a_beam_that_drops_nothing_finds_every_text_with_its_probability(
    name: str, max_symbols: int
) -> None:
    model, steps = tiny.transducer(name), tiny.random_steps(3)
    search = TransducerSearch(model, wide(max_symbols=max_symbols))
    (state,) = search.step([(steps, search.start())])
    found = {
        tuple(token.token for token in one.tokens): one.log_prob
        for one in search.finish(state, 10_000)
    }
    wanted = {
        text: tiny.log_prob(model, steps, text, max_symbols)
        for text in tiny.all_texts(3, 3 * max_symbols)
    }
    assert found == pytest.approx(wanted, abs=1e-4)


def test_with_enough_labels_a_step_the_probability_is_that_of_the_loss() -> None:
    model, steps = tiny.transducer("recurrent"), tiny.random_steps(2)
    search = TransducerSearch(model, wide(max_symbols=3))
    (state,) = search.step([(steps, search.start())])
    for one in search.finish(state, 10_000):
        labels = tuple(token.token for token in one.tokens)
        if len(labels) > 3:
            continue
        loss = transducer_loss(
            tiny.lattice(model, steps, labels)[None],
            torch.tensor([labels], dtype=torch.int32).view(1, -1),
            torch.tensor([2]),
            torch.tensor([len(labels)]),
        )
        assert one.log_prob == pytest.approx(-float(loss), abs=1e-4)


@pytest.mark.parametrize("name", ["recurrent", "factorised"])
def test_fusion_ranks_texts_by_what_all_have_to_say(name: str) -> None:
    model, steps = tiny.transducer(name), tiny.random_steps(3, seed=1)
    fusion = Fusion(scorer=Bigram(), weight=0.6, internal_weight=0.3, label_score=0.2)
    search = TransducerSearch(model, wide(max_symbols=2, fusion=fusion))
    (state,) = search.step([(steps, search.start())])
    found = search.finish(state, 10_000)
    scores = [one.log_score for one in found]
    assert scores == sorted(scores, reverse=True)
    wanted = {
        text: tiny.log_prob(model, steps, text, 2) + added(model, fusion, text)
        for text in tiny.all_texts(3, 6)
    }
    assert {
        tuple(token.token for token in one.tokens): one.log_score for one in found
    } == pytest.approx(wanted, abs=1e-4)


def test_an_ngram_model_of_tokens_takes_part() -> None:
    symbols = ("<blk>", "a", "b")
    vocabulary = ("a", "b", "<s>", "</s>", "<unk>")
    text = [2, 0, 1, 0, 1, 3, 2, 1, 0, 3]
    ngrams = NgramModel.from_backoff(
        estimate(count(np.array(text, np.int32), vocabulary=vocabulary, order=2))
    )
    scorer = NgramScorer.of(ngrams, symbols)
    model, steps = tiny.transducer("stateless"), tiny.random_steps(3)
    fusion = Fusion(scorer=scorer, weight=0.5)
    search = TransducerSearch(model, wide(max_symbols=2, fusion=fusion))
    (state,) = search.step([(steps, search.start())])
    best = search.finish(state)[0]
    labels = tuple(token.token for token in best.tokens)
    spoken = sum(ngrams.score([symbols[label] for label in labels]))
    wanted = tiny.log_prob(model, steps, labels, 2) + 0.5 * spoken
    assert best.log_score == pytest.approx(wanted, abs=1e-4)


def seen(search: TransducerSearch, state: SearchState) -> list[tuple[list[tuple[int, int]], float]]:
    return [
        ([(token.token, token.step) for token in one.tokens], round(one.log_score, 4))
        for one in search.finish(state, 4)
    ]


@settings(deadline=None, max_examples=15)
@given(cuts=st.lists(st.integers(0, 14), max_size=4), beam=st.integers(1, 5))
def test_pieces_give_what_the_whole_gives(cuts: list[int], beam: int) -> None:
    model, steps = tiny.transducer("recurrent"), tiny.random_steps(14, seed=3)
    search = TransducerSearch(model, SearchOptions(beam=beam, fusion=Fusion(scorer=Bigram())))
    greedy = GreedySearch(model)
    (whole,) = search.step([(steps, search.start())])
    (whole_greedy,) = greedy.step([(steps, greedy.start())])
    state, greedy_state = search.start(), greedy.start()
    stable: list[Token] = []
    edges = [0, *sorted(cuts), 14]
    for begin, end in pairwise(edges):
        (state,) = search.step([(steps[begin:end], state)])
        (greedy_state,) = greedy.step([(steps[begin:end], greedy_state)])
        best = list(search.best(state).tokens)
        ids = [token.token for token in best]
        assert ids[: len(stable)] == [token.token for token in stable]
        stable = best[: search.stable_tokens(state)]
    assert seen(search, state) == seen(search, whole)
    assert [t.token for t in greedy_state.tokens] == [t.token for t in whole_greedy.tokens]
    assert [t.step for t in greedy_state.tokens] == [t.step for t in whole_greedy.tokens]
    assert greedy_state.step == state.step == 14


def test_a_stream_hears_nothing_of_the_streams_beside_it() -> None:
    model = tiny.transducer("recurrent")
    streams = [tiny.random_steps(count, seed=count) for count in (5, 0, 9, 2)]
    search = TransducerSearch(model, SearchOptions(beam=3))
    greedy = GreedySearch(model)
    together = search.step([(steps, search.start()) for steps in streams])
    greedy_together = greedy.step([(steps, greedy.start()) for steps in streams])
    for steps, state, greedy_state in zip(streams, together, greedy_together, strict=True):
        (alone,) = search.step([(steps, search.start())])
        assert seen(search, state) == seen(search, alone)
        (greedy_alone,) = greedy.step([(steps, greedy.start())])
        assert [t.token for t in greedy_state.tokens] == [t.token for t in greedy_alone.tokens]
    assert search.step([]) == []
    assert greedy.step([]) == []


@pytest.mark.parametrize("name", tiny.SHAPES)
def test_greedy_takes_the_likeliest_token_at_each_place(name: str) -> None:
    model, steps = tiny.transducer(name), tiny.random_steps(8, seed=5)
    greedy = GreedySearch(model, max_symbols=2)
    (state,) = greedy.step([(steps, greedy.start())])
    labels: tuple[int, ...] = ()
    times = []
    for t in range(8):
        for _ in range(2):
            token = int(tiny.lattice(model, steps[t : t + 1], labels)[0, -1].argmax())
            if token == 0:
                break
            labels += (token,)
            times.append(t)
    assert tuple(token.token for token in state.tokens) == labels
    assert [token.step for token in state.tokens] == times
    assert labels


def test_what_all_hypotheses_share_is_settled_and_leaves_their_paths() -> None:
    model, steps = tiny.transducer("recurrent"), tiny.random_steps(40, seed=7)
    search = TransducerSearch(model, SearchOptions(beam=2))
    state = search.start()
    for step in steps:
        (state,) = search.step([(step[None], state)])
    assert search.stable_tokens(state) > 0
    assert len(search.best(state).tokens) >= search.stable_tokens(state)
    assert len({path.labels for path in state.paths}) == len(state.paths) == len(state.rows)


def test_pieces_spell_words_with_their_times() -> None:
    symbols = ["<blk>", "▁he", "llo", "▁a", "x"]
    tokens = [Token(token, step, -0.1) for token, step in ((1, 3), (2, 5), (3, 9))]
    assert spelled_words(tokens, symbols) == [SpelledWord("hello", 3, 6), SpelledWord("a", 9, 10)]
    assert spelled_words(tokens[1:2], symbols) == [SpelledWord("llo", 5, 6)]
    assert spelled_words([], symbols) == []


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("beam", partial(SearchOptions, beam=0)),
        ("max_symbols", partial(SearchOptions, max_symbols=0)),
        ("max_drop", partial(SearchOptions, max_drop=0.0)),
        ("candidates", partial(SearchOptions, candidates=0)),
    ],
)
def test_an_impossible_width_is_refused(name: str, options: Callable[[], SearchOptions]) -> None:
    with pytest.raises(ConfigError, match=f"expected {name} above 0, found 0"):
        options()


def test_an_impossible_weight_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected internal_weight of 0 or more, found -1"):
        Fusion(internal_weight=-1)
    with pytest.raises(ConfigError, match="max_symbols of 1 or more, found 0"):
        GreedySearch(tiny.transducer("recurrent"), max_symbols=0)


def test_steps_that_are_no_numbers_are_refused() -> None:
    search = TransducerSearch(tiny.transducer("recurrent"))
    with pytest.raises(DataError, match="expected encoder steps of finite numbers"):
        search.step([(tiny.random_steps(2) * math.nan, search.start())])
