"""Freed memory stays with the process once it was asked to keep it."""

import ctypes
import subprocess
import sys

import pytest

# The resident memory, in pages, while 64 MB are used, after they were freed, and when used again.
_PROGRAM = """
import ctypes, sys
from steno_models.training.allocator import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]

def resident():
    return int(open("/proc/self/statm").read().split()[1])

before = resident()
place = libc.malloc(64_000_000)
ctypes.memset(place, 1, 64_000_000)
used = resident()
libc.free(place)
print((resident() - before) / (used - before))
"""

pytestmark = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs glibc's mallopt"
)


def _share_kept(how: str) -> float:
    call = [sys.executable, "-c", _PROGRAM, how]
    return float(subprocess.run(call, check=True, capture_output=True, text=True).stdout)


def test_a_large_block_is_given_back_unless_it_is_to_be_kept() -> None:
    assert _share_kept("default") < 0.1
    assert _share_kept("keep") > 0.9
