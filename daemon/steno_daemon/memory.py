"""How the C library deals with memory that language models take and give back.

A language model is several arrays of megabytes, made and freed by different threads. glibc keeps
what they freed for whoever asks next in the same thread, up to tens of megabytes each, and the more
so the larger what was freed: after a few models came and went, a daemon would hold much more than
it ever needed at once. So large arrays get pages of their own, which go back when they are freed,
and what is left of the rest is given back when a language model has left.
"""

import ctypes

# Numbers of `mallopt`, from <malloc.h>.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3

_LARGE = 4 << 20
"""Larger than whatever comes and goes with a batch, whose pages should be there."""
_SPARE = 32 << 20
"""What a thread may keep for its next batch."""


def keep_large_apart() -> bool:
    """Give large arrays pages of their own; return whether the C library could be told.

    What was allocated before stays as it is, so this comes first in a program. It does what
    MALLOC_MMAP_THRESHOLD_=4194304 and MALLOC_TRIM_THRESHOLD_=33554432 do in the environment. Other
    C libraries than glibc have no such call and are left alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((_MMAP_THRESHOLD, _LARGE), (_TRIM_THRESHOLD, _SPARE))
    return all(mallopt(number, value) == 1 for number, value in settings)


def give_back() -> bool:
    """Give what is free back to the system; return whether the C library could be told.

    It takes some milliseconds, in which others wait now and then for memory.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:
        return False
    trim(0)
    return True
