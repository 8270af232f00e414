"""What became of the sessions of each dialect, and of the daemon's memory."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from rich.table import Table
from tests.daemon.faults import Tally
from tests.daemon.soak import growth

LOOK_S = 0.5
WARM_S = 75.0
"""Of a life, before its memory counts: as much speech, at the usual pace, as warms up a soak."""
LIFE_S = WARM_S + 150.0
"""Of a shorter life nothing is said."""


@dataclass(slots=True)
class Account:
    """What became of the sessions of one dialect.

    Attributes:
        whole: that heard everything.
        broken: by a fault.
        full: that found no room, or broke before they began.
        words: that were given to clients.
        kills: how often the daemon, or the broker where it is needed, died under one.
    """

    whole: int = 0
    broken: int = 0
    full: int = 0
    words: int = 0
    kills: int = 0


@dataclass(slots=True)
class Life:
    """Memory of one life of the daemon, in MB, every half second."""

    memories_mb: list[float] = field(default_factory=list)

    @property
    def lasted_s(self) -> float:
        """How long it has been looked at."""
        return LOOK_S * len(self.memories_mb)

    @property
    def grown(self) -> float | None:
        """By what share it grew behind the warm-up; None where the life was too short to say."""
        if self.lasted_s < LIFE_S:
            return None
        return growth(self.memories_mb[round(WARM_S / LOOK_S) :])

    @property
    def verdict(self) -> str:
        """The same in words."""
        if self.grown is None:
            return f"no life was longer than {self.lasted_s:.0f} s: too short to say of its memory"
        return (
            f"memory grew by {self.grown:+.1%} in a life of {self.lasted_s:.0f} s, "
            f"behind its first {WARM_S:.0f} s"
        )


def table(accounts: Mapping[str, Account]) -> Table:
    """Return what became of the sessions, dialect by dialect."""
    found = Table("dialect", "whole", "broken", "full", "words told", "died under it")
    for dialect, one in accounts.items():
        found.add_row(dialect, *map(str, (one.whole, one.broken, one.full, one.words, one.kills)))
    return found


def report(tally: Tally, accounts: Mapping[str, Account], longest: Life) -> dict[str, object]:
    """Return the same, and all else that is known, as plain values."""
    return {
        "faults": dict(tally.faults),
        "sessions": tally.sessions,
        "dialects": {name: asdict(one) for name, one in accounts.items()},
        "memory_grown": None if longest.grown is None else round(longest.grown, 4),
        "memories_mb": [round(memory_mb, 1) for memory_mb in longest.memories_mb],
        "wrong": tally.wrong,
    }
