"""The map at work: a stretch of sound, its cluster, the cluster's place among written words.

    score(w) = CSLS(W x, y_w), in deviations from its mean over all words w

with x the vector of the cluster whose mean is nearest to the stretch. Words whose place nobody
learnt are given no opinion; 0 is that of a word as far as any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from steno_models.crossmodal.alignment.csls import hubness
from steno_models.crossmodal.phones_heard import MOMENTS, phones_heard
from steno_models.errors import DataError
from steno_models.types import FloatArray, LongArray

_FILE = "lookup.safetensors"
_WORDS = "words.txt"
_FEWEST = 2


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """Which written words a stretch of sound is used like.

    Attributes:
        means: (K, E) of the clusters of sounds, as `phones_heard` makes them.
        mapped: (K, D) unit vectors of the clusters among the written words.
        words: W written words.
        vectors: (W, D) their unit vectors.
        hubness: (W,) mean cosine of each with its nearest clusters.

    Raises:
        DataError: lengths do not agree, or numbers are not finite.
    """

    means: FloatArray
    mapped: FloatArray
    words: tuple[str, ...]
    vectors: FloatArray
    hubness: FloatArray
    _places: dict[str, int] = field(init=False, repr=False)
    _halves: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        K, W, D = len(self.means), len(self.words), self.vectors.shape[-1]
        shapes = [self.mapped.shape, self.vectors.shape, self.hubness.shape]
        if K < 1 or W < _FEWEST or shapes != [(K, D), (W, D), (W,)]:
            raise DataError(
                f"expected a cluster or more and two words or more with vectors of one length, "
                f"found {K} clusters, {W} words and shapes {shapes}"
            )
        if not all(np.isfinite(each).all() for each in (self.means, self.mapped, self.vectors)):
            raise DataError("expected finite vectors, found some that are not")
        object.__setattr__(self, "_places", {word: i for i, word in enumerate(self.words)})
        halves = 0.5 * np.einsum("ke,ke->k", self.means, self.means)
        object.__setattr__(self, "_halves", halves)

    @classmethod
    def of(
        cls, means: FloatArray, mapped: FloatArray, words: Sequence[str], vectors: FloatArray
    ) -> "Lookup":
        """Return the lookup of clusters and words in one space; see `Lookup`."""
        return cls(means, mapped, tuple(words), vectors, hubness(mapped, vectors).target)

    @property
    def tokens(self) -> int:
        """How many tokens the posteriors have, V."""
        return 1 + (int(self.means.shape[1]) - 1) // MOMENTS

    def __call__(self, log_probs: FloatArray, words: Sequence[str]) -> list[float | None]:
        """Return how near each of `words` is; None where its place is unknown.

        Args:
            log_probs: (S, V) of the stretch, S at least 1.
            words: candidates.

        Raises:
            DataError: posteriors of other tokens.
        """
        if log_probs.shape[1] != self.tokens:
            raise DataError(
                f"expected posteriors of {self.tokens} tokens, found {log_probs.shape[1]}"
            )
        whole = np.array([0]), np.array([len(log_probs)])
        scores = self._scores(phones_heard(log_probs, *whole)[0])
        places = [self._places.get(word) for word in words]
        return [None if place is None else float(scores[place]) for place in places]

    def _scores(self, sound: FloatArray) -> FloatArray:
        """Return (W,) how near each word is to the cluster of a stretch, (E,)."""
        cluster = int((self.means @ sound - self._halves).argmax())
        csls = 2.0 * (self.vectors @ self.mapped[cluster]) - self.hubness
        scaled: FloatArray = (csls - csls.mean()) / max(float(csls.std()), 1e-6)
        return scaled

    def save(self, folder: Path) -> None:
        """Write `lookup.safetensors` and `words.txt` into `folder`.

        Raises:
            DataError: it cannot be written.
        """
        numbers = {"means": self.means, "mapped": self.mapped, "vectors": self.vectors}
        halves = {name: each.astype(np.float16) for name, each in numbers.items()}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            save_file({**halves, "hubness": self.hubness}, folder / _FILE)
            (folder / _WORDS).write_text("".join(f"{word}\n" for word in self.words), "utf-8")
        except OSError as error:
            raise DataError(f"expected to write to {folder}, found: {error}") from error

    @classmethod
    def load(cls, folder: Path) -> "Lookup":
        """Return what `save` wrote into `folder`.

        Raises:
            DataError: there is none, or its parts do not belong together.
        """
        try:
            found = {n: t.astype(np.float32) for n, t in load_file(folder / _FILE).items()}
            words = (folder / _WORDS).read_text("utf-8").split("\n")[:-1]
            return cls(
                found["means"], found["mapped"], tuple(words), found["vectors"], found["hubness"]
            )
        except (OSError, SafetensorError, UnicodeDecodeError, KeyError, DataError) as error:
            raise DataError(f"{folder}: expected an aligner ({_FILE}), found: {error}") from error


def named_clusters(names: Sequence[str]) -> LongArray:
    """Return (K,) the numbers of clusters that are named c0, c1 and so on.

    Raises:
        DataError: a name is none.
    """
    try:
        return np.array([int(name.removeprefix("c")) for name in names], np.int64)
    except ValueError as error:
        raise DataError(f"expected names of clusters, c0 and so on, found: {error}") from error
