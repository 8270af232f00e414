"""True words in time, from what says it: forced alignments, or phones in time with texts.

`steno-models force-align --format json` writes KEY.json. Lists of phones are KEY.txt, on each line
a phone and when it begins and ends, in seconds; the letters of the text are laid onto its phones
at the least cost, so that each word has those of its letters. Words are named in lower case,
without the marks around them.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from steno_models.crossmodal.segmentation.segments import Recording, Segment
from steno_models.errors import DataError
from steno_models.text.wer import align
from steno_models.training.lines import parse_lines
from steno_models.training.utterance import Utterance

_SILENCES = frozenset({"sil", "sp", "spn", "pau", "nsn", ""})
_MARKS = re.compile(r"^\W+|\W+$")
Phone = tuple[str, float, float]


class _Word(msgspec.Struct, frozen=True):
    word: str
    start_s: float
    end_s: float


class _Aligned(msgspec.Struct, frozen=True):
    words: list[_Word]


def read_times(
    folder: Path,
    utterances: Sequence[Utterance],
    left_out: Callable[[str], None] = lambda _: None,
) -> list[Recording]:
    """Return the true words of `utterances` in time.

    Args:
        folder: of KEY.json or KEY.txt; a "/" in a key is "_" there, or only its last part counts.
        utterances: with texts.
        left_out: is told of utterances without times.

    Raises:
        DataError: no utterance has any, or a file is broken.
    """
    found: list[Recording] = []
    for each in utterances:
        names = (each.key.replace("/", "_"), Path(each.key).name)
        files = [folder / f"{name}{end}" for name in names for end in (".json", ".txt")]
        file = next((path for path in files if path.is_file()), None)
        if file is None:
            left_out(f"{each.key}: expected its times in {folder}, found none")
            continue
        segments = _aligned(file) if file.suffix == ".json" else _by_phones(file, each.text)
        if not segments:
            left_out(f"{each.key}: expected words in time, found none")
            continue
        found.append(Recording(key=each.key, segments=tuple(segments)))
    if not found:
        raise DataError(
            f"{folder}: expected times of the recordings (KEY.json of force-align, or KEY.txt of "
            "phones), found none"
        )
    return found


def words_of_phones(text: str, phones: Sequence[Phone]) -> list[Segment]:
    """Return the words of `text` in time, by its letters' phones; words without any are left out.

    Letters and phones are compared without accents and case.

    Args:
        text: words, separated by blanks.
        phones: with silences.
    """
    words = text.split()
    letters = [(letter, place) for place, word in enumerate(words) for letter in _bare(word)]
    spoken = [phone for phone in phones if phone[0].casefold() not in _SILENCES]
    owners = _laid([letter for letter, _ in letters], [_bare(phone[0]) or "?" for phone in spoken])
    found: list[Segment] = []
    for place, word in enumerate(words):
        own = [owners[n] for n, (_, owner) in enumerate(letters) if owner == place]
        said = [phone for phone in own if phone >= 0]
        if said:
            found.append(Segment(spoken[said[0]][1], spoken[said[-1]][2], _named(word)))
    return found


def _laid(letters: Sequence[str], phones: Sequence[str]) -> list[int]:
    """Return for each letter its phone, or -1, at the least number of edits."""
    found: list[int] = []
    phone = 0
    for letter, other in align(letters, phones).pairs:
        if letter is not None:
            found.append(-1 if other is None else phone)
        phone += other is not None
    return found


def _bare(text: str) -> str:
    plain = unicodedata.normalize("NFD", text.casefold())
    return "".join(letter for letter in plain if letter.isalnum())


def _aligned(path: Path) -> list[Segment]:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Aligned)
    except (OSError, msgspec.DecodeError) as error:
        raise DataError(f"{path}: expected a forced alignment, found: {error}") from error
    words = [Segment(each.start_s, each.end_s, _named(each.word)) for each in found.words]
    return [each for each in words if each.end_s > each.start_s]


def _named(word: str) -> str:
    """Return `word` as texts of spoken words have it; what is nothing but marks stays."""
    parts = word.casefold().split()
    bare = [_MARKS.sub("", part) for part in parts]
    return "-".join(part for part in bare if part) or "".join(parts)


def _by_phones(path: Path, text: str) -> list[Segment]:
    return words_of_phones(text, parse_lines(path, _phone))


def _phone(line: str) -> Phone:
    try:
        name, start, end = line.split()
        return name, float(start), float(end)
    except ValueError as error:
        raise DataError(f"expected a phone, its start and its end, found {line[:60]!r}") from error
