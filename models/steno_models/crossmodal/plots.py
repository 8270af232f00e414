"""What an alignment looks like: both spaces before and after, and who is near to whom."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from steno_models.crossmodal.alignment.csls import hubness, partners
from steno_models.errors import DataError
from steno_models.types import FloatArray, LongArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_JUDGED = 2000  # frequent words among which partners are looked for
_SHOWN = 300  # pairs as dots
_NAMED = 25  # of them with their words
_ROWS = 40  # pairs in the matrices
_SOURCE, _TARGET, _INK = "#d1495b", "#00798c", "#22223b"


def draw(
    words: tuple[Sequence[str], Sequence[str]],
    vectors: tuple[FloatArray, FloatArray],
    rotation: FloatArray,
) -> "Figure":
    """Return a figure of two spaces before and after `rotation`, with their similarities.

    Above are the pairs that are each other's best after the rotation, in the two directions along
    which the target's vectors spread most; a line joins the two of a pair. Below are the cosines
    of the most frequent of them: a bright diagonal says that partners are found.

    Args:
        words: what the vectors of source and target are called.
        vectors: (V, D) and (W, D), normalised.
        rotation: (D, D).

    Raises:
        DataError: no two words are each other's best.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - it takes a second to load

    x, y = (each[:_JUDGED] for each in vectors)
    mapped = x @ rotation.T
    pairs = partners(mapped, y, hubness(mapped, y)).mutual()
    if len(pairs) == 0:
        raise DataError("expected words that are each other's best, found none to draw")
    axes_2d = np.linalg.svd(y[pairs[:, 1]] - y.mean(axis=0), full_matrices=False)[2][:2]
    figure = Figure(figsize=(13, 12), layout="constrained")
    above, below = figure.subplots(2, 2)
    for axes, image, each, title in (
        (above[0], below[0], x, "before"),
        (above[1], below[1], mapped, "after"),
    ):
        _draw_spaces(axes, each @ axes_2d.T, y @ axes_2d.T, pairs[:_SHOWN], words)
        axes.set_title(f"both spaces {title}", color=_INK)
        shown = pairs[:_ROWS]
        drawn = image.imshow(each[shown[:, 0]] @ y[shown[:, 1]].T, vmin=-0.3, vmax=1, cmap="magma")
        image.set_xticks(range(len(shown)), [words[1][j] for j in shown[:, 1]], rotation=90)
        image.set_yticks(range(len(shown)), [words[0][i] for i in shown[:, 0]])
        image.tick_params(labelsize=6, length=0)
        image.set_title(f"cosines {title}: source words down, target words across", color=_INK)
    figure.colorbar(drawn, ax=list(below), shrink=0.7)
    return figure


def _draw_spaces(
    axes: "Axes",
    source: FloatArray,
    target: FloatArray,
    pairs: LongArray,
    words: tuple[Sequence[str], Sequence[str]],
) -> None:
    one, other = source[pairs[:, 0]], target[pairs[:, 1]]
    axes.plot(*np.stack([one, other], axis=1).T, color="#bbbbbb", linewidth=0.5, zorder=1)
    axes.scatter(one[:, 0], one[:, 1], s=9, color=_SOURCE, label="source", zorder=2)
    axes.scatter(other[:, 0], other[:, 1], s=9, color=_TARGET, label="target", zorder=2)
    for place, (i, j) in enumerate(pairs[:_NAMED]):
        axes.annotate(words[0][i], one[place], fontsize=7, color=_SOURCE)
        axes.annotate(words[1][j], other[place], fontsize=7, color=_TARGET)
    axes.legend(loc="upper right", fontsize=8)
    axes.set_xticks([])
    axes.set_yticks([])
