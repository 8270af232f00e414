"""Packed arrays, packing and reading, compiled."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from steno_models.types import LongArray

WordArray = NDArray[np.uint32]
WIDEST = 32  # bits of a value


class Packed(NamedTuple):
    """Numbers below 2 ** bits.

    Attributes:
        words: (ceil(n bits / 32) + 1,) uint32; the last one is there to be read over.
        bits: the width b of each number, 1 to 32.
    """

    words: WordArray
    bits: int


def bits_for(largest: int) -> int:
    """Return how many bits hold every number up to `largest`, at least 1."""
    return max(1, int(largest).bit_length())


def num_words(n: int, bits: int) -> int:
    """Return how many 32-bit words hold `n` numbers of `bits` bits."""
    return -(-n * bits // 32) + 1


def pack(values: NDArray[np.integer], bits: int | None = None) -> Packed:
    """Return `values`, (n,) not negative, at `bits` bits each; default as few as hold them all."""
    if bits is None:
        bits = bits_for(int(values.max(initial=0)))
    words = np.zeros(num_words(len(values), bits), np.uint32)
    _fill(words, bits, np.ascontiguousarray(values, np.int64))
    words.setflags(write=False)
    return Packed(words, bits)


def unpack(packed: Packed, n: int) -> LongArray:
    """Return (n,) the first `n` numbers of `packed`."""
    out = np.empty(n, np.int64)
    _read(packed, out)
    return out


@njit(nogil=True, cache=True)
def _fill(words: WordArray, bits: int, values: LongArray) -> None:
    for i in range(values.shape[0]):
        at = i * bits
        shifted = values[i] << (at & 31)
        words[at >> 5] |= np.uint32(shifted & 0xFFFFFFFF)
        words[(at >> 5) + 1] |= np.uint32(shifted >> 32)


@njit(nogil=True, cache=True)
def _read(packed: Packed, out: LongArray) -> None:
    for i in range(out.shape[0]):
        out[i] = get(packed, i)


@njit(nogil=True, cache=True)
def get(packed: Packed, i: int) -> int:
    """Return number `i` of `packed`."""
    at = np.int64(i) * packed.bits
    low, high = np.int64(packed.words[at >> 5]), np.int64(packed.words[(at >> 5) + 1])
    # The sign may come in from the left, but not as far as the mask.
    return int(((low | (high << 32)) >> (at & 31)) & ((np.int64(1) << packed.bits) - 1))
