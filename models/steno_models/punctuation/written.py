"""Recognised words as people write them: with marks, capitals and figures.

A pure function of the words of a final, the pauses between them, and of what the final before says:
so whoever has the two finals, after a restart as well, writes the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from steno_models.punctuation.features import LEFT, Sentence, word_hashes
from steno_models.punctuation.labelled import Case, Mark
from steno_models.punctuation.model import Context, Punctuator
from steno_models.text.inverse import Written, inverse

_ENDS = tuple(mark.text for mark in Mark if mark.ends_sentence)
_MARKS = tuple(mark.text for mark in Mark if mark is not Mark.NONE)


@dataclass(frozen=True, slots=True)
class Hearing:
    """The words of a final and what is known about their times.

    Attributes:
        words: lower case.
        pauses: the class of the pause behind each, None where unknown; nothing if all are.
        before: what came before.
    """

    words: Sequence[str]
    pauses: Sequence[int | None] = ()
    before: Context | None = None


def written(
    hearing: Hearing, punctuator: Punctuator | None = None, *, numbers: bool = True
) -> list[Written]:
    """Return what to write for the words; every word belongs to one of the results, in order.

    Args:
        hearing: what was heard.
        punctuator: adds marks and capitals; None leaves them out.
        numbers: whether to write figures for numbers, and what else `inverse` knows.
    """
    words = hearing.words
    if punctuator is None:
        return inverse(words) if numbers else _as_they_are(words)
    before = hearing.before or Context()
    marks, cases = punctuator.read(words, hearing.pauses, before)
    result: list[Written] = []
    begin = 0
    last_word = len(words) - 1
    for end in [n + 1 for n in range(len(words)) if marks[n].ends_sentence or n == last_word]:
        within = words[begin:end]
        names = [case is not Case.LOWER for case in cases[begin:end]]
        for part in inverse(within, names) if numbers else _as_they_are(within):
            first, last = begin + part.begin, begin + part.end
            text = part.text if part.is_figure else cases[first].apply(part.text)
            if first == begin and (begin > 0 or not before.sentence.length):
                text = Case.CAPITALISED.apply(text)
            result.append(Written(text + marks[last - 1].text, first, last, part.is_figure))
        begin = end
    return result


def context(text: str, shown: str) -> Context:
    """Return what a final leaves to the next one.

    Args:
        text: its words.
        shown: the same as `written` wrote them, separated by spaces.
    """
    words, tokens = text.split(), shown.split()
    since_end = _since(tokens, _ENDS)
    sentence = Sentence()
    if since_end:
        clause = min(_since(tokens, _MARKS), since_end)
        # a figure stands for several words: the sentence may seem shorter than it was
        for place, word in enumerate(words[-since_end:]):
            sentence = sentence.and_word(word_hashes(word)[0])
            if place == since_end - clause - 1:
                sentence = sentence.and_mark(Mark.COMMA, ends=False)
    return Context(tuple(words[-LEFT:]), sentence)


def _since(tokens: Sequence[str], marks: tuple[str, ...]) -> int:
    """Return how many tokens follow the last one that ends with one of the marks."""
    ends = [n for n, token in enumerate(tokens) if token.endswith(marks)]
    return len(tokens) - 1 - ends[-1] if ends else len(tokens)


def _as_they_are(words: Sequence[str]) -> list[Written]:
    return [Written(word, n, n + 1) for n, word in enumerate(words)]
