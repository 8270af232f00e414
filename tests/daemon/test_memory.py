"""What was freed goes back to the system when it is asked for."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from steno_daemon.memory import give_back, keep_large_apart

COMMON = """
import ctypes
from pathlib import Path

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]

def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
"""

FREED = """
from steno_daemon.memory import give_back

BLOCK, COUNT = 100_000, 1_000
blocks = [libc.malloc(BLOCK) for _ in range(COUNT)]
for block in blocks:
    ctypes.memset(block, 1, BLOCK)
last = libc.malloc(BLOCK)  # what lies below it stays where it is
for block in blocks:
    libc.free(block)
before = resident()
assert give_back()
print(before - resident())
"""

APART = """
import threading
from steno_daemon.memory import keep_large_apart

LARGE = 12_000_000

def large_ones_come_and_go() -> None:
    for _ in range(2):  # what is freed first makes glibc keep what is freed next
        blocks = [libc.malloc(LARGE) for _ in range(4)]
        for block in blocks:
            ctypes.memset(block, 1, LARGE)
        for block in blocks:
            libc.free(block)

before = resident()
assert keep_large_apart()
other = threading.Thread(target=large_ones_come_and_go)
other.start()
other.join()
print(resident() - before)
"""

glibc = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim") or not Path("/proc/self/statm").exists(),
    reason="needs glibc's malloc_trim and Linux",
)


def told_by(program: str) -> int:
    """The number that a process of its own prints, so that nothing else moves its memory."""
    done = subprocess.run([sys.executable, "-c", COMMON + program], capture_output=True, check=True)
    return int(done.stdout)


@glibc
def test_what_was_freed_leaves_the_process() -> None:
    assert told_by(FREED) > 80_000_000


@glibc
def test_large_arrays_leave_the_process_when_they_are_freed() -> None:
    assert told_by(APART) < 8_000_000


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not give_back()
    assert not keep_large_apart()
