"""The file of a model: one header, then arrays that are used where they lie.

Layout: 8 bytes of magic, a little-endian uint32 version and uint32 length of the header, the
header (JSON: the vocabulary's and each array's offset, type and shape, and the bits of each number
in those that are packed), then the arrays, each at a multiple of 64 bytes. Opening maps the file
and reads the header and the vocabulary; pages of n-grams come in as they are looked up, shared
between processes.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from steno_models.errors import DataError
from steno_models.lm.ngram.corpus import SPECIAL_WORDS
from steno_models.lm.ngram.kernels import LINEAR, NgramArrays
from steno_models.lm.ngram.packed.kernels import WIDEST, Packed, get, num_words
from steno_models.types import ByteArray, LongArray

MAGIC = b"STENO-NG"
VERSION = 2

_PREFIX = struct.Struct("<8sII")
_ALIGNMENT = 64
_Scalar = TypeVar("_Scalar", bound=np.generic)


class _Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where an array lies: its offset from the first aligned byte after the header.

    `bits` is the width of each number where they are packed.
    """

    offset: int
    dtype: str
    shape: list[int]
    bits: int = 0

    @property
    def end(self) -> int:
        return self.offset + int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file says of itself. The vocabulary is UTF-8 text, one word a line."""

    blocks: dict[str, _Block]


def write_binary(path: Path, vocabulary: Sequence[str], arrays: NgramArrays) -> None:
    """Write a model to `path`; whoever has the old file open keeps the old file."""
    text = np.frombuffer("\n".join(vocabulary).encode(), np.uint8)
    contents: dict[str, NDArray[np.generic]] = {"vocabulary": text}
    bits: dict[str, int] = {}
    for name, field in arrays._asdict().items():
        if isinstance(field, Packed):
            contents[name], bits[name] = field.words, field.bits
        else:
            contents[name] = field
    blocks, offset = {}, 0
    for name, array in contents.items():
        dtype = array.dtype.newbyteorder("<").str
        blocks[name] = _Block(offset, dtype, list(array.shape), bits.get(name, 0))
        offset = _aligned(blocks[name].end)
    header = msgspec.json.encode(_Header(blocks))
    first = _aligned(_PREFIX.size + len(header))
    temporary = path.with_name(f"{path.name}.part")
    with temporary.open("wb") as file:
        file.write(_PREFIX.pack(MAGIC, VERSION, len(header)) + header)
        for name, array in contents.items():
            file.seek(first + blocks[name].offset)
            file.write(np.ascontiguousarray(array, blocks[name].dtype).data)
        file.truncate(first + offset)
    temporary.replace(path)


def is_binary(path: Path) -> bool:
    """Return whether `path` is a file that starts as a model does."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def open_binary(path: Path) -> tuple[tuple[str, ...], NgramArrays]:
    """Return the vocabulary and the mapped arrays, read-only, of the model in `path`."""
    try:
        data: ByteArray = np.asarray(np.memmap(path, np.uint8, mode="r"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"expected an n-gram model, found none readable: {path}: {error}"
        ) from error
    header, blocks = _header(path, data)
    file = _File(path, header, blocks)
    vocabulary = tuple(str(file.array("vocabulary", np.uint8).tobytes(), "utf-8").split("\n"))
    arrays = _arrays(file)
    _check(path, vocabulary, arrays)
    return vocabulary, arrays


def _arrays(file: "_File") -> NgramArrays:
    return NgramArrays(
        level_begin=file.array("level_begin", np.int64),
        word=file.packed("word"),
        suffix=file.packed("suffix"),
        history=file.array("history", np.int64),
        child_begin=file.packed("child_begin"),
        log_prob=file.packed("log_prob"),
        backoff=file.packed("backoff"),
        log_prob_book=file.array("log_prob_book", np.float64),
        backoff_book=file.array("backoff_book", np.float64),
    )


@dataclass(frozen=True, slots=True)
class _File:
    """A mapped model: its header and the bytes of its arrays."""

    path: Path
    header: _Header
    data: ByteArray

    def array(self, name: str, dtype: type[_Scalar]) -> NDArray[_Scalar]:
        """Return the array `name`, where it lies."""
        block = self._block(name)
        wanted = np.dtype(dtype)
        if block.dtype != wanted.newbyteorder("<").str:
            raise DataError(f"{self.path}: expected {name} as {wanted}, found {block.dtype}")
        if not 0 <= block.offset <= block.end <= len(self.data):
            raise DataError(
                f"{self.path}: expected {block.end} bytes of arrays, found {len(self.data)}"
            )
        return self.data[block.offset : block.end].view(dtype).reshape(block.shape)

    def packed(self, name: str) -> Packed:
        """Return the packed array `name`, where it lies."""
        bits = self._block(name).bits
        if not 1 <= bits <= WIDEST:
            raise DataError(f"{self.path}: expected {name} of 1 to {WIDEST} bits, found {bits}")
        return Packed(self.array(name, np.uint32), bits)

    def _block(self, name: str) -> _Block:
        block = self.header.blocks.get(name)
        if block is None:
            raise DataError(f"{self.path}: expected the array {name}, found none")
        return block


def _header(path: Path, data: ByteArray) -> tuple[_Header, ByteArray]:
    """Return the header and the bytes of the arrays."""
    start = data[: _PREFIX.size].tobytes()
    if not start.startswith(MAGIC) or len(start) < _PREFIX.size:
        raise DataError(f"{path}: expected an n-gram model starting {MAGIC!r}, found {start[:8]!r}")
    _, version, length = _PREFIX.unpack(start)
    if version != VERSION:
        raise DataError(f"{path}: expected an n-gram model of version {VERSION}, found {version}")
    try:
        text = data[_PREFIX.size : _PREFIX.size + length].tobytes()
        header = msgspec.json.decode(text, type=_Header)
    except msgspec.DecodeError as error:
        raise DataError(f"{path}: expected an intact header, found another: {error}") from error
    return header, data[_aligned(_PREFIX.size + length) :]


def _check(path: Path, vocabulary: Sequence[str], arrays: NgramArrays) -> None:
    """Raise DataError naming the array whose size contradicts the others."""
    levels = arrays.level_begin
    if not (
        len(levels) >= 3
        and levels[:3].tolist() == [0, 1, 1 + len(vocabulary)]
        and bool((np.diff(levels) >= 0).all())
        and tuple(vocabulary[-3:]) == SPECIAL_WORDS
    ):
        raise DataError(
            f"{path}: expected level_begin to rise and to fit a vocabulary of {len(vocabulary)} "
            f"words that ends in {' '.join(SPECIAL_WORDS)}, found {levels.tolist()}"
        )
    nodes, histories = int(levels[-1]), _num_histories(arrays.history)
    suffixes = nodes - int(levels[3]) if len(levels) > 3 else 0
    _check_shape(path, "history", arrays.history, (-(-int(levels[-2]) // 32),))
    _check_packed(path, "word", arrays.word, nodes)
    _check_packed(path, "suffix", arrays.suffix, suffixes)
    _check_packed(path, "child_begin", arrays.child_begin, histories + 1)
    _check_packed(path, "log_prob", arrays.log_prob, nodes)
    _check_packed(path, "backoff", arrays.backoff, histories)
    _check_book(path, "log_prob", arrays.log_prob_book, len(levels) - 1, arrays.log_prob.bits)
    _check_book(path, "backoff", arrays.backoff_book, len(levels) - 2, arrays.backoff.bits)
    last = get(arrays.child_begin, histories)
    if last != nodes:
        raise DataError(f"{path}: expected child_begin to end at {nodes}, found {last}")


def _num_histories(history: LongArray) -> int:
    last = int(history[-1]) if len(history) else 0
    return (last >> 32) + (last & 0xFFFFFFFF).bit_count()


def _check_packed(path: Path, name: str, found: Packed, n: int) -> None:
    _check_shape(path, name, found.words, (num_words(n, found.bits),))


def _check_book(path: Path, name: str, found: NDArray[np.float64], levels: int, bits: int) -> None:
    line = found.ndim == 2 and found.shape[1] == LINEAR
    _check_shape(path, f"{name}_book", found, (levels, LINEAR if line else 2**bits))


def _check_shape(
    path: Path, name: str, found: NDArray[np.generic], expected: tuple[int, ...]
) -> None:
    if found.shape != expected:
        raise DataError(f"{path}: expected {name} of shape {expected}, found {found.shape}")


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT
