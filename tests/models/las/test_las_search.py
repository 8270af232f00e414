"""The speller's search beside an exhaustive one, CTC's prefixes beside all paths."""

import math

import numpy as np
import pytest
import torch
from tests.models.las import tiny_las as tiny

from steno_models.errors import ConfigError, DataError
from steno_models.las.attention import AttentionKind
from steno_models.las.attention_map import attention_map
from steno_models.las.model import Encoded, LasModel
from steno_models.las.prefix import Prefix, PrefixScorer
from steno_models.las.ranking import Ranking
from steno_models.las.rescore import spelling_log_probs
from steno_models.las.search import Hypothesis, LasSearch, SearchOptions
from steno_models.las.speller import ContextFeeds
from steno_models.search.fusion import ShallowFusion

torch.set_num_threads(1)


class Bigram:
    """A language model of two labels that likes them by turns; its states are texts."""

    def start(self) -> tiny.Text:
        return ()

    def advance(self, state: tiny.Text, token: int) -> tuple[tiny.Text, float]:
        other = bool(state) and state[-1] != token
        return (*state, token), math.log(0.7 if other else 0.2)

    def end(self, state: tiny.Text) -> float:
        return math.log(0.1 + 0.01 * len(state))


def language(text: tiny.Text) -> float:
    """ln p of a text and its end by `Bigram`."""
    scorer, total = Bigram(), 0.0
    state = scorer.start()
    for token in text:
        state, log_prob = scorer.advance(state, token)
        total += log_prob
    return total + scorer.end(state)


def enumerated(
    model: LasModel, encoded: Encoded, options: SearchOptions, longest: int
) -> dict[tiny.Text, tuple[float, float, float, float]]:
    """Spelling, CTC, all together and the rank of every text, by the equations."""
    ctc = tiny.ctc_texts(tiny.ctc_log_probs(model, encoded))
    found = {}
    for text in tiny.all_texts(3, longest):
        spelling, looks = tiny.spelled(model, encoded, text)
        weight = options.ctc_weight
        if weight and text not in ctc:
            continue  # CTC needs a step for each label
        by_ctc = math.log(ctc[text]) if weight else 0.0
        total = (1 - weight) * spelling + weight * by_ctc
        if options.fusion.scorer:
            total += options.fusion.weight * language(text)
        total += options.fusion.label_score * len(text)
        ranking = options.ranking
        penalty = ((5 + len(text) + 1) / 6) ** ranking.length_power
        coverage = sum(
            math.log(min(max(float(each), ranking.least_coverage), 1.0)) for each in looks.sum(0)
        )
        score = total / penalty + ranking.coverage * coverage
        found[text] = (spelling, by_ctc, total, score)
    return found


def wide(**chosen: object) -> SearchOptions:
    """A search that drops nothing."""
    return SearchOptions(beam=10_000, max_drop=1e6, candidates=10, **chosen)  # type: ignore[arg-type]


def said(found: list[Hypothesis]) -> dict[tiny.Text, tuple[float, float, float, float]]:
    return {
        one.tokens: (one.spelling_log_prob, one.ctc_log_prob, one.log_score, one.score)
        for one in found
    }


RANKINGS = {
    "plain": Ranking(),
    "normalised": Ranking(length_power=0.6, coverage=0.3),
    "exact coverage": Ranking(coverage=0.1, least_coverage=1e-9),
}
FUSIONS = {
    "alone": ShallowFusion(),
    "fused": ShallowFusion(scorer=Bigram(), weight=0.6, label_score=0.4),
}


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("ranking", RANKINGS)
@pytest.mark.parametrize("ctc_weight", [0.0, 0.4, 1.0])
def test_a_beam_that_drops_nothing_finds_what_enumeration_finds(
    ctc_weight: float, ranking: str, fusion: str
) -> None:
    model, encoded = tiny.las(), tiny.random_steps(4)
    options = wide(ctc_weight=ctc_weight, ranking=RANKINGS[ranking], fusion=FUSIONS[fusion])
    (found,) = LasSearch(model, options).search(encoded, 10_000)
    wanted = enumerated(model, encoded, options, 4)
    assert said(found).keys() == wanted.keys()
    for one in found:
        assert said([one])[one.tokens] == pytest.approx(wanted[one.tokens], abs=1e-4)
    scores = [one.score for one in found]
    assert scores == sorted(scores, reverse=True)
    # The bound that ends a search early loses nothing.
    (best,) = LasSearch(model, options).search(encoded)
    assert best[0].score == pytest.approx(max(each[3] for each in wanted.values()), abs=1e-4)


