"""The words and phrases that a session expects, and the language models that come of them.

What a client asks for is kept as a value, numbered, so that a session that is taken up elsewhere
expects the same. Each change makes a further version of the session's language model; making it
takes a moment, in another thread, while the segmenter waits at the place in the audio where the
change counts: so what is heard depends on the audio alone, and nobody else waits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from steno_daemon import wire
from steno_daemon.domains import Version
from steno_daemon.transcript import UNNUMBERED
from steno_models.recogniser import AddedWord, Phrase, Wishes

if TYPE_CHECKING:
    from steno_models.vocabulary import Extended, Extender

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
        is_begun: whether somebody is at it.
        is_told: whether the client hears what became of it.
    """

    version: Version
    wishes: Wishes
    at: wire.When
    position: int
    refused: tuple[wire.RefusedText, ...] = ()
    is_begun: bool = False
    is_told: bool = True

    def begin(self) -> tuple["Version", Wishes]:
        """Return what to make of what, which changes no more."""
        self.is_begun = True
        return self.version.base or self.version, self.wishes


class Fill(Protocol):
    """Makes what was ordered, sooner or later."""

    def __call__(self, order: Order, done: "Callable[[Extended | None], None]", /) -> None:
        """Begin; `done` is called on the event loop, with None where it failed."""


def filled_here(extender: "Extender") -> Fill:
    """Return what makes orders at once, for those who have nobody to wait for."""

    def fill(order: Order, done: "Callable[[Extended | None], None]") -> None:
        base, wishes = order.begin()
        done(made(extender, base, wishes))

    return fill


def made(extender: "Extender", base: Version, wishes: Wishes) -> "Extended":
    """Return the language model of a version with what was wished."""
    model = base.language_model
    return extender(extender.own[model] if isinstance(model, str) else model, wishes)


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

    def restore(self, kept: dict[int, Wishes], number: int) -> None:
        """Expect what an earlier life of the session did."""
        self.kept = dict(kept)
        self._number = max(kept, default=0)
        self.wishes = kept.get(number, Wishes())

    def expect(
        self, phrases: Sequence[wire.Phrase], base: Version, *, at: wire.When, position: int
    ) -> Order | None:
        """Expect these phrases and no others; return an order that was not there, if there is."""
        taken, refused = [], []
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
        return self._ordered(base, at, position, tuple(refused))

    def add(
        self, words: Sequence[wire.NewWord], base: Version, *, at: wire.When, position: int
    ) -> Order | None:
        """Add words; return an order that was not there, if there is one."""
        self.wishes, refused = with_words(self.wishes, words, self.limits)
        return self._ordered(base, at, position, refused)

    def again(self, base: Version, *, at: wire.When, position: int) -> Order | None:
        """Expect of another language model what was expected of the last one."""
        return self._ordered(base, at, position, (), is_told=False)

    def _ordered(
        self,
        base: Version,
        at: wire.When,
        position: int,
        refused: tuple[wire.RefusedText, ...],
        *,
        is_told: bool = True,
    ) -> Order | None:
        if self.fill is None:
            asked = [*(one.text for one in self.wishes.words),
                     *(one.text for one in self.wishes.phrases)]  # fmt: skip
            none = tuple(wire.RefusedText(text=text, reason=_NO_WORDS) for text in asked)
            self.wishes = Wishes()
            if is_told:
                self.tell(wire.Vocabulary(seq=UNNUMBERED, refused=(*refused, *none)))
            return None
        base = base.base or base
        last = self._last
        if (
            last is not None
            and not last.is_begun
            and (last.position, last.at, last.version.base) == (position, at, base)
        ):
            last.wishes, last.refused = self.wishes, (*last.refused, *refused)
            self.kept[last.version.wishes] = self.wishes
            return None
        self._number += 1
        self.kept[self._number] = self.wishes
        version = Version(
            base.name, base.number, origin=base.origin, base=base, wishes=self._number
        )
        order = Order(version, self.wishes, at, position, refused, is_told=is_told)
        self._last = order
        return order

    def start(self, order: Order) -> None:
        """Have an order filled, once its place in the stream is known to wait for it."""
        if self.fill is not None:
            self.fill(order, lambda extended: self._filled(order, extended))

    def _filled(self, order: Order, extended: "Extended | None") -> None:
        """Take what was made, or go on without."""
        order.version.extend(None if extended is None else extended.model)
        if order.is_told:
            self.tell(_told(order, extended))
        self.wake()


def _told(order: Order, extended: "Extended | None") -> wire.Vocabulary:
    """Return what a client hears of its order."""
    if extended is None:
        asked = [one.text for one in (*order.wishes.words, *order.wishes.phrases)]
        failed = tuple(wire.RefusedText(text=text, reason=_FAULT) for text in asked)
        return wire.Vocabulary(seq=UNNUMBERED, refused=(*order.refused, *failed))
    return wire.Vocabulary(
        seq=UNNUMBERED,
        words=taken_words(extended),
        phrases=extended.phrases,
        refused=(*order.refused, *refused_texts(extended)),
    )


def with_words(
    wishes: Wishes, words: Sequence[wire.NewWord], limits: WordLimits
) -> tuple[Wishes, tuple[wire.RefusedText, ...]]:
    """Return wishes with more words, and those that are too many."""
    found = {word.text: word for word in wishes.words}
    refused = []
    for word in words:
        if word.text not in found and len(found) >= limits.words:
            reason = f"expected at most {limits.words} added words, found more"
            refused.append(wire.RefusedText(text=word.text, reason=reason))
        else:
            found[word.text] = AddedWord(word.text, word.pronunciations, word.boost)
    return replace(wishes, words=tuple(found.values())), tuple(refused)


def taken_words(extended: "Extended") -> tuple[wire.TakenWord, ...]:
    """Return the words that count, as they are told."""
    return tuple(
        wire.TakenWord(
            text=one.text,
            source=wire.PronunciationSource(one.source.value),
            pronunciations=one.pronunciations,
        )
        for one in extended.taken
    )


def refused_texts(extended: "Extended") -> tuple[wire.RefusedText, ...]:
    """Return what does not count, as it is told."""
    return tuple(wire.RefusedText(text=one.text, reason=one.reason) for one in extended.refused)
