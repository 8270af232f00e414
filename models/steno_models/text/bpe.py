"""Subword units: byte-pair encoding of words (Sennrich et al. 2016), learnt and applied here.

A word is a marker and its letters; again and again the pair of neighbours that is most frequent
becomes a unit of its own. A text is cut by joining, in each word, the pair whose union was learnt
first, until no union is a unit. So the table of tokens, in the order of learning, is all there is
to store.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Self

from steno_models.errors import ConfigError, DataError
from steno_models.text.normalise import normalise
from steno_models.text.tokens import BLANK, TokenTable

# Begins a word, as in SentencePiece (Kudo & Richardson 2018).
WORD_BEGIN = "▁"
_LETTERS = ("'", *"abcdefghijklmnopqrstuvwxyz")
_SMALLEST = 2 + len(_LETTERS)

_Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Bpe:
    """Units that every normalised text can be cut into.

    Attributes:
        table: the blank, the marker, the letters, then the learnt units in their order.
    """

    table: TokenTable
    _ranks: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        symbols = self.table.symbols
        expected = (BLANK, WORD_BEGIN, *_LETTERS)
        if symbols[: len(expected)] != expected:
            raise DataError(
                f"expected subword units to begin with {' '.join(expected)}, found "
                f"{' '.join(symbols[: len(expected)])}"
            )
        object.__setattr__(self, "_ranks", {symbol: i for i, symbol in enumerate(symbols)})

    @classmethod
    def learn(cls, texts: Iterable[str], size: int) -> Self:
        """Return `size` units, or fewer where `texts` hold no more pairs that come twice.

        Args:
            texts: transcripts, normalised here.
            size: how many tokens there are to be, the blank among them.

        Raises:
            ConfigError: the letters alone are more.
        """
        if size < _SMALLEST:
            raise ConfigError(f"expected {_SMALLEST} subword units or more, found {size}")
        counts = Counter(word for text in texts for word in normalise(text).split())
        learnt = _learn(counts, size - _SMALLEST)
        return cls(TokenTable((BLANK, WORD_BEGIN, *_LETTERS, *learnt)))

    @classmethod
    def characters(cls) -> Self:
        """Return the marker and the letters, without unions."""
        return cls(TokenTable((BLANK, WORD_BEGIN, *_LETTERS)))

    def encode(self, text: str) -> list[int]:
        """Return the token ids of `text`, which is normalised first."""
        return [self._ranks[unit] for word in normalise(text).split() for unit in self._cut(word)]

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the words that `tokens` spell, one space between."""
        spelled = "".join(self.table.symbols[token] for token in tokens if token)
        return " ".join(spelled.replace(WORD_BEGIN, " ").split())

    def _cut(self, word: str) -> list[str]:
        units = [WORD_BEGIN, *word]
        unknown = len(self.table)
        while len(units) > 1:
            ranks = [self._ranks.get(a + b, unknown) for a, b in pairwise(units)]
            first = min(ranks)
            if first == unknown:
                break
            at = ranks.index(first)
            units[at : at + 2] = [units[at] + units[at + 1]]
        return units


def _learn(counts: Mapping[str, int], merges: int) -> list[str]:
    """Return the unions of pairs in the order in which they are made."""
    words = {word: [WORD_BEGIN, *word] for word in sorted(counts)}
    pairs: Counter[_Pair] = Counter()
    holders: defaultdict[_Pair, set[str]] = defaultdict(set)
    for word, units in words.items():
        _count(word, units, counts[word], pairs, holders)
    learnt: dict[str, None] = {}
    while len(learnt) < merges and pairs:
        # Of pairs that are equally frequent, the first of the alphabet: the same on every machine.
        pair = min(pairs, key=lambda each: (-pairs[each], each))
        if pairs[pair] < 2:
            break
        learnt["".join(pair)] = None
        for word in sorted(holders[pair]):
            _count(word, words[word], -counts[word], pairs, holders)
            words[word] = _united(words[word], pair)
            _count(word, words[word], counts[word], pairs, holders)
        del pairs[pair]
    return list(learnt)


def _count(
    word: str,
    units: Sequence[str],
    times: int,
    pairs: "Counter[_Pair]",
    holders: "defaultdict[_Pair, set[str]]",
) -> None:
    """Add `times` to the counts of all pairs of neighbours in a word."""
    for pair in pairwise(units):
        pairs[pair] += times
        holders[pair].add(word)


def _united(units: Sequence[str], pair: _Pair) -> list[str]:
    """Return `units` with every `pair` of neighbours as one, from the left."""
    out: list[str] = []
    for unit in units:
        if out and (out[-1], unit) == pair:
            out[-1] += unit
        else:
            out.append(unit)
    return out
