"""The trigram of phones: a distribution after every pair, near to what was counted."""

import lzma
from pathlib import Path

import numpy as np
import pytest

from steno_models.ctc.label_lm import count_phones, estimate, phones_of_text
from steno_models.errors import DataError
from steno_models.text.lexicon import Lexicon
from steno_models.text.tokens import TokenTable

LEXICON = Lexicon({"red": (("R", "EH", "D"),), "a": (("AH",), ("EY",))})


def ids(*phones: str) -> list[int]:
    return TokenTable.phones().ids(phones)


def test_trigrams_begin_with_nothing_before_them() -> None:
    counts = count_phones([[2, 1, 2], [2]], 3)
    assert counts[0, 0, 2] == 2
    assert counts[0, 2, 1] == 1
    assert counts[2, 1, 2] == 1
    assert counts.sum() == 4


def test_after_every_pair_the_phones_sum_to_one_and_the_start_never_comes() -> None:
    rng = np.random.default_rng(0)
    table = estimate(count_phones([rng.integers(1, 6, 40) for _ in range(5)], 8))
    assert table.dtype == np.float32
    np.testing.assert_allclose(table.sum(axis=-1), 1.0, atol=1e-5)
    assert not table[..., 0].any()
    assert (table[..., 1:] > 0).all()


def test_a_pair_is_smoothed_as_witten_and_bell_say() -> None:
    counts = count_phones([[1, 2], [1, 2], [1, 1]], 3)
    table = estimate(counts)
    # Phones: 1 came 4 times, 2 twice, each counted once more. After 1 came 2 twice and 1 once.
    one = 5 / 8
    after_one = (1 + 2 * one) / (3 + 2)
    assert table[0, 1, 1] == pytest.approx((1 + 2 * after_one) / (3 + 2))
    assert table[2, 1, 1] == pytest.approx(after_one)  # 2, 1 never came
    assert table[1, 2, 1] == pytest.approx(one)  # nothing ever came after 2


def test_text_is_said_as_the_lexicon_has_it_in_turns(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("A red, a red!\nno\nred zorblat a\n")
    with lzma.open(tmp_path / "text.txt.xz", "wt") as file:
        file.write((tmp_path / "text.txt").read_text())
    for name in ("text.txt", "text.txt.xz"):
        found = [line for line in phones_of_text(tmp_path / name, LEXICON) if line]
        assert found == [
            ids("AH", "R", "EH", "D", "EY", "R", "EH", "D"),
            ids("R", "EH", "D"),
            ids("AH"),
        ]
    thinned = list(phones_of_text(tmp_path / "text.txt", LEXICON, every=2))
    assert len([line for line in thinned if line]) == 3


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.txt.xz").write_bytes(b"none")
    for name in ("text.txt.xz", "missing.txt"):
        with pytest.raises(DataError, match=r"expected text in .*txt"):
            list(phones_of_text(tmp_path / name, LEXICON))
