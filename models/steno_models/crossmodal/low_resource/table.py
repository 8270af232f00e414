"""All rows of a language that there are so far: in files, on the terminal, and as a picture."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.table import Table

from steno_models.crossmodal.align_table import console
from steno_models.crossmodal.low_resource.config import OWN, TEXTS, WORDLESS, LowResource
from steno_models.crossmodal.low_resource.letters import LettersRow
from steno_models.crossmodal.low_resource.speech import WordlessRow

_KINDS = {
    OWN: "(b) letters, on a filter bank",
    "transfer": "(b) letters, on another language's encoder",
    TEXTS: "(c) … and words of texts",
}


def save_row(recipe: LowResource, row: LettersRow | WordlessRow) -> None:
    """Write `row` into the recipe's folder."""
    path = _path(recipe, row.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode(row))


def read_rows(recipe: LowResource) -> list[LettersRow | WordlessRow]:
    """Return the rows that were measured, in the order of the recipe."""
    found: list[LettersRow | WordlessRow] = []
    for name in recipe.rows():
        path = _path(recipe, name)
        if path.is_file():
            data = path.read_bytes()
            if name == WORDLESS:
                found.append(msgspec.json.decode(data, type=WordlessRow))
            else:
                found.append(msgspec.json.decode(data, type=LettersRow))
    return found


def print_rows(recipe: LowResource, rows: Sequence[LettersRow | WordlessRow]) -> None:
    """Print tables of (a) and of (b) and (c), and the names of rows that are missing."""
    shown = console()
    for each in rows:
        if isinstance(each, WordlessRow):
            shown.print(_wordless(each))
    shown.print(_letters([each for each in rows if isinstance(each, LettersRow)]))
    missing = [name for name in recipe.rows() if name not in {each.name for each in rows}]
    if missing:
        shown.print(f"not measured yet: {', '.join(missing)}", highlight=False)


def _wordless(row: WordlessRow) -> Table:
    table = Table("pieces", "map", "CSLS P@1/5/10 %", title="(a) no transcripts: classification")
    for each in row.systems:
        shares = " / ".join(f"{share:.1f}" for share in each.csls.pieces)
        table.add_row(each.system, each.map, shares)
    return table


def _letters(rows: Sequence[LettersRow]) -> Table:
    table = Table("minutes", "what", "CER %", "WER as spelled %", "WER %", "vocabulary",
                  "unseen words", "of them right %")  # fmt: skip
    for each in rows:
        table.add_row(
            f"{each.minutes:g}", _KINDS[each.name.split("-")[1]], f"{each.cer:.1f}",
            f"{each.spelled:.1f}", f"{each.known:.1f} [{each.low:.1f}, {each.high:.1f}]",
            str(each.vocabulary), str(each.unseen), f"{each.unseen_right:.1f}",
        )  # fmt: skip
    return table


def _path(recipe: LowResource, name: str) -> Path:
    return recipe.folder / "rows" / f"{name}.json"
