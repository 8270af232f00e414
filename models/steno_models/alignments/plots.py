"""What alignments look like: trellises over the spectrogram, words and phones beneath it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from steno_models.alignments.timed import Timed
from steno_models.alignments.trellises import Trellis
from steno_models.trellis.network import F64
from steno_models.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FAINTEST = -12.0  # nats: what is less likely than e^-12 is as good as impossible to the eye
_PATH = "#35e0c8"
_INK = "#22223b"
_BOXES = ("#e9ecf5", "#d5dcef")
_COLOURS = "magma"


def draw(
    trellises: Sequence[Trellis],
    alignment: Timed | None,
    features: FloatArray | None,
    frame_edges_s: F64,
    title: str,
) -> "Figure":
    """Return a figure of all `trellises`, one above the other, on one axis of time.

    Args:
        trellises: from the top.
        alignment: words and phones to be marked beneath; None marks none.
        features: (T, F) log-mel energies to be shown below the trellises; None shows none.
        frame_edges_s: (T + 1,) when their frames begin and the last one ends.
        title: of all.
    """
    # Imported here: only whoever draws needs matplotlib, and it takes a second to load.
    from matplotlib.figure import Figure  # noqa: PLC0415

    end_s = alignment.duration_s if alignment else float(frame_edges_s[-1])
    heights = [min(4.5, 1.4 + 0.06 * len(each.labels)) for each in trellises]
    heights += [1.9] if features is not None else []
    heights += [0.62] if alignment is not None else []
    width = min(26.0, max(9.0, 2.0 + 1.9 * end_s))
    figure = Figure(figsize=(width, sum(heights) + 0.55 * len(heights) + 0.6), layout="constrained")
    rows = figure.subplots(len(heights), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    figure.suptitle(title, fontsize=13, color=_INK, x=0.01, ha="left", fontweight="bold")
    waiting = iter(rows)
    for trellis in trellises:
        _draw_trellis(next(waiting), trellis, alignment)
    if features is not None:
        _draw_sound(next(waiting), features, frame_edges_s, alignment)
    if alignment is not None:
        _draw_words(next(waiting), alignment)
    for row in rows[:-1]:
        row.tick_params(axis="x", length=0)
    rows[-1].set_xlim(0.0, end_s)
    rows[-1].set_xlabel("seconds", color=_INK)
    return figure


def _draw_trellis(axes: "Axes", trellis: Trellis, alignment: Timed | None) -> None:
    P = len(trellis.labels)
    axes.set_facecolor("black")
    # Looks are spread wider than paths.
    faintest = FAINTEST if trellis.path is not None else 0.5 * FAINTEST
    image = np.maximum(trellis.log_weights, FAINTEST).T
    shown = axes.pcolormesh(
        trellis.edges_s,
        np.arange(P + 1) - 0.5,
        image,
        cmap=_COLOURS,
        vmin=faintest,
        vmax=0.0,
        rasterized=True,
    )
    if trellis.path is not None:
        middles = 0.5 * (trellis.edges_s[1:] + trellis.edges_s[:-1])
        axes.plot(middles, trellis.path, color=_PATH, linewidth=1.5, drawstyle="steps-mid")
    named = [place for place, label in enumerate(trellis.labels) if label]
    size = float(np.clip(330 / max(len(named), 1), 4.0, 9.0))
    axes.set_yticks(named, [trellis.labels[place] for place in named], fontsize=size)
    axes.tick_params(axis="y", length=0, pad=2)
    axes.set_ylim(-0.5, P - 0.5)
    axes.set_ylabel(trellis.positions, fontsize=8, color=_INK)
    axes.set_title(_title(trellis), loc="left", fontsize=10, color=_INK)
    bar = axes.figure.colorbar(shown, ax=axes, pad=0.008, aspect=18, fraction=0.02)
    bar.set_label("ln weight" if trellis.path is None else "ln occupancy", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)
    _bare(axes)
    if alignment is not None:
        for word in alignment.words:
            axes.axvline(word.start_s, color="white", linewidth=0.4, alpha=0.35)


def _title(trellis: Trellis) -> str:
    """Return the model's name and what its paths score."""
    if trellis.log_total is None or trellis.log_best is None:
        return f"{trellis.title}: where it looks before each token"
    share = np.exp(min(0.0, trellis.log_best - trellis.log_total))
    return (
        f"{trellis.title}: ln p of all paths {trellis.log_total:.1f}, "
        f"of the best {trellis.log_best:.1f} ({share:.2g} of all)"
    )


def _draw_sound(axes: "Axes", features: FloatArray, edges_s: F64, alignment: Timed | None) -> None:
    low, high = np.percentile(features, [5, 99.8])
    bins = np.arange(features.shape[1] + 1)
    axes.pcolormesh(edges_s, bins, features.T, cmap="Greys", vmin=low, vmax=high, rasterized=True)
    axes.set_title("Sound: log-mel energies", loc="left", fontsize=10, color=_INK)
    axes.set_ylabel("mel bins", fontsize=8, color=_INK)
    axes.tick_params(axis="y", labelsize=7)
    _bare(axes)
    for word in alignment.words if alignment else ():
        for border_s in (word.start_s, word.end_s):
            axes.axvline(border_s, color="#c1121f", linewidth=0.7, alpha=0.8)


def _draw_words(axes: "Axes", alignment: Timed) -> None:
    """Draw the words in a row of boxes, their phones in one beneath."""
    inch_s = float(axes.figure.get_figwidth() * 0.86 / alignment.duration_s)  # type: ignore[union-attr]
    for number, word in enumerate(alignment.words):
        _box(axes, (word.start_s, word.end_s), 1, word.text, number % 2, inch_s)
        for place, phone in enumerate(word.phones):
            _box(axes, (phone.start_s, phone.end_s), 0, phone.phone, place % 2, inch_s)
    axes.set_ylim(0, 2)
    axes.set_yticks([0.5, 1.5], ["phones", "words"], fontsize=8)
    axes.tick_params(axis="y", length=0)
    _bare(axes)


def _box(
    axes: "Axes", span_s: tuple[float, float], row: int, text: str, shade: int, inch_s: float
) -> None:
    """Draw a box in `row` from one time to another, with text as large as fits."""
    from matplotlib.patches import Rectangle  # noqa: PLC0415

    start_s, end_s = span_s
    place = Rectangle(
        (start_s, row + 0.06),
        end_s - start_s,
        0.88,
        facecolor=_BOXES[shade],
        edgecolor="#8d99ae",
        linewidth=0.5,
    )
    axes.add_patch(place)
    # A letter is some 0.6 of its size wide; a point is a 72nd of an inch.
    room = (end_s - start_s) * inch_s * 72 / (0.62 * max(len(text), 1))
    size = min(9.0 if row else 7.0, room)
    if size >= 2.5:
        axes.text(
            0.5 * (start_s + end_s),
            row + 0.48,
            text,
            ha="center",
            va="center",
            fontsize=size,
            color=_INK,
            clip_on=True,
            parse_math=False,
        )


def _bare(axes: "Axes") -> None:
    for spine in axes.spines.values():
        spine.set_visible(False)
