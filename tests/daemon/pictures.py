"""Reads the PNG pictures that a browser takes: eight bits a channel, not interlaced."""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {2: 3, 6: 4}
"""Samples a pixel of the colour types: red green blue, and with alpha."""


def pixels(png: bytes) -> Pixels:
    """Return (rows, columns, 4): red, green, blue, alpha; a picture without alpha is opaque."""
    assert png.startswith(SIGNATURE)
    width, height, depth, kind = struct.unpack(">IIBB", png[16:26])
    assert depth == 8
    assert png[28] == 0
    rows = _unfiltered(zlib.decompress(_data(png)), height, width * CHANNELS[kind], CHANNELS[kind])
    picture = rows.reshape(height, width, CHANNELS[kind])
    if CHANNELS[kind] == 4:
        return picture
    return np.dstack([picture, np.full((height, width), 255, np.uint8)])


def alpha(png: bytes) -> Pixels:
    """Return (rows, columns): how opaque each pixel is."""
    return pixels(png)[:, :, 3]


def _data(png: bytes) -> bytes:
    """Return the packed rows: the IDAT chunks, joined."""
    place = len(SIGNATURE)
    found = b""
    while place < len(png):
        (size,) = struct.unpack(">I", png[place : place + 4])
        if png[place + 4 : place + 8] == b"IDAT":
            found += png[place + 8 : place + 8 + size]
        place += 12 + size
    return found


def _unfiltered(packed: bytes, height: int, size: int, step: int) -> Pixels:
    """Return the rows without the differences that PNG stores instead."""
    rows = np.zeros((height + 1, size), np.uint8)
    for y in range(height):
        line = packed[y * (size + 1) : (y + 1) * (size + 1)]
        rows[y + 1] = _row(line[0], np.frombuffer(line[1:], np.uint8), rows[y], step)
    return rows[1:]


def _row(kind: int, line: Pixels, above: Pixels, step: int) -> Pixels:
    match kind:
        case 0:
            return line
        case 1:
            return np.cumsum(line.reshape(-1, step), axis=0, dtype=np.uint8).reshape(-1)
        case 2:
            return line + above
        case _:
            return _with_left(kind, line, above, step)


def _with_left(kind: int, line: Pixels, above: Pixels, step: int) -> Pixels:
    """Undo the filters that look at the pixel to the left and at the row above at once."""
    row = [0] * len(line)
    for x, value in enumerate(line.tolist()):
        left = row[x - step] if x >= step else 0
        up = int(above[x])
        corner = int(above[x - step]) if x >= step else 0
        guess = (left + up) // 2 if kind == 3 else _paeth(left, up, corner)
        row[x] = (value + guess) % 256
    return np.array(row, np.uint8)


def _paeth(left: int, up: int, corner: int) -> int:
    """Return the neighbour nearest to left + up - corner."""
    target = left + up - corner
    return min((left, up, corner), key=lambda value: abs(target - value))
