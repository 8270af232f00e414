"""What is measured of stretches of words, to tell which of them stand for an unknown one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steno_models.search.hypothesis import SearchWord
from steno_models.types import FloatArray, IntArray
from steno_models.unknown.stretches import Stretch, deficit
from steno_models.unknown.weights import DETECTION

DoubleArray = NDArray[np.float64]
_LEAST_POSTERIOR = 0.0025
_NOTHING_FITS = -60.0


@dataclass(frozen=True, slots=True)
class Places:
    """Stretches as arrays, and the phones heard in each.

    Attributes:
        firsts: (R,) the first word.
        lasts: (R,) the word behind the last.
        starts: (R,) the first step.
        ends: (R,) the step behind the last.
        heard: (R,) the first phone.
        unheard: (R,) the phone behind the last.
    """

    firsts: IntArray
    lasts: IntArray
    starts: IntArray
    ends: IntArray
    heard: IntArray
    unheard: IntArray

    @classmethod
    def of(cls, stretches: Sequence[Stretch], steps: IntArray) -> "Places":
        """Return stretches as arrays, given the steps at which phones begin; some may have none."""
        table = np.array([(s.first, s.last, s.start, s.end) for s in stretches], np.int32)
        firsts, lasts, starts, ends = np.ascontiguousarray(table.reshape(-1, 4).T)
        heard = np.searchsorted(steps, starts).astype(np.int32)
        unheard = np.searchsorted(steps, ends).astype(np.int32)
        return cls(firsts, lasts, starts, ends, heard, unheard)


@dataclass(frozen=True, slots=True)
class Best:
    """The best word for each stretch that a first look finds.

    Attributes:
        deficit: (R,) nats behind the likeliest tokens; -inf where there is none.
        distance: (R,) from the phones heard.
        length: (R,) how many phones it has.
        log_prob: (R,) how often it is written.
        context: (R,) how its ending goes with the words beside.
    """

    deficit: FloatArray
    distance: FloatArray
    length: IntArray
    log_prob: FloatArray
    context: FloatArray


def features(
    words: Sequence[SearchWord],
    log_counts: DoubleArray,
    places: Places,
    best: Best,
    language: tuple[FloatArray, FloatArray],
    phonotactic: DoubleArray,
) -> DoubleArray:
    """Return (R, F) the features that `DETECTION` names.

    Args:
        words: (W) of the hypothesis.
        log_counts: (W,) how often each is written.
        places: the stretches.
        best: the best word for each.
        language: (R,) ln p of the words, and of an unknown one in their place.
        phonotactic: (R,) ln p of the phones heard, for each of them.
    """
    firsts, lasts = places.firsts, places.lasts
    steps, phones = places.ends - places.starts, places.unheard - places.heard
    behind = np.array([deficit(word) for word in words])
    p = np.clip([word.posterior for word in words], _LEAST_POSTERIOR, 1.0 - _LEAST_POSTERIOR)
    logits = np.log(p) - np.log1p(-p)
    deficits = _sums(behind, places)
    known, unknown = language
    fit = np.maximum(best.deficit, _NOTHING_FITS)
    columns = {
        "word_deficit": deficits,
        "word_deficit_rate": deficits / steps,
        "edge_deficit": np.minimum(behind[firsts], behind[lasts - 1]),
        "largest_deficit": -_least(-behind, places),
        "word_log_prob": known,
        "unknown_log_prob": unknown,
        "language_gain": unknown - known,
        "least_log_count": _least(log_counts, places),
        "mean_log_count": _sums(log_counts, places) / (lasts - firsts),
        "least_posterior": _least(logits, places),
        "mean_posterior": _sums(logits, places) / (lasts - firsts),
        "edge_posterior": np.maximum(logits[firsts], logits[lasts - 1]),
        "words": lasts - firsts,
        "phones": phones,
        "steps": steps,
        "steps_of_phone": steps / phones,
        "phonotactic": phonotactic,
        "candidate_deficit": fit,
        "candidate_deficit_rate": fit / steps,
        "candidate_gain": fit + deficits,
        "candidate_distance": -best.distance,
        "candidate_log_count": best.log_prob,
        "candidate_context": best.context,
        "candidate_longer": best.length - phones,
    }
    return np.stack([columns[name] for name in DETECTION], axis=1).astype(np.float64)


def _sums(values: DoubleArray, places: Places) -> DoubleArray:
    """Return (R,) the sum over the words of each stretch."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray(total[places.lasts] - total[places.firsts])


def _least(values: DoubleArray, places: Places) -> DoubleArray:
    """Return (R,) the least value of the words of each stretch."""
    both = np.stack([places.firsts, places.lasts], axis=1).ravel()
    return np.asarray(np.minimum.reduceat(np.append(values, 0.0), both)[::2])
