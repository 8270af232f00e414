"""Words and phrases that captions show as others: names as they are written, or words left out.

Case does not matter for what is found, and punctuation around it stays. Of two phrases that fit the
longer one counts; what was put in is not looked at again. A hypothesis stays honest: text of it is
called stable only where no longer phrase can still come of it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from steno_daemon.errors import ConfigError
from steno_daemon.wire import Final, Partial, Word, WrittenWord

_W = TypeVar("_W", Word, WrittenWord)
_PUNCTUATION = '.,;:!?…"“”()[]'


@dataclass(frozen=True, slots=True)
class _Token:
    """A word of a text with the punctuation around it."""

    whole: str
    lead: str
    core: str
    trail: str

    @classmethod
    def of(cls, text: str) -> "_Token":
        """Return a word, taken apart."""
        core = text.strip(_PUNCTUATION)
        lead, _, trail = text.partition(core) if core else (text, "", "")
        return cls(text, lead, core, trail)


@dataclass(frozen=True, slots=True)
class _Phrase:
    """What is looked for, without case, and what stands for it."""

    words: tuple[str, ...]
    shown: str


@dataclass(frozen=True, slots=True)
class _Unit:
    """Tokens `begin` … `end` - 1 and what is shown for them; open if more of them may change it."""

    begin: int
    end: int
    shown: tuple[str, ...]
    is_open: bool


class Replacements:
    """A list of replacements, ready for use.

    Args:
        phrases: what is said, and what is shown for it; nothing leaves it out.

    Raises:
        ConfigError: a phrase has no word, or is there twice.
    """

    def __init__(self, phrases: Mapping[str, str] | None = None) -> None:
        self._by_first: dict[str, list[_Phrase]] = {}
        known: set[tuple[str, ...]] = set()
        for said, shown in (phrases or {}).items():
            words = tuple(said.casefold().split())
            if not words or words in known:
                raise ConfigError(
                    "the captions' replacements are wrong: expected words, each phrase once, "
                    f"found {said!r}{' again' if words else ''}"
                )
            known.add(words)
            self._by_first.setdefault(words[0], []).append(_Phrase(words, shown))
        for candidates in self._by_first.values():
            candidates.sort(key=lambda phrase: len(phrase.words), reverse=True)

    def __bool__(self) -> bool:
        return bool(self._by_first)

    def text(self, text: str) -> str:
        """Return a text as it is shown."""
        tokens = [_Token.of(word) for word in text.split()]
        return _join(self._units(tokens, len(tokens)))

    def final(self, final: Final) -> Final | None:
        """Return a final as it is shown; None where nothing of it is."""
        if not self:
            return final
        text = self.text(final.text)
        written = None if final.written is None else self.text(final.written)
        if not (text if written is None else written):
            return None
        return msgspec.structs.replace(
            final,
            text=text,
            words=self._words(final.words),
            written=written,
            written_words=self._words(final.written_words),
        )

    def partial(self, partial: Partial) -> Partial:
        """Return a hypothesis as it is shown, and how much of that will never change."""
        if not self:
            return partial
        spans = [match.span() for match in re.finditer(r"\S+", partial.text)]
        tokens = [_Token.of(partial.text[begin:end]) for begin, end in spans]
        stable = sum(end <= partial.stable_chars for _, end in spans)
        units = list(self._units(tokens, stable))
        settled = next((i for i, unit in enumerate(units) if unit.is_open), len(units))
        return msgspec.structs.replace(
            partial,
            text=_join(units),
            stable_chars=len(_join(units[:settled])),
            words=self._words(partial.words),
        )

    def _words(self, words: tuple[_W, ...] | None) -> tuple[_W, ...] | None:
        """Return words as they are shown; what is put in shares the time of what it replaces."""
        if words is None:
            return None
        tokens = [_Token.of(word.text) for word in words]
        shown: list[_W] = []
        for unit in self._units(tokens, len(tokens)):
            shown += _spoken_in_place_of(words[unit.begin : unit.end], unit.shown)
        return tuple(shown)

    def _units(self, tokens: Sequence[_Token], stable: int) -> Iterator[_Unit]:
        """Yield the tokens one after the other, or as phrases that are replaced.

        Args:
            tokens: of the text.
            stable: how many of them will never change; what comes after them may be anything.
        """
        begin = 0
        while begin < len(tokens):
            token = tokens[begin]
            candidates = self._candidates(token)
            phrase = next((p for p in candidates if _matches(p, tokens, begin)), None)
            end = begin + (len(phrase.words) if phrase is not None else 1)
            shown = (token.whole,) if phrase is None else _shown(phrase, tokens[begin:end])
            may_grow = any(
                begin + len(longer.words) > max(end, stable) and _fits(longer, tokens[begin:stable])
                for longer in candidates
            )
            yield _Unit(begin, end, shown, is_open=end > stable or may_grow)
            begin = end

    def _candidates(self, token: _Token) -> list[_Phrase]:
        """Return the phrases that may begin with a token, the longest first."""
        whole, core = token.whole.casefold(), token.core.casefold()
        found = self._by_first.get(whole, [])
        if core == whole:
            return found
        found = [*found, *self._by_first.get(core, [])]
        return sorted(found, key=lambda phrase: len(phrase.words), reverse=True)


def _matches(phrase: _Phrase, tokens: Sequence[_Token], begin: int) -> bool:
    """Return whether the tokens from `begin` on begin with all words of a phrase."""
    end = begin + len(phrase.words)
    return end <= len(tokens) and _fits(phrase, tokens[begin:end])


def _fits(phrase: _Phrase, tokens: Sequence[_Token]) -> bool:
    """Return whether tokens are the words of a phrase, as far as there are tokens.

    Punctuation may stand before the first and after the last word, not within.
    """
    last = len(phrase.words) - 1
    for place, (word, token) in enumerate(zip(phrase.words, tokens, strict=False)):
        if word == token.whole.casefold():
            continue
        within = (place > 0 and token.lead) or (place < last and token.trail)
        if word != token.core.casefold() or within:
            return False
    return True


def _shown(phrase: _Phrase, tokens: Sequence[_Token]) -> tuple[str, ...]:
    """Return what is shown for tokens: cased as they are, unless the list has its own case."""
    words = phrase.shown.split()
    if not words:
        return ()
    said = " ".join(token.core for token in tokens)
    if phrase.shown == phrase.shown.lower():
        if said.isupper() and len(said) > 1:
            words = [word.upper() for word in words]
        elif said[:1].isupper():
            words[0] = words[0][:1].upper() + words[0][1:]
    first, last = tokens[0], tokens[-1]
    if phrase.words[0] != first.whole.casefold():
        words[0] = first.lead + words[0]
    if phrase.words[-1] != last.whole.casefold():
        words[-1] += last.trail
    return tuple(words)


def _spoken_in_place_of(words: Sequence[_W], shown: Sequence[str]) -> list[_W]:
    """Return the texts shown as words that evenly share the time of those that were said.

    The first one stands for all that was said.
    """
    if [word.text for word in words] == list(shown):
        return list(words)
    start, length = words[0].start, words[-1].end - words[0].start
    share = length / len(shown) if shown else 0.0
    placed = [
        msgspec.structs.replace(
            words[0],
            text=text,
            start=round(start + place * share, 4),
            end=round(start + (place + 1) * share, 4),
            confidence=min(word.confidence for word in words),
        )
        for place, text in enumerate(shown)
    ]
    return _counted(placed, words)


def _counted(placed: list[_W], words: Sequence[_W]) -> list[_W]:
    """Return written words that stand for as many as those they replace; others as they are."""
    stood_for = [word.words for word in words if isinstance(word, WrittenWord)]
    if not stood_for:
        return placed
    counts = [sum(stood_for), *(0 for _ in placed[1:])]
    return [msgspec.structs.replace(w, words=n) for w, n in zip(placed, counts, strict=True)]


def _join(units: Sequence[_Unit] | Iterator[_Unit]) -> str:
    return " ".join(word for unit in units for word in unit.shown)
