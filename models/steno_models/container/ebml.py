"""EBML, the binary markup that WebM is written in (RFC 8794)."""

from collections.abc import Iterator
from dataclasses import dataclass

from steno_models.errors import AudioError

MAX_CHILDREN = 1_000
"""Far above what the elements hold that are looked into."""


@dataclass(frozen=True, slots=True)
class Element:
    """The head of an element.

    Attributes:
        name: its id.
        size: bytes of what it holds; None where the file does not know.
        head_bytes: bytes of the head itself.
    """

    name: int
    size: int | None
    head_bytes: int


def head_of(buffer: bytearray) -> Element | None:
    """Return the head of the element at the beginning, once it is there as a whole."""
    name = variable(buffer, 0, keep_marker=True)
    if name is None:
        return None
    size = variable(buffer, name[1])
    if size is None:
        return None
    unknown = size[0] == (1 << 7 * (size[1] - name[1])) - 1
    return Element(name[0], None if unknown else size[0], size[1])


def variable(
    buffer: bytes | bytearray, begin: int, *, keep_marker: bool = False
) -> tuple[int, int] | None:
    """Return a number of variable size (RFC 8794, section 4) and where it ends; None if it is cut.

    Raises:
        AudioError: its first byte is 0, so it would have more than 8 bytes, or 4 in an id.
    """
    if begin >= len(buffer):
        return None
    first = buffer[begin]
    size = 9 - first.bit_length()
    if size > (4 if keep_marker else 8):
        raise broken("the id or the size of an element", f"the byte {first:02x}")
    if begin + size > len(buffer):
        return None
    value = int.from_bytes(buffer[begin : begin + size])
    return (value if keep_marker else value & ((1 << 7 * size) - 1)), begin + size


def known_size(element: Element) -> int:
    """Return the size of an element."""
    if element.size is None:
        raise broken("a size that is known", f"an element {element.name:x} without one")
    return element.size


def children(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the id and the content of every element within another."""
    rest = bytearray(content)
    for _ in range(MAX_CHILDREN):
        if not rest:
            return
        element = head_of(rest)
        end = element.head_bytes + known_size(element) if element else len(rest) + 1
        if element is None or end > len(rest):
            raise broken("elements that end within the one around them", "a longer one")
        yield element.name, bytes(rest[element.head_bytes : end])
        del rest[:end]
    raise broken(f"at most {MAX_CHILDREN} elements within one", "more")


def broken(expected: str, found: str) -> AudioError:
    """Return what to raise where a file breaks the rules."""
    return AudioError("the WebM file is broken", expected=expected, found=found)
