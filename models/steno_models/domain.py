"""A domain's folder as a language model that a loaded bundle can decode with.

The files are copied while they are checked, and the copy, which no name leads to any more, is what
is mapped: what was checked is what is used, and whoever writes over the files harms nobody who
still decodes with them.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from steno_models.bundle import Bundle, load_language_model
from steno_models.errors import DataError
from steno_models.lm.domain.description import (
    DESCRIPTION,
    Description,
    describe,
    files_of,
    tree_of,
)
from steno_models.lm.domain.folder import copy_checked
from steno_models.lm.domain.prepared import read_tree
from steno_models.recogniser import LanguageModel
from steno_models.search.tree import LexiconTree
from steno_models.text.tokens import TokenTable

__all__ = ["DESCRIPTION", "Description", "Domain", "Loader", "describe", "loader_of"]


@dataclass(frozen=True, slots=True)
class Domain:
    """A loaded domain.

    Attributes:
        description: what it says of itself.
        model: ready to decode with; its memory is given back with the last reference.
        size_bytes: of the n-gram model that is mapped.
    """

    description: Description
    model: LanguageModel
    size_bytes: int


class Loader:
    """Loads domains for one bundle; may be called in any thread.

    Args:
        bundle: whose phones and search they are for.
        scratch: folder for the copies, which are gone as soon as they are mapped; the system's
            folder of temporary files where None.
    """

    def __init__(self, bundle: Bundle, scratch: Path | None = None) -> None:
        self._symbols = TokenTable.read(bundle.path / "tokens.txt").symbols
        self._search = bundle.description.search
        self._scratch = scratch

    def __call__(self, folder: Path) -> Domain:
        """Return the domain in `folder`.

        Raises:
            DataError: a file is missing, damaged, half written or of another bundle; the disk is
                full.
        """
        description = describe(folder)
        try:
            with tempfile.TemporaryDirectory(dir=self._scratch, prefix="steno-domain-") as made:
                copy = Path(made)
                for name, digest in description.files.items():
                    copy_checked(folder / name, copy / name, digest)
                size_bytes = (copy / files_of(description.name)[0]).stat().st_size
                model = load_language_model(
                    copy,
                    description.name,
                    self._symbols,
                    self._search,
                    tree=self._tree(copy, description),
                )
        except OSError as error:
            raise DataError(f"expected room for a copy of {folder}, found: {error}") from error
        except DataError:
            raise
        except (ValueError, KeyError, IndexError, RuntimeError) as error:
            raise DataError(f"the domain in {folder} does not fit together: {error}") from error
        model = replace(model, neural_share=description.neural_share)
        return Domain(description, model, size_bytes)

    def _tree(self, folder: Path, description: Description) -> LexiconTree | None:
        """Return the tree of a domain's lexicon, None where it is to be made."""
        name, (_, lexicon) = tree_of(description.name), files_of(description.name)
        if name not in description.files:
            return None
        return read_tree(folder / name, description.files[lexicon], self._symbols)


def loader_of(bundle: Bundle) -> Loader | None:
    """Return what loads domains for a bundle, None where its family takes none.

    A domain is a lexicon of phones and words that follow each other, which is what a CTC model of
    phones is searched with.
    """
    return Loader(bundle) if bundle.description.family == "ctc" else None
