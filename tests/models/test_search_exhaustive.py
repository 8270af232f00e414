"""The search against trying everything, on tiny lexica."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_models.lm.ngram.backoff import NEVER, BackoffModel
from steno_models.lm.ngram.kernels import (
    NgramArrays,
    advance,
    backoff,
    ending,
    find_child,
    log_prob,
)
from steno_models.lm.ngram.quantise import quantise
from steno_models.lm.ngram.trie import assemble
from steno_models.search.ahead.kernels import look_ahead
from steno_models.search.options import SearchOptions
from steno_models.search.remembering.kernels import AHEAD, Cache
from steno_models.search.search import BeamSearch
from steno_models.search.topology import Topology, ctc, hmm
from steno_models.search.tree import LexiconTree
from steno_models.types import FloatArray

Words = tuple[int, ...]
Tokens = tuple[int, ...]
# Half a step of the quantised language model, some words long.
TOLERANCE = 5e-3
WIDE = SearchOptions(beam=1e9, max_tokens=5000, lm_weight=0.7, word_score=0.4, blank_penalty=0.3)


@dataclass(frozen=True, slots=True)
class Task:
    """A tiny recognition task: all there is to know."""

    pronunciations: tuple[tuple[Tokens, ...], ...]
    model: BackoffModel
    log_probs: FloatArray
    options: SearchOptions = WIDE

    @property
    def token_scores(self) -> FloatArray:
        """What each token counts at each step, (S, V)."""
        scores = self.log_probs.copy()
        scores[:, 0] -= np.float32(self.options.blank_penalty)
        return scores

    @property
    def num_words(self) -> int:
        return len(self.pronunciations)

    def search(self, topology: Topology | None = None) -> BeamSearch:
        return BeamSearch(
            LexiconTree.build(self.pronunciations),
            quantise(self.model),
            topology=topology or ctc(self.log_probs.shape[1]),
            start_state=1 + self.num_words,
            end_word=self.num_words + 1,
            options=self.options,
        )

    def expected(self, words: Words) -> float:
        """Return what the language model and the word score give the sentence `words`."""
        ngrams, V = _as_dictionary(self.model), self.num_words
        history: Words = (V,)
        total = 0.0
        for word in (*words, V + 1):
            total += self.options.lm_weight * _backed_off(ngrams, history, word)
            history = (*history, word)[-2:]
        return total + self.options.word_score * len(words)


def _as_dictionary(model: BackoffModel) -> dict[Words, tuple[float, float]]:
    trie = model.trie
    spelled: dict[int, Words] = {0: ()}
    for node in range(len(trie.child_begin) - 1):
        for child in range(trie.child_begin[node], trie.child_begin[node + 1]):
            spelled[child] = (*spelled[node], int(trie.word[child]))
    backoffs = [*model.backoff, *np.zeros(len(trie) - len(model.backoff))]
    return {words: (model.log_prob[i], backoffs[i]) for i, words in spelled.items()}


def _backed_off(ngrams: dict[Words, tuple[float, float]], history: Words, word: int) -> float:
    if (*history, word) in ngrams:
        return ngrams[(*history, word)][0]
    return ngrams.get(history, (0.0, 0.0))[1] + _backed_off(ngrams, history[1:], word)


def _random_model(rng: np.random.Generator, num_words: int) -> BackoffModel:
    """Return trigrams with random weights, some histories listed and some not."""
    begin, end, unknown = num_words, num_words + 1, num_words + 2
    histories: list[Words] = [(w,) for w in range(num_words + 1)]
    ngrams = []
    for length in (2, 3):
        several = [
            (*history, word)
            for history in histories
            for word in range(num_words + 3)
            if word not in (begin, unknown) and rng.random() < 0.5
        ]
        ngrams.append(np.array(several, np.int32).reshape(-1, length))
        histories = [ngram for ngram in several if ngram[-1] != end]
    trie, _ = assemble(num_words + 3, ngrams)
    log_prob = -rng.uniform(0.2, 4.0, len(trie))
    log_prob[0], log_prob[1 + begin] = 0.0, NEVER
    backoff = -rng.uniform(0.0, 1.5, len(trie.child_begin) - 1)
    backoff[0] = 0.0
    vocabulary = (*map(str, range(num_words)), "<s>", "</s>", "<unk>")
    return BackoffModel(vocabulary, trie, log_prob, backoff)


def _random_log_probs(rng: np.random.Generator, S: int, V: int) -> FloatArray:
    logits = 2.0 * rng.normal(size=(S, V))
    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return np.asarray(log_probs, np.float32)


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    """Random tasks: homophones, several pronunciations, prefixes and repeats all come up."""
    spelling = st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple)
    words = draw(st.lists(st.lists(spelling, min_size=1, max_size=2), min_size=1, max_size=5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    # Ordered by primary pronunciation, but for the last word now and then.
    ordered = sorted((tuple(several) for several in words[:-1]), key=lambda several: several[0])
    S = draw(st.integers(0, 6))
    return Task((*ordered, tuple(words[-1])), _random_model(rng, len(words)),
                _random_log_probs(rng, S, 4))  # fmt: skip


def _segmentations(tokens: Tokens, spelled: dict[Tokens, list[int]]) -> Iterator[Words]:
    if not tokens:
        yield ()
    for length in range(1, len(tokens) + 1):
        for word in spelled.get(tokens[:length], []):
            for rest in _segmentations(tokens[length:], spelled):
                yield (word, *rest)


def all_sentences(task: Task) -> dict[Words, float]:
    """Return the score of every sentence: the maximum over every path of tokens under CTC."""
    scores = task.token_scores
    S, V = scores.shape
    spelled: dict[Tokens, list[int]] = {}
    for word, several in enumerate(task.pronunciations):
        for tokens in dict.fromkeys(several):
            spelled.setdefault(tokens, []).append(word)
    heard: dict[Tokens, float] = {}
    for path in product(range(V), repeat=S):
        score = float(sum(scores[s, q] for s, q in enumerate(path)))
        merged = [q for s, q in enumerate(path) if s == 0 or path[s - 1] != q]
        tokens = tuple(q for q in merged if q)
        heard[tokens] = max(score, heard.get(tokens, -np.inf))
    sentences: dict[Words, float] = {}
    for tokens, score in heard.items():
        for words in _segmentations(tokens, spelled):
            total = score + task.expected(words)
            sentences[words] = max(total, sentences.get(words, -np.inf))
    return sentences


@settings(deadline=None, max_examples=60)
@given(tasks())
def test_a_wide_beam_finds_what_trying_everything_finds(task: Task) -> None:
    sentences = all_sentences(task)
    search = task.search()
    (found,) = search.finish(search.step(task.log_probs, search.start()))
    words = tuple(word.word for word in found.words)
    assert found.log_score == pytest.approx(max(sentences.values()), abs=TOLERANCE)
    assert found.log_score == pytest.approx(sentences[words], abs=TOLERANCE)


@settings(deadline=None, max_examples=60)
@given(tasks())
def test_every_alternative_is_a_true_score_and_they_come_in_order(task: Task) -> None:
    sentences = all_sentences(task)
    search = task.search()
    found = search.finish(search.step(task.log_probs, search.start()), n_best=8)
    texts = [tuple(word.word for word in hypothesis.words) for hypothesis in found]
    scores = [hypothesis.log_score for hypothesis in found]
    assert len(set(texts)) == len(texts)
    assert scores == sorted(scores, reverse=True)
    assert all(
        score <= sentences[text] + TOLERANCE for text, score in zip(texts, scores, strict=True)
    )


def test_the_five_best_are_nearly_always_those_of_trying_everything() -> None:
    rng = np.random.default_rng(11)
    right = total = 0
    for _ in range(40):
        task = _fixed_task(rng)
        best = sorted(all_sentences(task).values(), reverse=True)[:5]
        search = task.search()
        found = search.finish(search.step(task.log_probs, search.start()), n_best=5)
        total += len(best)
        right += sum(
            abs(hypothesis.log_score - score) < TOLERANCE
            for hypothesis, score in zip(found, best, strict=False)
        )
    # What is lost: of two ways with the same words only the better keeps its alternatives.
    assert right / total > 0.97


def _fixed_task(rng: np.random.Generator) -> Task:
    """A lexicon with homophones, two pronunciations of a word, a prefix and repeats."""
    lexicon = (((1,), (2, 2)), ((1, 1),), ((1, 2), (3, 1)), ((1, 2),), ((3,),))
    return Task(lexicon, _random_model(rng, len(lexicon)), _random_log_probs(rng, 6, 4))


@settings(deadline=None, max_examples=40)
@given(tasks(), st.integers(0, 2**32 - 1))
def test_a_wide_beam_finds_the_same_whatever_it_looks_ahead(task: Task, seed: int) -> None:
    search, misled = task.search(), task.search()
    model = search._model
    noise = np.random.default_rng(seed).normal(size=len(search.tree)).astype(np.float32)
    noise.setflags(write=False)
    object.__setattr__(misled, "_model", model._replace(unigram=noise))
    expected = search.finish(search.step(task.log_probs, search.start()))[0]
    found = misled.finish(misled.step(task.log_probs, misled.start()))[0]
    assert found.log_score == pytest.approx(expected.log_score, abs=1e-4)


def all_sentences_of_states(task: Task, topology: Topology) -> dict[Words, float]:
    """Return the score of every sentence with one state a token and optional silence between."""
    sentences: dict[Words, float] = {}
    shortest = [min(map(len, several)) for several in task.pronunciations]

    def extend(words: Words, room: int) -> None:
        for spelled in product(*(task.pronunciations[word] for word in words)):
            score = _aligned(task.token_scores, spelled, topology) + task.expected(words)
            sentences[words] = max(score, sentences.get(words, -np.inf))
        for word in range(task.num_words):
            if shortest[word] <= room:
                extend((*words, word), room - shortest[word])

    extend((), len(task.log_probs))
    return sentences


def _aligned(log_probs: FloatArray, spelled: Sequence[Tokens], topology: Topology) -> float:
    """Return the best score of the states of `spelled` in a row, silence between words or not."""
    states, optional = [0], [True]
    for tokens in spelled:
        states += [*tokens, 0]
        optional += [False] * len(tokens) + [True]
    best = np.full(len(states), -np.inf)
    for s, row in enumerate(log_probs):
        came = np.full(len(states), -np.inf)
        for j, q in enumerate(states):
            first = j == 0 or (j == 1 and optional[0])
            ways = [0.0] if s == 0 and first else []
            if s > 0:
                ways.append(best[j] + topology.stay[q])
                ways += [best[j - 1] + topology.leave[states[j - 1]]] if j else []
                if j > 1 and optional[j - 1]:
                    ways.append(best[j - 2] + topology.leave[states[j - 2]])
            came[j] = max(ways, default=-np.inf) + row[q]
        best = came
    if len(log_probs) == 0:
        return 0.0 if len(states) == 1 else -np.inf
    return float(max(best[-1], best[-2] if len(states) > 1 else -np.inf))


@settings(deadline=None, max_examples=40)
@given(tasks())
def test_states_with_self_loops_find_what_trying_everything_finds(task: Task) -> None:
    topology = hmm(np.array([0.8, 0.5, 0.3, 0.6], np.float32))
    task = replace(task, log_probs=task.log_probs[:4])
    sentences = all_sentences_of_states(task, topology)
    search = task.search(topology)
    (found,) = search.finish(search.step(task.log_probs, search.start()))
    words = tuple(word.word for word in found.words)
    assert found.log_score == pytest.approx(sentences[words], abs=TOLERANCE)
    assert found.log_score == pytest.approx(max(sentences.values()), abs=TOLERANCE)


@settings(deadline=None, max_examples=30)
@given(tasks())
def test_looking_ahead_is_the_maximum_over_the_words_below(task: Task) -> None:
    search = task.search()
    model, below = search._model, _words_below(search.tree)
    cache = Cache(np.zeros(64, AHEAD), np.zeros(8, np.int64))
    cache.known["key"] = -1
    for history in range(int(model.lm.level_begin[-2])):
        for node, words in enumerate(below):
            found = look_ahead(model, cache, history, 0.0, node)[0]
            assert found >= max(advance(model.lm, history, word)[1] for word in words) - 1e-4
            ways = [_largest_way(model.lm, history, word) for word in words]
            assert found == pytest.approx(max(ways), abs=1e-4)


@settings(deadline=None, max_examples=30)
@given(tasks())
def test_looking_ahead_from_what_is_left_of_a_history_is_as_good(task: Task) -> None:
    search = task.search()
    model, nodes = search._model, search.tree.arrays.nodes
    cache = Cache(np.zeros(64, AHEAD), np.zeros(8, np.int64))
    cache.known["key"] = -1
    for history in range(int(model.lm.level_begin[-2])):
        # Down the tree: each node is looked at from what its parent left of the history.
        left = {0: (history, 0.0)}
        for number, node in enumerate(nodes):
            rest, cost = left[number]
            found, rest, cost = look_ahead(model, cache, rest, cost, number)
            direct = look_ahead(model, cache, history, 0.0, number)[0]
            assert found == pytest.approx(direct, abs=1e-4)
            left.update(dict.fromkeys(range(node["child_begin"], node["child_end"]), (rest, cost)))


def _words_below(tree: LexiconTree) -> list[set[int]]:
    arrays = tree.arrays
    below = [
        set(arrays.word[node["word_begin"] : node["word_end"]].tolist()) for node in arrays.nodes
    ]
    for number in reversed(range(len(tree))):
        node = arrays.nodes[number]
        below[number].update(*below[node["child_begin"] : node["child_end"]])
    return below


def _largest_way(lm: NgramArrays, history: int, word: int) -> float:
    """Return the larger of the listed and the backed-off ln p(word | history)."""
    child = find_child(lm, history, word)
    listed = float(log_prob(lm, child)) if child >= 0 else -np.inf
    if history == 0:
        return listed
    return max(
        listed, float(backoff(lm, history)) + _largest_way(lm, int(ending(lm, history)), word)
    )
