"""The file of a model: one header, then arrays that are used where they lie.

Layout: 8 bytes of magic, a little-endian uint32 version and uint32 length of the header, the
header (JSON: the file's size, the vocabulary's and each array's offset, type and shape), then the
arrays, each at a multiple of 64 bytes. Opening maps the file and reads the header and the
vocabulary; pages of n-grams come in as they are looked up, shared between processes.
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
from steno_models.lm.ngram.kernels import NgramArrays
from steno_models.types import ByteArray

MAGIC = b"STENO-NG"
VERSION = 1

_PREFIX = struct.Struct("<8sII")
_ALIGNMENT = 64
_Scalar = TypeVar("_Scalar", bound=np.generic)


class _Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an array lies: its offset from the first aligned byte after the header."""

    offset: int
    dtype: str
    shape: list[int]

    @property
    def end(self) -> int:
        return self.offset + int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file says of itself. The vocabulary is UTF-8 text, one word a line."""

    blocks: dict[str, _Block]


def write_binary(path: Path, vocabulary: Sequence[str], arrays: NgramArrays) -> None:
    """Write a model to `path`; whoever has the old file open keeps the old file."""
    text = np.frombuffer("\n".join(vocabulary).encode(), np.uint8)
    contents: dict[str, NDArray[np.generic]] = {"vocabulary": text, **arrays._asdict()}
    blocks, offset = {}, 0
    for name, array in contents.items():
        blocks[name] = _Block(offset, array.dtype.newbyteorder("<").str, list(array.shape))
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


def open_binary(path: Path) -> tuple[tuple[str, ...], NgramArrays]:
    """Return the vocabulary and the mapped arrays, read-only, of the model in `path`."""
    try:
        data: ByteArray = np.asarray(np.memmap(path, np.uint8, mode="r"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"expected an n-gram model, found none readable: {path}: {error}"
        ) from error
    file = _File(path, *_header(path, data))
    arrays = NgramArrays(
        level_begin=file.array("level_begin", np.int64),
        word=file.array("word", np.uint32),
        child_begin=file.array("child_begin", np.uint32),
        suffix=file.array("suffix", np.uint32),
        log_prob=file.array("log_prob", np.uint16),
        backoff=file.array("backoff", np.uint16),
        log_prob_book=file.array("log_prob_book", np.float64),
        backoff_book=file.array("backoff_book", np.float64),
    )
    vocabulary = tuple(str(file.array("vocabulary", np.uint8).tobytes(), "utf-8").split("\n"))
    _check(path, vocabulary, arrays)
    return vocabulary, arrays


@dataclass(frozen=True, slots=True)
class _File:
    """A mapped model: its header and the bytes of its arrays."""

    path: Path
    header: _Header
    data: ByteArray

    def array(self, name: str, dtype: type[_Scalar]) -> NDArray[_Scalar]:
        """Return the array `name`, where it lies."""
        block = self.header.blocks.get(name)
        if block is None:
            raise DataError(f"{self.path}: expected the array {name}, found none")
        wanted = np.dtype(dtype)
        if block.dtype != wanted.newbyteorder("<").str:
            raise DataError(f"{self.path}: expected {name} as {wanted}, found {block.dtype}")
        if not 0 <= block.offset <= block.end <= len(self.data):
            raise DataError(
                f"{self.path}: expected {block.end} bytes of arrays, found {len(self.data)}"
            )
        return self.data[block.offset : block.end].view(dtype).reshape(block.shape)


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
    """Raise DataError where the arrays' sizes contradict each other."""
    levels = arrays.level_begin
    agree = (
        len(levels) >= 3
        and levels[0] == 0
        and levels[1] == 1
        and levels[2] == 1 + len(vocabulary)
        and bool((np.diff(levels) >= 0).all())
        and len(arrays.word) == len(arrays.suffix) == len(arrays.log_prob) == levels[-1]
        and len(arrays.backoff) == len(arrays.child_begin) - 1 == levels[-2]
        and arrays.child_begin[-1] == levels[-1]
        and arrays.log_prob_book.shape == (len(levels) - 1, 2)
        and arrays.backoff_book.shape == (len(levels) - 2, 2)
        and tuple(vocabulary[-3:]) == SPECIAL_WORDS
    )
    if not agree:
        raise DataError(f"{path}: expected arrays that fit each other, found sizes that do not")


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT
