"""Whether a segment is speech at all, judged by the posteriors that recognise it.

An acoustic model that hears speech is sure of one phone after the other; on music and noise it
wavers. Williams & Ellis 1999, "Speech/music discrimination based on posterior probability
features", measure that by the entropy, the dynamism and the energy of the posteriors of a window.
Here they are those of a CTC model, whose blank is set apart: most steps have no phone. A logistic
regression makes one number of them, ln(p(speech) / p(no speech)).

The gate is a latch. It looks at fixed steps of the segment, whatever was decoded in one call;
once the number is above 0 it stays open until the segment ends, so words that were shown are
never taken back.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from steno_models.errors import DataError
from steno_models.types import FloatArray

DoubleArray = NDArray[np.float64]

# Steps of 40 ms that one look takes in, and steps between two looks.
WINDOW_STEPS = 32
LOOK_STEPS = 4
# Phones without which a window tells of no speech: a single one may be any sound.
LEAST_PHONES = 2
# Steps before which nothing is judged: the onset of any sound looks like two phones.
LEAST_STEPS = 12
# Share of the steps with sound from which more does not look more like speech: tones never pause.
MOST_SOUND = 0.5

# Sums over the window's steps; p is the posterior, q that of the phones alone (without blank).
#   phones      how many phones begin: steps whose likeliest token is another one than before
#   certainty   sum over those steps of ln max p
#   sound       1 - p(blank)
#   entropy     (1 - p(blank)) H(q)
#   dynamism    |p_t - p_(t-1)|^2
#   energy      max q^2 (1 - p(blank))
SUMS = ("phones", "certainty", "sound", "entropy", "dynamism", "energy")

# What the regression sees of a window; see `features`.
FEATURES = ("ln_phones", "certainty", "sound", "entropy", "dynamism", "energy", "rate")


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What is known of a segment, as a value.

    Attributes:
        is_open: whether it was judged to be speech.
        steps: encoder steps heard.
        last: (V,) ln p of the last step, before the first one that of a sure blank.
        recent: (up to WINDOW_STEPS, len(SUMS)) what is summed, newest last.
    """

    is_open: bool
    steps: int
    last: FloatArray
    recent: DoubleArray


@dataclass(frozen=True, slots=True)
class SpeechGate:
    """A logistic regression on windows of posteriors.

    Attributes:
        weights: one for each of `FEATURES`.
        bias: the log odds where all features are 0.
    """

    weights: tuple[float, ...]
    bias: float

    def __post_init__(self) -> None:
        if len(self.weights) != len(FEATURES):
            raise DataError(
                f"expected {len(FEATURES)} weights of a speech gate, found {len(self.weights)}"
            )

    def step(self, log_probs: FloatArray, blank: int, before: Evidence) -> Evidence:
        """Return the evidence after the steps of `log_probs`, (S, V) ln p(token), any S."""
        if before.is_open:
            return before
        windows, after = look(log_probs, blank, before)
        # A latch: what one look was sure of, no later one takes back.
        return replace(after, is_open=bool((self.log_odds(windows) > 0).any()))

    def log_odds(self, windows: DoubleArray) -> DoubleArray:
        """Return (W,) ln(p(speech) / p(no speech)) of `windows`, (W, len(SUMS) + 1).

        A window that is not `telling` tells of no speech: -inf.
        """
        odds = features(windows) @ np.array(self.weights) + self.bias
        return np.where(telling(windows), odds, -np.inf)


def telling(windows: DoubleArray) -> NDArray[np.bool_]:
    """Return (W,) which windows are long enough, and have phones enough, to be judged."""
    enough: NDArray[np.bool_] = (windows[:, 0] >= LEAST_PHONES) & (windows[:, -1] >= LEAST_STEPS)
    return enough


def nothing_heard(num_tokens: int, blank: int) -> Evidence:
    """Return the evidence before the first step: as if there had been nothing but blanks."""
    last = np.full(num_tokens, -np.inf, np.float32)
    last[blank] = 0.0
    return Evidence(is_open=False, steps=0, last=last, recent=np.zeros((0, len(SUMS))))


def look(log_probs: FloatArray, blank: int, before: Evidence) -> tuple[DoubleArray, Evidence]:
    """Return what a look every LOOK_STEPS sees, and the evidence for later ones.

    Args:
        log_probs: (S, V) ln p(token), any S.
        blank: the token of silence.
        before: the evidence of the steps before.

    Returns:
        windows: (W, len(SUMS) + 1) the sums over each window, and its steps.
        after: the evidence, as open as before.
    """
    steps = np.concatenate([before.recent, measures(log_probs, blank, before.last)])
    sums = np.concatenate([np.zeros((1, len(SUMS))), np.cumsum(steps, axis=0)])
    first = before.steps - len(before.recent)  # the step of the first row of `steps`
    last = before.steps + len(log_probs)
    ends = np.arange(before.steps // LOOK_STEPS + 1, last // LOOK_STEPS + 1) * LOOK_STEPS - first
    begins = np.maximum(ends - WINDOW_STEPS, 0)
    windows = np.concatenate([sums[ends] - sums[begins], (ends - begins)[:, None]], axis=1)
    return windows, Evidence(
        is_open=before.is_open,
        steps=last,
        last=log_probs[-1] if len(log_probs) else before.last,
        recent=steps[-WINDOW_STEPS:],
    )


def measures(log_probs: FloatArray, blank: int, last: FloatArray) -> DoubleArray:
    """Return (S, len(SUMS)) what each step of `log_probs`, (S, V), adds to the sums.

    `last` is the step before the first, (V,).
    """
    rows = np.concatenate([last[None], log_probs]).astype(np.float64)
    p = np.exp(rows)
    best = rows.argmax(axis=1)
    begins = (best[1:] != blank) & (best[1:] != best[:-1])
    phones = np.delete(p[1:], blank, axis=1)
    sound = phones.sum(axis=1)
    q = phones / np.maximum(sound, 1e-9)[:, None]
    entropy = -(q * np.log(np.maximum(q, 1e-9))).sum(axis=1)
    columns = {
        "phones": begins,
        "certainty": np.where(begins, rows[1:].max(axis=1), 0.0),
        "sound": sound,
        "entropy": sound * entropy,
        "dynamism": ((p[1:] - p[:-1]) ** 2).sum(axis=1),
        "energy": sound * q.max(axis=1) ** 2,
    }
    return np.stack([columns[name] for name in SUMS], axis=1).astype(np.float64)


def features(windows: DoubleArray) -> DoubleArray:
    """Return (W, len(FEATURES)) what the regression sees of `windows`, (W, len(SUMS) + 1).

    certainty is the mean over phones; entropy, dynamism and energy are means over sound, and sound
    (up to MOST_SOUND) and rate (of phones) means over steps.
    """
    phones, certainty, sound, entropy, dynamism, energy, steps = windows.T
    heard = np.maximum(sound, 1e-3)
    columns = {
        "ln_phones": np.log1p(phones),
        "certainty": certainty / np.maximum(phones, 1),
        "sound": np.minimum(sound / steps, MOST_SOUND),
        "entropy": entropy / heard,
        "dynamism": dynamism / heard,
        "energy": energy / heard,
        "rate": phones / steps,
    }
    return np.stack([columns[name] for name in FEATURES], axis=1)
