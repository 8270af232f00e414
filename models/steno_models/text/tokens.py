"""The phones of English and the table that numbers a model's output symbols.

The phones are the 39 of the CMU dictionary without stress. A CTC table puts the blank first:
0 is `<blk>`, 1 to 39 are the phones in alphabetical order.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from steno_models.errors import DataError

BLANK = "<blk>"

# fmt: off
PHONES: tuple[str, ...] = (
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY",
    "F", "G", "HH", "IH", "IY", "JH", "K", "L", "M", "N", "NG", "OW", "OY",
    "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
)
# fmt: on


@dataclass(frozen=True, slots=True)
class TokenTable:
    """The output symbols of a model, each numbered by its place.

    Attributes:
        symbols: all of them, the blank first.
    """

    symbols: tuple[str, ...]
    _numbers: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.symbols or self.symbols[0] != BLANK:
            raise DataError(f"a token table must start with {BLANK}, found {self.symbols[:1]}")
        bad = [symbol for symbol in self.symbols if symbol.split() != [symbol]]
        if bad:
            raise DataError(f"token symbols must be free of white space, found {bad[0]!r}")
        numbers = {symbol: number for number, symbol in enumerate(self.symbols)}
        if len(numbers) != len(self.symbols):
            twice = next(s for i, s in enumerate(self.symbols) if numbers[s] != i)
            raise DataError(f"token symbols must be distinct, found {twice!r} twice")
        object.__setattr__(self, "_numbers", numbers)

    def __len__(self) -> int:
        """Return V, the number of symbols with the blank."""
        return len(self.symbols)

    @property
    def blank(self) -> int:
        """The blank's number, always 0."""
        return 0

    @classmethod
    def phones(cls) -> Self:
        """Return the table of the blank and the 39 phones."""
        return cls((BLANK, *PHONES))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the table in the file `path`, whose lines are "symbol id", ids counting from 0."""
        symbols: list[str] = []
        for number, line in enumerate(_lines(path)):
            parts = line.split()
            if len(parts) != 2 or parts[1] != str(number):
                raise DataError(f"{path}:{number + 1}: expected 'symbol {number}', found {line!r}")
            symbols.append(parts[0])
        return cls(tuple(symbols))

    def write(self, path: Path) -> None:
        """Write the table to `path`, one "symbol id" a line."""
        lines = (f"{symbol} {number}\n" for number, symbol in enumerate(self.symbols))
        path.write_text("".join(lines), encoding="utf-8")

    def ids(self, symbols: Iterable[str]) -> list[int]:
        """Return the numbers of `symbols`; a symbol that the table lacks is a DataError."""
        try:
            return [self._numbers[symbol] for symbol in symbols]
        except KeyError as error:
            raise DataError(
                f"expected one of the {len(self)} token symbols, found {error}"
            ) from None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"expected a token table, found none readable: {path}: {error}") from error
