"""Alignments of words and phones with frames: as values and as files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from steno_models.errors import DataError
from steno_models.hmm.topology import Graph
from steno_models.types import FloatArray, IntArray

PhoneLabels = NDArray[np.int8]
"""(T,) int8: the phone id of each 10 ms frame, 0 in silence."""


@dataclass(frozen=True, slots=True)
class PhoneSpan:
    """One phone of the best path: frames [start, end); `word` is -1 in silence."""

    phone: int
    word: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class WordSpan:
    """Frames [start, end) of the word at position `word` of the utterance."""

    word: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Alignment:
    """The best path of an utterance: its phones in time, without gaps."""

    phones: tuple[PhoneSpan, ...]

    def labels(self) -> PhoneLabels:
        """Return the phone id of each frame."""
        lengths = [span.end - span.start for span in self.phones]
        return np.repeat(np.array([span.phone for span in self.phones], np.int8), lengths)

    def words(self) -> list[WordSpan]:
        """Return the words in time."""
        spans: dict[int, WordSpan] = {}
        for phone in self.phones:
            if phone.word >= 0:
                first = spans.get(phone.word)
                start = phone.start if first is None else first.start
                spans[phone.word] = WordSpan(phone.word, start, phone.end)
        return list(spans.values())


class FindsPaths(Protocol):
    """What forced alignment asks of a model, whatever its states emit from."""

    def best_path(self, frames: FloatArray, graph: Graph) -> IntArray:
        """Return (T,) int32: the node of `graph` at each of `frames`, (T, D), on the best path."""


def align(model: FindsPaths, frames: FloatArray, graph: Graph) -> Alignment:
    """Return the best alignment of `frames`, (T, D), with the words of `graph`.

    Raises:
        DataError: the words need more frames than there are.
    """
    path = model.best_path(frames, graph)
    tokens = graph.tokens[path]
    starts = np.flatnonzero(np.diff(tokens, prepend=-1))
    ends = [*starts[1:].tolist(), len(path)]
    nodes = path[starts]
    columns = (graph.phones[nodes].tolist(), graph.words[nodes].tolist(), starts.tolist(), ends)
    return Alignment(tuple(PhoneSpan(*values) for values in zip(*columns, strict=True)))


def save_labels(path: Path, labels: Mapping[str, PhoneLabels]) -> None:
    """Write the phone of every frame of many utterances as one `.npz`, an array for each key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = dict(labels)
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def load_labels(path: Path, keys: Sequence[str] | None = None) -> dict[str, PhoneLabels]:
    """Return what `save_labels` wrote, all of it or the utterances `keys`.

    Raises:
        DataError: the file cannot be read or lacks one of them.
    """
    try:
        with np.load(path) as arrays:
            return {key: arrays[key] for key in keys or arrays.files}
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"expected phone labels in {path}, found {error}") from error
