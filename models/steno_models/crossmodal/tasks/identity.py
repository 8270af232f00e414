"""Which true words the pieces of each heard word are."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from steno_models.crossmodal.heard import Heard
from steno_models.crossmodal.segmentation.segments import Recording, Segment
from steno_models.errors import DataError


@dataclass(frozen=True, slots=True)
class Identities:
    """The pieces of each heard word by what they truly are.

    Attributes:
        tokens: for each word of the space, how many of its pieces are which true word.
    """

    tokens: tuple[Counter[str], ...]

    def majority(self) -> list[str]:
        """Return the most frequent true word of each heard word; empty if it has no piece."""
        return [max(sorted(own), key=own.__getitem__) if own else "" for own in self.tokens]

    def purity(self) -> float:
        """Return the share of pieces, in percent, that are the majority's word."""
        total = sum(sum(own.values()) for own in self.tokens)
        return 100.0 * sum(max(own.values(), default=0) for own in self.tokens) / max(total, 1)


def identities(heard: Heard, truth: Sequence[Recording]) -> Identities:
    """Return what the pieces of `heard` are: each the true word that it shares most time with.

    Raises:
        DataError: no piece shares time with a true word.
    """
    places = {word: place for place, word in enumerate(heard.space.words)}
    words = {each.key: each.segments for each in truth}
    found: tuple[Counter[str], ...] = tuple(Counter() for _ in places)
    for recording in heard.recordings:
        own = words.get(recording.key)
        if own is None:
            continue
        ends = [segment.end_s for segment in own]
        for piece in recording.segments:
            place = places.get(piece.name)
            word = true_word(piece, own, ends)
            if place is not None and word is not None:
                found[place][word] += 1
    if not any(found):
        raise DataError(
            "expected pieces at times of true words, found none: are the recordings others?"
        )
    return Identities(found)


def piece_identities(heard: Heard, truth: Sequence[Recording]) -> Identities:
    """Return the same of each piece by itself, in the order of the file of segments."""
    words = {each.key: each.segments for each in truth}
    found: list[Counter[str]] = []
    for recording in heard.recordings:
        own = words.get(recording.key, ())
        ends = [segment.end_s for segment in own]
        for piece in recording.segments:
            word = true_word(piece, own, ends)
            found.append(Counter() if word is None else Counter({word: 1}))
    return Identities(tuple(found))


def true_word(piece: Segment, words: Sequence[Segment], ends: Sequence[float]) -> str | None:
    """Return the word of `words`, in order, that `piece` shares most time with.

    Args:
        piece: of the recording.
        words: of the same.
        ends: of the words, in seconds.
    """
    best, most = None, 0.0
    for place in range(bisect_right(ends, piece.start_s), len(words)):
        start_s, end_s, name = words[place]
        if start_s >= piece.end_s:
            break
        shared = min(end_s, piece.end_s) - max(start_s, piece.start_s)
        if shared > most:
            best, most = name, shared
    return best
