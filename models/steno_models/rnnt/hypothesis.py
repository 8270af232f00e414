"""What a transducer search has recognised."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from steno_models.text.bpe import WORD_BEGIN


@dataclass(frozen=True, slots=True)
class Token:
    """One emitted label.

    Attributes:
        token: its id.
        step: encoder step, from the start of the stream, at which it was emitted.
        log_prob: ln p(token | sound, labels before) there.
    """

    token: int
    step: int
    log_prob: float


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A sequence of labels.

    Attributes:
        tokens: on the likeliest of its alignments that was kept.
        log_prob: ln p(labels | sound) of the transducer alone, over all alignments kept.
        log_score: with language models and label scores: what hypotheses are ranked by.
    """

    tokens: tuple[Token, ...]
    log_prob: float
    log_score: float


@dataclass(frozen=True, slots=True)
class SpelledWord:
    """A word put together from pieces, and the steps of its first piece and after its last."""

    text: str
    start_step: int
    end_step: int


def spelled_words(tokens: Iterable[Token], symbols: Sequence[str]) -> list[SpelledWord]:
    """Return the words that `tokens` spell, their beginnings marked by `WORD_BEGIN`."""
    words: list[SpelledWord] = []
    for token in tokens:
        piece = symbols[token.token]
        text = piece.removeprefix(WORD_BEGIN)
        if words and text == piece:
            last = words.pop()
            words.append(SpelledWord(last.text + text, last.start_step, token.step + 1))
        else:
            words.append(SpelledWord(text, token.step, token.step + 1))
    return words
