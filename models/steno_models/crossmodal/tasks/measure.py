"""How many pieces of speech get right answers: precision at 1, 5 and 10 for one map."""

import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from msgspec import Struct

from steno_models.crossmodal.alignment.csls import hubness, ranked
from steno_models.crossmodal.alignment.evaluation import DEPTHS
from steno_models.crossmodal.tasks.identity import Identities
from steno_models.errors import DataError
from steno_models.types import FloatArray, LongArray

Shares = tuple[float, float, float]


class Right(Struct, frozen=True, kw_only=True):
    """Shares at 1, 5 and 10, in percent.

    Attributes:
        pieces: of the tested pieces of speech.
        words: mean over the tested words of the share of their pieces.
    """

    pieces: Shares
    words: Shares


@dataclass(frozen=True, slots=True)
class Question:
    """Some pieces of one heard word that truly are one word.

    Attributes:
        heard: place of the heard word in its space.
        word: what the pieces are.
        pieces: so many.
        answers: places of right words in the text's space.
        barred: place of the word itself, if it is no candidate; else -1.
    """

    heard: int
    word: str
    pieces: int
    answers: frozenset[int]
    barred: int = -1


@dataclass(frozen=True, slots=True)
class Exam:
    """What is tested and what may be learnt from.

    Attributes:
        questions: of tested words.
        known: (P, 2) heard words and words of the text that teach supervised maps.
        asked: pieces of tested words, with or without an answer in the text.
    """

    questions: tuple[Question, ...]
    known: LongArray
    asked: int

    @property
    def pieces(self) -> int:
        """How many pieces are tested."""
        return sum(each.pieces for each in self.questions)


def is_tested(word: str) -> bool:
    """Return whether `word` tests; the other half of all words may teach."""
    return zlib.crc32(word.encode()) % 2 == 0


def exam(
    identities: Identities,
    text: Sequence[str],
    answers: Callable[[str], set[str]],
    anchors: Callable[[str], set[str]],
    *,
    bar_itself: bool = False,
) -> Exam:
    """Return what is tested.

    Args:
        identities: of the heard words.
        text: the words of the text's space.
        answers: to a true word; those that are not in the text are left out.
        anchors: words of the text that a true word is taught to lie at.
        bar_itself: whether a word is no candidate for its own answer.

    Raises:
        DataError: no tested word has an answer in the text.
    """
    places = {word: place for place, word in enumerate(text)}
    questions: list[Question] = []
    known: list[tuple[int, int]] = []
    asked = 0
    for heard, (own, most) in enumerate(zip(identities.tokens, identities.majority(), strict=True)):
        if most and not is_tested(most):
            known += [(heard, places[word]) for word in sorted(anchors(most)) if word in places]
        for word, pieces in own.items():
            if not is_tested(word):
                continue
            asked += pieces
            right = frozenset(places[each] for each in answers(word) if each in places)
            if right:
                barred = places.get(word, -1) if bar_itself else -1
                questions.append(Question(heard, word, pieces, right, barred))
    if not questions:
        some = ", ".join(sorted({word for own in identities.tokens for word in own})[:3])
        raise DataError(
            f"expected spoken words with answers in the text, found none: spoken are {some} …, "
            f"the text has {', '.join(text[:3])} …"
        )
    return Exam(tuple(questions), np.array(known, np.int64).reshape(-1, 2), asked)


def right_shares(
    test: Exam, source: FloatArray, target: FloatArray, rotation: FloatArray, *, csls: bool = True
) -> Right:
    """Return how many pieces a map answers right.

    Args:
        test: with its questions.
        source: (V, D) normalised vectors of the heard words.
        target: (W, D) normalised vectors of the text's words.
        rotation: (D, D) the map.
        csls: whether words are ranked under CSLS; else by the cosine.
    """
    mapped = source @ rotation.T
    near = hubness(mapped, target).target if csls else None
    heard = sorted({each.heard for each in test.questions})
    found, _ = ranked(mapped[heard], target, most=max(DEPTHS) + 1, target_hubness=near)
    of_heard = dict(zip(heard, found.tolist(), strict=True))
    return _shares(test, lambda question: of_heard[question.heard])


def constant_shares(test: Exam) -> Right:
    """Return how many pieces are right if all get the answers that most pieces have."""
    common: Counter[int] = Counter()
    for each in test.questions:
        for answer in each.answers:
            common[answer] += each.pieces
    best = [answer for answer, _ in common.most_common(max(DEPTHS) + 1)]
    return _shares(test, lambda _: best)


def _shares(test: Exam, ranking: Callable[[Question], Sequence[int]]) -> Right:
    of_word: dict[str, list[tuple[int, int]]] = {}
    for each in test.questions:
        candidates = [place for place in ranking(each) if place != each.barred]
        hit = next((n for n, place in enumerate(candidates) if place in each.answers), 10**6)
        of_word.setdefault(each.word, []).append((each.pieces, hit))
    hits = list(chain.from_iterable(of_word.values()))
    pieces = _at(lambda depth: _weighted(hits, depth))
    words = _at(lambda depth: float(np.mean([_weighted(own, depth) for own in of_word.values()])))
    return Right(pieces=pieces, words=words)


def _at(share: Callable[[int], float]) -> Shares:
    one, five, ten = (100.0 * share(depth) for depth in DEPTHS)
    return one, five, ten


def _weighted(hits: Sequence[tuple[int, int]], depth: int) -> float:
    return sum(n for n, hit in hits if hit < depth) / sum(n for n, _ in hits)


def answers_of(found: Mapping[str, set[str]]) -> Callable[[str], set[str]]:
    """Return what gives the answers in `found`; none to a word that it lacks."""
    return lambda word: found.get(word, set())


def itself(word: str) -> set[str]:
    """Return `word` as the only answer to itself."""
    return {word}
