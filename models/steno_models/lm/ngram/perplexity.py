"""How well an n-gram model predicts a text."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from steno_models.lm.ngram.model import NgramModel


@dataclass(frozen=True, slots=True)
class Perplexity:
    """Sums over a text.

    Attributes:
        sentences: how many.
        words: how many, unknown ones included, sentence ends not.
        unknown: how many of the words the vocabulary lacks.
        log_prob: ln p of all known words and sentence ends.
        unknown_log_prob: ln p of <unk> at each unknown word.
    """

    sentences: int
    words: int
    unknown: int
    log_prob: float
    unknown_log_prob: float

    @property
    def unknown_rate(self) -> float:
        """The share of words that the vocabulary lacks, 0 to 1."""
        return self.unknown / max(self.words, 1)

    @property
    def perplexity(self) -> float:
        """exp(- mean ln p) over known words and sentence ends, as every toolkit reports it."""
        return math.exp(-self.log_prob / max(self.words - self.unknown + self.sentences, 1))


def perplexity(model: NgramModel, sentences: Iterable[str]) -> Perplexity:
    """Return how well `model` predicts `sentences` of normalised text."""
    count = words = 0
    known_scores: list[float] = []
    unknown_scores: list[float] = []
    for sentence in sentences:
        tokens = sentence.split()
        count += 1
        words += len(tokens)
        ids = [*map(model.word_id, tokens), model.end_word]
        for token, score in zip(ids, model.score(tokens), strict=True):
            (unknown_scores if token == model.unknown_word else known_scores).append(score)
    unknown = len(unknown_scores)
    return Perplexity(count, words, unknown, math.fsum(known_scores), math.fsum(unknown_scores))
