"""Marks and capitals of recognised words: two linear models over hashed features.

The mark behind word i is the likeliest of p(mark | words, pause) ∝ p(mark | words) p(pause | mark):
the first factor is a softmax over the templates of `features`, decided from left to right, because
what was decided before is among them; the second, if times are known, is a table. Text, of which
there is plenty, has no pauses, and speech that was punctuated is scarce: so each is learnt where it
is. The case of a word is a softmax over templates of its own; behind ".", "?" and "!" a word is
capitalised whatever that says.

Weights are whole numbers of -127 to 127 and their sums exact: any machine decides the same.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from steno_models.errors import DataError
from steno_models.punctuation import features
from steno_models.punctuation.features import BEFORE, BEHIND, LEFT, RIGHT, Longs, Sentence
from steno_models.punctuation.labelled import Case, Mark

SHIPPED = Path(__file__).with_name("english")
DESCRIPTION, WEIGHTS = "punctuation.json", "weights.safetensors"
Weights = NDArray[np.int8]

PAUSES_S = (0.1, 0.2, 0.3, 0.5)
"""Bounds of the classes of pauses between words of a final."""
END = len(PAUSES_S) + 1
"""The class of the silence that ends a final."""
WITHIN = END + 1
"""The class of a pause of unknown length that did not end it."""


class Description(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file `punctuation.json`."""

    language: str
    trained_on: str
    mark_scale: float
    """Nats of one unit of the weights of marks."""
    pauses: tuple[tuple[float, ...], ...]
    """ln p(pause | mark) for each class of pauses and each mark."""
    weights_sha256: str


@dataclass(frozen=True, slots=True)
class Context:
    """What came before the words of a final.

    Attributes:
        words: the last ones, up to `LEFT`.
        sentence: the one that goes on; a new one if the last was ended.
    """

    words: tuple[str, ...] = ()
    sentence: Sentence = field(default_factory=Sentence)


