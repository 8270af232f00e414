"""A neural language model that reads candidates after the finals that came before them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steno_models.lm.scorer import Scorer, State
from steno_models.rescoring.candidate import Candidate, DoubleArray

Finals = tuple[tuple[str, ...], ...]
"""The words of earlier finals of a stream, the oldest first."""


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """What was read of a stream before its segment ends.

    Attributes:
        state: after the finals and `words`.
        words: those that all candidates of the segment begin with.
        log_probs: ln p of each of them.
    """

    state: State
    words: tuple[str, ...] = ()
    log_probs: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class LanguageReader:
    """A language model of whole words and how far back it reads.

    Attributes:
        scorer: the model; whether it carries anything from sentence to sentence is its own.
        context_words: it reads the newest finals with no more words than that together.
        alike_words: candidates that agree in so many words in a row go on as one; None where they
            never do.
    """

    scorer: Scorer
    context_words: int = 0
    alike_words: int | None = None

    def begin(self, finals: Finals) -> Read:
        """Return what is read at the start of a segment: a function of the words before it."""
        state, room = self.scorer.start(), self.context_words
        newest: list[tuple[str, ...]] = []
        for final in reversed(finals):
            room -= len(final)
            if room < 0:
                break
            newest.append(final)
        for final in reversed(newest):
            [state] = self.scorer.score_sentences([final], state).states
        return Read(state)

    def read_on(self, read: Read, words: Sequence[str]) -> Read:
        """Return `read` and the next `words` of the segment, which are certain by now.

        They are worked out while the segment lasts, so that its final needs not wait for them.
        """
        state, log_probs = read.state, list(read.log_probs)
        for word in words:
            [log_prob], [state] = self.scorer.score([state], [word])
            log_probs.append(float(log_prob))
        return Read(state, (*read.words, *words), tuple(log_probs))

    def log_probs(self, candidates: Sequence[Candidate], read: Read) -> list[DoubleArray]:
        """Return (U + 1,) ln p of words and end of each; NaN of words that it does not know.

        Args:
            candidates: of one segment, which begin with all words that were read of it.
            read: before them, and so far.
        """
        known = len(read.words)
        rests = [one.texts[known:] for one in candidates]
        scored = self.scorer.score_sentences(rests, read.state, alike=self.alike_words).log_probs
        found = [np.concatenate([read.log_probs, rest]) for rest in scored]
        for one, log_probs in zip(candidates, found, strict=True):
            strange = [i for i, word in enumerate(one.texts) if not self.scorer.knows(word)]
            log_probs[strange] = np.nan
        return found
