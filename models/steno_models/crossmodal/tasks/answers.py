"""Which words of the text are right answers to a word."""

from collections.abc import Mapping
from pathlib import Path

from steno_models.errors import DataError
from steno_models.training.lines import parse_lines


def read_answers(path: Path) -> dict[str, set[str]]:
    """Return the answers to each word in `path`, on each line a word and one answer.

    Raises:
        DataError: with every line that is no pair of words.
    """
    found: dict[str, set[str]] = {}
    for word, answer in parse_lines(path, _pair):
        found.setdefault(word, set()).add(answer)
    if not found:
        raise DataError(f"{path}: expected pairs of words, found none")
    return found


def both_ways(answers: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return `answers` with every word an answer to its answers, too, and none to itself."""
    found: dict[str, set[str]] = {}
    for word, others in answers.items():
        for other in others - {word}:
            found.setdefault(word, set()).add(other)
            found.setdefault(other, set()).add(word)
    return found


def _pair(line: str) -> tuple[str, str]:
    words = line.split()
    if len(words) != 2:
        raise DataError(f"expected a word and an answer, found {line[:60]!r}")
    return words[0].casefold(), words[1].casefold()
