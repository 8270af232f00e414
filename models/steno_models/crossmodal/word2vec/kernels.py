"""Compiled loops of skip-gram with negative sampling."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from steno_models.types import FloatArray, IntArray, LongArray

SeedArray = NDArray[np.uint64]

# Sums may be taken in any order, as vector instructions do; what is not finite stays so.
_fast = njit(
    nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"}
)
_SMALLEST = 1e-300  # a product of six probabilities may vanish, its logarithm may not


@_fast
def next_random(state: SeedArray) -> np.uint64:
    """Return 64 random bits and move `state`, (1,), on (Steele, Lea, Flood 2014: SplitMix64)."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits: np.uint64 = z ^ (z >> np.uint64(31))
    return bits


@_fast
def fraction(bits: np.uint64) -> np.float32:
    """Return the lowest 24 of `bits` as a number in [0, 1)."""
    return np.float32(bits & np.uint64(0xFFFFFF)) * np.float32(2.0**-24)


@_fast
def choose(bits: np.uint64, number: int) -> np.int64:
    """Return the highest 32 of `bits` as an integer below `number`."""
    return np.int64(((bits >> np.uint64(32)) * np.uint64(number)) >> np.uint64(32))


@_fast
def draw(shares: FloatArray, others: IntArray, state: SeedArray) -> np.int64:
    """Return a word by Walker's alias method: itself with its share, else the other one."""
    bits = next_random(state)
    word = choose(bits, shares.size)
    return word if fraction(bits) < shares[word] else np.int64(others[word])


@_fast
def learn_pair(
    inputs: FloatArray,
    outputs: FloatArray,
    word: int,
    targets: LongArray,
    sampled: int,
    alpha: np.float32,
    gradient: FloatArray,
) -> float:
    """Take a step of gradient descent on one pair; return its loss before the step.

        l = -ln σ(u_c · v) - Σ over negatives n: ln σ(-u_n · v)        (Mikolov et al. 2013, eq. 4)

    Args:
        inputs: (V, D) vectors v, of which row `word` changes.
        outputs: (V, D) vectors u, of which rows `targets` change, each at once: a word that is
            drawn twice is seen as its first step left it.
        word: whose neighbour is predicted.
        targets: the neighbour and then the negatives; as many as `sampled` count.
        sampled: of them.
        alpha: the learning rate.
        gradient: (D,) scratch.
    """
    D = inputs.shape[1]
    for d in range(D):
        gradient[d] = 0.0
    likelihood = 1.0
    for k in range(sampled):
        target = targets[k]
        score = np.float32(0.0)
        for d in range(D):
            score += inputs[word, d] * outputs[target, d]
        p = np.float32(1.0) / (np.float32(1.0) + math.exp(-score))
        likelihood *= float(p) if k == 0 else 1.0 - float(p)
        step = alpha * (np.float32(1.0) - p if k == 0 else -p)
        for d in range(D):
            old = outputs[target, d]
            gradient[d] += step * old
            outputs[target, d] = old + step * inputs[word, d]
    for d in range(D):
        inputs[word, d] += gradient[d]
    return -math.log(max(likelihood, _SMALLEST))


@_fast
def learn_sentences(
    inputs: FloatArray,
    outputs: FloatArray,
    tokens: IntArray,
    ends: LongArray,
    first: int,
    last: int,
    keep: FloatArray,
    shares: FloatArray,
    others: IntArray,
    window: int,
    negatives: int,
    alpha: np.float32,
    state: SeedArray,
) -> tuple[float, int]:
    """Learn from sentences `first` up to `last`; return the sum of their losses and the pairs.

    Frequent words are left out by chance before the window is laid; its half width is drawn anew
    at each word, uniform from 1 to `window`.

    Args:
        inputs: (V, D), changed.
        outputs: (V, D), changed.
        tokens: (N,) words of all sentences.
        ends: (S,) where each ends.
        first: the first sentence.
        last: the one after the last.
        keep: (V,) the chance of each word to stay.
        shares: (V,) of the alias table.
        others: (V,) likewise.
        window: the largest half width.
        negatives: drawn for each pair; those that hit the neighbour itself are left out.
        alpha: the learning rate.
        state: (1,) of the random numbers, moved on.
    """
    begin = ends[first - 1] if first else 0
    longest = 0
    left = begin
    for s in range(first, last):
        longest = max(longest, ends[s] - left)
        left = ends[s]
    kept = np.empty(longest, np.int64)
    targets = np.empty(1 + negatives, np.int64)
    gradient = np.empty(inputs.shape[1], inputs.dtype)
    loss, pairs = 0.0, 0
    for s in range(first, last):
        length = 0
        for n in range(begin, ends[s]):
            if keep[tokens[n]] >= 1.0 or fraction(next_random(state)) < keep[tokens[n]]:
                kept[length] = tokens[n]
                length += 1
        begin = ends[s]
        for i in range(length):
            reach = 1 + choose(next_random(state), window)
            for j in range(max(0, i - reach), min(length, i + reach + 1)):
                if j == i:
                    continue
                targets[0] = kept[j]
                sampled = 1
                for _ in range(negatives):
                    drawn = draw(shares, others, state)
                    if drawn != kept[j]:
                        targets[sampled] = drawn
                        sampled += 1
                loss += learn_pair(inputs, outputs, kept[i], targets, sampled, alpha, gradient)
                pairs += 1
    return loss, pairs
