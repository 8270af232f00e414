"""Text files as one array of word numbers: read once, counted under any vocabulary."""

import bz2
import gzip
import io
import lzma
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

import msgspec
import numpy as np

from steno_models.errors import DataError
from steno_models.types import IntArray, LongArray

BEGIN = "<s>"
END = "</s>"
UNKNOWN = "<unk>"
SPECIAL_WORDS = (BEGIN, END, UNKNOWN)

# Turns running text into normalised sentences, words separated by spaces.
SentenceSplitter = Callable[[str], Iterable[str]]

_SENTENCE_END = -1
_SENTENCE_MARKS = (".", "?", "!", '"', "”")
_BLOCK_CHARS = 1 << 20


@dataclass(frozen=True, slots=True)
class Corpus:
    """Sentences as word numbers.

    Attributes:
        words: the distinct words, numbered by their first occurrence.
        tokens: (N,) int32 numbers into `words`; -1 ends each sentence.
    """

    words: tuple[str, ...]
    tokens: IntArray

    @property
    def num_sentences(self) -> int:
        """The number of sentences."""
        return int(np.count_nonzero(self.tokens == _SENTENCE_END))

    def frequencies(self) -> LongArray:
        """Return (words,) how often each word occurs."""
        return np.bincount(self.tokens[self.tokens >= 0], minlength=len(self.words))

    def encode(self, vocabulary: Sequence[str]) -> IntArray:
        """Return the sentences as numbers into `vocabulary`, each within <s> and </s>.

        Words outside the vocabulary become <unk>. `vocabulary` ends with the special words.
        """
        begin, end, unknown = (len(vocabulary) - 3 + i for i in range(3))
        ids = {word: i for i, word in enumerate(vocabulary)}
        # The last entry is that of -1, the sentence end.
        table = np.array([ids.get(word, unknown) for word in self.words] + [end], np.int32)
        ends = np.flatnonzero(self.tokens == _SENTENCE_END)
        starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
        encoded: IntArray = np.insert(table[self.tokens], starts, np.int32(begin))
        return encoded


class CorpusReader:
    """Collects sentences into a corpus."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._parts: list[IntArray] = []

    def add(self, sentences: Iterable[str]) -> None:
        """Take more sentences of normalised text."""
        numbers = self._numbers
        tokens: list[int] = []
        for sentence in sentences:
            words = sentence.split()
            if words:
                tokens.extend(numbers.setdefault(word, len(numbers)) for word in words)
                tokens.append(_SENTENCE_END)
        self._parts.append(np.array(tokens, np.int32))

    def corpus(self) -> Corpus:
        """Return what was collected."""
        tokens = np.concatenate([np.zeros(0, np.int32), *self._parts])
        return Corpus(tuple(self._numbers), tokens)


def read_sentences(
    path: Path, splitter: SentenceSplitter, report: Callable[[int], None] | None = None
) -> Iterator[str]:
    """Iterate over the normalised sentences of `path`, running text or a manifest.

    Args:
        path: UTF-8, plain, .gz, .bz2 or .xz. In a manifest (.jsonl) each entry is one sentence.
        splitter: normalises text.
        report: is told, now and then, how many more bytes of the file have been read.
    """
    if is_manifest(path):
        for text in transcripts(path):
            yield " ".join(splitter(text))
        if report is not None:
            report(path.stat().st_size)
    else:
        for block in text_blocks(path, report):
            yield from splitter(block)


def is_manifest(path: Path) -> bool:
    """Return whether `path` is a manifest rather than running text."""
    return ".jsonl" in path.suffixes


def text_blocks(path: Path, report: Callable[[int], None] | None = None) -> Iterator[str]:
    """Iterate over the text of `path` (plain, .gz, .bz2 or .xz) in blocks of about 1 MB.

    Blocks end where a line ends a sentence, so that none is cut through.

    Args:
        path: UTF-8 text.
        report: is told after each block how many more bytes of the file have been read.
    """
    with open_text(path) as (file, raw):
        read = 0
        for block in _blocks(file):
            yield block
            position = raw.tell()
            if report is not None:
                report(position - read)
            read = position


@contextmanager
def open_text(path: Path) -> Iterator[tuple[TextIO, BinaryIO]]:
    """Open `path` as UTF-8 text, unpacked as its suffix says; give the raw file beneath it too."""
    try:
        with path.open("rb") as raw, _unpacked(raw, path.suffix) as file:
            yield file, raw
    except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise DataError(f"expected UTF-8 text in {path}, found none readable: {error}") from error


def transcripts(path: Path) -> Iterator[str]:
    """Iterate over the texts of a manifest, a JSON object with a "text" on each line."""
    decoder = msgspec.json.Decoder(_Entry)
    with open_text(path) as (file, _):
        for number, line in enumerate(file, start=1):
            try:
                yield decoder.decode(line).text
            except msgspec.DecodeError as error:
                raise DataError(
                    f'{path}:{number}: expected {{"text": …}}, found: {error}'
                ) from error


class _Entry(msgspec.Struct):
    text: str


def _blocks(file: TextIO) -> Iterator[str]:
    while lines := file.readlines(_BLOCK_CHARS):
        while lines[-1].strip() and not lines[-1].rstrip().endswith(_SENTENCE_MARKS):
            line = file.readline()
            if not line:
                break
            lines.append(line)
        yield "".join(lines)


def _unpacked(raw: BinaryIO, suffix: str) -> TextIO:
    match suffix:
        case ".xz":
            return io.TextIOWrapper(lzma.LZMAFile(raw), encoding="utf-8")
        case ".gz":
            return io.TextIOWrapper(gzip.GzipFile(fileobj=raw), encoding="utf-8")
        case ".bz2":
            return io.TextIOWrapper(bz2.BZ2File(raw), encoding="utf-8")
        case _:
            return io.TextIOWrapper(raw, encoding="utf-8")
