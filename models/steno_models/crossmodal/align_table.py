"""What maps are worth, one row each, on the terminal."""

from collections.abc import Sequence

from msgspec import Struct
from rich.console import Console
from rich.table import Table

from steno_models.crossmodal.alignment.evaluation import Precision
from steno_models.crossmodal.alignment.refinement import Fit

MARGIN = 1.0  # points of precision at 1
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
        supervised: whether labels taught it.
    """

    start: str
    seed: int | None
    rounds: int
    seconds: float
    fit: Fit
    precision: Precision | None
    supervised: bool = False


class Success(Struct, frozen=True, kw_only=True):
    """How often a start led to a map that is worth a supervised one.

    Attributes:
        start: its name.
        seeds: that were tried.
        succeeded: of them: P@1 under CSLS is at most `MARGIN` points below the supervised map's.
        lowest: P@1 under CSLS of all seeds.
        highest: likewise.
        fit_of_failures: the highest mean CSLS of those that did not succeed; None without any.
        fit_of_successes: the lowest of those that did: above it if fits tell them apart.
    """

    start: str
    seeds: int
    succeeded: int
    lowest: float
    highest: float
    fit_of_failures: float | None
    fit_of_successes: float | None


def successes(rows: Sequence[Row]) -> list[Success]:
    """Return how often each start with seeds succeeded, if `rows` have a supervised map."""
    known = [row.precision.csls[0] for row in rows if row.supervised and row.precision]
    if not known:
        return []
    bar = max(known) - MARGIN
    found: list[Success] = []
    for start in dict.fromkeys(row.start for row in rows if row.seed is not None):
        own = [(r.precision.csls[0], r.fit.csls) for r in rows if r.start == start and r.precision]
        right = [fit for share, fit in own if share >= bar]
        wrong = [fit for share, fit in own if share < bar]
        shares = [share for share, _ in own]
        found.append(
            Success(
                start=start, seeds=len(own), succeeded=len(right), lowest=min(shares),
                highest=max(shares), fit_of_failures=max(wrong, default=None),
                fit_of_successes=min(right, default=None),
            )
        )  # fmt: skip
    return found


def print_successes(found: Sequence[Success]) -> None:
    """Print how often each start succeeded."""
    table = Table("start", "succeeded", "CSLS P@1 %", "mean CSLS of successes", "of failures",
                  title=f"at most {MARGIN:g} point below the supervised map")  # fmt: skip
    for each in found:
        table.add_row(
            each.start, f"{each.succeeded} of {each.seeds}",
            f"{each.lowest:.1f} to {each.highest:.1f}",
            "" if each.fit_of_successes is None else f"{each.fit_of_successes:.4f} or more",
            "" if each.fit_of_failures is None else f"{each.fit_of_failures:.4f} or less",
        )  # fmt: skip
    console().print(table)


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
    shown = console()
    shown.print(table)
    named = rows[chosen]
    seed = "" if named.seed is None else f", seed {named.seed}"
    shown.print(f"kept by its mean CSLS alone: {named.start}{seed}", highlight=False)
    if tested is not None:
        shown.print(f"tested on {tested.tested} words", highlight=False)


def console() -> Console:
    """Return where tables are shown: a pipe has no width, and is as wide as its table."""
    found = Console()
    return found if found.is_terminal else Console(width=_WIDTH)


def _shares(found: tuple[float, float, float]) -> str:
    return " / ".join(f"{share:.1f}" for share in found)
