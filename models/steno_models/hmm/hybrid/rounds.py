"""Network after network, each on the alignment of the one before (iterated realignment).

The alignments of Gaussians are where the first network's Gaussians believed the borders of phones
to be. A network sees more, so its own alignment may be the better lesson for the next one. As long
as the phone error on held-out speech falls by a margin, there is another round.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from msgspec import structs
from rich.progress import Progress

from steno_models.errors import ConfigError, DataError
from steno_models.hmm.hybrid.config import HybridConfig, WholeSequences
from steno_models.hmm.hybrid.data import Aligned, read_nodes
from steno_models.hmm.hybrid.start import TRAIN, ensure_start
from steno_models.hmm.hybrid.states import PhoneUnits
from steno_models.hmm.hybrid.system import STATES, HybridSystem, load_hybrid
from steno_models.hmm.hybrid.task import measure
from steno_models.hmm.hybrid.train import (
    Lesson,
    criterion_of,
    export,
    grid_of,
    read_lesson,
    realign,
    train_network,
)
from steno_models.training.distributed import Ranks

TABLE, PLOT, SEQUENCE = "rounds.json", "rounds.png", "sequence"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What a round brought.

    Attributes:
        round: its number, from 1.
        phone_error: edits for a phone of the held-out speech, its words not known.
        frame_error: share of held-out steps whose phone is another than the Gaussians aligned.
        state_error: likewise of its state.
        moved: share of the training frames that this round's network put into another state than
            the alignment that it was trained on.
        failed: utterances that it could not align.
        gain: by how much the phone error is lower than the round before; None in the first.
    """

    round: int
    phone_error: float
    frame_error: float
    state_error: float
    moved: float = 0.0
    failed: int = 0
    gain: float | None = None


class Rounds(msgspec.Struct, frozen=True, kw_only=True):
    """The table of a training.

    Attributes:
        margin: that was asked for.
        best: the round of least phone error.
        rows: of each round.
        sequence: what the training by whole sequences came to after the best round, if there was
            one; its `gain` is against that round.
    """

    margin: float
    best: int
    rows: list[Row]
    sequence: Row | None = None

    @property
    def best_name(self) -> str:
        """The folder of the network of least phone error."""
        after = self.sequence
        if after is not None and after.phone_error < self.rows[self.best - 1].phone_error:
            return SEQUENCE
        return round_folder(Path(), self.best).name


def train_rounds(
    config: HybridConfig, ranks: Ranks, shown: Callable[[], Progress]
) -> Rounds | None:
    """Train networks until another round brings less than the margin; go on where it was left.

    Args:
        config: how.
        ranks: this process, the only one.
        shown: makes a progress display, for what else than a training takes its time.

    Returns:
        The table, or None where the training was interrupted.
    """
    if ranks.world_size > 1:
        raise ConfigError(f"expected one process, found {ranks.world_size}")
    config.run.fit_options(config.folder, config.optim)  # its mistakes need no features to be seen
    with shown() as progress:
        start = ensure_start(config, grid_of(config), progress)
    lesson = read_lesson(config, start)
    aligned, rows = lesson.train.aligned, list[Row]()
    before: HybridSystem | None = None
    for number in range(1, config.rounds.most + 1):
        folder = round_folder(config.folder, number)
        system = _network(_of_round(config, number), lesson, (folder, ranks), aligned, before)
        if system is None:
            return None
        aligned, row = _next(config, lesson, (folder, number), (aligned, system), shown)
        rows.append(_with_gain(row, rows))
        before = system
        write_table(config.folder, _rated(config, rows))
        if not _worth_another(rows, config.rounds.margin):
            break
    table = _rated(config, rows)
    return table if config.sequence is None else _sequence(config, lesson, ranks, table)


