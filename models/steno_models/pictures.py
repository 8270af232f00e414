"""Figures as files."""

from pathlib import Path
from typing import TYPE_CHECKING

from steno_models.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg")


def save(figure: "Figure", path: Path) -> None:
    """Write `figure` to `path`, a PNG or an SVG by its ending.

    Raises:
        DataError: it ends otherwise, or cannot be written.
    """
    if path.suffix.lower() not in ENDINGS:
        raise DataError(f"expected a file that ends in .png or .svg, found {path}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise DataError(f"expected to write to {path}, found: {error}") from error
