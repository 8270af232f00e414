"""What somebody expects to be said, beside what a language model knows: words and phrases.

    extend = Extender.of(bundle)
    found = extend(language_model, Wishes(words=(AddedWord("kowalczyk", boost=2.0),),
                                          phrases=(Phrase("sodium chloride", 3.0),)))
    found.model      another `LanguageModel`, which shares nearly all of the first one's memory
    found.taken      how each new word is taken to sound, and where that comes from
    found.refused    what cannot be, and why

A phrase of words that the lexicon lacks adds them. What is asked for is a value, so that it can be
kept and made again of another language model.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias, overload
from weakref import ref

import numpy as np

from steno_models.default_boost import default_boost, ranks
from steno_models.errors import DataError
from steno_models.features.fbank import fbank
from steno_models.mixture import Mixer
from steno_models.recogniser import AddedWord, LanguageModel, Phrase, Wishes
from steno_models.sounding import heard_ways
from steno_models.text.g2p import G2P
from steno_models.text.normalise import fold, normalise
from steno_models.types import FloatArray

if TYPE_CHECKING:
    from steno_models.bundle import Bundle

GUESSES = 10
"""So many pronunciations are guessed at most. Half of all names are said as the likeliest says, two
thirds as one of three, three quarters as one of ten; most others sound nearly like one of them."""
AS_SPELLED = "*"
"""A pronunciation that stands for the guesses."""
_LEAST_LOG_PROB = -9.0
"""Guesses less likely than this are left out."""
_TABLES = 4
_REMEMBERED = 10_000
_LEAST_SAMPLES = 3_200

Listen: TypeAlias = Callable[[FloatArray], FloatArray]
"""From samples at 16 kHz, (N,), to log probabilities of tokens, (S, V)."""

__all__ = ["AddedWord", "Extended", "Extender", "Phrase", "Refusal", "Source", "Taken", "Wishes"]


class Source(StrEnum):
    """Where a pronunciation is from."""

    GIVEN = "given"
    LEXICON = "lexicon"
    GUESSED = "guessed"
    HEARD = "heard"


@dataclass(frozen=True, slots=True)
class Taken:
    """A word that counts now: its spelling, how it sounds, and who says so."""

    text: str
    pronunciations: tuple[str, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was not taken, and why."""

    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Extended:
    """A language model with what was wished.

    Attributes:
        model: ready to decode with.
        taken: words that were added or given weight.
        phrases: those that are expected, as they are spelled.
        refused: all the rest.
    """

    model: LanguageModel
    taken: tuple[Taken, ...]
    phrases: tuple[str, ...]
    refused: tuple[Refusal, ...]


class _Longer(Sequence[str]):
    """The spelling of a lexicon's words, and of those behind them."""

    def __init__(self, known: Sequence[str], first: int, more: Sequence[str]) -> None:
        self._known, self._first, self._more = known, first, more

    def __len__(self) -> int:
        return self._first + len(self._more)

    @overload
    def __getitem__(self, number: int) -> str: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[str]: ...
    def __getitem__(self, number: int | slice) -> str | Sequence[str]:
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        return self._more[number - self._first] if number >= self._first else self._known[number]


