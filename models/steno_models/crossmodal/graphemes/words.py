"""Spelled words in time, and the known words by which their steps are best explained.

    word = argmax over w of  ln P(w's letters | steps) + λ ln P(w)

with P(w) by counts in a text; the letters as they were heard stand beside, as a word of chance υ
that no text held. Both λ and υ are chosen on recordings that nothing was learnt from.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np

from steno_models.crossmodal.graphemes.alphabet import BLANK, GAP, Alphabet
from steno_models.crossmodal.graphemes.kernels import spelling_scores
from steno_models.text.letters import plain
from steno_models.text.wer import word_error_rate
from steno_models.types import FloatArray

_LAMBDAS = (0.0, 0.3, 0.6, 1.0, 1.5)
_UNKNOWN = (-6.0, -9.0, -12.0, -16.0, -24.0)


class Stretch(NamedTuple):
    """A spelled word and the steps from the border before it to the border after it.

    Attributes:
        spelled: its letters as they were heard.
        first: step.
        last: the step after the last.
    """

    spelled: str
    first: int
    last: int


class Prior(NamedTuple):
    """How much what a text says counts.

    Attributes:
        weight: λ.
        unknown: ln υ.
    """

    weight: float
    unknown: float


def stretches(scores: FloatArray, alphabet: Alphabet) -> list[Stretch]:
    """Return the words that the best token of each step spells, of (S, V) log probabilities."""
    path = scores.argmax(axis=1)
    borders = [-1, *np.flatnonzero(path == GAP).tolist(), len(path)]
    found: list[Stretch] = []
    for before, after in pairwise(borders):
        own = path[before + 1 : after]
        kept = own[np.flatnonzero((np.diff(own, prepend=BLANK) != 0) & (own != BLANK))]
        if len(kept):
            found.append(Stretch(alphabet.decode(kept.tolist()), before + 1, after))
    return found


class Vocabulary:
    """Words of a text with their counts, spelled in an alphabet.

    Args:
        texts: running text.
        alphabet: words with letters outside of it are left out.
    """

    def __init__(self, texts: Iterable[str], alphabet: Alphabet) -> None:
        counts = Counter(word for text in texts for word in plain(text).split())
        known = set(alphabet.letters)
        self.words: tuple[str, ...] = tuple(sorted(w for w in counts if known.issuperset(w)))
        own = np.array([counts[word] for word in self.words], np.float64)
        self._prior = np.log((own + 1.0) / (own.sum() + len(own)))
        spelled = [alphabet.encode(word) for word in self.words]
        self._letters = np.concatenate([np.zeros(0, np.int32), *spelled])
        self._ends = np.cumsum([len(each) for each in spelled], dtype=np.int64)
        self._alphabet = alphabet

    def __contains__(self, word: str) -> bool:
        place = int(np.searchsorted(np.array(self.words), word))
        return place < len(self.words) and self.words[place] == word

    def scored(self, scores: FloatArray, stretch: Stretch) -> "Scored":
        """Return how well all words explain `stretch` of the (S, V) `scores`."""
        chances = np.exp(scores[stretch.first : stretch.last].astype(np.float64))
        letters = self._alphabet.encode(stretch.spelled)
        own = spelling_scores(chances, letters, np.array([len(letters)]))
        return Scored(
            stretch.spelled, float(own[0]), self.words,
            spelling_scores(chances, self._letters, self._ends), self._prior,
        )  # fmt: skip


class Scored(NamedTuple):
    """How well words explain a stretch.

    Attributes:
        spelled: the letters as they were heard.
        own: ln P of these.
        words: all known ones.
        sound: (N,) ln P of each.
        prior: (N,) ln P of each in the text.
    """

    spelled: str
    own: float
    words: Sequence[str]
    sound: np.ndarray[tuple[int], np.dtype[np.float64]]
    prior: np.ndarray[tuple[int], np.dtype[np.float64]]

    def best(self, prior: Prior) -> str:
        """Return the word of the highest score."""
        if not self.words:
            return self.spelled
        total = self.sound + prior.weight * self.prior
        place = int(total.argmax())
        spelled = self.own + prior.weight * prior.unknown
        return self.spelled if spelled > total[place] else self.words[place]


def fitted(scored: Mapping[str, Sequence[Scored]], said: Mapping[str, str]) -> Prior:
    """Return the prior with the fewest wrong words.

    Args:
        scored: of each recording, its words.
        said: what was said in it.
    """
    tried = [Prior(*each) for each in product(_LAMBDAS, _UNKNOWN)]
    texts = [said[key] for key in scored]

    def errors(prior: Prior) -> float:
        heard = [" ".join(each.best(prior) for each in own) for own in scored.values()]
        return word_error_rate(texts, heard).rate

    return min(tried, key=errors)
