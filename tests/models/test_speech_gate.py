"""The speech gate: a latch on windows of posteriors, the same however they are cut."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_models import bundle
from steno_models.errors import DataError
from steno_models.lexicon_recogniser import LexiconRecogniser
from steno_models.recogniser import DecodeOptions, Update, Work
from steno_models.types import FloatArray
from steno_models.vad.speech_gate import (
    FEATURES,
    LOOK_STEPS,
    SUMS,
    WINDOW_STEPS,
    SpeechGate,
    features,
    look,
    measures,
    nothing_heard,
)

V = 6
NEVER = SpeechGate((0.0,) * len(FEATURES), -1.0)
ALWAYS = SpeechGate((0.0,) * len(FEATURES), 1.0)


def posteriors(steps: int, seed: int = 0, sharpness: float = 3.0) -> FloatArray:
    """Return (steps, V) log probabilities."""
    logits = np.random.default_rng(seed).normal(0, sharpness, (steps, V))
    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return np.asarray(log_probs, np.float32)


def blanks(steps: int) -> FloatArray:
    return np.tile(nothing_heard(V, 0).last, (steps, 1))


@settings(deadline=None, max_examples=30)
@given(
    cuts=st.lists(st.integers(0, 200), max_size=8),
    phones=st.floats(0.5, 40.0),
    seed=st.integers(0, 20),
)
def test_any_cutting_gives_the_same_verdict(cuts: list[int], phones: float, seed: int) -> None:
    log_probs = np.concatenate([blanks(37), posteriors(163, seed)])
    weights = dict.fromkeys(FEATURES, 0.0) | {"ln_phones": 1.0}
    gate = SpeechGate(tuple(weights.values()), -float(np.log1p(phones)))
    whole = cut = nothing_heard(V, 0)
    whole = gate.step(log_probs, 0, whole)
    for piece in np.split(log_probs, sorted(cuts)):
        cut = gate.step(piece, 0, cut)
    assert cut.is_open == whole.is_open


def test_every_look_sums_over_the_window_before_it() -> None:
    log_probs = posteriors(WINDOW_STEPS + 30)
    windows, after = look(log_probs, 0, nothing_heard(V, 0))
    steps = measures(log_probs, 0, nothing_heard(V, 0).last)
    assert len(windows) == len(log_probs) // LOOK_STEPS
    for number, window in enumerate(windows, start=1):
        end = number * LOOK_STEPS
        begin = max(0, end - WINDOW_STEPS)
        assert window[:-1] == pytest.approx(steps[begin:end].sum(axis=0))
        assert window[-1] == end - begin
    assert after.steps == len(log_probs)
    assert len(after.recent) == WINDOW_STEPS


def test_sums_are_those_of_the_definitions() -> None:
    p = np.array([[0.1, 0.8, 0.1], [0.1, 0.8, 0.1], [0.2, 0.4, 0.4], [0.5, 0.1, 0.4]])
    last = np.array([0.0, -np.inf, -np.inf], np.float32)
    found = dict(zip(SUMS, measures(np.log(p).astype(np.float32), 0, last).T, strict=True))
    assert found["phones"].tolist() == [1, 0, 0, 0]  # a phone that goes on begins once
    assert found["certainty"] == pytest.approx([np.log(0.8), 0, 0, 0], abs=1e-6)
    assert found["sound"] == pytest.approx([0.9, 0.9, 0.8, 0.5])
    assert found["entropy"][2] == pytest.approx(0.8 * np.log(2), abs=1e-6)
    assert found["dynamism"][:2] == pytest.approx([0.9**2 + 0.8**2 + 0.1**2, 0.0], abs=1e-6)
    assert found["energy"][3] == pytest.approx(0.5 * 0.8**2, abs=1e-6)


def test_means_do_not_depend_on_how_long_a_window_is() -> None:
    windows, _ = look(np.tile(posteriors(8), (8, 1)), 0, nothing_heard(V, 0))
    rows = [dict(zip(FEATURES, row, strict=True)) for row in features(windows)]
    for name in ("certainty", "sound", "entropy", "energy", "rate"):
        assert rows[3][name] == pytest.approx(rows[7][name], rel=0.15)


def test_an_open_gate_stays_open() -> None:
    is_open = ALWAYS.step(posteriors(40), 0, nothing_heard(V, 0))
    assert is_open.is_open
    assert NEVER.step(blanks(400), 0, is_open).is_open


def test_where_no_phone_was_heard_there_is_no_speech() -> None:
    assert not ALWAYS.step(blanks(400), 0, nothing_heard(V, 0)).is_open


def test_a_gate_needs_a_weight_for_each_feature() -> None:
    with pytest.raises(DataError, match=f"expected {len(FEATURES)} weights of a speech gate, fou"):
        SpeechGate((1.0,), 0.0)


@pytest.fixture
def recogniser(tiny_bundle: Path) -> LexiconRecogniser:
    found = bundle.load(tiny_bundle).recogniser
    assert isinstance(found, LexiconRecogniser)
    return found


def updates(recogniser: LexiconRecogniser, frames: int = 400) -> list[Update]:
    """Return what is known of a sound every 16 frames, and at its end."""
    rng = np.random.default_rng(3)
    slow = np.repeat(rng.normal(0, 3, (frames // 8 + 1, 80)), 8, axis=0)[:frames]
    sound = (10 + slow + rng.normal(0, 1, (frames, 80))).astype(np.float32)
    state, found = recogniser.start(DecodeOptions(n_best=2)), []
    for piece in np.split(sound, range(16, frames, 16)):
        [(update, state)] = recogniser.step([Work(piece, state)])
        found.append(update)
    [(update, _)] = recogniser.step([Work(sound[:0], state, is_last=True)])
    return [*found, update]


def test_a_segment_without_speech_shows_no_words_and_ends_with_none(
    recogniser: LexiconRecogniser,
) -> None:
    assert updates(recogniser)[-1].words
    for update in updates(replace(recogniser, speech_gate=NEVER)):
        assert (update.words, update.stable_words, update.alternatives) == ((), 0, ())


def test_words_come_once_there_is_evidence_and_are_those_without_a_gate(
    recogniser: LexiconRecogniser,
) -> None:
    free = updates(recogniser)
    # More than twelve phones: somewhere in the middle.
    weights = dict.fromkeys(FEATURES, 0.0) | {"ln_phones": 1.0}
    gate = SpeechGate(tuple(weights.values()), -float(np.log(12.5)))
    gated = updates(replace(recogniser, speech_gate=gate))
    shown = [bool(update.words) for update in gated]
    assert shown == sorted(shown)
    assert not shown[0]
    opened = shown.index(True)
    assert any(update.words for update in free[:opened])
    assert gated[opened:] == free[opened:]


def test_the_gate_of_a_bundle_is_the_one_in_its_description(tiny_bundle: Path) -> None:
    ungated = bundle.load(tiny_bundle).recogniser
    assert isinstance(ungated, LexiconRecogniser)
    assert ungated.speech_gate is None
    file = tiny_bundle / "bundle.toml"
    section = f"[speech_gate]\nweights = {[0.5] * len(FEATURES)}\nbias = -2.0\n"
    file.write_text(file.read_text().replace("[calibration]", f"{section}\n[calibration]"))
    gated = bundle.load(tiny_bundle).recogniser
    assert isinstance(gated, LexiconRecogniser)
    assert gated.speech_gate == SpeechGate((0.5,) * len(FEATURES), -2.0)
