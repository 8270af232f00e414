"""A segment re-scored under another language model is as if it had been decoded with that one."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.models.domains import write_domain
from tests.models.test_recogniser import decode, sound

from steno_models import bundle
from steno_models.domain import Loader
from steno_models.errors import ConfigError
from steno_models.lexicon_recogniser import LexiconRecogniser
from steno_models.recogniser import DecodeOptions, LanguageModel, Work

CHECKED = [HealthCheck.function_scoped_fixture]


@pytest.fixture
def recogniser(tiny_bundle: Path) -> LexiconRecogniser:
    found = bundle.load(tiny_bundle).recogniser
    assert isinstance(found, LexiconRecogniser)
    return found


@pytest.fixture
def legal(tiny_bundle: Path, tmp_path: Path) -> LanguageModel:
    folder = write_domain(tmp_path / "legal", "legal", ["tort tort writ", "writ tort"])
    return Loader(bundle.load(tiny_bundle))(folder).model


@settings(deadline=None, max_examples=10, suppress_health_check=CHECKED)
@given(
    cuts=st.lists(st.integers(1, 239), min_size=1, max_size=4, unique=True), at=st.integers(0, 3)
)
def test_the_final_is_that_of_the_other_model_from_the_start(
    recogniser: LexiconRecogniser, legal: LanguageModel, cuts: list[int], at: int
) -> None:
    features = sound(240, seed=2)
    options = DecodeOptions(n_best=3, language_model=legal)
    expected = decode(recogniser, features, sorted(cuts), options)
    assert {word.text for word in expected.words} <= {"tort", "writ"}
    state = recogniser.start(DecodeOptions(n_best=3))
    for number, piece in enumerate(np.split(features, sorted(cuts))):
        if number == at % (len(cuts) + 1):
            state = recogniser.rescored(state, legal)
        [(_, state)] = recogniser.step([Work(piece, state)])
    [(found, _)] = recogniser.step([Work(features[:0], state, is_last=True)])
    assert expected.words
    assert found == expected


def test_other_streams_of_the_batch_are_left_as_they_were(
    recogniser: LexiconRecogniser, legal: LanguageModel
) -> None:
    features = sound(200, seed=4)
    alone = decode(recogniser, features, [100], DecodeOptions())
    states = [recogniser.start(DecodeOptions()) for _ in range(2)]
    works = [Work(features[:100], state) for state in states]
    states = [state for _, state in recogniser.step(works)]
    switched = recogniser.rescored(states[0], legal)
    kept = recogniser.step([Work(features[100:], state) for state in (switched, states[1])])
    [(update, _)] = recogniser.step([Work(features[:0], kept[1][1], is_last=True)])
    assert [word.text for word in update.words] == [word.text for word in alone.words]


def test_a_model_that_is_not_there_is_named(recogniser: LexiconRecogniser) -> None:
    state = recogniser.start(DecodeOptions())
    with pytest.raises(ConfigError, match="language models general, found legal"):
        recogniser.rescored(state, "legal")
