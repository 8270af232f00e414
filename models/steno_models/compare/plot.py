"""The word error rates of a comparison as bars with their intervals, in the order of the table."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from steno_models.compare.table import Comparison, Rate
from steno_models.errors import ConfigError

FORMATS = (".png", ".svg")
_WIDTH = 0.38
# Told apart without colour, too: the lighter one comes first.
_ALONE, _WITH_LM = "#9ecae1", "#08519c"


def check_format(path: Path) -> None:
    """Check that a plot can be written to `path`.

    Raises:
        ConfigError: it has another ending.
    """
    if path.suffix not in FORMATS:
        raise ConfigError(f"expected a plot to end in {' or '.join(FORMATS)}, found {path.name}")


def plot(compared: Comparison, path: Path) -> None:
    """Draw the word error rates of all systems that were measured, with and without LM.

    Raises:
        ConfigError: `path` has another ending than .png or .svg.
    """
    check_format(path)
    # Imported here: only whoever draws needs matplotlib, and it takes a second to load.
    from matplotlib.figure import Figure  # noqa: PLC0415

    rows = [(row.name, row.figures) for row in compared.rows if row.figures is not None]
    places = np.arange(len(rows))
    kinds: list[tuple[str, str, list[Rate | None]]] = [
        ("without language model", _ALONE, [found.wer for _, found in rows]),
        ("with language model", _WITH_LM, [found.wer_lm for _, found in rows]),
    ]
    figure = Figure(figsize=(max(6.0, 0.9 * len(rows) + 2), 5.5), layout="constrained")
    axes = figure.subplots()
    for side, (label, colour, rates) in zip((-0.5, 0.5), kinds, strict=True):
        drawn = [(place, rate) for place, rate in zip(places, rates, strict=True) if rate]
        at = [place + side * _WIDTH for place, _ in drawn]
        heights, errors = _bars([rate for _, rate in drawn])
        bars = axes.bar(at, heights, _WIDTH, yerr=errors, capsize=3, color=colour, label=label)
        axes.bar_label(bars, fmt="%.0f", padding=2, fontsize=8)
    axes.set_xticks(places, [name for name, _ in rows], rotation=35, ha="right")
    axes.set_ylabel("word error rate, %")
    axes.set_title(compared.title)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _bars(rates: Sequence[Rate]) -> tuple[list[float], list[list[float]]]:
    """Return the heights of bars, and how far their intervals reach below and above, in %."""
    heights = [100 * rate.rate for rate in rates]
    below = [100 * max(0.0, rate.rate - rate.low) for rate in rates]
    above = [100 * max(0.0, rate.high - rate.rate) for rate in rates]
    return heights, [below, above]
