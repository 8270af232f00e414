"""Words and phrases that are expected, and what became of them."""

from enum import StrEnum
from typing import Annotated

import msgspec

BOOST_MAX = 20.0
Boost = Annotated[float, msgspec.Meta(gt=0, le=BOOST_MAX)]
WordText = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
PhraseText = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
PhoneText = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class _Wish(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What every wish has in common."""


class Phrase(_Wish, frozen=True, kw_only=True):
    """Words that are likely to be said one after the other."""

    text: PhraseText
    """Words that the lexicon lacks are added, pronounced as they are spelled."""
    boost: Boost = 2.0
    """Nats that each of its words earns when all of them are said: 1 is a nudge; with 3, some of
    hundreds of phrases are heard where nobody says them, with 10 nearly all."""


class NewWord(_Wish, frozen=True, kw_only=True):
    """A word that may be unknown."""

    text: WordText
    pronunciations: Annotated[tuple[PhoneText, ...], msgspec.Meta(max_length=8)] = ()
    """Phones of the CMU dictionary, such as "K OW V AE L CH IH K"; left out, they are guessed from
    the spelling. A word that is known gets these besides its own. "*" stands for the guesses, so
    that they count besides what was heard."""
    boost: Annotated[float, msgspec.Meta(ge=0, le=BOOST_MAX)] | None = None
    """Nats that it earns whenever it is said. Left out, a new word earns what suits its length, the
    less the more words are added with it or later; a word that is known earns nothing."""
    recording: bytes = b""
    """How it is said, 16-bit samples at 16 kHz in Base64, up to a second and a half: then its
    pronunciation is what is heard there, the spelling helping."""


class PronunciationSource(StrEnum):
    """Who says how a word sounds."""

    GIVEN = "given"
    """The client."""
    LEXICON = "lexicon"
    """The word was known."""
    GUESSED = "guessed"
    """The spelling."""
    HEARD = "heard"
    """The recording."""


class TakenWord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A word that counts from now on."""

    text: str
    """As it will be written."""
    source: PronunciationSource
    pronunciations: tuple[str, ...] = ()
    """Those that were added."""


class RefusedText(msgspec.Struct, frozen=True, kw_only=True):
    """A word or a phrase that does not count, and why."""

    text: str
    reason: str