@pytest.mark.parametrize("kind", list(AttentionKind))
@pytest.mark.parametrize("feeds", list(ContextFeeds))
def test_utterances_searched_together_are_found_as_alone(
    kind: AttentionKind, feeds: ContextFeeds
) -> None:
    model = tiny.las(kind, feeds, 2)
    options = SearchOptions(beam=3, ranking=Ranking(length_power=0.5, coverage=0.2))
    lengths = (5, 9, 1, 7)
    together = tiny.random_steps(*lengths, seed=4)
    search = LasSearch(model, options)
    found = search.search(together, 3)
    for i, S in enumerate(lengths):
        alone = Encoded(together.steps[i : i + 1, :S], together.lengths[i : i + 1])
        (one,) = search.search(alone, 3)
        assert [each.tokens for each in found[i]] == [each.tokens for each in one]
        scores = [each.score for each in one]
        assert [each.score for each in found[i]] == pytest.approx(scores, abs=1e-4)


def test_the_narrowest_beam_takes_the_likeliest_token_each_time() -> None:
    model, encoded = tiny.las(AttentionKind.DOT), tiny.random_steps(8, seed=2)
    options = SearchOptions(beam=1, ctc_weight=0.0)
    ((best,),) = LasSearch(model, options).search(encoded)
    memory = model.memory(encoded)
    state, token = model.speller.start(memory), 0
    text: list[int] = []
    while len(text) < 8:
        logits, state = model.speller.step(torch.tensor([[token]]), state, memory)
        token = int(logits[0, 0].argmax())
        if token == 0:
            break
        text.append(token)
    assert best.tokens == tuple(text)


def test_more_labels_for_each_step_may_be_asked_for() -> None:
    model, encoded = tiny.las(), tiny.random_steps(2)
    options = wide(ctc_weight=0.0, labels_per_step=2.0)
    (found,) = LasSearch(model, options).search(encoded, 10_000)
    assert set(said(found)) == set(tiny.all_texts(3, 4))


def test_an_utterance_without_steps_says_nothing() -> None:
    encoded = Encoded(torch.zeros(1, 1, tiny.WIDTH), torch.tensor([0]))
    assert LasSearch(tiny.las()).search(encoded) == [[Hypothesis((), 0.0, 0.0, 0.0, 0.0)]]


def test_steps_that_are_no_numbers_are_refused() -> None:
    encoded = Encoded(torch.full((1, 3, tiny.WIDTH), torch.nan), torch.tensor([3]))
    with pytest.raises(DataError, match="expected encoder steps of finite numbers"):
        LasSearch(tiny.las()).search(encoded)


@pytest.mark.parametrize(
    "wrong", [{"beam": 0}, {"ctc_weight": 1.5}, {"max_drop": 0.0}, {"labels_per_step": 0.0}]
)
def test_options_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"expected .*, found"):
        SearchOptions(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong", [{"length_power": -1.0}, {"coverage": math.inf}, {"least_coverage": 0.0}]
)
def test_a_ranking_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"expected .*, found"):
        Ranking(**wrong)


# --- CTC's prefixes


@pytest.mark.parametrize("seed", range(3))
def test_prefix_probabilities_are_sums_over_all_paths(seed: int) -> None:
    rng = np.random.default_rng(seed)
    log_probs = np.log(rng.dirichlet(np.ones(3), size=5))
    texts = tiny.ctc_texts(log_probs)
    assert sum(texts.values()) == pytest.approx(1)
    scorer = PrefixScorer(log_probs)
    prefixes: dict[tiny.Text, Prefix] = {(): scorer.start()}
    for text in tiny.all_texts(3, 4):
        prefix = prefixes[text]
        assert math.exp(scorer.end(prefix)) == pytest.approx(texts.get(text, 0.0))
        following = scorer.following(prefix)
        assert following[0] == -np.inf
        for label in (1, 2):
            longer = (*text, label)
            wanted = sum(p for whole, p in texts.items() if whole[: len(longer)] == longer)
            assert math.exp(following[label]) == pytest.approx(wanted)
            prefixes[longer] = scorer.extend(prefix, label)


