"""The second pass: in time, and never against what was called stable."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.models import second_passes as second
from tests.models.second_passes import candidate
from tests.models.test_recogniser import decode, sound

from steno_models import bundle
from steno_models.bundle_second_pass import FOLDER
from steno_models.encoders.protocol import Context
from steno_models.lm.scorer import LogProbs, Scored, Sentence
from steno_models.recogniser import (
    Alternative,
    DecodeOptions,
    LanguageModel,
    State,
    Update,
    Word,
    Work,
)
from steno_models.rescoring.candidate import Candidate
from steno_models.rescoring.combination import Weights
from steno_models.rescoring.language import LanguageReader
from steno_models.rescoring.pace import STEP_ROWS, rows
from steno_models.rescoring.second_pass import SecondPass, Segment, ranked
from steno_models.search.confidence import UNCALIBRATED
from steno_models.two_pass_recogniser import TwoPassRecogniser
from steno_models.types import FloatArray


def two_pass(path: Path) -> TwoPassRecogniser:
    found = bundle.load(path).recogniser
    assert isinstance(found, TwoPassRecogniser)
    return found


def texts(words: Sequence[Word]) -> tuple[str, ...]:
    return tuple(word.text for word in words)


# Time.


@dataclass
class FakeClock:
    """Stands still unless somebody works."""

    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class SlowScorer:
    """Says that longer words are likelier, and takes its time for each step and each prefix."""

    clock: FakeClock
    row_s: float = 0.001
    batches: list[int] = field(default_factory=list)

    def start(self) -> None:
        return None

    def knows(self, word: str) -> bool:
        return bool(word)

    def score(self, states: Sequence[None], words: Sentence) -> tuple[LogProbs, list[None]]:
        return np.array([float(len(word)) for word in words]), list(states)

    def score_sentences(
        self, sentences: Sequence[Sentence], carried: None = None, *, alike: int | None = None
    ) -> Scored:
        assert alike is None
        self.batches.append(len(sentences))
        longest = 1 + max(map(len, sentences))
        prefixes = {tuple(text[:k]) for text in sentences for k in range(1, 1 + len(text))}
        self.clock.now_s += self.row_s * (STEP_ROWS * longest + len(sentences) + len(prefixes))
        found = [np.array([*(float(len(w)) for w in text), 0.0]) for text in sentences]
        return Scored(found, [carried] * len(sentences))


def slow(clock: FakeClock) -> tuple[SecondPass, SlowScorer]:
    scorer = SlowScorer(clock)
    weights = Weights(language=1.0, neural_share=1.0)
    rescorer = SecondPass(
        weights=weights, batch=2, language=LanguageReader(scorer), clock=clock, n_best=6
    )
    return rescorer, scorer


# Each is worth less than the one before to the first pass, and more to the second.
LISTED = [candidate("a" * k, -float(k) / 2) for k in range(1, 7)]
STEPS = np.zeros((0, 0), np.float32)


def test_without_a_deadline_all_are_scored_and_the_best_wins() -> None:
    rescorer, scorer = slow(FakeClock())
    found = rescorer.rescore(LISTED, Segment(STEPS, rescorer.begin(())))
    assert [one.candidate.texts for one in found.ranked] == [one.texts for one in LISTED[::-1]]
    assert found.unscored == 0
    assert scorer.batches == [2, 2, 2]


@pytest.mark.parametrize(("margin", "asked"), [(0.0, 1), (0.4, 1), (1.0, 3), (9.0, 6)])
def test_who_is_far_behind_is_not_asked_about_and_stays_behind(margin: float, asked: int) -> None:
    rescorer, scorer = slow(FakeClock())
    rescorer = replace(rescorer, margin=margin)
    found = rescorer.rescore(LISTED, Segment(STEPS, rescorer.begin(())))
    assert sum(scorer.batches) == asked
    order = [one.texts for one in (*LISTED[:asked][::-1], *LISTED[asked:])]
    assert [one.candidate.texts for one in found.ranked] == order
    assert found.unscored == 0  # nobody had too little time


@pytest.mark.parametrize(
    ("budget_s", "scored"),
    # One takes 0.032 s, two take 0.034 s; two are begun if one and a half times that is left.
    [(-0.01, 0), (0.0, 2), (0.065, 2), (0.067, 3), (0.084, 3), (0.086, 4), (0.12, 6), (9.0, 6)],
)
def test_the_best_so_far_wins_when_time_is_up(budget_s: float, scored: int) -> None:
    clock = FakeClock()
    rescorer, scorer = slow(clock)
    segment = Segment(STEPS, rescorer.begin(()), deadline_s=clock.now_s + budget_s)
    found = rescorer.rescore(LISTED, segment)
    assert sum(scorer.batches) == scored
    assert found.unscored == 6 - scored
    order = [one.texts for one in (*LISTED[:scored][::-1], *LISTED[scored:])]
    assert [one.candidate.texts for one in found.ranked] == order
    assert [one.log_score for one in found.ranked] == sorted(
        (one.log_score for one in found.ranked), reverse=True
    )


def test_no_batch_is_begun_that_would_be_late() -> None:
    clock = FakeClock()
    rescorer, _ = slow(clock)
    begun = rescorer.begin(())
    rescorer.rescore(LISTED, Segment(STEPS, begun))  # now it knows how long candidates take
    scored = []
    for budget_s in np.linspace(0, 0.2, 21):
        deadline_s = clock.now_s + float(budget_s)
        found = rescorer.rescore(LISTED, Segment(STEPS, begun, deadline_s=deadline_s))
        assert clock.now_s <= deadline_s
        scored.append(6 - found.unscored)
    assert scored == sorted(scored)
    assert scored[0] == 0
    assert scored[-1] == 6


@given(
    listed=st.lists(st.lists(st.sampled_from("abc"), max_size=4), min_size=1, max_size=8),
    shared=st.booleans(),
)
def test_candidates_cost_their_distinct_prefixes(listed: list[list[str]], *, shared: bool) -> None:
    candidates = [candidate(" ".join(text), 0.0) for text in listed]
    found = rows(candidates, shared=shared)
    for count, cost in enumerate(found, 1):
        texts = listed[:count]
        prefixes = [tuple(text[:k]) for text in texts for k in range(1, 1 + len(text))]
        distinct = len(set(prefixes)) if shared else len(prefixes)
        longest = 1 + max(map(len, texts))
        assert cost == distinct + count + STEP_ROWS * longest


@example(scores=[-1.0, -1.0], new=[-2.4e-239])
@given(
    scores=st.lists(st.floats(-100, 0), min_size=1, max_size=8),
    new=st.lists(st.floats(-300, 300), max_size=8),
)
def test_who_was_not_scored_keeps_its_place_behind_those_who_were(
    scores: list[float], new: list[float]
) -> None:
    listed = [candidate("a", score) for score in sorted(scores, reverse=True)]
    new = new[: len(listed)]
    found = ranked(listed, new)
    place = {id(one): number for number, one in enumerate(listed)}  # equal ones are still two
    numbers = [place[id(one.candidate)] for one in found]
    assert numbers[len(new) :] == list(range(len(new), len(listed)))
    assert [one.log_score for one in found[: len(new)]] == sorted(new, reverse=True)
    assert all(a.log_score >= b.log_score - 1e-9 for a, b in pairwise(found))


# Words that were called stable.


@dataclass(frozen=True)
class Scripted:
    """A first pass that says what it is told to, whether that fits together or not."""

    partials: tuple[tuple[str, int], ...]
    listed: tuple[Candidate, ...]
    context = Context(4, 8)
    features = None
    calibration = UNCALIBRATED
    steps_width = None

    def start(self, options: DecodeOptions) -> State:
        return State(options, np.zeros((0, 80), np.float32), None, 0)

    def step(self, work: Sequence[Work]) -> list[tuple[Update, State]]:
        return [self._step(item) for item in work]

    def _step(self, work: Work) -> tuple[Update, State]:
        if work.is_last:
            best = _words(self.listed[0].texts)
            listed = tuple(Alternative(_words(one.texts), one.log_score) for one in self.listed)
            return Update(best, len(best), 9, 0, listed), work.state
        text, stable = self.partials[work.state.search]
        words = _words(tuple(text.split()))
        state = replace(work.state, search=work.state.search + 1)
        return Update(words, min(stable, len(words)), 9, 0), state

    def rescored(self, state: State, language_model: str | LanguageModel) -> State:
        return replace(state, options=replace(state.options, language_model=language_model))

    def candidates(self, _state: State, most: int) -> list[Candidate]:
        return list(self.listed[:most])

    def stable(self, _state: State) -> tuple[Word, ...]:
        return ()

    def encoded(self, _state: State) -> FloatArray:
        return STEPS


def _words(words: Sequence[str]) -> tuple[Word, ...]:
    return tuple(Word(text, k, k + 1, 0.5) for k, text in enumerate(words))


TEXT = st.lists(st.sampled_from(["a", "bb", "ccc"]), min_size=1, max_size=4).map(" ".join)


@settings(deadline=None)
@given(
    listed=st.lists(TEXT, min_size=1, max_size=6, unique=True),
    grown=st.lists(st.integers(0, 4), max_size=3),
    budget_s=st.none() | st.floats(-0.1, 0.1),
)
def test_stable_text_is_never_rewritten(
    listed: list[str], grown: list[int], budget_s: float | None
) -> None:
    clock = FakeClock()
    candidates = tuple(candidate(text, -float(k)) for k, text in enumerate(listed))
    partials = tuple((listed[0], stable) for stable in sorted(grown))
    first = Scripted(partials, candidates)
    recogniser = TwoPassRecogniser(
        first=first,  # type: ignore[arg-type]
        rescorer=slow(clock)[0],
        budget_s=budget_s or 0.0,
        hold_steps=0,
        posterior_scale=1.0,
        calibration=UNCALIBRATED,
    )
    state, stable = recogniser.start(DecodeOptions(n_best=9)), tuple[str, ...]()
    for _ in partials:
        [(update, state)] = recogniser.step([Work(STEPS, state)])
        stable = texts(update.words[: update.stable_words])
    asked_s = None if budget_s is None else clock.now_s
    [(final, state)] = recogniser.step([Work(STEPS, state, is_last=True, asked_s=asked_s)])
    assert final.unscored is not None
    for one in final.alternatives:
        assert texts(one.words)[: len(stable)] == stable
    eligible = [one for one in listed if tuple(one.split())[: len(stable)] == stable]
    assert sorted(" ".join(texts(one.words)) for one in final.alternatives) == sorted(eligible)
    assert recogniser.measured(state).words == texts(final.words)


def test_another_language_model_makes_nothing_stable(tiny_bundle: Path) -> None:
    recogniser = two_pass(second.give(tiny_bundle, hold_ms=400))
    state = recogniser.start(DecodeOptions())
    [(update, state)] = recogniser.step([Work(sound(400, seed=3), state)])
    assert update.stable_words > 0
    assert len(state.second_pass.stable) == update.stable_words
    assert recogniser.rescored(state, "general").second_pass.stable == ()


@settings(
    deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 100), every=st.sampled_from([16, 40, 100]))
def test_any_chunking_gives_the_same_final_and_takes_nothing_stable_back(
    tiny_bundle: Path, seed: int, every: int
) -> None:
    if not (tiny_bundle / FOLDER).exists():
        second.give(tiny_bundle, neural_share=0.9, language_weight=3.0, n_best=12, hold_ms=400)
    recogniser, features = two_pass(tiny_bundle), sound(300, seed=seed)
    state, stable = recogniser.start(DecodeOptions(n_best=3)), tuple[str, ...]()
    for piece in np.split(features, range(every, 300, every)):
        [(update, state)] = recogniser.step([Work(piece, state)])
        assert texts(update.words)[: len(stable)] == stable
        stable = texts(update.words[: update.stable_words])
    [(final, _)] = recogniser.step([Work(features[:0], state, is_last=True)])
    assert texts(final.words)[: len(stable)] == stable
    whole = decode(recogniser, features, [], DecodeOptions(n_best=3))
    assert texts(whole.words)[: len(stable)] == stable


def test_what_is_no_speech_stays_without_words() -> None:
    first = Scripted((), (candidate("a", 0.0),))

    class Silent(Scripted):
        def _step(self, work: Work) -> tuple[Update, State]:
            return Update((), 0, 9, 9), work.state

    recogniser = TwoPassRecogniser(
        first=Silent((), first.listed),  # type: ignore[arg-type]
        rescorer=slow(FakeClock())[0],
        budget_s=1.0,
        hold_steps=0,
        posterior_scale=1.0,
        calibration=UNCALIBRATED,
    )
    [(update, state)] = recogniser.step(
        [Work(STEPS, recogniser.start(DecodeOptions()), is_last=True)]
    )
    assert update == Update((), 0, 9, 9)
    assert state.second_pass.stable == ()
    assert state.second_pass.known is None


def test_segments_that_end_together_share_the_time() -> None:
    clock = FakeClock()
    rescorer, _ = slow(clock)
    rescorer.rescore(LISTED, Segment(STEPS, rescorer.begin(())))
    recogniser = TwoPassRecogniser(
        first=Scripted((), tuple(LISTED)),  # type: ignore[arg-type]
        rescorer=rescorer,
        budget_s=0.2,
        hold_steps=0,
        posterior_scale=1.0,
        calibration=UNCALIBRATED,
    )
    start = recogniser.start(DecodeOptions())
    began_s = clock.now_s
    asked_s = began_s - 0.1  # it waited so long for its turn
    found = recogniser.step(
        [Work(STEPS, start, is_last=True, asked_s=at) for at in (asked_s, began_s)]
    )
    assert clock.now_s <= asked_s + 0.2
    # 0.1 s for two: one candidate is 0.032 s of the first one's 0.05; of what is left, the other
    # has two together and then one more.
    assert [update.unscored for update, _ in found] == [5, 3]
    assert [len(texts(update.words)[0]) for update, _ in found] == [1, 3]
