"""Phones and token tables."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_models.errors import DataError
from steno_models.text.lexicon import cmudict_path
from steno_models.text.tokens import BLANK, PHONES, TokenTable

SYMBOL = st.text(st.characters(exclude_categories=("Z", "C")), min_size=1, max_size=5).filter(
    lambda s: s.split() == [s]
)


def test_there_are_39_phones_in_alphabetical_order() -> None:
    assert len(set(PHONES)) == 39
    assert list(PHONES) == sorted(PHONES)


def test_the_phones_are_those_of_the_cmu_dictionary() -> None:
    lines = cmudict_path().read_text(encoding="utf-8").splitlines()
    found = {phone for line in lines for phone in line.split()[1:]}
    assert found == set(PHONES)


def test_the_phone_table_numbers_the_blank_0_and_the_phones_from_1() -> None:
    table = TokenTable.phones()
    assert table.blank == 0
    assert len(table) == 40
    assert table.ids([BLANK, "AA", "ZH"]) == [0, 1, 39]


@settings(deadline=None, max_examples=50)
@given(st.lists(SYMBOL.filter(lambda s: s != BLANK), unique=True, max_size=30))
def test_a_table_survives_its_file(
    tmp_path_factory: pytest.TempPathFactory, symbols: list[str]
) -> None:
    path = tmp_path_factory.mktemp("tokens") / "tokens.txt"
    table = TokenTable((BLANK, *symbols))
    table.write(path)
    assert TokenTable.read(path) == table
    assert table.ids(table.symbols) == list(range(len(table)))


def test_a_symbol_outside_the_table_is_the_users_fault() -> None:
    with pytest.raises(DataError, match="found 'QQ'"):
        TokenTable.phones().ids(["AA", "QQ"])


@pytest.mark.parametrize("symbols", [(), ("AA",), (BLANK, "AA", "AA"), (BLANK, "A A"), (BLANK, "")])
def test_a_table_without_a_leading_blank_or_with_odd_symbols_is_refused(
    symbols: tuple[str, ...],
) -> None:
    with pytest.raises(DataError):
        TokenTable(symbols)


@pytest.mark.parametrize("text", ["<blk> 1\n", "<blk> 0\nAA\n", "<blk> 0\nAA 2\n", ""])
def test_a_malformed_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tokens.txt"
    path.write_text(text)
    with pytest.raises(DataError):
        TokenTable.read(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none readable"):
        TokenTable.read(tmp_path / "absent")
