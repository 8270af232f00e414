"""Several language models in one search, against sums worked out apart."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from tests.models import tiny_bundles as tiny

from steno_models.errors import ConfigError
from steno_models.lm.ngram.model import NgramModel
from steno_models.search.hypothesis import Hypothesis
from steno_models.search.mixture.joint import Source, join
from steno_models.search.mixture.mixing import check_weights
from steno_models.search.options import SearchOptions
from steno_models.search.search import BeamSearch
from steno_models.search.topology import ctc
from steno_models.search.tree import LexiconTree
from steno_models.types import FloatArray

SOUNDS = {"ab": (1, 2), "abc": (1, 2, 3), "b": (2,), "ba": (2, 1), "bat": (2, 1), "c": (3,)}
ALSO = {"c": (3, 1)}
"""Second pronunciations."""
LEFT = ("ab", "abc", "b", "c")
RIGHT = ("ab", "ba", "bat", "c")
NEW_WORD_BONUS = -2.0
OPTIONS = SearchOptions(
    beam=1e9, max_tokens=5000, lm_weight=0.8, word_score=0.3, new_word_bonus=NEW_WORD_BONUS
)
TOLERANCE = 1e-3


def model_of(path: Path, words: Sequence[str], seed: int) -> NgramModel:
    """Bigrams and trigrams of random sentences."""
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(words, int(rng.integers(1, 6)))) for _ in range(30)]
    tiny.ngram(path, tuple(words), texts)
    return NgramModel.open(path)


def source_of(model: NgramModel) -> Source:
    """The search through one model."""
    words = model.vocabulary[:-3]
    spelled = [[SOUNDS[word], *([ALSO[word]] if word in ALSO else [])] for word in words]
    search = BeamSearch(
        LexiconTree.build(spelled),
        model.arrays,
        topology=ctc(4),
        start_state=model.start_state,
        end_word=model.end_word,
        unknown_word=model.unknown_word,
        options=OPTIONS,
    )
    return Source(search, words)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[NgramModel, NgramModel]:
    folder = tmp_path_factory.mktemp("models")
    return model_of(folder / "left.bin", LEFT, 1), model_of(folder / "right.bin", RIGHT, 2)


@pytest.fixture(scope="module")
def joint(models: tuple[NgramModel, NgramModel]) -> tuple[BeamSearch, Sequence[str]]:
    return join([source_of(model) for model in models])


def weighed(search: BeamSearch, *weights: float) -> BeamSearch:
    assert search.mixing is not None
    return search.remixed(replace(search.mixing, weights=weights))


def apart(
    models: Sequence[NgramModel], weights: Sequence[float], words: Sequence[str]
) -> list[float]:
    """ln of the weighted sum of what each model says of each word and of the end, one by one."""
    states = [model.start_state for model in models]
    found = []
    for word in (*words, "</s>"):
        known = [word in model.vocabulary for model in models]
        total = 0.0
        for i, (model, weight) in enumerate(zip(models, weights, strict=True)):
            states[i], log_prob = model.advance(states[i], model.word_id(word))
            total += weight * np.exp(log_prob) if known[i] or not any(known) else 0.0
        found.append(float(np.log(total)) + (0.0 if any(known) else NEW_WORD_BONUS))
    return found


@pytest.mark.parametrize("weights", [(0.3, 0.7), (0.9, 0.1), (1.0, 0.0)])
def test_probabilities_are_the_weighted_sum_of_both_models(
    models: tuple[NgramModel, NgramModel],
    joint: tuple[BeamSearch, Sequence[str]],
    weights: tuple[float, float],
) -> None:
    search, words = joint
    mixed = weighed(search, *weights) if min(weights) else join([source_of(models[0])])[0]
    rng = np.random.default_rng(3)
    known = list(LEFT if not min(weights) else SOUNDS)
    vocabulary = list(words) if min(weights) else list(models[0].vocabulary[:-3])
    numbers = {word: number for number, word in enumerate(vocabulary)}
    for _ in range(50):
        sentence = [str(word) for word in rng.choice(known, int(rng.integers(0, 9)))]
        found = mixed.log_probs([[numbers[word] for word in sentence]])[0]
        assert found == pytest.approx(apart(models, weights, sentence), abs=1e-9)


def test_words_that_no_model_has_count_as_unknown_to_all(
    models: tuple[NgramModel, NgramModel], joint: tuple[BeamSearch, Sequence[str]]
) -> None:
    search, words = joint
    mixed = weighed(search, 0.4, 0.6)
    [found] = mixed.log_probs([[words.index("ab"), mixed.known_words, words.index("c")]])
    assert found == pytest.approx(apart(models, (0.4, 0.6), ["ab", "new", "c"]), abs=1e-9)


@cache
def sentences(longest: int, words: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [one for length in range(longest + 1) for one in product(words, repeat=length)]


def best_path(log_probs: FloatArray, tokens: Sequence[int]) -> float:
    """The best alignment of tokens under CTC: over all sequences of steps."""
    best = -np.inf
    for path in product(range(log_probs.shape[1]), repeat=len(log_probs)):
        merged = [q for s, q in enumerate(path) if s == 0 or path[s - 1] != q]
        if [q for q in merged if q] == list(tokens):
            best = max(best, float(sum(log_probs[s, q] for s, q in enumerate(path))))
    return best


def exhaustive(
    models: Sequence[NgramModel], weights: Sequence[float], log_probs: FloatArray
) -> tuple[float, tuple[str, ...]]:
    """The best sentence there is, of all."""
    paths: dict[tuple[int, ...], float] = {}
    best: tuple[float, tuple[str, ...]] = (-np.inf, ())
    for sentence in sentences(len(log_probs), tuple(SOUNDS)):
        ways = [[SOUNDS[word], *([ALSO[word]] if word in ALSO else [])] for word in sentence]
        for way in product(*ways):
            tokens = tuple(token for word in way for token in word)
            if len(tokens) > len(log_probs):
                continue
            if tokens not in paths:
                paths[tokens] = best_path(log_probs, tokens)
            score = paths[tokens] + OPTIONS.word_score * len(sentence)
            if score > -np.inf:
                score += OPTIONS.lm_weight * sum(apart(models, weights, sentence))
                best = max(best, (score, sentence))
    return best


def heard(search: BeamSearch, log_probs: FloatArray, chunk: int) -> Hypothesis:
    state = search.start()
    for begin in range(0, len(log_probs), chunk):
        state = search.step(log_probs[begin : begin + chunk], state)
    [found] = search.finish(state)
    return found


def random_log_probs(rng: np.random.Generator, steps: int) -> FloatArray:
    logits = 2.0 * rng.normal(size=(steps, 4))
    return np.asarray(logits - np.logaddexp.reduce(logits, axis=1)[:, None], np.float32)


def test_a_wide_beam_finds_the_best_sentence_of_the_sum(
    models: tuple[NgramModel, NgramModel], joint: tuple[BeamSearch, Sequence[str]]
) -> None:
    search, words = joint
    rng = np.random.default_rng(4)
    for _ in range(12):
        weights = (w := float(rng.uniform(0.05, 0.95)), 1 - w)
        log_probs = random_log_probs(rng, int(rng.integers(1, 5)))
        found = heard(weighed(search, *weights), log_probs, 5)
        score, sentence = exhaustive(models, weights, log_probs)
        assert found.log_score == pytest.approx(score, abs=TOLERANCE)
        assert tuple(words[one.word] for one in found.words) == sentence


def test_any_chunks_give_the_same(joint: tuple[BeamSearch, Sequence[str]]) -> None:
    search = weighed(joint[0], 0.5, 0.5)
    log_probs = random_log_probs(np.random.default_rng(5), 90)
    whole = heard(search, log_probs, 90)
    assert len(whole.words) > 5
    for chunk in (1, 7, 32):
        assert heard(search, log_probs, chunk) == whole


def test_a_model_beside_itself_is_as_good_as_alone(models: tuple[NgramModel, NgramModel]) -> None:
    alone = source_of(models[0])
    twice, _ = join([alone, alone])
    log_probs = random_log_probs(np.random.default_rng(6), 40)
    one, other = heard(alone.search, log_probs, 40), heard(weighed(twice, 0.2, 0.8), log_probs, 40)
    assert [word.word for word in other.words] == [word.word for word in one.words]
    assert other.log_score == pytest.approx(one.log_score, abs=TOLERANCE)


def test_words_are_added_to_a_mixture_as_to_one(joint: tuple[BeamSearch, Sequence[str]]) -> None:
    search = weighed(joint[0], 0.5, 0.5)
    new = search.known_words
    longer = search.extended({new: [(1, 3, 1)]}, new + 1, {(new,): 30.0})
    log_probs = np.full((7, 4), -8.0, np.float32)
    log_probs[range(7), (1, 0, 3, 0, 1, 0, 0)] = -0.01
    assert [word.word for word in heard(longer, log_probs, 7).words] == [new]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([], "expected 1 to 4 language models to mix, found 0"),
        ([0.2] * 5, "expected 1 to 4 language models to mix, found 5"),
        ([1.2, -0.2], "expected weights of 0 to 1, found 1.2"),
        ([0.5, 0.4], "expected weights that sum to 1, found a sum of 0.9"),
        ([float("nan"), 1.0], "expected weights of 0 to 1, found nan"),
    ],
)
def test_weights_that_make_no_mixture_are_refused(weights: list[float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_weights(weights)


def test_models_of_other_tokens_are_no_parts(models: tuple[NgramModel, NgramModel]) -> None:
    first = source_of(models[0])
    search = BeamSearch(
        first.search.tree,
        models[0].arrays,
        topology=ctc(5),
        start_state=models[0].start_state,
        end_word=models[0].end_word,
        unknown_word=models[0].unknown_word,
    )
    with pytest.raises(ConfigError, match="expected language models of the same tokens"):
        join([first, Source(search, first.words)])
