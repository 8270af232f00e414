"""Large arrays with a few rows more or other: many of them share the memory of what is the same.

The rows of the array lie in a file without a name, in memory where the system has such; a grown
copy maps it privately, so that only the pages that it writes to are its own.
"""

import mmap
import os
import tempfile
from threading import Lock
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

_Scalar = TypeVar("_Scalar", bound=np.generic)


class Growing(Generic[_Scalar]):
    """An array, (N,), that copies with more rows are made of.

    Args:
        rows: what every copy begins with.
    """

    def __init__(self, rows: NDArray[_Scalar]) -> None:
        self._dtype = rows.dtype
        self._count = len(rows)
        self._size = max(1, rows.nbytes)
        self._lock = Lock()
        if hasattr(os, "memfd_create"):
            self._file = os.fdopen(os.memfd_create("steno-rows", os.MFD_CLOEXEC), "w+b")
        else:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 — as long as this object
        self._file.write(rows.tobytes() or b"\0")
        self._file.flush()

    def grown(self, more: NDArray[_Scalar]) -> NDArray[_Scalar]:
        """Return (N + M,), read-only: the rows and `more`, (M,), behind them.

        Raises:
            OSError: there is no room.
        """
        count = self._count + len(more)
        size = max(1, count * self._dtype.itemsize)
        with self._lock:
            if size > self._size:
                os.ftruncate(self._file.fileno(), size)
                self._size = size
        array = np.frombuffer(
            mmap.mmap(self._file.fileno(), size, access=mmap.ACCESS_COPY), self._dtype, count
        )
        array[self._count :] = more
        array.setflags(write=False)
        return array

    def __del__(self) -> None:
        """Give the memory back; copies keep what they need of it."""
        self._file.close()
