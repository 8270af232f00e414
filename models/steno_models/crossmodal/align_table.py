"""What maps are worth, one row each, on the terminal."""

from collections.abc import Sequence

from msgspec import Struct
from rich.console import Console
from rich.table import Table

from steno_models.crossmodal.alignment.evaluation import Precision
from steno_models.crossmodal.alignment.refinement import Fit

_WIDTH = 120


class Row(Struct, frozen=True, kw_only=True):
    """A map, how it was found and what it is worth.

    Attributes:
        start: how it was found.
        seed: where there was chance in it.
        rounds: of refinement.
        seconds: that it took.
        fit: without labels.
        precision: with them; None where none are known.
    """

    start: str
    seed: int | None
    rounds: int
    seconds: float
    fit: Fit
    precision: Precision | None


def print_table(rows: Sequence[Row], chosen: int) -> None:
    """Print `rows`, and which of them its fit chose."""
    tested = rows[chosen].precision
    heads = ["start", "seed", "mean CSLS", "cosine", "mutual %", "rounds", "s"]
    if tested is not None:
        heads += ["NN P@1/5/10 %", "CSLS P@1/5/10 %"]
    table = Table(*heads)
    for number, row in enumerate(rows):
        cells = [
            row.start, "" if row.seed is None else str(row.seed), f"{row.fit.csls:.4f}",
            f"{row.fit.cosine:.3f}", f"{100 * row.fit.mutual:.0f}", str(row.rounds),
            f"{row.seconds:.1f}",
        ]  # fmt: skip
        if row.precision is not None:
            cells += [_shares(row.precision.nearest), _shares(row.precision.csls)]
        table.add_row(*cells, style="bold" if number == chosen else None)
    console = Console()
    if not console.is_terminal:  # a pipe has no width, and a file may be as wide as its table
        console = Console(width=_WIDTH)
    console.print(table)
    named = rows[chosen]
    seed = "" if named.seed is None else f", seed {named.seed}"
    console.print(f"kept by its mean CSLS alone: {named.start}{seed}", highlight=False)
    if tested is not None:
        console.print(f"tested on {tested.tested} words", highlight=False)


def _shares(found: tuple[float, float, float]) -> str:
    return " / ".join(f"{share:.1f}" for share in found)
