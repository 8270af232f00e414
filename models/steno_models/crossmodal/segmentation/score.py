"""How well pieces fit true words: boundaries, tokens, over-segmentation and R-value.

A boundary is where a word or piece begins or ends, one where two meet; the first and the last of a
recording are left out on both sides, since they are those of its silences. Each true boundary is
found at most once, by one within the tolerance. A token is found by a piece of which both ends are.
"""

import math
from collections.abc import Callable, Sequence

from msgspec import Struct

from steno_models.crossmodal.segmentation.segments import Recording, Segment
from steno_models.errors import DataError

_SAME_S = 1e-3


class Found(Struct, frozen=True, kw_only=True):
    """How many of what were found, in percent.

    Attributes:
        precision: of what is claimed.
        recall: of what is true.
        f: their harmonic mean.
    """

    precision: float
    recall: float
    f: float

    @classmethod
    def of(cls, hits: int, claimed: int, true: int) -> "Found":
        """Return the shares of `hits` among so many claimed and true ones."""
        precision = 100.0 * hits / claimed if claimed else 0.0
        recall = 100.0 * hits / true if true else 0.0
        both = precision + recall
        return cls(precision=precision, recall=recall, f=2 * precision * recall / max(both, 1e-9))


class Score(Struct, frozen=True, kw_only=True):
    """What a segmentation is worth.

    Attributes:
        recordings: that were compared.
        words: true ones.
        pieces: found ones.
        tolerance_ms: of boundaries and of both ends of a token.
        boundary: within a recording.
        token: with both ends.
        over_segmentation: so many percent more boundaries than there are; 0 is right.
        r_value: 100 is right; too many boundaries do not raise it (Räsänen et al. 2009).
    """

    recordings: int
    words: int
    pieces: int
    tolerance_ms: float
    boundary: Found
    token: Found
    over_segmentation: float
    r_value: float


def score(
    truth: Sequence[Recording],
    found: Sequence[Recording],
    *,
    tolerance_s: float = 0.02,
    left_out: Callable[[str], None] = lambda _: None,
) -> Score:
    """Return what `found` is worth by the words of `truth`.

    Args:
        truth: recordings with true words.
        found: recordings with pieces; those without truth are left out.
        tolerance_s: how far a boundary may be off.
        left_out: is told of recordings that only one side has.

    Raises:
        DataError: no recording is in both.
    """
    of_key = {each.key: each for each in found}
    pairs = [(each, of_key[each.key]) for each in truth if each.key in of_key]
    for key in {each.key for each in truth} ^ set(of_key):
        left_out(f"{key}: expected in both files, found in one")
    if not pairs:
        raise DataError("expected recordings that both files have, found none")
    hits = claimed = true = tokens = 0
    for one, other in pairs:
        right, tried = boundaries(one.segments), boundaries(other.segments)
        hits += matches(right, tried, tolerance_s)
        claimed += len(tried)
        true += len(right)
        tokens += token_matches(one.segments, other.segments, tolerance_s)
    words = sum(len(one.segments) for one, _ in pairs)
    pieces = sum(len(other.segments) for _, other in pairs)
    boundary = Found.of(hits, claimed, true)
    over = 100.0 * (claimed / true - 1.0) if true else 0.0
    return Score(
        recordings=len(pairs), words=words, pieces=pieces, tolerance_ms=1000 * tolerance_s,
        boundary=boundary, token=Found.of(tokens, pieces, words),
        over_segmentation=over, r_value=r_value(boundary.recall, over),
    )  # fmt: skip


def boundaries(segments: Sequence[Segment]) -> list[float]:
    """Return when segments begin and end, rising, without the first and the last moment."""
    moments: list[float] = []
    for start_s, end_s, _ in segments:
        if not moments or start_s - moments[-1] > _SAME_S:
            moments.append(start_s)
        moments.append(end_s)
    return moments[1:-1]


def matches(true: Sequence[float], found: Sequence[float], tolerance_s: float) -> int:
    """Return the most pairs of a true and a found moment that are near, each used once.

    Both rise: taking the earliest that fits is best (an exchange shows it).
    """
    hits, place = 0, 0
    for moment in true:
        while place < len(found) and found[place] < moment - tolerance_s - 1e-9:
            place += 1
        if place < len(found) and found[place] <= moment + tolerance_s + 1e-9:
            hits += 1
            place += 1
    return hits


def token_matches(true: Sequence[Segment], found: Sequence[Segment], tolerance_s: float) -> int:
    """Return how many true words have a piece of their own with both ends near theirs."""
    hits, place = 0, 0
    near = tolerance_s + 1e-9
    for start_s, end_s, _ in true:
        while place < len(found) and found[place].start_s < start_s - near:
            place += 1
        for other in range(place, len(found)):
            if found[other].start_s > start_s + near:
                break
            if abs(found[other].end_s - end_s) <= near:
                hits += 1
                place = other + 1
                break
    return hits


def r_value(recall: float, over_segmentation: float) -> float:
    """Return the R-value in percent (Räsänen, Laine, Altosaar 2009)."""
    far = math.hypot(100.0 - recall, over_segmentation)
    line = (-over_segmentation + recall - 100.0) / math.sqrt(2.0)
    return 100.0 * (1.0 - (abs(far) + abs(line)) / 200.0)
