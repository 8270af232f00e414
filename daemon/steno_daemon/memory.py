"""Memory that was freed, given back to the system.

A language model is several arrays of megabytes, made and freed by different threads. The C library
keeps what they freed for whoever asks next in the same thread, up to tens of megabytes each: after
a few models came and went, a daemon would hold more than it ever needed at once.
"""

import ctypes


def give_back() -> bool:
    """Give what is free back to the system; return whether the C library could be told.

    It takes some milliseconds, in which others wait now and then for memory. Other C libraries than
    glibc have no such call and are left alone.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:
        return False
    trim(0)
    return True
