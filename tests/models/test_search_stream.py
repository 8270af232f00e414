"""The search as a stream: chunks, stable words, memory, times."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_models.errors import ConfigError, DataError
from steno_models.lm.ngram.backoff import NEVER, BackoffModel
from steno_models.lm.ngram.binary import open_binary, write_binary
from steno_models.lm.ngram.quantise import quantise
from steno_models.lm.ngram.trie import assemble
from steno_models.search.kernels import run
from steno_models.search.options import SearchOptions
from steno_models.search.search import BeamSearch
from steno_models.search.state import TOKEN, SearchState
from steno_models.search.topology import ctc, hmm
from steno_models.search.tree import LexiconTree
from steno_models.types import FloatArray

NUM_TOKENS = 6
NARROW = SearchOptions(beam=8.0, max_tokens=150, history_steps=20)


def _search(options: SearchOptions = NARROW, num_words: int = 20, seed: int = 3) -> BeamSearch:
    """Return a search over random words of 1 to 4 tokens and random bigrams."""
    rng = np.random.default_rng(seed)
    spelled = sorted(
        tuple(rng.integers(1, NUM_TOKENS, rng.integers(1, 5)).tolist()) for _ in range(num_words)
    )
    begin, end = num_words, num_words + 1
    bigrams = [
        (history, word)
        for history in range(num_words + 1)
        for word in (*range(num_words), end)
        if rng.random() < 0.4
    ]
    trie, _ = assemble(num_words + 3, [np.array(bigrams, np.int32)])
    log_prob = -rng.uniform(1.0, 5.0, len(trie))
    log_prob[0], log_prob[1 + begin] = 0.0, NEVER
    backoff = -rng.uniform(0.0, 1.0, len(trie.child_begin) - 1)
    words = (*map(str, range(num_words)), "<s>", "</s>", "<unk>")
    return BeamSearch(
        LexiconTree.build([[tokens] for tokens in spelled]),
        quantise(BackoffModel(words, trie, log_prob, backoff)),
        topology=ctc(NUM_TOKENS),
        start_state=1 + begin,
        end_word=end,
        options=options,
    )


SEARCH = _search()


def _log_probs(seed: int, S: int, sharpness: float = 3.0) -> FloatArray:
    logits = sharpness * np.random.default_rng(seed).normal(size=(S, NUM_TOKENS))
    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return np.asarray(log_probs, np.float32)


def _certain(path: list[int]) -> FloatArray:
    log_probs = np.full((len(path), NUM_TOKENS), np.log(1e-6), np.float32)
    log_probs[np.arange(len(path)), path] = np.log(1 - 5e-6)
    return log_probs


def _texts(search: BeamSearch, state: SearchState) -> list[int]:
    return [word.word for word in search.best(state).words]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 40), max_size=8))
def test_any_chunking_gives_the_same_state(seed: int, cuts: list[int]) -> None:
    log_probs = _log_probs(seed, 150)
    whole = SEARCH.step(log_probs, SEARCH.start())
    state = SEARCH.start()
    for chunk in np.split(log_probs, np.minimum(np.cumsum(cuts), len(log_probs))):
        state = SEARCH.step(chunk, state)
    assert state.step == whole.step
    assert (state.tokens == whole.tokens).all()
    assert (state.links == whole.links).all()
    assert state.settled == whole.settled


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000))
def test_stable_words_only_grow_and_are_never_rewritten(seed: int) -> None:
    state, promised = SEARCH.start(), list[int]()
    for row in _log_probs(seed, 140)[:, None]:
        state = SEARCH.step(row, state)
        stable = SEARCH.stable_words(state)
        words = _texts(SEARCH, state)
        assert len(promised) <= stable <= len(words)
        assert words[: len(promised)] == promised
        promised = words[:stable]
    last = SEARCH.finish(state)[0]
    assert [word.word for word in last.words][: len(promised)] == promised
    assert promised


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000))
def test_settling_old_words_changes_no_result(seed: int) -> None:
    log_probs = _log_probs(seed, 140)
    keeping = replace(SEARCH, options=replace(NARROW, history_steps=10_000))
    short = SEARCH.step(log_probs, SEARCH.start())
    long = keeping.step(log_probs, keeping.start())
    assert short.settled
    assert not long.settled
    assert _texts(SEARCH, short) == _texts(keeping, long)
    assert SEARCH.stable_words(short) == keeping.stable_words(long)
    ended, kept = SEARCH.finish(short)[0], keeping.finish(long)[0]
    assert ended.log_score == kept.log_score
    assert [word.end_step for word in ended.words] == [word.end_step for word in kept.words]


def test_memory_does_not_grow_with_time() -> None:
    state, sizes = SEARCH.start(), []
    for seed in range(40):
        state = SEARCH.step(_log_probs(seed, 64), state)
        sizes.append(len(state.links))
    assert max(sizes[20:]) < 2 * max(sizes[2:20])
    assert len(state.settled) > 300


def test_a_state_survives_what_is_made_of_it() -> None:
    state = SEARCH.step(_log_probs(1, 30), SEARCH.start())
    once = SEARCH.step(_log_probs(2, 30), state)
    SEARCH.step(_log_probs(3, 30), state)
    again = SEARCH.step(_log_probs(2, 30), state)
    assert (once.tokens == again.tokens).all()
    with pytest.raises(ValueError, match="read-only"):
        state.tokens["score"] = 0.0


def test_words_that_the_language_model_lacks_count_as_its_unknown_word() -> None:
    known = [[[int(token) for token in tokens]] for tokens in ((1, 2), (3,))]
    search = _one_word_search((1, 2), (3,))
    longer = replace(
        search,
        tree=LexiconTree.build([*known, [], [], [], [(1, 2)], [(4, 5)]]),
        unknown_word=4,
        options=SearchOptions(new_word_bonus=0.25),
    )
    state = longer.step(_certain([1, 2, 0, 4, 5, 0, 3]), longer.start())
    words = longer.finish(state)[0].words
    # The new homophone is likelier by its bonus.
    assert [word.word for word in words] == [5, 6, 1]
    assert [word.log_prob for word in words] == pytest.approx([-0.75, -0.75, -1.0], abs=1e-3)


def test_silence_alone_is_no_word() -> None:
    silent = SEARCH.step(_certain([0] * 200), SEARCH.start())
    assert SEARCH.best(silent).words == ()
    (found,) = SEARCH.finish(silent)
    assert found.words == ()


def test_no_steps_are_no_words() -> None:
    state = SEARCH.start()
    assert SEARCH.step(np.zeros((0, NUM_TOKENS), np.float32), state).step == 0
    assert [hypothesis.words for hypothesis in SEARCH.finish(state, 3)] == [()]


def _one_word_search(*spelled: tuple[int, ...]) -> BeamSearch:
    trie, _ = assemble(len(spelled) + 3, [])
    model = BackoffModel(
        (*map(str, range(len(spelled))), "<s>", "</s>", "<unk>"),
        trie,
        np.full(len(trie), -1.0),
        np.zeros(len(trie.child_begin) - 1),
    )
    return BeamSearch(
        LexiconTree.build([[tokens] for tokens in spelled]),
        quantise(model),
        topology=ctc(NUM_TOKENS),
        start_state=0,
        end_word=len(spelled) + 1,
    )


def test_words_start_with_their_first_token_and_end_after_their_last() -> None:
    search = _one_word_search((1, 2), (3,))
    state = search.step(_certain([0, 0, 1, 1, 0, 2, 2, 0, 0, 3, 0]), search.start())
    words = search.finish(state)[0].words
    assert [(word.word, word.start_step, word.end_step) for word in words] == [
        (0, 2, 7),
        (1, 9, 10),
    ]
    assert all(word.posterior > 0.9 for word in words)
    assert all(word.margin == pytest.approx(0.0, abs=1e-3) for word in words)
    assert all(word.log_prob == pytest.approx(-1.0) for word in words)


def test_a_repeat_across_words_needs_a_blank_between() -> None:
    search = _one_word_search((1,))
    one = search.finish(search.step(_certain([0, 1, 1, 0]), search.start()))[0]
    two = search.finish(search.step(_certain([0, 1, 0, 1]), search.start()))[0]
    assert len(one.words) == 1
    assert len(two.words) == 2


def test_a_word_counts_from_its_last_token_on() -> None:
    search = _one_word_search((1, 2), (1, 2, 3))
    heard = [len(_texts(search, search.step(_certain([0, 1, 2, 0][:n]), search.start())))
             for n in range(1, 5)]  # fmt: skip
    assert heard == [0, 0, 1, 1]


def test_a_long_pause_ends_the_hope_for_a_longer_word() -> None:
    search = _one_word_search((1, 2), (1, 2, 3))
    state = search.step(_certain([1, 2] + [0] * 10), search.start())
    assert search.stable_words(state) == 0
    state = search.step(_certain([0] * 40), state)
    assert search.stable_words(state) == 1


def test_a_sentence_may_have_many_words() -> None:
    search = _one_word_search((1,), (2,))
    state = search.step(_certain([1, 0, 2] * 150) / np.float32(2), search.start())
    found = search.finish(state, 3)
    assert [word.word for word in found[0].words] == [0, 1] * 150
    assert len(found) == 3


def test_an_unfinished_word_is_left_out_at_the_end() -> None:
    search = _one_word_search((1, 2), (3,))
    (found,) = search.finish(search.step(_certain([3, 0, 1]), search.start()))
    assert [word.word for word in found.words] == [1]


def test_a_beam_without_words_to_end_still_answers() -> None:
    search = _one_word_search((1, 2, 3, 4))
    state = search.step(_certain([1] + [0] * 60), search.start())
    assert search.finish(state)[0].words == ()


def test_a_wider_beam_rarely_scores_lower_and_often_higher() -> None:
    changes = []
    for seed in range(60):
        scores = []
        for beam in (1.5, 3.0, 6.0, 12.0):
            search = replace(SEARCH, options=replace(NARROW, beam=beam, max_tokens=1000))
            state = search.step(_log_probs(seed, 30, 1.5), search.start())
            # Where no token got to the end of a word, the score is not that of a sentence.
            if np.isneginf(search._final_scores(state)).any():
                scores.append(search.finish(state)[0].log_score)
        changes += np.diff(scores).tolist()
    gains = sum(change > 1e-6 for change in changes)
    losses = sum(change < -1e-6 for change in changes)
    assert gains > 15
    assert losses < gains / 10


def test_the_number_of_tokens_has_its_bound() -> None:
    flat = np.full((60, NUM_TOKENS), -np.log(NUM_TOKENS), np.float32)
    for most in (1, 7, 100):
        search = replace(SEARCH, options=replace(NARROW, beam=1e9, max_tokens=most))
        assert len(search.step(flat, search.start()).tokens) <= most


def test_selecting_the_best_keeps_the_best() -> None:
    wide = replace(SEARCH, options=replace(NARROW, beam=1e9, max_tokens=100_000))
    some = replace(SEARCH, options=replace(NARROW, beam=1e9, max_tokens=40))
    log_probs = _log_probs(5, 1)
    every = np.sort(wide.step(log_probs, wide.start()).tokens["score"])[::-1]
    kept = np.sort(some.step(log_probs, some.start()).tokens["score"])[::-1]
    np.testing.assert_array_equal(kept, every[: len(kept)])


def test_models_in_memory_and_in_files_share_one_compilation(tmp_path: Path) -> None:
    vocabulary = (*map(str, range(20)), "<s>", "</s>", "<unk>")
    write_binary(tmp_path / "lm.bin", vocabulary, SEARCH.lm)
    _, mapped = open_binary(tmp_path / "lm.bin")
    search = replace(SEARCH, lm=mapped)
    log_probs = _log_probs(8, 80)
    writable, frozen = log_probs.copy(), log_probs.copy()
    frozen.setflags(write=False)
    expected = SEARCH.finish(SEARCH.step(log_probs, SEARCH.start()))
    known = len(run.signatures)  # other tests may have compiled others: for mixtures
    state = search.step(frozen[40:], search.step(writable[:40], search.start()))
    assert search.finish(state) == expected
    assert len(run.signatures) == known


def test_making_room_while_a_step_runs_changes_no_token() -> None:
    flat = _log_probs(4, 25, 0.3)
    tight, roomy = (
        replace(SEARCH, options=replace(NARROW, beam=1e9, max_tokens=120)) for _ in range(2)
    )
    scratch = tight._scratches.pop()
    tight._scratches.append(scratch._replace(following=np.zeros(125, TOKEN)))
    narrowed = tight.step(flat, tight.start()).tokens
    kept = roomy.step(flat, roomy.start()).tokens
    uses = [int(search._scratches[0].control["epoch"][0]) for search in (tight, roomy)]
    assert uses[0] > uses[1]
    # A token may leave and come back better, so that their order changes.
    narrowed, kept = (np.sort(tokens, order=["lm", "place"]) for tokens in (narrowed, kept))
    for name in ("score", "lm", "place", "start", "end"):
        np.testing.assert_array_equal(narrowed[name], kept[name])


def test_a_state_of_a_wider_search_is_a_config_error() -> None:
    state = SEARCH.step(_log_probs(1, 30), SEARCH.start())
    narrow = replace(SEARCH, options=replace(NARROW, max_tokens=3))
    with pytest.raises(ConfigError, match="at most 3 tokens, found one of a wider"):
        narrow.step(_log_probs(1, 1), state)


def test_posteriors_that_allow_nothing_are_a_data_error() -> None:
    nothing = np.full((3, NUM_TOKENS), -np.inf, np.float32)
    with pytest.raises(DataError, match="found none in steps 0 to 3"):
        SEARCH.step(nothing, SEARCH.start())
    with pytest.raises(DataError, match="found NaN"):
        SEARCH.step(np.full((1, NUM_TOKENS), np.nan, np.float32), SEARCH.start())
    with pytest.raises(DataError, match=r"shape \(S, 6\), found \(2, 5\)"):
        SEARCH.step(np.zeros((2, 5), np.float32), SEARCH.start())


def test_parts_that_do_not_fit_are_a_config_error() -> None:
    with pytest.raises(ConfigError, match="token ids below 5, found 5"):
        replace(SEARCH, topology=ctc(5))
    with pytest.raises(ConfigError, match="of the lexicon's 30 words, found one of 23"):
        replace(SEARCH, tree=LexiconTree.build([[[1]]] * 30))
    with pytest.raises(ConfigError, match="expected beam above 0, found 0"):
        SearchOptions(beam=0)
    with pytest.raises(ConfigError, match="expected lm_weight of 0 or more, found -1"):
        SearchOptions(lm_weight=-1)
    with pytest.raises(ConfigError, match=r"in \(0, 1\), found 0.5 to 1"):
        hmm(np.array([0.5, 1.0], np.float32))
