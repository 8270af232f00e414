"""The phone error rate of words, by which recognisers of any family can be compared.

The words found are spelled in phones, each as the lexicon has it first. The words said are spelled
in the way that is nearest to that, each word in any of its pronunciations. The rate is that of the
edits between the two, for each phone of that spelling. Words that no lexicon holds sound as the
grapheme-to-phoneme model guesses first.

So a wrong word costs as much as it sounds wrong, and what is written in other units than phones is
measured alike.
"""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steno_models.text.g2p import G2P
from steno_models.text.lexicon import Lexicon, Pronunciation
from steno_models.text.wer import Alignment, ErrorRate, align, error_rate

Ways = Callable[[str], Sequence[Pronunciation]]
"""From a word to its pronunciations, the first one best; one at least."""

_Row = NDArray[np.int64]


def ways_of(lexicon: Path) -> Ways:
    """Return the pronunciations of the file `lexicon`, and guesses for other words.

    Raises:
        DataError: the file cannot be read.
    """
    known, fallback = Lexicon.read(lexicon), cache(G2P.load)

    @cache
    def ways(word: str) -> Sequence[Pronunciation]:
        if word in known:
            return known[word]
        # A piece of a word that a model of subwords left alone.
        if not word.strip("'"):
            return ((),)
        return known.pronounce(word, fallback())

    return ways


def phone_error_rate(references: Sequence[str], found: Sequence[str], ways: Ways) -> ErrorRate:
    """Return the PER of the words `found`, utterance by utterance, against `references`."""
    return error_rate(
        [phone_alignment(*pair, ways) for pair in zip(references, found, strict=True)]
    )


def phone_alignment(reference: str, found: str, ways: Ways) -> Alignment:
    """Return how the phones of two utterances, words that white space separates, stand together."""
    heard = [phone for word in found.split() for phone in ways(word)[0]]
    return align(nearest([ways(word) for word in reference.split()], heard), heard)


def nearest(words: Sequence[Sequence[Pronunciation]], heard: Sequence[str]) -> list[str]:
    """Return the spelling of `words`, each in one of its ways, with the fewest edits to `heard`.

    Words are taken one after the other, Levenshtein's table with several ways through a word: after
    each word entry i is the fewest edits between any spelling so far and the first i phones heard.
    """
    rows = [np.arange(len(heard) + 1)]
    for word in words:
        rows.append(np.min([_after(rows[-1], way, heard) for way in word], axis=0))
    spelled: list[str] = []
    end = len(heard)
    for word, row in zip(reversed(words), reversed(rows[:-1]), strict=True):
        # Of every way the edits to each stretch of what was heard up to `end`, longer and longer.
        before = heard[:end][::-1]
        costs = [
            _after(np.arange(end + 1), way[::-1], before)[::-1] + row[: end + 1] for way in word
        ]
        way = int(np.argmin([cost.min() for cost in costs]))
        end = int(costs[way].argmin())
        spelled = [*word[way], *spelled]
    return spelled


def _after(row: _Row, way: Sequence[str], heard: Sequence[str]) -> _Row:
    """Return the row of the table of edits, (U + 1,), after the phones of `way`."""
    places = np.arange(len(heard) + 1)
    said = np.array(heard, dtype=object)
    for phone in way:
        below = row + 1  # the phone was not heard
        below[1:] = np.minimum(below[1:], row[:-1] + (said != phone))
        row = np.minimum.accumulate(below - places) + places  # what was heard besides
    return row
