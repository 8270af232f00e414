"""A word n-gram and a lexicon as a language model of labels, for searches that write labels.

A search that writes subwords or phones asks after each label how likely it is. Here the answer is
that of a model of words: the labels run through the prefix tree of the words' spellings, and where
a word ends the n-gram is asked. Labels do not always say where one word ends and the next begins
(phones never do), so a state holds all ways to cut them into words, the best ones of them; what
labels are worth is the worth of the best way. Until its word has ended, a way counts the likeliest
word that can still come of it (Ortmanns, Ney & Eiden 1996), by its unigram.

Where labels mark the beginnings of words, any spelling may be a word: one that the lexicon lacks
costs what the n-gram's unknown word does. Elsewhere only words of the lexicon are possible.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from steno_models.errors import ConfigError
from steno_models.lm.ngram import kernels
from steno_models.lm.ngram.model import NgramModel
from steno_models.search.pronunciations import Pronunciations
from steno_models.types import FloatArray

# What a word that is not finished at the end costs, where no way has finished all of its words.
_UNFINISHED = -20.0

_ROOT = 0
_UNKNOWN = -1


@dataclass(frozen=True, slots=True, eq=False)
class ScoredWord:
    """A word on a way, the one before it, how many labels it has, and ln p(word | words before)."""

    word: int
    labels: int
    log_prob: float
    before: "ScoredWord | None"
    depth: int


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """One way to cut labels into words.

    Attributes:
        node: of the tree; the root between words, -1 within an unknown word.
        language: the n-gram's state.
        log_prob: of the words that ended.
        ahead: what the word begun is expected to add.
        labels: how many labels the word begun has so far.
        last: the last word that ended.
    """

    node: int
    language: int
    log_prob: float
    ahead: float
    labels: int
    last: ScoredWord | None

    @property
    def score(self) -> float:
        """What ways are ranked by."""
        return self.log_prob + self.ahead


WordState = tuple[Way, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SpellingTree:
    """The spellings of words as a prefix tree.

    Attributes:
        children: the node behind a node and a label, at node · labels + label.
        words: the words that end at a node.
        ahead: (nodes,) ln p of the likeliest word below each node, by its unigram.
        num_labels: how many labels there are, the blank included.
    """

    children: Mapping[int, int]
    words: Mapping[int, Sequence[int]]
    ahead: FloatArray
    num_labels: int

    @classmethod
    def build(cls, spellings: Pronunciations, unigram: FloatArray, num_labels: int) -> Self:
        """Return the tree of `spellings` whose words have such ln p, (words,)."""
        children: dict[int, int] = {}
        words: dict[int, list[int]] = {}
        ahead = [-np.inf]
        tokens, begin = spellings.tokens.tolist(), 0
        for word, length in zip(spellings.words.tolist(), spellings.lengths.tolist(), strict=True):
            node, expected = _ROOT, float(unigram[word])
            for label in tokens[begin : begin + length]:
                node = children.setdefault(node * num_labels + label, len(ahead))
                if node == len(ahead):
                    ahead.append(-np.inf)
                ahead[node] = max(ahead[node], expected)
            begin += length
            ending = words.setdefault(node, [])
            if word not in ending:
                ending.append(word)
        ahead[_ROOT] = 0.0
        return cls(children, words, np.array(ahead, np.float32), num_labels)


@dataclass(frozen=True, slots=True, eq=False)
class WordScorer:
    """A language model of labels by a model of words; see `steno_models.search.fusion.Scorer`.

    Attributes:
        model: the n-grams.
        tree: the words' spellings in labels.
        begins: (V,) whether a label begins a word; None where labels do not say, which closes the
            vocabulary.
        word_score: added for each word.
        most: how many ways are kept.
    """

    model: NgramModel
    tree: SpellingTree
    begins: Sequence[bool] | None = None
    word_score: float = 0.0
    most: int = 12

    @classmethod
    def of(
        cls,
        model: NgramModel,
        spellings: Pronunciations,
        num_labels: int,
        *,
        begins: Sequence[bool] | None = None,
        word_score: float = 0.0,
    ) -> Self:
        """Return the scorer of words with such `spellings` in labels.

        Raises:
            ConfigError: not one word is spelled.
        """
        if not len(spellings.words):
            raise ConfigError("expected spelled words for a language model, found none")
        unigram = np.array(
            [model.advance(kernels.ROOT, word)[1] for word in range(spellings.num_words)],
            np.float32,
        )
        tree = SpellingTree.build(spellings, unigram, num_labels)
        return cls(model, tree, begins, word_score)

    def start(self) -> WordState:
        """Return the state at the start of a sentence."""
        return (Way(_ROOT, self.model.start_state, 0.0, 0.0, 0, None),)

    def advance(self, state: WordState, token: int) -> tuple[WordState, float]:
        """Return the next state and ln p(token | state); -inf where no word goes on so."""
        if not state:
            return (), -np.inf
        found: dict[tuple[int, int], Way] = {}
        for way in self._following(state, token):
            # Of ways with the same future the best is enough; the words before it may differ.
            key = (way.node, way.language)
            if key not in found or way.score > found[key].score:
                found[key] = way
        ways = tuple(sorted(found.values(), key=lambda way: -way.score)[: self.most])
        if not ways:
            return (), -np.inf
        return ways, ways[0].score - state[0].score

    def end(self, state: WordState) -> float:
        """Return ln p(the sentence ends | state)."""
        if not state:
            return -np.inf
        best = max(self._ends(state), default=None, key=lambda end: end[1])
        last = _UNFINISHED if best is None else best[1] - state[0].score
        return float(last)

    def words(self, state: WordState, *, ended: bool) -> tuple[ScoredWord, ...]:
        """Return the words of the best way, first to last; at the end of a sentence if `ended`.

        A word that has not ended is not among them.
        """
        if not state:
            return ()
        finished = max(self._ends(state), default=None, key=lambda end: end[1])
        best = finished[0] if ended and finished is not None else state[0]
        return _chain(best.last)

    def _following(self, state: WordState, token: int) -> Iterator[Way]:
        """Yield the ways on from `state` with `token`."""
        for way in state:
            if self.begins is None:
                yield from self._spelled(way, token)
            elif not self.begins[token]:
                yield from self._continued(way, token)
            elif way.node == _ROOT:
                yield from self._begun(way, token)
            elif way.node not in self.tree.words:
                yield from self._begun(self._unknown(way), token)

    def _spelled(self, way: Way, token: int) -> Iterator[Way]:
        """Yield the ways down the tree: within a word, and each word that ends there."""
        node = self.tree.children.get(way.node * self.tree.num_labels + token, _UNKNOWN)
        if node == _UNKNOWN:
            return
        labels = way.labels + 1
        ahead = float(self.tree.ahead[node])
        yield Way(node, way.language, way.log_prob, ahead, labels, way.last)
        for word in self.tree.words.get(node, ()):
            yield self._after(way, word, labels)

    def _continued(self, way: Way, token: int) -> Iterator[Way]:
        """Yield the ways on with a label that does not begin a word."""
        if way.node == _ROOT:
            return  # the word ended; the way that let it go on goes on
        on = list(self._spelled(way, token)) if way.node != _UNKNOWN else []
        yield from on or [self._strange(way, way.labels + 1)]

    def _begun(self, way: Way, token: int) -> Iterator[Way]:
        """Yield the ways on from between words with a label that begins one."""
        yield from list(self._spelled(way, token)) or [self._strange(way, 1)]

    def _strange(self, way: Way, labels: int) -> Way:
        """Return `way` within a word that the lexicon lacks."""
        expected = self.model.advance(way.language, self.model.unknown_word)[1]
        return Way(_UNKNOWN, way.language, way.log_prob, expected, labels, way.last)

    def _unknown(self, way: Way) -> Way:
        """Return `way` after its word, which the lexicon lacks, has ended."""
        return self._after(way, self.model.unknown_word, way.labels)

    def _after(self, way: Way, word: int, labels: int) -> Way:
        """Return `way` between words, `word` being its last one."""
        language, log_prob = self.model.advance(way.language, word)
        depth = 1 if way.last is None else way.last.depth + 1
        last = ScoredWord(word, labels, log_prob, way.last, depth)
        return Way(_ROOT, language, way.log_prob + log_prob + self.word_score, 0.0, 0, last)

    def _ends(self, state: WordState) -> Iterator[tuple[Way, float]]:
        """Yield the ways on which all words have ended, with the score of a sentence."""
        for way in state:
            if way.node == _ROOT:
                ended = way
            elif self.begins is not None and way.node not in self.tree.words:
                ended = self._unknown(way)
            else:
                continue
            yield ended, ended.log_prob + self.model.advance(ended.language, self.model.end_word)[1]


def shared_words(states: Sequence[WordState]) -> int:
    """Return how many leading words all ways of all `states` have in common."""
    chains = [_chain(way.last) for state in states for way in state]
    if not chains:
        return 0
    columns = zip(*([(word.word, word.labels) for word in chain] for chain in chains), strict=False)
    shortest = min(map(len, chains))
    return next((i for i, column in enumerate(columns) if len(set(column)) > 1), shortest)


def _chain(last: ScoredWord | None) -> tuple[ScoredWord, ...]:
    words = []
    while last is not None:
        words.append(last)
        last = last.before
    return tuple(reversed(words))
