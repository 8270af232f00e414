"""Several frames in one block of Matroska (RFC 9559, section 10.3)."""

from itertools import accumulate, pairwise

from steno_models.container.ebml import broken, variable


def frames_of(data: bytes) -> list[bytes]:
    """Return the frames of a block, at least one.

    Args:
        data: the block from its flags on.

    Raises:
        AudioError: their sizes are more than there is.
    """
    lacing = data[0] >> 1 & 3
    if lacing == 0:
        return [data[1:]]
    if len(data) < 2:
        raise broken("the number of frames of a block", "the end of the block")
    count, laced = data[1] + 1, data[2:]
    if lacing == 2:
        return _equal(laced, count)
    sizes, begin = _xiph(laced, count - 1) if lacing == 1 else _ebml(laced, count - 1)
    edges = list(accumulate(sizes, initial=begin))
    if edges[-1] > len(laced):
        raise broken(f"frames of {len(laced) - begin} bytes in a block", f"{sum(sizes)}")
    return [laced[a:b] for a, b in pairwise([*edges, len(laced)])]


def _equal(laced: bytes, count: int) -> list[bytes]:
    """Return frames of the same size."""
    size, rest = divmod(len(laced), count)
    if rest:
        raise broken(f"{count} frames of the same size in a block", f"{len(laced)} bytes")
    return [laced[size * index : size * (index + 1)] for index in range(count)]


def _xiph(laced: bytes, count: int) -> tuple[list[int], int]:
    """Return sizes written as bytes of 255 and a smaller one, and where they end."""
    sizes, size = [0] * count, 0
    begin, index = 0, 0
    while index < count:
        if begin >= len(laced):
            raise broken(f"the sizes of {count} frames in a block", f"{index}")
        size = laced[begin]
        begin += 1
        sizes[index] += size
        index += size < 255
    return sizes, begin


def _ebml(laced: bytes, count: int) -> tuple[list[int], int]:
    """Return sizes written as the first one and differences, and where they end."""
    sizes: list[int] = []
    begin = 0
    for index in range(count):
        number = variable(laced, begin)
        if number is None:
            raise broken(f"the sizes of {count} frames in a block", f"{index}")
        value, end = number
        if index:
            value += sizes[-1] - ((1 << 7 * (end - begin) - 1) - 1)
        if value < 0:
            raise broken("sizes of frames of 0 or more", str(value))
        sizes.append(value)
        begin = end
    return sizes, begin
