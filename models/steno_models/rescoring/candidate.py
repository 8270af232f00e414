"""An entry of the n-best list of a first pass, its log score taken apart."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from steno_models.search.hypothesis import Hypothesis, SearchWord
from steno_models.search.search import BeamSearch
from steno_models.search.state import SearchState

DoubleArray = NDArray[np.float64]
Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """What a first pass says of one sequence of words.

    Attributes:
        texts: its U words.
        known: what the search knows of each, in steps of its own.
        spans: the first step of each and the one after its last, in steps of 40 ms.
        log_score: of the first pass.
        language: (U + 1,) ln p of each word and of the end by the stream's n-grams; (U,) where the
            end of the sentence was not scored, (0,) where there are none.
        lm_weight: the factor on them in `log_score`.
    """

    texts: tuple[str, ...]
    known: tuple[SearchWord, ...]
    spans: Spans
    log_score: float
    language: DoubleArray
    lm_weight: float

    @property
    def rest(self) -> float:
        """The part of the log score that is not the language model's."""
        return self.log_score - self.lm_weight * float(self.language.sum())


def candidates(
    search: BeamSearch,
    state: SearchState,
    found: Sequence[Hypothesis],
    spelling: Sequence[str],
    spans: Callable[[Hypothesis], Sequence[tuple[int, int]]],
) -> list[Candidate]:
    """Return what a search through a lexicon has found.

    Args:
        search: of the first pass.
        state: at the end of the segment.
        found: its hypotheses there.
        spelling: of words.
        spans: of the words of a hypothesis, in steps of 40 ms.
    """
    language = [[word.log_prob for word in one.words] for one in found]
    if search.has_ended(state):
        scored = search.log_probs([[word.word for word in one.words] for one in found])
        for log_probs, own in zip(language, scored, strict=True):
            log_probs.append(float(own[-1]))
    weight = search.options.lm_weight
    return [
        Candidate(
            texts=tuple(spelling[word.word] for word in one.words),
            known=one.words,
            spans=tuple(spans(one)),
            log_score=one.log_score,
            language=np.array(log_probs),
            lm_weight=weight,
        )
        for one, log_probs in zip(found, language, strict=True)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """A candidate and its log score of both passes."""

    candidate: Candidate
    log_score: float


def sureness(ranked: Sequence[Ranked], number: int, scale: float) -> tuple[SearchWord, ...]:
    """Return what is known of the words of one entry, their posteriors over all of `ranked`.

    A word's posterior is the share of the entries, by weight, that have it at about its time.

    Args:
        ranked: the whole list.
        number: of the entry.
        scale: factor on log scores where they are compared.
    """
    scores = scale * np.array([one.log_score for one in ranked])
    shares = np.exp(scores - np.logaddexp.reduce(scores))
    places = _places(ranked)
    own = ranked[number].candidate
    found = []
    for text, span, word in zip(own.texts, own.spans, own.known, strict=True):
        agree = {i for i, (start, end) in places[text] if start <= span[1] and span[0] <= end}
        share = float(shares[sorted(agree)].sum())
        found.append(replace(word, posterior=min(1.0, share)))
    return tuple(found)


def _places(ranked: Sequence[Ranked]) -> dict[str, list[tuple[int, tuple[int, int]]]]:
    """Return where each word is: the numbers of entries and its spans in them."""
    found = defaultdict[str, list[tuple[int, tuple[int, int]]]](list)
    for i, one in enumerate(ranked):
        for text, span in zip(one.candidate.texts, one.candidate.spans, strict=True):
            found[text].append((i, span))
    return found
