"""The table of fusions: for the terminal, as Markdown, as JSON."""

from collections.abc import Sequence

import msgspec
from rich.table import Table

from steno_models.fusion_table.measure import Row
from steno_models.text.wer import ErrorRate

NOTE = "Word error rates in per cent with 95 % intervals, bootstrap over utterances."


def headings(domains: Sequence[str]) -> tuple[str, ...]:
    """Return what stands above the columns."""
    return ("fusion", "language model of", *(f"WER on {name}" for name in domains))


def cells(row: Row, domains: Sequence[str]) -> tuple[str, ...]:
    """Return what stands in the columns of `row`."""
    return (row.way, row.language or "–", *(_rate(row.rates[name]) for name in domains))


def as_table(rows: Sequence[Row], domains: Sequence[str]) -> Table:
    """Return the table for a terminal."""
    table = Table(caption=NOTE)
    for number, heading in enumerate(headings(domains)):
        table.add_column(heading, justify="left" if number < 2 else "right")
    for row in rows:
        table.add_row(*cells(row, domains))
    return table


def as_markdown(rows: Sequence[Row], domains: Sequence[str]) -> str:
    """Return the table as Markdown."""
    names = headings(domains)
    lines = [
        f"| {' | '.join(names)} |",
        "|---|---|" + "---:|" * len(domains),
        *(f"| {' | '.join(cells(row, domains))} |" for row in rows),
    ]
    return "\n".join([*lines, "", NOTE, ""])


def as_json(rows: Sequence[Row]) -> bytes:
    """Return the rows as JSON."""
    found = [
        {
            "fusion": row.way,
            "language_model": row.language,
            "wer": {
                name: {"rate": each.rate, "low": each.low, "high": each.high}
                for name, each in row.rates.items()
            },
        }
        for row in rows
    ]
    return msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"


def _rate(found: ErrorRate) -> str:
    return f"{100 * found.rate:.1f} [{100 * found.low:.1f}, {100 * found.high:.1f}]"