def _sequence(config: HybridConfig, lesson: Lesson, ranks: Ranks, table: Rounds) -> Rounds | None:
    """Go on with the best network of `table` by whole sequences; None where interrupted."""
    folder, best = config.folder / SEQUENCE, round_folder(config.folder, table.best)
    asked = config.sequence or WholeSequences()
    nodes = read_nodes(best / TRAIN)
    aligned = lesson.train.aligned
    aligned = replace(aligned, nodes=[nodes[key] for key in aligned.keys])
    optim = structs.replace(
        config.optim,
        total_steps=asked.steps,
        learning_rate=asked.learning_rate,
        warmup_steps=min(config.optim.warmup_steps, max(1, asked.steps // 4)),
    )
    further = structs.replace(config, optim=optim)
    if (folder / STATES).is_file():
        system = load_hybrid(folder)
    else:
        place, begun = (folder, ranks), load_hybrid(best)
        criterion = criterion_of(lesson, aligned)
        if train_network(further, lesson, place, aligned, begun, criterion).interrupted:
            return None
        system = export(further, lesson, aligned, folder)
    measured = measure(system.network.model, lesson.held, config.chunks.contexts())
    row = Row(
        round=table.best,
        phone_error=measured["error"],
        frame_error=measured["frame_error"],
        state_error=measured["state_error"],
        gain=table.rows[table.best - 1].phone_error - measured["error"],
    )
    table = structs.replace(table, sequence=row)
    write_table(config.folder, table)
    return table


def round_folder(folder: Path, number: int) -> Path:
    """Return where the network of round `number` is."""
    return folder / f"round{number}"


def read_table(folder: Path) -> Rounds:
    """Return the table of the training in `folder`.

    Raises:
        DataError: there is none, or no such.
    """
    path = folder / TABLE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Rounds)
    except (OSError, msgspec.DecodeError) as error:
        raise DataError(f"expected the rounds of a training in {path}, found {error}") from error


def write_table(folder: Path, table: Rounds) -> None:
    """Write the table and its plot."""
    # Imported here: only whoever draws needs matplotlib, and it takes a second to load.
    from matplotlib.figure import Figure  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"draft-{TABLE}"
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(table), indent=1))
    draft.replace(folder / TABLE)
    rounds = [row.round for row in table.rows]
    figure = Figure(figsize=(6, 6))
    upper, lower = figure.subplots(2, sharex=True)
    upper.plot(rounds, [100 * row.phone_error for row in table.rows], marker="o", label="phones")
    upper.plot(rounds, [100 * row.frame_error for row in table.rows], marker="s", label="frames")
    upper.set_ylabel("held-out error, %")
    upper.legend()
    lower.bar(rounds, [100 * row.moved for row in table.rows])
    lower.set_ylabel("frames realigned, %")
    lower.set_xlabel("round")
    lower.set_xticks(rounds)
    figure.savefig(folder / PLOT, dpi=100, format="png")


def _network(
    config: HybridConfig,
    lesson: Lesson,
    place: tuple[Path, Ranks],
    aligned: Aligned,
    before: HybridSystem | None,
) -> HybridSystem | None:
    """Return the network of a round, trained if it is not there yet; None where interrupted."""
    folder, _ = place
    if (folder / STATES).is_file():
        return load_hybrid(folder)
    begun = before if config.rounds.begin == "before" else None
    if train_network(config, lesson, place, aligned, begun).interrupted:
        return None
    return export(config, lesson, aligned, folder)


def _next(
    config: HybridConfig,
    lesson: Lesson,
    place: tuple[Path, int],
    found: tuple[Aligned, HybridSystem],
    shown: Callable[[], Progress],
) -> tuple[Aligned, Row]:
    """Return the alignment by a round's network, and its row of the table without the gain."""
    (folder, number), (aligned, system) = place, found
    path = folder / TRAIN
    known = {row.round: row for row in _known_rows(config.folder)}
    if path.is_file() and number in known:
        nodes = read_nodes(path)
        return replace(aligned, nodes=[nodes[key] for key in aligned.keys]), known[number]
    with shown() as progress:
        after, failed = realign(system, lesson.train, aligned, progress)
    after.save(path)
    measured = measure(system.network.model, lesson.held, config.chunks.contexts())
    row = Row(
        round=number,
        phone_error=measured["error"],
        frame_error=measured["frame_error"],
        state_error=measured["state_error"],
        moved=moved(aligned, after, lesson.units),
        failed=failed,
    )
    return after, row


def moved(before: Aligned, after: Aligned, units: PhoneUnits) -> float:
    """Return the share of frames that are in another state of `units` after than before."""
    pairs = zip(before.states(units), after.states(units), strict=True)
    other = [np.count_nonzero(old != new) for old, new in pairs]
    return float(sum(other) / max(1, sum(map(len, before.nodes))))


def _of_round(config: HybridConfig, number: int) -> HybridConfig:
    """Return how the network of round `number` is trained."""
    if number == 1 or config.rounds.steps is None:
        return config
    return structs.replace(
        config, optim=structs.replace(config.optim, total_steps=config.rounds.steps)
    )


def _known_rows(folder: Path) -> list[Row]:
    return read_table(folder).rows if (folder / TABLE).is_file() else []


def _with_gain(row: Row, earlier: Sequence[Row]) -> Row:
    if not earlier:
        return row
    return structs.replace(row, gain=earlier[-1].phone_error - row.phone_error)


def _worth_another(rows: Sequence[Row], margin: float) -> bool:
    """Return whether the last round brought as much as the margin, or was the first."""
    gain = rows[-1].gain
    return gain is None or gain >= margin


def _rated(config: HybridConfig, rows: Sequence[Row]) -> Rounds:
    best = min(rows, key=lambda row: row.phone_error)
    return Rounds(margin=config.rounds.margin, best=best.round, rows=list(rows))
