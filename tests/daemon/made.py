"""Domains that are loaded without a file being read."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

from steno_models.domain import Domain
from steno_models.errors import DataError
from steno_models.lm.domain.description import Description

if TYPE_CHECKING:
    from steno_models.recogniser import LanguageModel


def domain(name: str, *, words: int = 3) -> Domain:
    """A domain of a name; what it decodes with has no more than that."""
    description = Description(name=name, words=words, ngrams=(words,), files={})
    return Domain(description, cast("LanguageModel", f"model of {name}"), 1_000)


class Folder:
    """A folder of domains; each holds a file `domain.toml` with its name, or with `bad`.

    Attributes:
        loads: the folders that were loaded, or tried.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.mkdir()
        self.loads: list[str] = []

    def put(self, name: str, text: str | None = None, *, folder: str = "") -> None:
        """Write a domain."""
        place = self.path / (folder or name)
        place.mkdir(exist_ok=True)
        files = f'"{name}.bin" = ""\n"{name}.lexicon.txt" = ""\n'
        usual = f'name = "{name}"\nwords = 3\nngrams = [3]\n[files]\n{files}'
        (place / "domain.toml").write_text(usual if text is None else text)

    def load(self, place: Path) -> Domain:
        """Load one, as the daemon wants it."""
        self.loads.append(place.name)
        text = (place / "domain.toml").read_text()
        if "bad" in text:
            raise DataError(f"{place.name} is damaged")
        return domain(text.split('"')[1])
