"""The words and phrases that a session expects, and the language models that come of them.

What a client asks for is kept as a value, numbered, so that a session that is taken up elsewhere
expects the same. Each change makes a further version of the session's language model; making it
takes a moment, in another thread, while the segmenter waits at the place in the audio where the
change counts: so what is heard depends on the audio alone, and nobody else waits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from steno_daemon import wire
from steno_daemon.domains import Version
from steno_daemon.transcript import UNNUMBERED
from steno_models.errors import DataError
from steno_models.recogniser import AddedWord, Phrase, Wishes
from steno_models.vocabulary import Extended, spelling

if TYPE_CHECKING:
    from steno_models.recogniser import LanguageModel
    from steno_models.vocabulary import Extender

_NO_WORDS = "expected a model that words can be added to, found one that writes by itself"
_FAULT = "the daemon has a fault; its log has more"


@dataclass(frozen=True, slots=True)
class WordLimits:
    """How much one client may expect.

    Attributes:
        phrases: at once.
        phrase_words: in one of them.
        words: that are added, to a session or to a language model.
    """

    phrases: int = 1_000
    phrase_words: int = 10
    words: int = 1_000


@dataclass(eq=False, slots=True)
class Order:
    """A language model to be made.

    Attributes:
        version: that it is for; nobody decodes with it before it is ready.
        wishes: what it is to have.
        at: from when on it counts.
        position: where in the stream it was asked for.
        refused: what was refused before anything was made.
        asked: texts that the client waits to hear of.
        has_phrases: whether it asked for phrases.
        is_begun: whether somebody is at it.
        is_told: whether the client hears what became of it.
    """

    version: Version
    wishes: Wishes
    at: wire.When
    position: int
    refused: tuple[wire.RefusedText, ...] = ()
    asked: frozenset[str] = frozenset()
    has_phrases: bool = False
    is_begun: bool = False
    is_told: bool = True

    def is_beside(self, other: "Order") -> bool:
        """Return whether both are for the same place and the same language model."""
        mine, theirs = self.version.base, other.version.base
        return (self.position, self.at) == (other.position, other.at) and mine is theirs

    def take_along(self, later: "Order") -> None:
        """Make what a later one wants instead, and tell of both."""
        self.wishes = later.wishes
        self.refused += later.refused
        self.asked |= later.asked
        self.has_phrases |= later.has_phrases
        self.is_told |= later.is_told

    def begin(self) -> tuple["Version", Wishes]:
        """Return what to make of what, which changes no more."""
        self.is_begun = True
        return self.version.base or self.version, self.wishes


class Fill(Protocol):
    """Makes what was ordered, sooner or later."""

    def __call__(self, order: Order, done: Callable[[Extended | None], None], /) -> None:
        """Begin; `done` is called on the event loop, with None where it failed."""


def filled_here(extender: "Extender") -> Fill:
    """Return what makes orders at once, for those who have nobody to wait for."""

    def fill(order: Order, done: Callable[[Extended | None], None]) -> None:
        base, wishes = order.begin()
        done(made(extender, base, wishes))

    return fill


def made(extender: "Extender", base: Version, wishes: Wishes) -> Extended:
    """Return the language model of a version with what was wished."""
    model = _plain(extender, base)
    if base.parts and wishes == Wishes():
        return Extended(model, (), (), ())
    return extender(model, wishes)


def _plain(extender: "Extender", base: Version) -> "LanguageModel":
    """Return the language model of a version, which is mixed if it is of several."""
    if base.parts and base.extended is None:
        parts = [(_plain(extender, part), weight) for part, weight in base.parts]
        said = None if base.personal is None else base.personal.load()
        base.extend(extender.mix(parts, said))
    model = base.language_model
    return extender.own[model] if isinstance(model, str) else model


def _nothing() -> None:
    """Wake nobody."""


@dataclass(slots=True)
class Vocabulary:
    """What one session expects.

    Attributes:
        fill: makes language models; None where the daemon's cannot be extended.
        limits: of the client.
        tell: says an event.
        wake: called when an order was filled.
        wishes: what is expected now.
        kept: every set of wishes that a checkpoint may name, by number.
    """

    fill: Fill | None
    limits: WordLimits
    tell: Callable[[wire.ServerMessage], None]
    wishes: Wishes = field(default_factory=Wishes)
    kept: dict[int, Wishes] = field(default_factory=dict)
    wake: Callable[[], None] = _nothing
    _number: int = 0
    _last: Order | None = None
    _told: dict[str, wire.TakenWord] = field(default_factory=dict)

    def restore(self, kept: dict[int, Wishes], number: int) -> None:
        """Expect what an earlier life of the session did."""
        self.kept = dict(kept)
        self._number = max(kept, default=0)
        self.wishes = kept.get(number, Wishes())

    def expect(
        self, phrases: Sequence[wire.Phrase], base: Version, *, at: wire.When, position: int
    ) -> Order | None:
        """Expect these phrases and no others; return an order that was not there, if there is."""
        taken: list[Phrase] = []
        refused: list[wire.RefusedText] = []
        for phrase in phrases:
            count = len(phrase.text.split())
            if count > self.limits.phrase_words:
                reason = f"expected at most {self.limits.phrase_words} words, found {count}"
                refused.append(wire.RefusedText(text=phrase.text, reason=reason))
            elif len(taken) == self.limits.phrases:
                reason = f"expected at most {self.limits.phrases} phrases, found more"
                refused.append(wire.RefusedText(text=phrase.text, reason=reason))
            else:
                taken.append(Phrase(phrase.text, phrase.boost))
        self.wishes = replace(self.wishes, phrases=tuple(taken))
        order = Order(
            _version(base), self.wishes, at, position, tuple(refused), has_phrases=True,
            asked=frozenset(one.text for one in taken),
        )  # fmt: skip
        return self._ordered(order)

    def add(
        self, words: Sequence[wire.NewWord], base: Version, *, at: wire.When, position: int
    ) -> Order | None:
        """Add words; return an order that was not there, if there is one."""
        self.wishes, refused = with_words(self.wishes, words, self.limits)
        asked = frozenset(one.text for one in words) - {one.text for one in refused}
        return self._ordered(Order(_version(base), self.wishes, at, position, refused, asked=asked))

    def again(self, base: Version, *, at: wire.When, position: int) -> Order | None:
        """Expect of another language model what was expected of the last one."""
        return self._ordered(Order(_version(base), self.wishes, at, position, is_told=False))

    def _ordered(self, order: Order) -> Order | None:
        """Return an order, or None where nobody fills it or an earlier one takes it along."""
        if self.fill is None:
            self.wishes = Wishes()
            if order.is_told:
                none = tuple(
                    wire.RefusedText(text=text, reason=_NO_WORDS) for text in sorted(order.asked)
                )
                self.tell(wire.Vocabulary(seq=UNNUMBERED, refused=(*order.refused, *none)))
            return None
        last = self._last
        if last is not None and not last.is_begun and last.is_beside(order):
            last.take_along(order)
            self.kept[last.version.wishes] = self.wishes
            return None
        self._number += 1
        order.version.wishes = self._number
        self.kept[self._number] = self.wishes
        self._last = order
        return order

    def start(self, order: Order) -> None:
        """Have an order filled, once its place in the stream is known to wait for it."""
        if self.fill is not None:
            self.fill(order, lambda extended: self._filled(order, extended))

    def _filled(self, order: Order, extended: Extended | None) -> None:
        """Take what was made, or go on without."""
        order.version.extend(None if extended is None else extended.model)
        if extended is not None:
            self.wishes = settled(self.wishes, extended)
            self.kept[order.version.wishes] = settled(order.wishes, extended)
        if order.is_told:
            self.tell(self._answer(order, extended))
        self.wake()

    def _answer(self, order: Order, extended: Extended | None) -> wire.Vocabulary:
        """Return what a client hears of its order: of words, those that are news."""
        if extended is None:
            failed = [wire.RefusedText(text=text, reason=_FAULT) for text in sorted(order.asked)]
            return wire.Vocabulary(seq=UNNUMBERED, refused=(*order.refused, *failed))
        asked = {spelled(text) for text in order.asked}
        taken = taken_words(extended)
        news = [one for one in taken if one.text in asked or self._told.get(one.text) != one]
        self._told.update({one.text: one for one in news})
        refused = [one for one in refused_texts(extended) if one.text in order.asked]
        return wire.Vocabulary(
            seq=UNNUMBERED,
            words=tuple(news),
            phrases=extended.phrases if order.has_phrases else (),
            refused=(*order.refused, *refused),
        )


def _version(base: Version) -> Version:
    """Return the version that a session gets which extends `base`, or what that extends."""
    base = base.base or base
    return Version(base.name, base.number, origin=base.origin, base=base)


def settled(wishes: Wishes, extended: Extended) -> Wishes:
    """Return wishes without what was refused, and with what was heard in recordings in writing."""
    wrong = {one.text for one in extended.refused}
    sounds = {one.text: one.pronunciations for one in extended.taken}
    words = tuple(
        replace(one, pronunciations=sounds[spelled(one.text)], recording=b"")
        if one.recording and spelled(one.text) in sounds
        else one
        for one in wishes.words
        if one.text not in wrong
    )
    return Wishes(words, tuple(one for one in wishes.phrases if one.text not in wrong))


@lru_cache(maxsize=20_000)
def spelled(text: str) -> str:
    """Return a word as a lexicon spells it; empty where it is none."""
    try:
        return spelling(text)
    except DataError:
        return ""


def with_words(
    wishes: Wishes, words: Sequence[wire.NewWord], limits: WordLimits
) -> tuple[Wishes, tuple[wire.RefusedText, ...]]:
    """Return wishes with more words, in a turn of their own, and those that are too many."""
    found = {word.text: word for word in wishes.words}
    turn = 1 + max((word.turn for word in wishes.words), default=-1)
    refused = []
    for word in words:
        if word.text not in found and len(found) >= limits.words:
            reason = f"expected at most {limits.words} added words, found more"
            refused.append(wire.RefusedText(text=word.text, reason=reason))
        else:
            found[word.text] = AddedWord(
                word.text, word.pronunciations, word.boost, word.recording, turn
            )
    return replace(wishes, words=tuple(found.values())), tuple(refused)


def taken_words(extended: Extended) -> tuple[wire.TakenWord, ...]:
    """Return the words that count, as they are told."""
    return tuple(
        wire.TakenWord(
            text=one.text,
            source=wire.PronunciationSource(one.source.value),
            pronunciations=one.pronunciations,
        )
        for one in extended.taken
    )


def refused_texts(extended: Extended) -> tuple[wire.RefusedText, ...]:
    """Return what does not count, as it is told."""
    return tuple(wire.RefusedText(text=one.text, reason=one.reason) for one in extended.refused)
