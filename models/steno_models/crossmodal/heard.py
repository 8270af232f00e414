"""Words that were heard: pieces of speech by their names, and a space of these names."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from steno_models.crossmodal.segmentation.segments import Recording, Segment, Span, read_segments
from steno_models.crossmodal.sounds import Sounds
from steno_models.crossmodal.space import Space
from steno_models.errors import DataError
from steno_models.types import FloatArray

SEGMENTS = "segments.jsonl"


@dataclass(frozen=True, slots=True)
class Heard:
    """A space of words that were heard, and where they were.

    Attributes:
        space: of clusters or of words.
        recordings: with its words as the names of pieces; pieces of other names have no vector.
    """

    space: Space
    recordings: tuple[Recording, ...]

    @classmethod
    def load(cls, folder: Path) -> "Heard":
        """Return what `crossmodal cluster` wrote into `folder`.

        Raises:
            DataError: there is none.
        """
        return cls(Space.load(folder), tuple(read_segments(folder / SEGMENTS)))


class Kept(NamedTuple):
    """Vectors that are kept beside a space.

    Attributes:
        file: in its folder.
        what: they are.
        option: of `crossmodal cluster` that has them kept.
    """

    file: str
    what: str
    option: str


PIECES = Kept("pieces.safetensors", "the vectors of its pieces", "--keep-pieces")
"""(P, D) of all pieces, in the order of the file of segments."""
MEANS = Kept("means.safetensors", "the means of clusters", "--clusters K")
"""(K, E) of the clusters that are named c0, c1 and so on."""
_VECTORS = "vectors"


def keep(folder: Path, kept: Kept, vectors: FloatArray) -> None:
    """Write vectors into the folder of a space."""
    try:
        save_file({_VECTORS: np.ascontiguousarray(vectors)}, folder / kept.file)
    except OSError as error:
        raise DataError(f"expected to write to {folder}, found: {error}") from error


def kept_vectors(folder: Path, kept: Kept) -> FloatArray:
    """Return what `keep` wrote into `folder`.

    Raises:
        DataError: there is nothing.
    """
    try:
        found: FloatArray = load_file(folder / kept.file)[_VECTORS].astype(np.float32)
    except (OSError, SafetensorError, KeyError) as error:
        raise DataError(
            f"{folder}: expected {kept.what} (`crossmodal cluster {kept.option}`), found: {error}"
        ) from error
    return found


def averages(names: Sequence[str], vectors: FloatArray, *, min_count: int = 1) -> Space:
    """Return the space of `names`, each with the mean of its pieces' vectors and their number.

    Args:
        names: of P pieces.
        vectors: (P, D) of them.
        min_count: names of fewer pieces are left out.

    Raises:
        DataError: fewer than two names are left, or vectors are not finite.
    """
    if len(names) != len(vectors):
        raise DataError(f"expected a vector for each of {len(names)} pieces, found {len(vectors)}")
    counts = Counter(names)
    ranked = sorted((-n, name) for name, n in counts.items() if n >= min_count)
    if len(ranked) < 2:
        raise DataError(
            f"expected two words or more of {min_count} pieces or more, found {len(ranked)} "
            f"among {len(counts)}"
        )
    places = {name: place for place, (_, name) in enumerate(ranked)}
    owners = np.array([places.get(name, -1) for name in names], np.int64)
    there = owners >= 0
    sums = np.zeros((len(ranked), vectors.shape[1]))
    np.add.at(sums, owners[there], vectors[there])
    numbers = np.array([-n for n, _ in ranked], np.int64)
    means = (sums / numbers[:, None]).astype(np.float32)
    return Space(tuple(name for _, name in ranked), means, numbers)


def relabelled(
    speech: Sounds, spans: Sequence[Span], kept: Sequence[Segment], names: Sequence[str]
) -> list[Recording]:
    """Return the pieces recording by recording, each with its new name.

    Args:
        speech: that they are of.
        spans: of the pieces, recording by recording.
        kept: the same pieces in time.
        names: of them.
    """
    found: dict[int, list[Segment]] = {}
    for span, segment, name in zip(spans, kept, names, strict=True):
        found.setdefault(span.place, []).append(segment._replace(name=name))
    return [Recording(key=speech.keys[place], segments=tuple(own)) for place, own in found.items()]


def named_sentences(recordings: Sequence[Recording]) -> Iterator[str]:
    """Yield the names of each recording's pieces, separated by blanks.

    Raises:
        DataError: a name holds a blank.
    """
    for each in recordings:
        names = [segment.name for segment in each.segments]
        if any(name.split() != [name] for name in names):
            raise DataError(f"{each.key}: expected names without blanks, found one with some")
        yield " ".join(names)
