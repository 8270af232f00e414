"""What is kept of a long search, so that the same command goes on after an interruption."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from steno_models.errors import ConfigError, DataError
from steno_models.types import FloatArray

_OF = "of"


def digest(spaces: tuple[FloatArray, FloatArray], asked: bytes) -> str:
    """Return what tells a search in these vectors, with these options, from all others."""
    made = hashlib.sha256(asked)
    for vectors in spaces:
        made.update(str(vectors.shape).encode())
        made.update(vectors.tobytes())
    return made.hexdigest()


@dataclass(frozen=True, slots=True)
class Keep:
    """A file of tensors that belongs to one search.

    Attributes:
        path: of the file.
        of: the search's digest.
    """

    path: Path
    of: str

    def read(self) -> dict[str, Tensor] | None:
        """Return what was written last; None if nothing was.

        Raises:
            ConfigError: it is of another search.
            DataError: it is damaged.
        """
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, "pt") as file:
                found = (file.metadata() or {}).get(_OF)
            tensors = load_file(self.path)
        except (OSError, SafetensorError) as error:
            raise DataError(f"{self.path}: expected what was kept, found: {error}") from error
        if found != self.of:
            raise ConfigError(
                f"{self.path}: expected what was kept of these spaces and options, found that of "
                "others; choose another folder"
            )
        return tensors

    def write(self, tensors: Mapping[str, Tensor]) -> None:
        """Write `tensors`, whole or not at all.

        Raises:
            DataError: they cannot be written.
        """
        draft = self.path.with_name(f"draft-{self.path.name}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            save_file({n: t.contiguous() for n, t in tensors.items()}, draft, {_OF: self.of})
            draft.replace(self.path)
        except OSError as error:
            raise DataError(f"expected to write to {self.path}, found: {error}") from error
