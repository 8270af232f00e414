"""What a search or a second pass asks of a language model, whichever kind it is.

States are values: a model is shared, each hypothesis holds its own state. Words are strings, since
models number them differently; `END` ends a sentence, and the state after it begins the next one,
with what the model carries over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

END = "</s>"

LogProbs = NDArray[np.float64]
# A scorer's own: nobody else looks inside.
State: TypeAlias = Any
Sentence = Sequence[str]


@dataclass(frozen=True, slots=True)
class Scored:
    """What a model says of sentences.

    Attributes:
        log_probs: of each sentence, (U + 1,) ln p of its words and of its end.
        states: after the end of each.
    """

    log_probs: list[LogProbs]
    states: list[State]

    def totals(self) -> list[float]:
        """Return ln p of each sentence."""
        return [float(each.sum()) for each in self.log_probs]


class Scorer(Protocol):
    """A language model of words."""

    def start(self) -> State:
        """Return the state at the start of a first sentence."""

    def knows(self, word: str) -> bool:
        """Return whether `word` is in the vocabulary; others share one probability."""

    def score(self, states: Sequence[State], words: Sentence) -> tuple[LogProbs, list[State]]:
        """Return (K,) ln p(word | state) and the states after, for K hypotheses at once.

        A state that is given several times is worked out once.
        """

    def score_sentences(
        self, sentences: Sequence[Sentence], carried: State = None, *, alike: int | None = None
    ) -> Scored:
        """Return what each of `sentences` is worth after `carried`, default the start.

        They are alternatives, the likeliest first: what begins alike is worked out once. With
        `alike` a model may also take histories for one that end in the same so many words.
        """


def score_by_prefixes(scorer: Scorer, sentences: Sequence[Sentence], carried: State) -> Scored:
    """Return the scores of `sentences` as a walk through the tree of their prefixes.

    Word by word, all hypotheses are one batch; two that agree so far are one.
    """
    states: list[State] = [scorer.start() if carried is None else carried]
    at = [0] * len(sentences)
    found: list[list[float]] = [[] for _ in sentences]
    for place in range(1 + max(map(len, sentences), default=-1)):
        alive = [i for i, sentence in enumerate(sentences) if place <= len(sentence)]
        words = [sentences[i][place] if place < len(sentences[i]) else END for i in alive]
        steps = [(at[i], word) for i, word in zip(alive, words, strict=True)]
        numbers = {step: number for number, step in enumerate(dict.fromkeys(steps))}
        log_probs, after = scorer.score(
            [states[state] for state, _ in numbers], [word for _, word in numbers]
        )
        for i, step in zip(alive, steps, strict=True):
            found[i].append(float(log_probs[numbers[step]]))
            at[i] = len(states) + numbers[step]
        states += after
    return Scored([np.array(each) for each in found], [states[i] for i in at])
