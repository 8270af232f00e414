"""How the C library deals with the memory that a training takes and gives back at every step.

Batches differ in length, so hardly two tensors are of one size. By default glibc maps the large
ones anew and unmaps them afterwards, and every page of them is a fault that the kernel answers with
zeros. Told to keep what was freed, it has no such faults once the largest step was taken, at the
price of as much memory as that one needs.
"""

import ctypes

# Numbers of `mallopt`, from <malloc.h>.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8

_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let the process keep and reuse the memory that it frees; return whether glibc could be told.

    What was allocated before stays as it is, so this comes first in a program. It does what
    MALLOC_MMAP_MAX_=0, MALLOC_TRIM_THRESHOLD_=2147483647 and MALLOC_ARENA_MAX=1 do in the
    environment. Other C libraries have no such call and are left alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _NEVER), (_ARENA_MAX, 1))
    return all(mallopt(number, value) == 1 for number, value in settings)
