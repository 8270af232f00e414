"""Which way of smoothing makes a model of counts."""

from enum import StrEnum

from steno_models.lm.ngram import katz, kneser_ney, witten_bell
from steno_models.lm.ngram.backoff import BackoffModel
from steno_models.lm.ngram.counts import Counts


class Smoothing(StrEnum):
    """How unseen n-grams get their share; Chen & Goodman (1998) compare them."""

    KNESER_NEY = "kneser-ney"  # interpolated, modified: best on almost every text
    WITTEN_BELL = "witten-bell"  # interpolated: for small or odd texts
    KATZ = "katz"  # back-off with Good-Turing discounts


def estimate(counts: Counts, smoothing: Smoothing) -> BackoffModel:
    """Return the model of `counts` that is smoothed as `smoothing` says."""
    match smoothing:
        case Smoothing.KNESER_NEY:
            return kneser_ney.estimate(counts)
        case Smoothing.WITTEN_BELL:
            return witten_bell.estimate(counts)
        case Smoothing.KATZ:
            return katz.estimate(counts)
