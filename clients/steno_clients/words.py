"""`steno words`: the words that were added to language models, a line each or as JSON."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from steno_clients import admin
from steno_clients.connection import Door
from steno_clients.errors import ProtocolError, StenoClientsError
from steno_daemon.wire import BOOST_MAX, DomainWords, NewWord, Phrase, RefusedText

_AT_A_TIME = 200
"""Words of one call: its length is limited."""
_RECORDING_SAMPLES = 22_400
AS_SPELLED = "*"
"""A pronunciation that stands for those which the spelling suggests."""


class WordListError(StenoClientsError):
    """The words that were given cannot be sent."""


def perform(door: Door, given: argparse.Namespace) -> DomainWords:
    """Do what the command line says, and return what the language model has now.

    Raises:
        StenoClientsError: the daemon does not do it, or there is none; or the words are none.
    """
    match given.action:
        case "list":
            return admin.domain_words(door, given.name)
        case "remove":
            return admin.remove_domain_words(door, given.name, given.words)
        case "add":
            return _add(door, given)
        case "confirm":
            return admin.add_domain_words(door, given.name, [_confirmed(given)], at=given.at)
        case other:
            raise ProtocolError(f"expected an action of steno words, found {other}")


def lines_of(answer: DomainWords, *, as_json: bool) -> Iterator[str]:
    """Yield what a person reads of an answer: each word, how it sounds, and who says so."""
    if as_json:
        yield msgspec.json.encode(answer).decode()
        return
    width = max((len(word.text) for word in answer.words), default=0)
    for word in answer.words:
        ways = " | ".join(word.pronunciations) or "as the lexicon has it"
        yield f"{word.text:<{width}}  {ways}  ({word.source.value})"
    if answer.words and not answer.is_kept:
        yield "until the daemon ends: its configuration names no engine.domains_directory"


def phrases_of(texts: Sequence[str]) -> tuple[Phrase, ...]:
    """Return what the command line says is likely to be said, "TEXT" or "TEXT=BOOST" each.

    Raises:
        WordListError: a boost is none.
    """
    phrases = []
    for one in texts:
        text, equals, boost = one.partition("=")
        try:
            phrases.append(
                msgspec.convert(
                    {"text": text, **({"boost": float(boost)} if equals else {})}, Phrase
                )
            )
        except (ValueError, msgspec.ValidationError):
            raise WordListError(
                f"--phrase: expected TEXT or TEXT=BOOST, the boost above 0 and at most "
                f"{BOOST_MAX:g}, found {one!r}"
            ) from None
    return tuple(phrases)


def _add(door: Door, given: argparse.Namespace) -> DomainWords:
    words = _words(given)
    if not words:
        raise WordListError("expected words to add, found none")
    refused: list[RefusedText] = []
    for begin in range(0, len(words), _AT_A_TIME):
        answer = admin.add_domain_words(
            door, given.name, words[begin : begin + _AT_A_TIME], at=given.at
        )
        refused += answer.refused
    return msgspec.structs.replace(answer, refused=tuple(refused))


def _confirmed(given: argparse.Namespace) -> NewWord:
    """Return a word as it was heard, and as it is spelled."""
    _check_boost(given.boost)
    ways = (AS_SPELLED, *given.heard)
    return NewWord(text=given.word, pronunciations=ways, boost=given.boost)


def _check_boost(boost: float | None) -> None:
    if boost is not None and not 0 <= boost <= BOOST_MAX:
        raise WordListError(f"--boost: expected 0 to {BOOST_MAX:g}, found {boost:g}")


def _words(given: argparse.Namespace) -> list[NewWord]:
    """Return the words of the command line and of its file."""
    _check_boost(given.boost)
    if given.say and len(given.words) != 1:
        raise WordListError(f"--say: expected one word, found {len(given.words)}")
    recording = b""
    if given.recording is not None:
        if len(given.words) != 1:
            raise WordListError(f"--recording: expected one word, found {len(given.words)}")
        recording = _sound(given.recording)
    ways = {word: list(given.say) for word in given.words}
    if given.file is not None:
        for word, way in _read(given.file):
            ways.setdefault(word, []).extend([way] if way else [])
    return [
        NewWord(
            text=word,
            pronunciations=tuple(several),
            boost=given.boost,
            recording=recording if word in given.words else b"",
        )
        for word, several in ways.items()
    ]


def _sound(file: Path) -> bytes:
    """Return the samples of a short sound file, 16 bits at 16 kHz."""
    import numpy as np  # noqa: PLC0415

    from steno_clients.file import read_blocks  # noqa: PLC0415

    samples = np.concatenate([np.zeros(0, np.float32), *read_blocks(file, block_ms=1_000)])
    if len(samples) > _RECORDING_SAMPLES:
        raise WordListError(
            f"--recording: expected at most {_RECORDING_SAMPLES / 16_000:.1f} s, found "
            f"{len(samples) / 16_000:.1f} s"
        )
    return bytes(np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2").tobytes())


def _read(file: Path) -> Iterator[tuple[str, str]]:
    """Yield the words of a file and their phones, if it has some."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise WordListError(f"expected text in {file}, found: {error}") from error
    for line in text.splitlines():
        word, _, way = line.strip().partition(" ")
        if word and not word.startswith("#"):
            yield word, " ".join(way.split())
