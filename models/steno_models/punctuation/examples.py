"""Running text as examples: what was seen of each word, and what stood behind it.

The text is cut into finals as a recogniser would end them. Whether a word is the last of its final
does not depend on its mark here: what the end itself tells is the model's `pauses`, on top.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steno_models.punctuation import features
from steno_models.punctuation.features import BEFORE, BEHIND, LEFT, RIGHT, Longs
from steno_models.punctuation.labelled import UNKNOWN_CASE, Bytes, Labelled, Mark

_BLOCK = 1 << 17


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples of one block of text.

    Attributes:
        marks: (N, F) hashed templates that tell of marks.
        cases: (M, G) those that tell of cases, of words within a sentence whose case is known.
        mark_labels: (N,) the marks.
        case_labels: (M,) the cases.
    """

    marks: Longs
    cases: Longs
    mark_labels: Bytes
    case_labels: Bytes


def examples(text: Labelled, rng: np.random.Generator, *, mean_words: float) -> Iterator[Examples]:
    """Yield the examples of a text in its order, in finals of `mean_words` words in the mean."""
    for begin in range(0, len(text), _BLOCK):
        end = min(begin + _BLOCK, len(text))
        hashes = np.array([features.word_hashes(w) for w in text.words[begin:end]], np.int64)
        marks = text.marks[begin:end]
        is_last = rng.random(len(marks)) < 1 / mean_words
        is_last[-1] = True
        mark_rows, case_rows = _masked(hashes, is_last)
        sentence = _histories(hashes[:, 0], marks, is_last)
        known = text.cases[begin:end] != UNKNOWN_CASE
        yield Examples(
            np.concatenate([mark_rows, sentence], axis=1),
            case_rows[known],
            marks,
            text.cases[begin:end][known],
        )


def _masked(hashes: Longs, is_last: NDArray[np.bool_]) -> tuple[Longs, Longs]:
    """Return the templates of words that see no further than the last word of their final."""
    padded = np.full((len(hashes) + LEFT + RIGHT, 2), BEHIND, np.int64)
    padded[:LEFT] = BEFORE
    padded[LEFT : LEFT + len(hashes)] = hashes
    windows = np.lib.stride_tricks.sliding_window_view(padded, LEFT + 1 + RIGHT, axis=0).copy()
    lasts = np.flatnonzero(is_last)
    numbers = np.arange(len(hashes))
    reach = lasts[np.searchsorted(lasts, numbers)] - numbers
    beyond = np.arange(-LEFT, RIGHT + 1)[None] > reach[:, None]
    windows[np.broadcast_to(beyond[:, None], windows.shape)] = BEHIND
    return features.surroundings(windows[:, 0], windows[:, 1])


def _histories(words: Longs, marks: Bytes, is_last: NDArray[np.bool_]) -> Longs:
    """Return (N, HISTORY) the templates of the sentence before each mark, by the true ones."""
    numbers = np.arange(len(words))
    begins = _since(marks >= Mark.STOP)
    clauses = _since(marks != Mark.NONE)
    has_second = begins < numbers
    following = np.append(words[1:], BEHIND)
    following[is_last] = BEHIND
    scale = np.array(features.LENGTHS, np.int64)
    longest = len(scale) - 1
    return np.stack(
        features.history(
            first=words[begins],
            second=np.where(has_second, words[np.minimum(begins + 1, len(words) - 1)], BEFORE),
            before=words[clauses],
            length=scale[np.minimum(numbers - begins + 1, longest)],
            clause=scale[np.minimum(numbers - clauses + 1, longest)],
            word=words,
            next_word=following,
        ),
        axis=1,
    )


def _since(ends: NDArray[np.bool_]) -> Longs:
    """Return (N,) where the stretch began that each word is in; a stretch ends where `ends` is."""
    begins = np.zeros(len(ends), np.int64)
    begins[1:] = np.where(ends[:-1], np.arange(1, len(ends)), 0)
    return np.maximum.accumulate(begins)
