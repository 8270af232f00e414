"""The recogniser: state is a value, and no chunking of the same features changes the words."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steno_models import bundle
from steno_models.errors import ConfigError
from steno_models.recogniser import DecodeOptions, Recogniser, Update, Work
from steno_models.types import FloatArray


@pytest.fixture
def recogniser(tiny_bundle: Path) -> Recogniser:
    return bundle.load(tiny_bundle).recogniser


def sound(frames: int, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    slow = np.repeat(rng.normal(0, 3, (frames // 8 + 1, 80)), 8, axis=0)[:frames]
    return (10 + slow + rng.normal(0, 1, (frames, 80))).astype(np.float32)


def decode(
    recogniser: Recogniser, features: FloatArray, cuts: list[int], options: DecodeOptions
) -> Update:
    state = recogniser.start(options)
    for piece in np.split(features, cuts):
        [(_, state)] = recogniser.step([Work(piece, state)])
    [(update, _)] = recogniser.step([Work(features[:0], state, is_last=True)])
    return update


@settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.lists(st.integers(0, 120), max_size=6), n_best=st.integers(1, 3))
def test_any_chunking_gives_the_same_final(
    recogniser: Recogniser, cuts: list[int], n_best: int
) -> None:
    features, options = sound(120), DecodeOptions(n_best=n_best)
    whole = decode(recogniser, features, [], options)
    assert whole.words
    cut = decode(recogniser, features, sorted(cuts), options)
    assert [word.text for word in cut.words] == [word.text for word in whole.words]
    assert cut.steps == whole.steps
    assert len(cut.alternatives) <= n_best


def test_streams_together_get_what_they_get_alone(recogniser: Recogniser) -> None:
    options = [DecodeOptions(), DecodeOptions(chunk_steps=2), DecodeOptions(n_best=2)]
    sounds = [sound(70 + 20 * i, seed=i) for i in range(3)]
    alone = [decode(recogniser, x, [], o) for x, o in zip(sounds, options, strict=True)]
    works = [
        Work(x, recogniser.start(o), is_last=True) for x, o in zip(sounds, options, strict=True)
    ]
    together = [update for update, _ in recogniser.step(works)]
    for found, expected in zip(together, alone, strict=True):
        assert [replace(word, confidence=0) for word in found.words] == [
            replace(word, confidence=0) for word in expected.words
        ]
        assert [word.confidence for word in found.words] == pytest.approx(
            [word.confidence for word in expected.words], abs=1e-4
        )


def test_streams_that_go_within_a_batch_change_nothing_of_it(recogniser: Recogniser) -> None:
    sounds = [sound(150 + 20 * i, seed=i) for i in range(3)]
    alone = [decode(recogniser, each, [], DecodeOptions()) for each in sounds]
    within = []

    def meanwhile() -> None:
        state = recogniser.start(DecodeOptions())
        [(_, state)] = recogniser.step([Work(sounds[2][:60], state)])
        state = recogniser.rescored(state, "general")
        [(update, _)] = recogniser.step([Work(sounds[2][60:], state, is_last=True)])
        within.append(update)

    works = [
        Work(each, recogniser.start(DecodeOptions()), is_last=True, meanwhile=meanwhile)
        for each in sounds[:2]
    ]
    found = [update for update, _ in recogniser.step(works)]
    assert len(within) > len(works)
    for update, expected in (
        *zip(found, alone[:2], strict=True),
        *((each, alone[2]) for each in within),
    ):
        assert [word.text for word in update.words] == [word.text for word in expected.words]


def test_the_first_and_last_steps_of_a_segment_are_decoded(recogniser: Recogniser) -> None:
    update = decode(recogniser, sound(40), [], DecodeOptions())
    assert update.steps == (40 + 32 - 7) // 4 + 1


def test_stable_words_are_never_taken_back(recogniser: Recogniser) -> None:
    features, state = sound(400, seed=3), recogniser.start(DecodeOptions())
    stable: list[str] = []
    for piece in np.split(features, range(16, 400, 16)):
        [(update, state)] = recogniser.step([Work(piece, state)])
        words = [word.text for word in update.words]
        assert words[: len(stable)] == stable
        assert update.stable_words >= len(stable)
        stable = words[: update.stable_words]
    [(final, _)] = recogniser.step([Work(features[:0], state, is_last=True)])
    assert [word.text for word in final.words][: len(stable)] == stable
    assert final.stable_words == len(final.words)


def test_confidences_are_probabilities_and_times_are_ordered(recogniser: Recogniser) -> None:
    update = decode(recogniser, sound(300, seed=5), [], DecodeOptions())
    assert update.words
    assert all(0 <= word.confidence <= 1 for word in update.words)
    ends = [0, *(word.end_step for word in update.words)]
    for word, before in zip(update.words, ends, strict=False):
        assert before <= word.start_step < word.end_step <= update.steps


def test_an_unknown_language_model_is_named(recogniser: Recogniser) -> None:
    with pytest.raises(ConfigError, match="language models general, found legal"):
        recogniser.start(DecodeOptions(language_model="legal"))
