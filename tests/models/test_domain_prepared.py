"""The lexicon's tree beside a domain: what is read is what would be made."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save
from tests.models.domains import write_domain

from steno_models import bundle
from steno_models.domain import Loader
from steno_models.errors import DataError
from steno_models.lm.domain.description import describe
from steno_models.lm.domain.folder import file_digest, write_description
from steno_models.lm.domain.prepared import read_tree, write_tree
from steno_models.search.pronunciations import Pronunciations
from steno_models.search.tree import LexiconTree
from steno_models.text.tokens import BLANK, PHONES

SYMBOLS = (BLANK, *PHONES)
SENTENCES = ["tort writ", "writ pill fugue", "gland tort"]

Entries = Sequence[tuple[int, Sequence[str]]]
"""Numbers of words, each with a pronunciation."""


def write_lexicon(folder: Path, entries: Entries) -> tuple[Path, list[str]]:
    """A lexicon and its words; the first pronunciation of each word is the primary one."""
    words = [f"w{number}" for number in sorted({number for number, _ in entries})]
    file = folder / "x.lexicon.txt"
    file.write_text("".join(f"w{number} {' '.join(way)}\n" for number, way in entries))
    return file, words


def same(one: LexiconTree, other: LexiconTree) -> bool:
    """Whether two trees are the same, number by number, and of the same types."""
    arrays = [(np.asarray(a), np.asarray(b)) for a, b in zip(one.arrays, other.arrays, strict=True)]
    return (
        all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in arrays)
        and (one.num_words, one.num_tokens) == (other.num_words, other.num_tokens)
        and np.array_equal(one.primary, other.primary)
    )


def prepared(folder: Path, entries: Entries) -> tuple[Path, Path, list[str]]:
    """A tree's file, its lexicon and its words."""
    lexicon, words = write_lexicon(folder, entries)
    write_tree(folder / "x.tree", lexicon, words)
    return folder / "x.tree", lexicon, words


ENTRIES: Entries = [
    (3, ["T", "AO", "R", "T"]), (1, ["R", "IH", "T"]), (1, ["R", "AY", "T"]), (2, ["R", "AY", "T"]),
    (4, ["T"]), (0, ["Z", "AA"]),
]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    entries=st.lists(
        st.tuples(
            st.integers(0, 9),
            st.lists(st.sampled_from([*PHONES[:3], *PHONES[-2:]]), min_size=1, max_size=4),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_the_tree_that_is_read_is_the_one_that_would_be_made(
    entries: Entries, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file, lexicon, words = prepared(tmp_path_factory.mktemp("lexicon"), entries)
    for symbols in (SYMBOLS, (BLANK, "NOISE", *PHONES), (BLANK, *PHONES, "NOISE")):
        found = read_tree(file, file_digest(lexicon), symbols)
        assert found is not None
        made = LexiconTree.build(Pronunciations.read(lexicon, words, symbols))
        assert same(found, made)
        assert not any(array.flags.writeable for array in found.arrays[:5])


def test_a_tree_of_another_lexicon_or_under_another_order_is_left(tmp_path: Path) -> None:
    file, lexicon, _ = prepared(tmp_path, ENTRIES)
    assert read_tree(file, "0" * 64, SYMBOLS) is None
    assert read_tree(file, file_digest(lexicon), (BLANK, *PHONES[::-1])) is None
    assert read_tree(file, file_digest(lexicon), (BLANK, *PHONES[1:])) is None


@pytest.mark.parametrize(
    ("name", "place", "number", "complaint"),
    [
        ("nodes", (0, 0), -1, "expected child_begin and child_end in 12, found others"),
        ("nodes", (0, 1), 13, "expected child_begin and child_end in 12, found others"),
        ("nodes", (1, 0), 0, "expected children behind their parents"),
        ("nodes", (3, 3), 99, "expected word_begin and word_end in 6"),
        ("nodes", (3, 6), -2, "expected extra_begin and extra_end in"),
        ("nodes", (3, 5), 6, "expected last_word in 5 words"),
        ("word", (0,), 5, "expected word in 5 words"),
        ("extra", (0,), -1, "expected extra in 5 words"),
    ],
)
def test_numbers_that_lead_nowhere_are_named(
    name: str, place: tuple[int, ...], number: int, complaint: str, tmp_path: Path
) -> None:
    file, lexicon, _ = prepared(tmp_path, ENTRIES)
    stored = {key: rows.copy() for key, rows in load_file(file).items()}
    stored[name][place] = number
    file.write_bytes(save(stored))
    with pytest.raises(DataError, match=complaint):
        read_tree(file, file_digest(lexicon), SYMBOLS)


def test_a_file_that_is_no_tree_is_named(tmp_path: Path) -> None:
    file, lexicon, _ = prepared(tmp_path, ENTRIES)
    whole, stored = file.read_bytes(), dict(load_file(file))
    for keep in (0, 7, 200, len(whole) - 1):
        file.write_bytes(whole[:keep])
        with pytest.raises(DataError, match=r"expected a lexicon's tree in .*x\.tree, found"):
            read_tree(file, file_digest(lexicon), SYMBOLS)
    file.write_bytes(save({key: rows for key, rows in stored.items() if key != "extra"}))
    with pytest.raises(DataError, match="expected extra as int32, found none"):
        read_tree(file, file_digest(lexicon), SYMBOLS)
    file.write_bytes(save(stored | {"word": stored["word"][:-1].copy()}))
    with pytest.raises(DataError, match=r"expected primary of shape \(5,\), found \(6,\)"):
        read_tree(file, file_digest(lexicon), SYMBOLS)


def test_a_domain_is_searched_alike_with_its_tree_and_without(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    loader = Loader(bundle.load(tiny_bundle))
    old = loader(write_domain(tmp_path / "old", "legal", SENTENCES))
    new = loader(write_domain(tmp_path / "new", "legal", SENTENCES, with_tree=True))
    assert (tmp_path / "new" / "legal.tree").exists()
    assert same(old.model.search.tree, new.model.search.tree)


def test_a_lexicon_that_was_changed_by_hand_counts(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = write_domain(tmp_path / "legal", "legal", SENTENCES, with_tree=True)
    lexicon = folder / "legal.lexicon.txt"
    lexicon.write_text(lexicon.read_text().replace("tort T AO R T", "tort T AA R T"))
    made = describe(folder)
    (folder / "domain.toml").unlink()
    write_description(folder, made)
    domain = Loader(bundle.load(tiny_bundle))(folder)
    plain = Loader(bundle.load(tiny_bundle))(write_domain(tmp_path / "x", "legal", SENTENCES))
    assert not same(domain.model.search.tree, plain.model.search.tree)


def test_a_damaged_tree_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = write_domain(tmp_path / "legal", "legal", SENTENCES, with_tree=True)
    file = folder / "legal.tree"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"legal\.tree is damaged or half written"):
        Loader(bundle.load(tiny_bundle))(folder)
