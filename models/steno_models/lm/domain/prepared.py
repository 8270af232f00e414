"""A domain's lexicon as the tree that is searched, made when the domain is built.

To make it of a hundred thousand words takes longer than all else that a daemon does to load a
domain. So it lies beside the lexicon, its tokens being phones, with the SHA-256 of the lexicon that
it was made of: where that is another by now, or a bundle numbers phones in another order, the
lexicon itself is read.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike, NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from steno_models.errors import DataError
from steno_models.search.pronunciations import Pronunciations
from steno_models.search.tree import NODE, LexiconTree, TreeArrays
from steno_models.text.tokens import PHONES, TokenTable

_FIELDS = len(NODE.names or ())
_STORED: dict[str, DTypeLike] = {
    "nodes": np.int32,
    "token": np.uint16,
    "same_words": np.uint8,
    "word": np.int32,
    "extra": np.int32,
    "primary": np.uint8,
    "num_words": np.int64,
    "lexicon": np.uint8,
}


def write_tree(file: Path, lexicon: Path, words: Sequence[str]) -> None:
    """Write the tree of a lexicon.

    Args:
        file: to be written.
        lexicon: a line "word P1 P2 …" for each pronunciation, in the phones of the CMU dictionary.
        words: their places are the word ids.

    Raises:
        DataError: the lexicon has another word or another phone.
    """
    tree = LexiconTree.build(Pronunciations.read(lexicon, words, TokenTable.phones().symbols))
    rows = tree.arrays
    arrays = {
        "nodes": rows.nodes.view(np.int32).reshape(-1, _FIELDS),
        "token": rows.token,
        "same_words": rows.same_words,
        "word": rows.word,
        "extra": rows.extra,
        "primary": tree.primary.view(np.uint8),
        "num_words": np.array([tree.num_words], np.int64),
        "lexicon": np.frombuffer(hashlib.sha256(lexicon.read_bytes()).digest(), np.uint8),
    }
    # Not by save_file, whose files nobody but their owner may read: the daemon is another user.
    file.write_bytes(save({name: np.ascontiguousarray(rows) for name, rows in arrays.items()}))


def read_tree(file: Path, lexicon: str, symbols: Sequence[str]) -> LexiconTree | None:
    """Return the tree in `file`.

    Args:
        file: as `write_tree` wrote it.
        lexicon: SHA-256 of the lexicon, in hexadecimal.
        symbols: of the tokens of the acoustic model, by id.

    Returns:
        None where the tree is of another lexicon, or is ordered otherwise under such tokens.

    Raises:
        DataError: it does not fit together.
    """
    try:
        stored = load_file(file)
    except (OSError, SafetensorError) as error:
        raise DataError(f"expected a lexicon's tree in {file}, found: {error}") from error
    _check_arrays(file, stored)
    if stored["lexicon"].tobytes().hex() != lexicon:
        return None
    N = len(stored["token"])
    tree = TreeArrays(
        stored["nodes"].reshape(-1).view(NODE),
        stored["token"],
        stored["same_words"],
        stored["word"],
        stored["extra"],
        N,
        N,
    )
    num_words = int(stored["num_words"][0])
    _check_numbers(file, tree, num_words)
    ids = _ids(tree.token, symbols)
    if ids is None:
        return None
    tree = tree._replace(token=ids[tree.token])
    for array in tree[:5]:
        array.setflags(write=False)
    return LexiconTree(tree, num_words, int(ids.max()) + 1, stored["primary"].view(np.bool_))


def _check_arrays(file: Path, stored: dict[str, NDArray[np.generic]]) -> None:
    """Raise DataError where an array is missing, or of another type or shape than its fellows."""
    for name, dtype in _STORED.items():
        if name not in stored or stored[name].dtype != dtype:
            found = stored[name].dtype if name in stored else "none"
            raise DataError(f"{file}: expected {name} as {np.dtype(dtype)}, found {found}")
    N, P = (stored[name].size for name in ("token", "word"))
    sizes = {
        "nodes": (N, _FIELDS), "token": (N,), "same_words": (N,), "word": (P,), "primary": (P,),
        "extra": (stored["extra"].size,), "num_words": (1,), "lexicon": (32,),
    }  # fmt: skip
    for name, shape in sizes.items():
        if stored[name].shape != shape:
            raise DataError(f"{file}: expected {name} of shape {shape}, found {stored[name].shape}")


def _check_numbers(file: Path, tree: TreeArrays, num_words: int) -> None:
    """Raise DataError where a number leads out of the arrays: the compiled search trusts them."""
    sizes = {"child": len(tree.nodes), "word": len(tree.word), "extra": len(tree.extra)}
    for name, size in sizes.items():
        begin, end = tree.nodes[f"{name}_begin"], tree.nodes[f"{name}_end"]
        if (begin < 0).any() or (end > size).any() or (end < begin).any():
            raise DataError(f"{file}: expected {name}_begin and {name}_end in {size}, found others")
    for name in ("first_word", "last_word"):
        found = tree.nodes[name]
        if (found < 0).any() or (found > num_words).any():
            raise DataError(f"{file}: expected {name} in {num_words} words, found others")
    for name, words in (("word", tree.word), ("extra", tree.extra)):
        if (words < 0).any() or (words >= num_words).any():
            raise DataError(f"{file}: expected {name} in {num_words} words, found others")
    first, last = tree.nodes["child_begin"], tree.nodes["child_end"]
    if ((first <= np.arange(len(first))) & (last > first)).any():
        raise DataError(f"{file}: expected children behind their parents, found others")


def _ids(token: NDArray[np.uint16], symbols: Sequence[str]) -> NDArray[np.uint16] | None:
    """Return the id of each phone under `symbols`; None where that changes their order."""
    used = np.flatnonzero(np.bincount(token[1:])).tolist()
    places = {symbol: number for number, symbol in enumerate(symbols)}
    if not used or used[0] == 0 or used[-1] > len(PHONES):
        return None
    found = [places.get(PHONES[number - 1], 0) for number in used]
    if any(after <= before for before, after in zip([0, *found], found, strict=False)):
        return None
    ids = np.zeros(used[-1] + 1, np.uint16)
    ids[used] = found
    return ids
