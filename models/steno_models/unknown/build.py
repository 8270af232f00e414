"""Make a vocabulary of candidates of words, their counts, their pronunciations and a corpus."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from steno_models.errors import DataError
from steno_models.lm.ngram.corpus import Corpus
from steno_models.search.pronunciations import Pronunciations
from steno_models.search.tree import LexiconTree
from steno_models.text.g2p import G2P
from steno_models.text.lexicon import Lexicon, Pronunciation
from steno_models.text.tokens import TokenTable
from steno_models.unknown.kinds import affinities, corpus_tables, endings_of, kind_of
from steno_models.unknown.vocabulary import ARRAYS, DESCRIPTION, FORM, Description, digest

AnyArray = NDArray[Any]
_log = logging.getLogger(__name__)
_KINDS = 128
_MOST_WORDS = 1_000_000
_LEAST_LOG_PROB = -1.6
_WAYS = 2
_TOO_LONG = 40
_POSSESSIVE_COUNT = 3


def vocabulary_of(corpus: Corpus, dictionary: Iterable[str]) -> dict[str, int]:
    """Return words with their counts: of the corpus, the dictionary, and their possessives.

    Words of no letters, of more than 40 letters, or of a letter said thrice or more in a row are
    left out; beyond a million, the rarest are.
    """
    counts = dict(zip(corpus.words, corpus.frequencies().tolist(), strict=True))
    for word in dictionary:
        counts.setdefault(word, 0)
    found = {word: count for word, count in counts.items() if _is_word(word)}
    for word, count in list(found.items()):
        if count >= _POSSESSIVE_COUNT and "'" not in word:
            found.setdefault(f"{word}'s", 0)
    kept = sorted(found, key=lambda word: -found[word])[:_MOST_WORDS]
    return {word: found[word] for word in sorted(kept)}


def _is_word(word: str) -> bool:
    bare = word.strip("'")
    if not bare or len(word) > _TOO_LONG:
        return False
    return not any(a == b == c for a, b, c in zip(word, word[1:], word[2:], strict=False))


def pronounced(
    words: Iterable[str], lexicon: Lexicon, g2p: G2P
) -> dict[str, tuple[Pronunciation, ...]]:
    """Return how each word sounds: its entry, else what is derived, else up to two guesses."""
    ways: dict[str, tuple[Pronunciation, ...]] = {}
    for word in words:
        try:
            ways[word] = lexicon.pronounce(word)
        except DataError:
            guesses = g2p.pronounce(word, _WAYS)
            ways[word] = tuple(
                way for i, (way, log_p) in enumerate(guesses) if not i or log_p > _LEAST_LOG_PROB
            )
    return ways


def write(
    folder: Path,
    counts: Mapping[str, int],
    ways: Mapping[str, Sequence[Pronunciation]],
    corpus: Corpus,
    table: TokenTable,
) -> Description:
    """Write a vocabulary to `folder` and return its description.

    Args:
        folder: made if it is not there.
        counts: the words, sorted by their bytes, and how often each stands in the texts.
        ways: how each sounds.
        corpus: the running words.
        table: of the phones.

    Raises:
        DataError: a word has no pronunciation or a phone that the table lacks, or the folder
            cannot be written.
    """
    words = sorted(counts, key=str.encode)
    arrays: dict[str, AnyArray] = {}
    spelled = [word.encode() for word in words]
    arrays["text"] = np.frombuffer(b"".join(spelled), np.uint8)
    arrays["begins"] = np.cumsum([0, *map(len, spelled)], dtype=np.int64)
    arrays["counts"] = np.array([counts[word] for word in words], np.int64)
    arrays |= _sounds(words, ways, table)
    endings = endings_of(counts, _KINDS)
    numbers = {ending: number for number, ending in enumerate(endings)}
    arrays["kinds"] = np.array([kind_of(word, numbers) for word in words], np.int32)
    tokens = np.where(corpus.tokens < 0, len(corpus.words), corpus.tokens)
    kinds, beside, neighbours = corpus_tables(corpus.words, corpus.frequencies(), endings)
    for name, forwards in (("before", True), ("after", False)):
        arrays[name] = affinities(kinds, beside, tokens, len(endings), forwards=forwards)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ARRAYS:
            np.save(folder / f"{name}.npy", arrays[name], allow_pickle=False)
        files = {name: folder / f"{name}.npy" for name in ARRAYS}
        description = Description(
            form=FORM,
            symbols=table.symbols,
            endings=endings,
            neighbours=neighbours,
            words=len(words),
            tokens=int((corpus.tokens >= 0).sum()),
            sizes={name: file.stat().st_size for name, file in files.items()},
            digests={name: digest(file) for name, file in files.items()},
        )
        (folder / DESCRIPTION).write_bytes(msgspec.json.format(msgspec.json.encode(description)))
    except OSError as error:
        raise DataError(f"expected to write to {folder}, found: {error}") from error
    return description


def _sounds(
    words: Sequence[str], ways: Mapping[str, Sequence[Pronunciation]], table: TokenTable
) -> dict[str, AnyArray]:
    """Return the arrays of the pronunciations, sorted by their tokens, and of their tree."""
    ids = {symbol: number for number, symbol in enumerate(table.symbols)}
    rows: list[tuple[tuple[int, ...], int]] = []
    for number, word in enumerate(words):
        for way in dict.fromkeys(ways.get(word, ())):
            if not way or any(phone not in ids for phone in way):
                raise DataError(f"expected phones of the table for {word}, found {way!r}")
            rows.append((tuple(ids[phone] for phone in way), number))
    rows.sort()
    found = Pronunciations.of([[way] for way, _ in rows])
    tree = LexiconTree.build(found).arrays
    begins = np.cumsum([0, *(len(way) for way, _ in rows)], dtype=np.int64)
    order = tree.word  # rows by the node where they end
    lengths = np.diff(begins)[order]
    tokens = np.concatenate([found.tokens[begins[row] : begins[row + 1]] for row in order.tolist()])
    return {
        "ways": tokens.astype(np.uint8),
        "way_begins": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        "way_words": np.array([rows[row][1] for row in order.tolist()], np.int32),
        "children": np.append(tree.nodes["child_begin"], tree.nodes["child_end"][-1]),
        "token": tree.token.astype(np.uint8),
        "ends": np.append(tree.nodes["word_begin"], tree.nodes["word_end"][-1]),
    }
