"""Let a loaded bundle's recogniser tell of unknown words."""

from pathlib import Path
from typing import TYPE_CHECKING

from steno_models.errors import ConfigError
from steno_models.lexicon_recogniser import LexiconRecogniser
from steno_models.text.tokens import TokenTable
from steno_models.unknown.embedding import aligner_if_whole
from steno_models.unknown.proposer import UnknownWords
from steno_models.unknown.recogniser import UnknownWordRecogniser

if TYPE_CHECKING:
    from steno_models.bundle import Bundle

FOLDER = "unknown"
"""Where a bundle may keep a vocabulary of candidates: in it, or beside it as NAME-unknown."""


def folder_of(loaded: "Bundle", named: Path | None) -> Path | None:
    """Return where the candidates for a bundle are: where they are named, in it, beside it.

    None where they are nowhere.
    """
    own, beside = loaded.path / FOLDER, loaded.path.with_name(f"{loaded.path.name}-{FOLDER}")
    return named or next((path for path in (own, beside) if path.is_dir()), None)


def attach(loaded: "Bundle", folder: Path) -> UnknownWordRecogniser:
    """Return the recogniser of a bundle that tells of unknown words, with candidates of a folder.

    An aligner beside them is asked, too; where it is damaged, the log says so, and unknown words
    are told of without it.

    Raises:
        ConfigError: the bundle has no search through a lexicon, or other phones.
        DataError: the candidates are missing or damaged.
    """
    first = loaded.first_pass
    if not isinstance(first, LexiconRecogniser):
        raise ConfigError(
            f"expected a bundle of the family ctc that decodes while people speak, found "
            f"{loaded.name} ({loaded.description.family})"
        )
    symbols = TokenTable.read(loaded.path / "tokens.txt").symbols
    finder = UnknownWords.open(folder, symbols, aligner_if_whole(folder, len(symbols)))
    for model in first.language_models.values():
        finder.warm_up(model)
    return UnknownWordRecogniser(recogniser=loaded.recogniser, first=first, finder=finder)
