"""How a word sounds, by the spelling and by a recording of it.

Candidates are the guesses by the spelling and the likeliest tokens step by step; each is scored by
the probability that the CTC model gives it, the sum over all alignments (Graves et al. 2006), and
guesses count as likely as the spelling makes them, too.
"""

from collections.abc import Mapping

import numpy as np

from steno_models.types import FloatArray

Way = tuple[int, ...]
UNSPELLED = -6.0
"""Ln p of tokens that the spelling does not suggest."""


def best_path(log_probs: FloatArray) -> Way:
    """Return the likeliest tokens of `log_probs`, (S, V), step by step, blank 0 left out."""
    path = log_probs.argmax(axis=1)
    firsts = path[np.concatenate([[True], path[1:] != path[:-1]])] if len(path) else path
    return tuple(int(token) for token in firsts if token)


def log_likelihood(log_probs: FloatArray, way: Way) -> float:
    """Return ln p(way | sound) of `log_probs`, (S, V): the sum over all alignments."""
    states = np.zeros(2 * len(way) + 1, np.int64)
    states[1::2] = way
    skips = np.zeros(len(states), bool)
    skips[3::2] = states[3::2] != states[1:-2:2]
    alpha = np.full(len(states), -np.inf)
    alpha[:2] = log_probs[0, states[:2]]
    for row in log_probs[1:].astype(np.float64):
        one = np.concatenate([[-np.inf], alpha[:-1]])
        two = np.concatenate([[-np.inf] * 2, alpha])[: len(alpha)]
        two[~skips] = -np.inf
        alpha = np.logaddexp(np.logaddexp(alpha, one), two) + row[states]
    return float(np.logaddexp.reduce(alpha[-2:]))


def heard_ways(log_probs: FloatArray, guesses: Mapping[Way, float], most: int = 2) -> list[Way]:
    """Return up to `most` ways a word sounds in a recording, the likeliest first.

    Args:
        log_probs: (S, V) ln p(token) of the recording.
        guesses: by the spelling, with their ln p.
        most: how many.
    """
    path = best_path(log_probs)
    ways = {**({path: UNSPELLED} if path else {}), **guesses}
    if not len(log_probs):
        return sorted(ways, key=lambda way: -ways[way])[:most]
    scores = {way: log_likelihood(log_probs, way) + log_p for way, log_p in ways.items()}
    likely = {way: score for way, score in scores.items() if np.isfinite(score)}
    return sorted(likely, key=lambda way: -likely[way])[:most]
