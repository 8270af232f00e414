"""How an unseen word sounds: grapheme-to-phoneme conversion by joint-sequence n-grams.

Bisani & Ney 2008, "Joint-sequence models for grapheme-to-phoneme conversion": a word and its
phones are one sequence of graphones, whose n-gram is searched for the phones that are likeliest
with the word's letters. The shipped model is trained on nine tenths of the CMU dictionary.
"""

import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from steno_models.errors import DataError
from steno_models.text import graphones, kernels
from steno_models.text.graphone_ngram import linked
from steno_models.text.kernels import Automaton, Graphones
from steno_models.text.lexicon import Pronunciation
from steno_models.text.tokens import PHONES
from steno_models.types import ByteArray, FloatArray, IntArray

SHIPPED = Path(__file__).with_name("g2p_english.npz")
_WIDTH = 32
_BEAM = 8.0
_LEVELS = 256
# What numpy raises for missing, truncated and foreign files.
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, IndexError, TypeError, zlib.error,
               zipfile.BadZipFile)  # fmt: skip


@dataclass(frozen=True, slots=True)
class G2P:
    """A grapheme-to-phoneme model.

    Attributes:
        codes: (V - 2,) the graphones in ascending order of letter and phones.
        lm: the n-gram over them.
    """

    codes: IntArray
    lm: Automaton
    _table: Graphones = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_table", graphones.table(self.codes))

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Return the model in the file `path` (default: the shipped one)."""
        path = SHIPPED if path is None else path
        try:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                codes, token = file["codes"], file["token"].astype(np.int32)
                inner = file["children"].size
                backoff = np.zeros(token.size, np.float32)
                backoff[:inner] = file["backoff_values"][file["backoff"]]
                lm = linked(
                    token,
                    file["children"].astype(np.int32),
                    file["log_prob_values"][file["log_prob"]],
                    backoff,
                    vocabulary=graphones.FIRST + codes.size,
                )
        except _UNREADABLE as error:
            raise DataError(f"expected a G2P model, found none at {path}: {error}") from error
        return cls(codes, lm)

    def write(self, path: Path) -> None:
        """Write the model to `path` (.npz), probabilities and back-offs in 256 values each."""
        inner = int(np.flatnonzero(np.diff(self.lm.first_child))[-1]) + 1
        log_prob, log_prob_values = _quantised(self.lm.log_prob)
        backoff, backoff_values = _quantised(self.lm.backoff[:inner])
        np.savez_compressed(
            path,
            codes=self.codes,
            token=_smallest(self.lm.token),
            children=_smallest(np.diff(self.lm.first_child[: inner + 1])),
            log_prob=log_prob,
            log_prob_values=log_prob_values,
            backoff=backoff,
            backoff_values=backoff_values,
        )

    def pronounce(self, word: str, n_best: int = 1) -> list[tuple[Pronunciation, float]]:
        """Return up to `n_best` pronunciations of `word`, best first, with ln p(phones | word).

        Probabilities are shares among the pronunciations that the beam kept.

        Args:
            word: lower case `[a-z']` with at least one letter; other characters are a DataError.
            n_best: how many.
        """
        letters = graphones.letter_numbers(word)
        if not word.strip("'"):
            raise DataError(f"expected a word with letters, found {word!r}")
        width = max(_WIDTH, 4 * n_best)
        scores = _by_sound(*kernels.decode(letters, self.lm, self._table, width, _BEAM))
        if not scores:
            # Silence beat every sound (as in "hh"): it is no pronunciation, so look further.
            scores = _by_sound(*kernels.decode(letters, self.lm, self._table, width, np.inf))
        total = np.logaddexp.reduce(list(scores.values()))
        best = sorted(scores.items(), key=lambda item: -item[1])[:n_best]
        return [(sound, float(score - total)) for sound, score in best]


def _by_sound(phones: IntArray, scores: kernels.DoubleArray) -> dict[Pronunciation, float]:
    """Return ln p(g, p) of each distinct pronunciation but the silent one."""
    summed: dict[Pronunciation, float] = {}
    for row, score in zip(phones.tolist(), scores.tolist(), strict=True):
        sound = tuple(PHONES[phone - 1] for phone in row if phone)
        if sound:
            summed[sound] = float(np.logaddexp(summed.get(sound, -np.inf), score))
    return summed


def _smallest(values: IntArray) -> ByteArray | IntArray:
    return values.astype(np.uint8) if values.max() < _LEVELS else values


def _quantised(values: FloatArray) -> tuple[ByteArray, FloatArray]:
    """Return codes and up to 256 centres: k-means (Lloyd 1982) from the quantiles."""
    distinct = np.unique(values)
    if distinct.size <= _LEVELS:
        return np.searchsorted(distinct, values).astype(np.uint8), distinct
    centres = np.unique(np.quantile(values, (np.arange(_LEVELS) + 0.5) / _LEVELS))
    for _ in range(20):
        codes = np.searchsorted((centres[1:] + centres[:-1]) / 2, values)
        sums = np.bincount(codes, weights=values, minlength=centres.size)
        sizes = np.bincount(codes, minlength=centres.size)
        centres = np.divide(sums, sizes, out=centres, where=sizes > 0)
    codes = np.searchsorted((centres[1:] + centres[:-1]) / 2, values)
    return codes.astype(np.uint8), centres.astype(np.float32)