def test_prefixes_of_a_long_utterance_stay_numbers() -> None:
    log_probs = np.log(np.random.default_rng(0).dirichlet(np.full(4, 0.02), size=900) + 1e-12)
    scorer = PrefixScorer(log_probs)
    prefix, before = scorer.start(), 0.0
    for label in (1, 1, 2, 3, 2):
        now = scorer.following(prefix)[label]
        assert -np.inf < now <= before + 1e-9
        prefix, before = scorer.extend(prefix, label), now
    # A text is a part of what begins with it, and what begins with it is it or goes on.
    whole = np.logaddexp.reduce([scorer.end(prefix), *scorer.following(prefix)[1:]])
    assert whole == pytest.approx(before)


# --- the second pass and the map


def test_rescoring_says_of_each_text_what_spelling_it_says() -> None:
    model, encoded = tiny.las(), tiny.random_steps(7, 4)
    nbest = [[(1, 2, 2), (), (2,)], [(1,), (2, 1, 1, 1)]]
    found = spelling_log_probs(model, encoded, nbest)
    for i, (texts, S) in enumerate(zip(nbest, (7, 4), strict=True)):
        alone = Encoded(encoded.steps[i : i + 1, :S], encoded.lengths[i : i + 1])
        wanted = [tiny.spelled(model, alone, text)[0] for text in texts]
        assert found[i] == pytest.approx(wanted, abs=1e-5)


def test_rescoring_agrees_with_the_search() -> None:
    model, encoded = tiny.las(), tiny.random_steps(6, 5)
    found = LasSearch(model).search(encoded, 4)
    texts = [[one.tokens for one in each] for each in found]
    for ours, theirs in zip(spelling_log_probs(model, encoded, texts), found, strict=True):
        assert ours == pytest.approx([one.spelling_log_prob for one in theirs], abs=1e-5)


def test_rescoring_nothing_says_nothing() -> None:
    encoded = tiny.random_steps(3, 3)
    assert spelling_log_probs(tiny.las(), encoded, [[], []]) == [[], []]
    found = spelling_log_probs(tiny.las(), encoded, [[()], []])
    assert [len(each) for each in found] == [1, 0]


@pytest.mark.parametrize(
    ("nbest", "message"),
    [
        ([[(1,)]], "expected texts for 2 utterances, found 1"),
        ([[(1,)], [(3,)]], r"expected tokens from 1 to 2, found \[3\]"),
        ([[(1,)], [(0, 1)]], r"expected tokens from 1 to 2, found \[0, 1\]"),
    ],
)
def test_rescoring_refuses_what_is_not_the_models(
    nbest: list[list[tiny.Text]], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        spelling_log_probs(tiny.las(), tiny.random_steps(3, 3), nbest)


def test_the_map_of_a_text_has_the_looks_before_its_tokens() -> None:
    model = tiny.las()
    features = np.random.default_rng(0).normal(size=(47, 80)).astype(np.float32)
    found = attention_map(model, features, [1, 2, 2])
    encoded = model.encode(torch.from_numpy(features)[None], torch.tensor([47]))
    _, looks = tiny.spelled(model, encoded, (1, 2, 2))
    np.testing.assert_allclose(found, looks[:3].numpy(), atol=1e-6)
    assert found.shape == (3, 11)
    assert attention_map(model, features, []).shape == (0, 11)


@pytest.mark.parametrize(
    ("frames", "tokens", "message"),
    [(3, [1], "expected sound for an encoder step, found 3 frames"), (47, [3], "from 1 to 2")],
)
def test_the_map_of_what_cannot_be_looked_at_is_refused(
    frames: int, tokens: list[int], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        attention_map(tiny.las(), np.zeros((frames, 80), np.float32), tokens)