@dataclass(slots=True)
class _Book:
    """What comes of wishes: ids, pronunciations and phrases, word by word.

    Attributes:
        numbers: the ids of the language model's words.
        first: the id of the first new word.
        symbols: token ids by phone.
        guess: pronunciations of a spelling; raises `DataError`.
        listen: log probabilities of tokens in a recording.
    """

    numbers: Mapping[str, int]
    first: int
    symbols: Mapping[str, int]
    guess: "Guesser"
    listen: "Listen"
    news: dict[str, int] = field(default_factory=dict)
    ways: dict[int, list[tuple[int, ...]]] = field(default_factory=dict)
    phrases: dict[tuple[int, ...], float] = field(default_factory=dict)
    taken: dict[str, Taken] = field(default_factory=dict)
    spelled: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)

    def add(self, word: AddedWord, rank: int = 1) -> None:
        """Take a word, after which `rank` - 1 others came, or say why not."""
        try:
            text = spelling(word.text)
            given, source = word.pronunciations, Source.GIVEN
            if word.recording and not given:
                given, source = self._heard(text, word.recording), Source.HEARD
            number = self._number(text, given, source)
        except DataError as error:
            self.refused.append(Refusal(word.text, str(error)))
            return
        boost = word.boost
        if boost is None and number >= self.first:
            boost = default_boost(min(map(len, self.ways[number])), rank)
        if boost:
            self._expect((number,), boost)

    def expect(self, phrase: Phrase) -> None:
        """Take a phrase and the words that it brings, or say why not."""
        try:
            words = _words_of(phrase.text)
            numbers = tuple(self._number(word, ()) for word in words)
        except DataError as error:
            self.refused.append(Refusal(phrase.text, str(error)))
            return
        self._expect(numbers, phrase.boost)
        self.spelled.append(" ".join(words))

    def _expect(self, numbers: tuple[int, ...], boost: float) -> None:
        self.phrases[numbers] = max(boost, self.phrases.get(numbers, 0.0))

    def _heard(self, text: str, recording: bytes) -> tuple[str, ...]:
        """Return how a word sounds in a recording of it."""
        samples = np.frombuffer(recording[: len(recording) // 2 * 2], "<i2") / np.float32(32768)
        if len(samples) < _LEAST_SAMPLES:
            raise DataError(
                f"expected a recording of {_LEAST_SAMPLES} samples or more, found {len(samples)}"
            )
        try:
            spelled = {self._tokens(way): log_p for way, log_p in self.guess.weighed(text)}
        except DataError:  # no spelling that any rule knows: the sound alone counts
            spelled = {}
        ways = heard_ways(self.listen(samples.astype(np.float32)), spelled)
        if not ways:
            raise DataError("expected speech in the recording, found none")
        names = {number: symbol for symbol, number in self.symbols.items()}
        return tuple(" ".join(names[token] for token in way) for way in ways)

    def _number(
        self, text: str, pronunciations: tuple[str, ...], given_by: Source = Source.GIVEN
    ) -> int:
        """Return the id of a word, which is added or gets further pronunciations if need be."""
        number = self.numbers.get(text, self.news.get(text))
        if number is not None and not pronunciations:
            self.taken.setdefault(text, Taken(text, (), Source.LEXICON))
            return number
        given = self._spelled_out(text, pronunciations or (AS_SPELLED,))
        ways = [self._tokens(way) for way in given]
        if number is None:
            number = self.news[text] = self.first + len(self.news)
        known = self.ways.setdefault(number, [])
        known += [way for way in ways if way not in known]
        source = given_by if pronunciations else Source.GUESSED
        before = self.taken[text].pronunciations if text in self.taken else ()
        self.taken[text] = Taken(text, tuple(dict.fromkeys((*before, *given))), source)
        return number

    def _spelled_out(self, text: str, ways: tuple[str, ...]) -> tuple[str, ...]:
        """Return pronunciations with guesses in the place of the mark that stands for them.

        Where there are others, and no rule knows such a spelling, the others are enough.
        """
        guesses: tuple[str, ...] = ()
        others = [way for way in ways if way != AS_SPELLED]
        if len(others) < len(ways):
            try:
                guesses = self.guess(text)
            except DataError:
                if not others:
                    raise
        return tuple(dict.fromkeys((*guesses, *others)))

    def _tokens(self, way: str) -> tuple[int, ...]:
        phones = [phone.rstrip("012") for phone in way.upper().split()]
        strange = [phone for phone in phones if phone not in self.symbols]
        if strange or not phones:
            known = " ".join(sorted(self.symbols))
            raise DataError(f"expected phones of {known}, found {' '.join(strange) or 'none'}")
        return tuple(self.symbols[phone] for phone in phones)


class Guesser:
    """Pronunciations of spellings; loads its model with the first, and remembers."""

    def __init__(self) -> None:
        self._g2p: G2P | None = None
        self._known: dict[str, tuple[tuple[str, float], ...]] = {}
        self._lock = Lock()

    def __call__(self, text: str) -> tuple[str, ...]:
        """Return likely pronunciations, the likeliest first.

        Raises:
            DataError: nothing is known of how such letters sound.
        """
        first, *others = self.weighed(text)
        likely = [way for way, log_prob in others if log_prob > _LEAST_LOG_PROB]
        return (first[0], *likely)

    def weighed(self, text: str) -> tuple[tuple[str, float], ...]:
        """Return up to GUESSES pronunciations and ln p of each, the likeliest first.

        Raises:
            DataError: nothing is known of how such letters sound.
        """
        with self._lock:
            if text not in self._known:
                self._g2p = self._g2p or G2P.load()
                found = self._g2p.pronounce(text, GUESSES)
                if len(self._known) > _REMEMBERED:
                    self._known.clear()
                self._known[text] = tuple((" ".join(way), log_p) for way, log_p in found)
            return self._known[text]


class Extender:
    """Makes language models with more words and phrases; may be called in any thread.

    Args:
        symbols: of the acoustic model's tokens, by id, the blank first.
        own: the bundle's own language models, by name.
        listen: to recordings of words.

    Attributes:
        own: the bundle's own language models, by name.
        mix: mixes language models.
    """

    def __init__(
        self, symbols: Sequence[str], own: Mapping[str, LanguageModel], listen: Listen
    ) -> None:
        self.own = own
        self.mix = Mixer(self)
        self._listen = listen
        self._symbols = {symbol: number for number, symbol in enumerate(symbols) if number}
        self._guess = Guesser()
        # Of models that are in use: whoever retires one gets its memory back.
        self._tables: list[tuple[ref[LanguageModel], dict[str, int]]] = []
        self._lock = Lock()

    @classmethod
    def of(cls, bundle: "Bundle") -> "Extender | None":
        """Return what extends the language models of a bundle, None where its family cannot."""
        from steno_models.lexicon_recogniser import LexiconRecogniser  # noqa: PLC0415
        from steno_models.text.tokens import TokenTable  # noqa: PLC0415

        first = bundle.first_pass
        if not isinstance(first, LexiconRecogniser):
            return None
        symbols = TokenTable.read(bundle.path / "tokens.txt").symbols
        listener = first  # of the type that was checked
        return cls(
            symbols,
            first.language_models,
            lambda samples: listener.log_probs(fbank(samples)),
        )

    def __call__(self, model: LanguageModel, wishes: Wishes) -> Extended:
        """Return `model` with `wishes` beside those that it has."""
        plain = model.plain or model
        both = model.wishes.joined(wishes)
        search = plain.search
        first = max(len(plain.words), search.known_words)
        book = _Book(self._numbers(plain), first, self._symbols, self._guess, self._listen)
        for word, rank in zip(both.words, ranks(both.words), strict=True):
            book.add(word, rank)
        for phrase in both.phrases:
            book.expect(phrase)
        extended = replace(
            plain,
            search=search.extended(book.ways, first + len(book.news), book.phrases),
            words=_Longer(plain.words, first, list(book.news)),
            plain=plain,
            wishes=both,
        )
        return Extended(extended, tuple(book.taken.values()), tuple(book.spelled),
                        tuple(book.refused))  # fmt: skip

    def _numbers(self, model: LanguageModel) -> dict[str, int]:
        """Return the ids of a model's words; the last few tables are remembered."""
        with self._lock:
            for known, table in self._tables:
                if known() is model:
                    return table
            table = {word: number for number, word in enumerate(model.words)}
            others = [one for one in self._tables if one[0]() is not None]
            self._tables = [(ref(model, self._forget), table), *others[: _TABLES - 1]]
            return table

    def _forget(self, gone: "ref[LanguageModel]") -> None:
        """Drop the table of a model that is in use no more."""
        # Not under the lock: a model may vanish in the hands of whoever holds it.
        self._tables = [(known, table) for known, table in self._tables if known is not gone]


def spelling(text: str) -> str:
    """Return a word as a lexicon spells it; what no rule can spell stays as it is.

    Raises:
        DataError: it is not one word.
    """
    if len(text.split()) != 1:
        raise DataError(f"expected one word, found {len(text.split())}: phrases may have more")
    text = text.strip()
    words = normalise(text).split()
    return words[0] if len(words) == 1 and not _lost(text) else text


def _words_of(text: str) -> list[str]:
    """Return the words of a phrase as a lexicon spells them."""
    lost = _lost(text)
    if lost:
        raise DataError(f"expected letters of the Latin script, found {lost}")
    words = normalise(text).split()
    if not words:
        raise DataError(f"expected words, found {text!r}")
    return words


def _lost(text: str) -> str:
    """Return the letters and digits of a text that no word could be spelled with."""
    return "".join(c for c in text if c.isalnum() and not fold(c).strip())
