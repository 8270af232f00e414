"""Graphones, their n-gram and the search over them."""

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import kenlm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_models.errors import ConfigError, DataError
from steno_models.text import graphone_ngram, graphones, kernels
from steno_models.text.g2p import G2P
from steno_models.text.g2p_train import evaluate, is_held_out, main, train
from steno_models.text.graphones import BEGIN, END, FIRST, Pairs
from steno_models.text.lexicon import Lexicon, Pronunciation
from steno_models.text.tokens import PHONES

TOY = {
    "box": (("B", "AA", "K", "S"),),
    "cob": (("K", "AA", "B"), ("K", "AO", "B")),
    "cub": (("K", "AH", "B"),),
    "cube": (("K", "Y", "UW", "B"),),
    "obo": (("OW", "B", "OW"),),
    "tax": (("T", "AE", "K", "S"),),
    "tubs": (("T", "AH", "B", "Z"),),
}
ENTRIES = [(word, sound) for word, sounds in TOY.items() for sound in sounds]
WORD = st.text("'abcehxyz", min_size=1, max_size=9).filter(lambda w: w.strip("'") != "")
TEXT = st.lists(st.lists(st.integers(FIRST, 5), min_size=1, max_size=6), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def toy() -> G2P:
    return train(Lexicon(TOY), order=3, iterations=4, min_count=1)


@pytest.fixture(scope="module")
def shipped() -> G2P:
    return G2P.load()


def segmentations(
    word: str, sound: Pronunciation
) -> Iterator[tuple[tuple[str, Pronunciation], ...]]:
    """All ways of giving each letter none, one or two phones."""
    for sizes in itertools.product(range(3), repeat=len(word)):
        if sum(sizes) == len(sound):
            ends = list(itertools.accumulate(sizes))
            yield tuple(
                (letter, sound[end - size : end])
                for letter, size, end in zip(word, sizes, ends, strict=True)
            )


def code_of(letter: str, sound: Pronunciation) -> int:
    """The place of a pair among all pairs in order of letter, number of phones and phones."""
    every = [(), *((p,) for p in PHONES), *itertools.product(PHONES, repeat=2)]
    return graphones.LETTERS.index(letter) * len(every) + every.index(sound)


def arrays(pairs: Pairs) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return pairs.letters, pairs.letter_begin, pairs.phones, pairs.phone_begin


def flat(text: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    begin = np.cumsum([0, *(len(word) for word in text)]).astype(np.int64)
    return np.array([token for word in text for token in word], np.int32), begin


def log_prob_of(lm: kernels.Automaton, tokens: list[int]) -> float:
    """ln p of tokens and END after BEGIN."""
    total, node = 0.0, BEGIN
    for token in [*tokens, END]:
        log_prob, node = kernels.advance(lm, node, token, -np.inf)
        total += log_prob
    return total


def test_expected_counts_are_those_of_all_segmentations() -> None:
    rng = np.random.default_rng(1)
    prob = rng.random(graphones.NUM_CODES)
    counts = np.zeros(graphones.NUM_CODES)
    log_likelihood = kernels.expect(*arrays(Pairs.of(ENTRIES)), prob, counts)
    expected, expected_log = np.zeros(graphones.NUM_CODES), 0.0
    for word, sound in ENTRIES:
        ways = [[code_of(*pair) for pair in way] for way in segmentations(word, sound)]
        weights = [math.prod(prob[code] for code in way) for way in ways]
        expected_log += math.log(sum(weights))
        for way, weight in zip(ways, weights, strict=True):
            for code in way:
                expected[code] += weight / sum(weights)
    assert log_likelihood == pytest.approx(expected_log, abs=1e-9)
    np.testing.assert_allclose(counts, expected, atol=1e-9)


def test_the_best_segmentation_is_the_best_of_all() -> None:
    prob = np.random.default_rng(2).random(graphones.NUM_CODES)
    codes = kernels.segment(*arrays(Pairs.of(ENTRIES)), prob)
    begin = 0
    for word, sound in ENTRIES:
        best = max(
            ([code_of(*pair) for pair in way] for way in segmentations(word, sound)),
            key=lambda way: math.prod(prob[code] for code in way),
        )
        assert codes[begin : begin + len(word)].tolist() == best
        begin += len(word)


def test_expectation_maximisation_never_lowers_the_likelihood() -> None:
    scores: list[float] = []
    graphones.estimate(Pairs.of(ENTRIES), 12, lambda _, score: scores.append(score))
    assert all(after >= before - 1e-9 for before, after in itertools.pairwise(scores))
    assert scores[-1] > scores[0]


def test_a_word_that_no_segmentation_explains_is_left_out() -> None:
    pairs = Pairs.of([("a", ("B", "AA", "K")), ("to", ("T", "UW")), ("t", ("T",))])
    prob = graphones.estimate(pairs, 3)
    codes, begin = graphones.segment(pairs, prob, min_count=1)
    t, o = code_of("t", ("T",)), code_of("o", ("UW",))
    assert begin.tolist() == [0, 2, 3]
    assert codes.tolist() == [t, o, t]


def test_rare_graphones_are_given_up() -> None:
    entries = [("ab", ("AE", "B"))] * 3 + [("ab", ("AE", "S"))]
    pairs = Pairs.of([(word, sound) for word, sound in entries])
    _, begin = graphones.segment(pairs, graphones.estimate(pairs, 3), min_count=2)
    assert begin.size - 1 == 3


def test_the_table_says_what_each_token_writes_and_sounds() -> None:
    pairs = [("'", ()), ("b", ("B",)), ("x", ("K", "S")), ("z", ("ZH",))]
    table = graphones.table(np.array([code_of(*pair) for pair in pairs], np.int32))
    for token, (letter, sound) in enumerate(pairs, start=FIRST):
        number = graphones.LETTERS.index(letter)
        assert table.begin[number] <= token < table.begin[number + 1]
        found = [PHONES[p - 1] for p in (table.first[token], table.second[token]) if p]
        assert tuple(found) == sound


class KneserNey:
    """Interpolated modified Kneser-Ney by its recursive definition, over plain tuples."""

    def __init__(self, text: list[list[int]], vocabulary: int, order: int) -> None:
        words = [(BEGIN, *word, END) for word in text]
        self.vocabulary = vocabulary
        self.counts: list[Counter[tuple[int, ...]]] = []
        for n in range(1, order + 1):
            raw = Counter(w[i : i + n] for w in words for i in range(len(w) - n + 1))
            if n < order:
                before = defaultdict(set)
                for w in words:
                    for i in range(1, len(w) - n + 1):
                        before[w[i : i + n]].add(w[i - 1])
                raw = Counter({g: c if g[0] == BEGIN else len(before[g]) for g, c in raw.items()})
            if n == 1:
                del raw[(BEGIN,)]
            self.counts.append(raw)

    def prob(self, history: tuple[int, ...], token: int) -> float:
        if len(history) >= len(self.counts):
            return self.prob(history[1:], token)
        counts = self.counts[len(history)]
        lower = self.prob(history[1:], token) if history else 1 / (self.vocabulary - 1)
        followers = {g: c for g, c in counts.items() if g[:-1] == history}
        if not followers:
            return lower
        total = sum(followers.values())
        own = followers.get((*history, token), 0)
        freed = sum(self.discount(counts, c) for c in followers.values())
        return (own - self.discount(counts, own)) / total + freed / total * lower

    @staticmethod
    def discount(counts: Counter[tuple[int, ...]], count: int) -> float:
        if count == 0:
            return 0
        n = {c: max(1, sum(v == c for v in counts.values())) for c in (1, 2, 3, 4)}
        y = n[1] / (n[1] + 2 * n[2])
        c = min(count, 3)
        return min(max(c - (c + 1) * y * n[c + 1] / n[c], 0.1), 0.9 * c)


@settings(deadline=None, max_examples=30)
@given(TEXT, st.integers(1, 4), st.lists(st.integers(FIRST, 5), max_size=5))
def test_the_ngram_is_kneser_ney_by_its_definition(
    text: list[list[int]], order: int, unseen: list[int]
) -> None:
    lm = graphone_ngram.estimate(*flat(text), vocabulary=6, order=order)
    definition = KneserNey(text, 6, order)
    for word in [*text, unseen]:
        node = BEGIN
        history: tuple[int, ...] = (BEGIN,) if order > 1 else ()
        for token in [*word, END]:
            log_prob, after = kernels.advance(lm, node, token, -np.inf)
            assert math.exp(log_prob) == pytest.approx(definition.prob(history, token), rel=1e-5)
            node = after
            history = (*history, token)[max(0, len(history) + 2 - order) :] if order > 1 else ()


@settings(deadline=None, max_examples=30)
@given(TEXT, st.integers(1, 4), st.lists(st.integers(FIRST, 5), max_size=5))
def test_what_may_follow_sums_to_one_after_seen_and_unseen_histories(
    text: list[list[int]], order: int, unseen: list[int]
) -> None:
    lm = graphone_ngram.estimate(*flat(text), vocabulary=6, order=order)
    for history in [*text, unseen]:
        node = BEGIN
        for token in history:
            node = kernels.advance(lm, node, token, -np.inf)[1]
        tokens = [END, *range(FIRST, 6)]
        total = sum(math.exp(kernels.advance(lm, node, t, -np.inf)[0]) for t in tokens)
        assert total == pytest.approx(1, abs=1e-5)


def test_kenlm_reads_the_same_probabilities_from_an_arpa_file(tmp_path: Path, toy: G2P) -> None:
    lm = toy.lm
    names = ["</s>", "<s>", *(f"g{i}" for i in range(FIRST, FIRST + toy.codes.size))]
    ngrams: list[list[tuple[tuple[int, ...], int]]] = [[((t,), t) for t in range(len(names))]]
    while ngrams[-1]:
        ngrams.append(
            [
                ((*gram, int(lm.token[child])), child)
                for gram, node in ngrams[-1]
                for child in range(lm.first_child[node], lm.first_child[node + 1])
            ]
        )
    ngrams.pop()
    lines = ["\\data\\", *(f"ngram {n}={len(level)}" for n, level in enumerate(ngrams, start=1))]
    lines[1] = f"ngram 1={len(names) + 1}"
    for n, level in enumerate(ngrams, start=1):
        lines += ["", f"\\{n}-grams:"] + (["-99\t<unk>"] if n == 1 else [])
        for gram, node in level:
            log10 = lm.log_prob[node] / math.log(10)
            text = f"{log10:.7f}\t{' '.join(names[t] for t in gram)}"
            backoff = lm.backoff[node] / math.log(10)
            lines.append(text if n == len(ngrams) else f"{text}\t{backoff:.7f}")
    path = tmp_path / "toy.arpa"
    path.write_text("\n".join([*lines, "", "\\end\\", ""]))
    oracle = kenlm.Model(str(path))
    rng = np.random.default_rng(3)
    for length in range(8):
        tokens = rng.integers(FIRST, len(names), size=length).tolist()
        expected = oracle.score(" ".join(names[t] for t in tokens), bos=True, eos=True)
        assert log_prob_of(lm, tokens) / math.log(10) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("word", ["cub", "box", "tabs", "xo", "cobe"])
def test_a_full_beam_sums_over_all_segmentations_of_all_pronunciations(word: str, toy: G2P) -> None:
    table = graphones.table(toy.codes)
    letters = graphones.letter_numbers(word)
    exact: dict[tuple[int, ...], float] = defaultdict(float)
    ranges = [range(table.begin[n], table.begin[n + 1]) for n in letters]
    for tokens in itertools.product(*ranges):
        phones = tuple(int(p) for t in tokens for p in (table.first[t], table.second[t]) if p)
        exact[phones] += math.exp(log_prob_of(toy.lm, list(tokens)))
    rows, scores = kernels.decode(letters, toy.lm, table, 5000, np.inf)
    found: dict[tuple[int, ...], float] = defaultdict(float)
    for row, score in zip(rows.tolist(), scores.tolist(), strict=True):
        found[tuple(p for p in row if p)] += math.exp(score)
    assert found.keys() == exact.keys()
    for phones, prob in exact.items():
        assert found[phones] == pytest.approx(prob, rel=1e-4)


def test_the_words_of_a_tiny_dictionary_are_learnt_by_heart(toy: G2P) -> None:
    for word, sounds in TOY.items():
        assert toy.pronounce(word)[0][0] in sounds


def test_pronunciations_come_best_first_with_probabilities(shipped: G2P) -> None:
    found = shipped.pronounce("tomato", n_best=5)
    scores = [log_prob for _, log_prob in found]
    assert len(found) == len({sound for sound, _ in found}) == 5
    assert scores == sorted(scores, reverse=True)
    assert sum(math.exp(score) for score in scores) <= 1 + 1e-9
    assert {found[0][0], found[1][0]} == {
        ("T", "AH", "M", "EY", "T", "OW"),
        ("T", "AH", "M", "AA", "T", "OW"),
    }


@settings(deadline=None, max_examples=100)
@given(WORD)
def test_every_word_has_a_sound(shipped: G2P, word: str) -> None:
    [(sound, log_prob)] = shipped.pronounce(word)
    assert sound
    assert set(sound) <= set(PHONES)
    assert log_prob <= 1e-9


@pytest.mark.parametrize("word", ["", "'", "naïve", "Cat", "a b", "b2"])
def test_what_is_no_word_is_the_users_fault(word: str, shipped: G2P) -> None:
    with pytest.raises(DataError):
        shipped.pronounce(word)


def test_the_shipped_model_pronounces_words_that_it_never_saw(shipped: G2P) -> None:
    lexicon = Lexicon.from_cmudict()
    held_out = [word for word in lexicon if is_held_out(word)]
    score = evaluate(shipped, lexicon.restrict(held_out[::20]))
    assert score.words.reference_length > 500
    assert score.words.rate < 0.33
    assert score.phones.rate < 0.085


def test_a_tenth_of_the_stems_is_held_out_and_possessives_go_with_their_nouns() -> None:
    lexicon = Lexicon.from_cmudict()
    share = sum(is_held_out(word) for word in lexicon) / len(lexicon)
    assert share == pytest.approx(0.1, abs=0.005)
    for word in itertools.islice((w for w in lexicon if "'" not in w), 0, None, 100):
        assert is_held_out(word) == is_held_out(f"{word}'s") == is_held_out(f"{word}'")


def test_a_model_survives_its_file(tmp_path: Path, toy: G2P) -> None:
    path = tmp_path / "toy.npz"
    toy.write(path)
    again = G2P.load(path)
    np.testing.assert_array_equal(again.codes, toy.codes)
    for name in ("token", "first_child", "shorter"):
        np.testing.assert_array_equal(getattr(again.lm, name), getattr(toy.lm, name))
    np.testing.assert_allclose(again.lm.log_prob, toy.lm.log_prob, atol=0.05)
    np.testing.assert_allclose(again.lm.backoff, toy.lm.backoff, atol=0.05)


def test_a_damaged_file_is_refused(tmp_path: Path, toy: G2P) -> None:
    path = tmp_path / "toy.npz"
    toy.write(path)
    whole = path.read_bytes()
    np.savez(tmp_path / "other.npz", codes=toy.codes)
    np.save(tmp_path / "array.npy", toy.codes)
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "text.npz").write_text("no model")
    for name in ("other.npz", "array.npy", "cut.npz", "empty.npz", "text.npz", "absent.npz"):
        with pytest.raises(DataError, match="G2P model"):
            G2P.load(tmp_path / name)


def test_an_empty_lexicon_or_a_unigram_trains_nothing() -> None:
    with pytest.raises(DataError, match="no words"):
        train(Lexicon({}))
    with pytest.raises(ConfigError, match="order"):
        train(Lexicon(TOY), order=1)


def test_the_command_trains_measures_and_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dictionary, model = tmp_path / "small.dict", tmp_path / "small.npz"
    Lexicon(dict(itertools.islice(Lexicon.from_cmudict().entries.items(), 0, None, 50))).write(
        dictionary
    )
    options = ["--model", str(model), "--dictionary", str(dictionary)]
    assert main(["train", *options, "--order", "3", "--iterations", "3"]) == 0
    trained = capsys.readouterr().out
    assert "WER" in trained
    assert main(["evaluate", *options]) == 0
    assert capsys.readouterr().out == trained
    assert main(["say", "--model", str(model), "--n-best", "2", "bad"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    assert said[0].startswith("bad B AE D")
