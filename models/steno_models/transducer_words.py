"""From the labels of a transducer to words: their spelling, their times, how sure they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from steno_models.rnnt.hypothesis import Token, spelled_words
from steno_models.rnnt.search import Path, SearchState
from steno_models.search.hypothesis import SearchWord, ordered
from steno_models.search.word_scorer import WordScorer, shared_words
from steno_models.text.bpe import WORD_BEGIN


@dataclass(frozen=True, slots=True)
class TokenWord:
    """A word and the tokens that it was put together from.

    Attributes:
        text: its spelling.
        tokens: of which it consists, in order.
        log_prob: ln p(word | words before) of the language model; 0 without one of words.
    """

    text: str
    tokens: tuple[Token, ...]
    log_prob: float = 0.0


@dataclass(frozen=True, slots=True)
class WordHypothesis:
    """The words of a path and its log score."""

    words: tuple[TokenWord, ...]
    log_score: float

    @property
    def texts(self) -> tuple[str, ...]:
        """The words' spellings."""
        return tuple(word.text for word in self.words)


class Spelling(Protocol):
    """From paths of a search to words."""

    def words(self, state: SearchState, path: Path, *, ended: bool) -> tuple[TokenWord, ...]:
        """Return the words of one of the paths of `state`; at the end of a segment if `ended`."""

    def stable_words(self, state: SearchState) -> int:
        """Return how many leading words no later step can change."""


@dataclass(frozen=True, slots=True)
class MarkedWords:
    """Words whose first subword says that it is the first.

    Attributes:
        symbols: of the tokens.
    """

    symbols: Sequence[str]

    def words(
        self,
        state: SearchState,
        path: Path,
        *,
        ended: bool,  # noqa: ARG002
    ) -> tuple[TokenWord, ...]:
        """Return the words of a path; the last one may still grow."""
        return self.spelled(state.settled + path.tokens)

    def stable_words(self, state: SearchState) -> int:
        """Return how many words all paths begin with: the last settled one may still grow."""
        return max(0, len(self.spelled(state.settled)) - 1)

    def spelled(self, tokens: Sequence[Token]) -> tuple[TokenWord, ...]:
        """Return the words that `tokens` spell; the last one may still grow."""
        found: list[TokenWord] = []
        begin = 0
        for word in spelled_words(tokens, self.symbols):
            end = begin + 1
            while end < len(tokens) and not self._begins(tokens[end]):
                end += 1
            found.append(TokenWord(word.text, tuple(tokens[begin:end])))
            begin = end
        return tuple(word for word in found if word.text)

    def _begins(self, token: Token) -> bool:
        return begins_word(self.symbols[token.token])


@dataclass(frozen=True, slots=True)
class LexiconWords:
    """Words that a lexicon finds in phones; see `WordScorer`.

    Attributes:
        scorer: of the search, whose states know the words.
        vocabulary: spells word ids.
    """

    scorer: WordScorer
    vocabulary: Sequence[str]

    def words(self, state: SearchState, path: Path, *, ended: bool) -> tuple[TokenWord, ...]:
        """Return the words of a path that have ended."""
        tokens, found, begin = state.settled + path.tokens, [], 0
        for word in self.scorer.words(path.language, ended=ended):
            own = tokens[begin : begin + word.labels]
            found.append(TokenWord(self.vocabulary[word.word], own, word.log_prob))
            begin += word.labels
        return tuple(found)

    def stable_words(self, state: SearchState) -> int:
        """Return how many words all ways of all paths begin with."""
        return shared_words([path.language for path in state.paths])


def begins_word(symbol: str) -> bool:
    """Return whether a subword begins a word."""
    return symbol.startswith(WORD_BEGIN)


def measured(found: Sequence[WordHypothesis], scale: float) -> tuple[SearchWord, ...]:
    """Return what is known of how sure each word of the first hypothesis is, and its steps.

    The posterior of a word is the share of the hypotheses, by weight, that have it at about this
    time; the margin is the mean of ln p(token) over its tokens.

    Args:
        found: hypotheses of one search, the best first.
        scale: factor on log scores where they are compared.
    """
    if not found:
        return ()
    scores = scale * np.array([one.log_score for one in found])
    shares = np.exp(scores - np.logaddexp.reduce(scores))
    best = found[0].words
    spans = ordered([step_span(word) for word in best])
    words = []
    for number, (word, (start, end)) in enumerate(zip(best, spans, strict=True)):
        agree = [any(_is_same(word, other) for other in one.words) for one in found]
        words.append(
            SearchWord(
                word=number,
                start_step=start,
                end_step=end,
                posterior=min(1.0, float(shares[agree].sum())),
                margin=float(np.mean([token.log_prob for token in word.tokens])),
                log_prob=word.log_prob,
            )
        )
    return tuple(words)


def step_span(word: TokenWord) -> tuple[int, int]:
    """Return the step of a word's first token and the step after its last."""
    return word.tokens[0].step, word.tokens[-1].step + 1


def _is_same(word: TokenWord, other: TokenWord) -> bool:
    """Return whether two hypotheses have the same word at about the same time."""
    if word.text != other.text:
        return False
    (start, end), (begin, last) = step_span(word), step_span(other)
    return begin <= end and start <= last