@dataclass(frozen=True, slots=True, eq=False)
class Punctuator:
    """A trained model.

    Attributes:
        marks: (R, len(Mark)) weights, R a power of two.
        cases: (Q, len(Case)) likewise.
        mark_scale: nats of one unit of `marks`.
        pauses: (WITHIN + 1, len(Mark)) ln p(pause | mark).
    """

    marks: Weights
    cases: Weights
    mark_scale: float
    pauses: NDArray[np.float64]

    @classmethod
    def load(cls, folder: Path = SHIPPED) -> "Punctuator":
        """Return the model in a folder.

        Raises:
            DataError: there is none, or its weights are not those that its description names.
        """
        try:
            described = msgspec.json.decode((folder / DESCRIPTION).read_bytes(), type=Description)
            data = (folder / WEIGHTS).read_bytes()
            weights = load(data)
        except (OSError, msgspec.MsgspecError, SafetensorError) as error:
            raise DataError(f"expected a punctuation model in {folder}, found: {error}") from error
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 != described.weights_sha256:
            raise DataError(
                f"expected {folder / WEIGHTS} with SHA-256 {described.weights_sha256}, "
                f"found {sha256}"
            )
        pauses = np.array(described.pauses, np.float64)
        marks, cases = weights.get("marks"), weights.get("cases")
        if (
            marks is None
            or cases is None
            or pauses.shape != (WITHIN + 1, len(Mark))
            or not (_is_table(marks, len(Mark)) and _is_table(cases, len(Case)))
        ):
            raise DataError(
                f"expected int8 tables of {len(Mark)} marks and {len(Case)} cases, and "
                f"{WITHIN + 1} classes of pauses, found others in {folder}"
            )
        return cls(marks, cases, described.mark_scale, pauses)

    def write(self, folder: Path, *, language: str, trained_on: str) -> None:
        """Write the model into a folder, which is made if it is not there."""
        folder.mkdir(parents=True, exist_ok=True)
        data = save({"marks": self.marks, "cases": self.cases})
        (folder / WEIGHTS).write_bytes(data)
        described = Description(
            language=language,
            trained_on=trained_on,
            mark_scale=self.mark_scale,
            pauses=tuple(tuple(round(float(p), 3) for p in row) for row in self.pauses),
            weights_sha256=hashlib.sha256(data).hexdigest(),
        )
        text = msgspec.json.format(msgspec.json.encode(described), indent=2)
        (folder / DESCRIPTION).write_bytes(text + b"\n")

    def with_pauses(self, folder: Path, pauses: NDArray[np.float64]) -> None:
        """Write the model over its own files in a folder, with another table of pauses."""
        described = msgspec.json.decode((folder / DESCRIPTION).read_bytes(), type=Description)
        other = Punctuator(self.marks, self.cases, self.mark_scale, pauses)
        other.write(folder, language=described.language, trained_on=described.trained_on)

    def read(
        self,
        words: Sequence[str],
        pauses: Sequence[int | None] = (),
        before: Context | None = None,
    ) -> tuple[list[Mark], list[Case]]:
        """Return the mark behind each word of a final, and the case of each within a sentence.

        Args:
            words: lower case.
            pauses: behind each word its class, see `pause_class`; None, or nothing at all, where
                nobody knows.
            before: what came before; None at the beginning.
        """
        if not words:
            return [], []
        before = before or Context()
        hashes = _hashes(words, before)
        windows = np.lib.stride_tricks.sliding_window_view(hashes, LEFT + 1 + RIGHT, axis=0)
        mark_rows, case_rows = features.surroundings(windows[:, 0], windows[:, 1])
        odds = self.marks[mark_rows & (len(self.marks) - 1)].sum(axis=1, dtype=np.int64)
        evidence = np.zeros(odds.shape)
        for n, pause in enumerate(pauses):
            if pause is not None:
                evidence[n] = self.pauses[pause]
        marks = self._decide(hashes[LEFT:, 0].tolist(), odds, evidence, before.sentence)
        sums = self.cases[case_rows & (len(self.cases) - 1)].sum(axis=1, dtype=np.int64)
        return marks, [Case(case) for case in sums.argmax(axis=1).tolist()]

    def _decide(
        self,
        words: list[int],
        odds: Longs,
        evidence: NDArray[np.float64],
        sentence: Sentence,
    ) -> list[Mark]:
        """Return the marks, each decided with those before it; `words` reach beyond the last."""
        last_row = len(self.marks) - 1
        marks: list[Mark] = []
        for n, (units, pause) in enumerate(zip(odds, evidence, strict=True)):
            sentence = sentence.and_word(words[n])
            rows = [row & last_row for row in sentence.templates(words[n], words[n + 1])]
            sums = units + self.marks[rows].sum(axis=0, dtype=np.int64)
            mark = Mark(int(np.argmax(sums * self.mark_scale + pause)))
            sentence = sentence.and_mark(mark, ends=mark.ends_sentence)
            marks.append(mark)
        return marks


def pause_class(seconds: float) -> int:
    """Return the class of a pause between two words."""
    return sum(seconds >= bound for bound in PAUSES_S)


def _hashes(words: Sequence[str], before: Context) -> Longs:
    """Return (LEFT + N + RIGHT, 2) the hashes of words and endings, with what is at the sides."""
    left = before.words[-LEFT:]
    return np.array(
        [
            *[(BEFORE, BEFORE)] * (LEFT - len(left)),
            *(features.word_hashes(word) for word in left),
            *(features.word_hashes(word) for word in words),
            *[(BEHIND, BEHIND)] * RIGHT,
        ],
        np.int64,
    )


def _is_table(weights: NDArray[np.generic], classes: int) -> bool:
    rows = len(weights) if weights.ndim == 2 else 0
    is_power = rows > 0 and rows & (rows - 1) == 0
    return weights.dtype == np.int8 and is_power and weights.shape[1] == classes
