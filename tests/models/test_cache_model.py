"""What a speaker said, as fading counts and as a language model."""

import math
from pathlib import Path

import numpy as np
import pytest
from tests.models.test_search_mixture import LEFT, heard, model_of, random_log_probs, source_of

from steno_models.errors import ConfigError, DataError
from steno_models.lm.cache.counts import END, HALF_LIFE_WORDS, MOST_WORDS, Counts
from steno_models.lm.cache.model import ngram_model
from steno_models.lm.ngram.model import NgramModel
from steno_models.mixture import Mixer
from steno_models.personal import MOST_WEIGHT, Personal
from steno_models.recogniser import LanguageModel

NUMBERS = {"do": 0, "re": 1, "mi": 2}


def counted(*sentences: str) -> Counts:
    return Counts().after([sentence.split() for sentence in sentences])


def test_counts_fade_by_half_in_so_many_words() -> None:
    once = counted("do")
    later = once.after([["re"] * round(HALF_LIFE_WORDS)])
    assert later.words["do"] == pytest.approx(once.words["do"] / 2, rel=2e-3)
    assert later.words[END] < 2


def test_it_makes_no_difference_how_sentences_come() -> None:
    one = counted("do re", "mi", "do do")
    other = counted("do re").after([["mi"]]).after([["do", "do"]])
    assert other.words == pytest.approx(one.words)
    assert other.pairs == pytest.approx(one.pairs)


def test_only_the_largest_counts_are_kept() -> None:
    several = Counts().after([[f"w{number}" for number in range(2 * MOST_WORDS)]])
    assert len(several.words) <= MOST_WORDS
    assert "w0" not in several.words


@pytest.mark.parametrize("count", [0.0, -1.0, math.inf, math.nan])
def test_what_is_no_count_is_refused(count: float) -> None:
    with pytest.raises(DataError, match="expected counts of words above 0, found"):
        Counts({"do": count})


def test_probabilities_are_those_of_the_formula_and_sum_to_one() -> None:
    counts = counted("do re mi", "do mi", "re")
    model = ngram_model(counts, NUMBERS)
    assert model is not None
    states = [model.start_state, *(model.advance(0, number)[0] for number in range(3)), 0]
    for state in states:
        total = sum(np.exp(model.advance(state, word)[1]) for word in (0, 1, 2, model.end_word))
        assert total == pytest.approx(1.0, abs=1e-3)
    after_do = {w: count for (v, w), count in counts.pairs.items() if v == "do"}
    trust = sum(after_do.values()) / (sum(after_do.values()) + 1)
    alone = counts.words["re"] / counts.total
    expected = trust * after_do["re"] / sum(after_do.values()) + (1 - trust) * alone
    state, _ = model.advance(0, NUMBERS["do"])
    assert np.exp(model.advance(state, NUMBERS["re"])[1]) == pytest.approx(expected, rel=1e-3)


def test_words_without_a_number_are_left_out() -> None:
    model = ngram_model(counted("do unheard do"), NUMBERS)
    assert model is not None
    assert model.vocabulary[:-3] == ("do",)
    assert ngram_model(counted("unheard"), NUMBERS) is None
    assert ngram_model(Counts(), NUMBERS) is None


@pytest.fixture
def base(tmp_path: Path) -> tuple[NgramModel, LanguageModel]:
    model = model_of(tmp_path / "left.bin", LEFT, 1)
    source = source_of(model)
    return model, Mixer()([(LanguageModel(source.search, source.words), 1.0)], Counts())


def test_a_personal_model_is_added_up_with_a_bounded_weight(
    base: tuple[NgramModel, LanguageModel],
) -> None:
    general, model = base
    assert model.personal is not None
    finals = tuple(("abc", "b") for _ in range(100))
    counts = Counts().after(finals)
    own = ngram_model(counts, model.personal.numbers)
    assert own is not None
    weight = model.personal.weight(counts)
    assert 0.5 * MOST_WEIGHT < weight < MOST_WEIGHT
    words = ["b", "abc", "c"]
    [found] = model.after(finals).search.log_probs([[model.words.index(word) for word in words]])
    one, other = general.score(words), own.score(words)
    expected = (1 - weight) * np.exp(one) + weight * np.exp(other) * np.array([1, 1, 0, 1])
    assert found == pytest.approx(np.log(expected), abs=1e-9)


def test_what_was_said_is_heard_where_the_sound_leaves_it_open(
    base: tuple[NgramModel, LanguageModel],
) -> None:
    _, model = base
    log_probs = random_log_probs(np.random.default_rng(7), 30)
    plain = heard(model.after(()).search, log_probs, 30)
    finals = tuple(("abc",) for _ in range(200))
    personal = Personal(Counts(), model.personal.numbers if model.personal else {}, 0.9)
    bent = heard(personal.beside(model, finals).search, log_probs, 30)
    number = model.words.index("abc")
    assert sum(word.word == number for word in bent.words) >= sum(
        word.word == number for word in plain.words
    )
    assert [word.word for word in bent.words] != [word.word for word in plain.words]


def test_a_personal_model_needs_room_beside_the_others(
    base: tuple[NgramModel, LanguageModel],
) -> None:
    general = (
        LanguageModel(base[1].joint.models[0].search, base[1].words) if base[1].joint else None
    )
    assert general is not None
    with pytest.raises(ConfigError, match="expected at most 3 language models beside a personal"):
        Mixer()([(general, 0.25)] * 4, Counts())
    with pytest.raises(ConfigError, match="expected a mixture of fewer than 4 language models"):
        Personal(counted("b"), {"b": 2}).beside(general, ())
