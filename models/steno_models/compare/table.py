"""The table of a comparison: for the terminal, as Markdown, as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from rich.table import Table

from steno_models.compare.measurement import Decoded, Measurement
from steno_models.compare.phones import Ways, phone_error_rate
from steno_models.text.wer import ErrorRate, word_error_rate

HEADINGS = (
    "system",
    "PER",
    "WER, no LM",
    "WER, LM",
    "parameters",
    "training",
    "in all",
    "RTF",
    "delay",
    "memory",
    "streams",
)
NOTE = (
    "PER: phones of the words found without a language model. Intervals: 95 %, bootstrap over "
    "utterances. Training: its own, and with all that it goes on from. RTF: with the language "
    "model, on one core. Delay: the longest wait for the end of a chunk and what is seen of the "
    "next, or what must be heard whole before the first word stays."
)
_WHOLE = {"utterance": "utterance", "speaker": "all of a speaker"}


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """An error rate with its 95 % interval, as fractions, and the errors that it counts."""

    rate: float
    low: float
    high: float
    substitutions: int
    deletions: int
    insertions: int
    reference_length: int

    @classmethod
    def of(cls, found: ErrorRate) -> "Rate":
        """Return what is in `found`."""
        return cls(
            rate=found.rate,
            low=found.low,
            high=found.high,
            substitutions=found.substitutions,
            deletions=found.deletions,
            insertions=found.insertions,
            reference_length=found.reference_length,
        )

    def __str__(self) -> str:
        """Return the rate in per cent with its interval."""
        return f"{100 * self.rate:.1f} [{100 * self.low:.1f}, {100 * self.high:.1f}]"


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of a system.

    Attributes:
        per: of the phones of the words found without a language model.
        wer: of the words found without a language model.
        wer_lm: of the words found with it.
        parameters: how many numbers were learned.
        real_time_factor: with the language model, where there is one.
        real_time_factor_alone: without it.
        memory_mb: of a process that decodes, at most.
        streaming: whether words stay before the end of the utterance.
        hears: chunks, an utterance, or all of a speaker before the first word.
        delay_ms: of chunks.
        utterances: how many were heard.
        audio_s: how long they are together.
    """

    per: Rate
    wer: Rate
    wer_lm: Rate | None
    parameters: int
    real_time_factor: float
    real_time_factor_alone: float
    memory_mb: float
    streaming: bool
    hears: str
    delay_ms: int | None
    utterances: int
    audio_s: float


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table, and an entry of the JSON.

    Attributes:
        name: of the system.
        kind: of the system.
        stage: of its training.
        training_s: seconds that its own training computed; None where nobody knows.
        total_training_s: with those of all that it goes on from, as far as they are known.
        total_is_whole: whether all of them are known.
        figures: what was measured; None where it could not be.
        lacking: why it could not be.
    """

    name: str
    kind: str
    stage: str | None = None
    training_s: float | None = None
    total_training_s: float = 0.0
    total_is_whole: bool = False
    figures: Figures | None = None
    lacking: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A table with what it is about."""

    rows: Sequence[Row]
    title: str


def figures(found: Measurement, ways: Ways) -> Figures:
    """Return the figures of what was measured."""
    references, usual = found.references, found.with_lm or found.alone

    def factor(decoded: Decoded) -> float:
        return decoded.compute_s / found.audio_s if found.audio_s else 0.0

    with_lm = None
    if found.with_lm is not None:
        with_lm = Rate.of(word_error_rate(references, found.with_lm.texts))
    return Figures(
        per=Rate.of(phone_error_rate(references, found.alone.texts, ways)),
        wer=Rate.of(word_error_rate(references, found.alone.texts)),
        wer_lm=with_lm,
        parameters=found.parameters,
        real_time_factor=factor(usual),
        real_time_factor_alone=factor(found.alone),
        memory_mb=found.memory_mb,
        streaming=found.hears == "chunks",
        hears=found.hears,
        delay_ms=found.delay_ms,
        utterances=len(references),
        audio_s=found.audio_s,
    )


def cells(row: Row) -> tuple[str, ...]:
    """Return what stands in the columns of `row`, as many as there are headings."""
    trained = _duration(row.training_s)
    in_all = _duration(row.total_training_s or None)
    if in_all != "–" and not row.total_is_whole:
        in_all = f"> {in_all}"
    if row.figures is None:
        return (row.name, row.lacking, *[""] * 3, trained, in_all, *[""] * 4)
    found = row.figures
    delay = f"{found.delay_ms} ms" if found.delay_ms is not None else _WHOLE[found.hears]
    return (
        row.name,
        str(found.per),
        str(found.wer),
        "–" if found.wer_lm is None else str(found.wer_lm),
        _amount(found.parameters),
        trained,
        in_all,
        f"{found.real_time_factor:.2f}",
        delay,
        f"{found.memory_mb:.0f} MB",
        "yes" if found.streaming else "no",
    )


def as_table(compared: Comparison) -> Table:
    """Return the table for a terminal."""
    table = Table(title=compared.title, caption=NOTE)
    for number, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="left" if number == 0 else "right")
    for row in compared.rows:
        if row.figures is not None:
            table.add_row(*cells(row))
        else:
            name, _, *rest = cells(row)
            table.add_row(name, "–", *rest)
    return table


def lacking(compared: Comparison) -> list[str]:
    """Return a line for each system that could not be measured."""
    return [f"{row.name}: {row.lacking}" for row in compared.rows if row.figures is None]


def as_markdown(compared: Comparison) -> str:
    """Return the table as Markdown."""
    lines = [
        f"| {' | '.join(HEADINGS)} |",
        "|" + "---|" + "---:|" * (len(HEADINGS) - 1),
        *(f"| {' | '.join(_escaped(cell) for cell in cells(row))} |" for row in compared.rows),
    ]
    return "\n".join([f"{compared.title}.", "", *lines, "", NOTE, ""])


def as_json(compared: Comparison) -> bytes:
    """Return title and rows as JSON."""
    table = {"title": compared.title, "systems": list(compared.rows)}
    return msgspec.json.format(msgspec.json.encode(table), indent=2) + b"\n"


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _amount(number: int) -> str:
    return f"{number / 1e6:.2f} M" if number >= 10_000 else str(number)
