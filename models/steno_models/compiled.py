"""How loops are compiled: by numba, without the interpreter's lock, once for each machine.

What was compiled is kept beside the source (or in NUMBA_CACHE_DIR) and is made anew when that file
changes, but not when another file does whose functions it calls: then the old files must go.
"""

from numba import njit

# For functions that make arrays. (What is compiled on behalf of a leaf would inherit its setting.)
kernel = njit(nogil=True, cache=True, _nrt=True)

# For small functions that make no arrays and hand none back: they count no references. Counting
# those of a tuple of ten arrays at each call costs more than what most of them do.
leaf = njit(nogil=True, cache=True, _nrt=False)
