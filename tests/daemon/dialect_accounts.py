"""What became of the sessions of each dialect, and of the daemon's memory."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from rich.table import Table
from tests.daemon.faults import Tally
from tests.daemon.soak import growth

WARM_SHARE = 0.2
"""Of a life, before its memory counts."""
LEAST_LOOKS = 60
"""Behind that: in its first half minute a daemon still comes by code that it had not run."""


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
    def grown(self) -> float:
        """By what share it grew behind the warm-up; 0 where the life was too short to say."""
        warm = self.memories_mb[round(WARM_SHARE * len(self.memories_mb)) :]
        return growth(warm) if len(warm) >= LEAST_LOOKS else 0.0


def table(accounts: Mapping[str, Account]) -> Table:
    """Return what became of the sessions, dialect by dialect."""
    found = Table("dialect", "whole", "broken", "full", "words told", "died under it")
    for dialect, one in accounts.items():
        found.add_row(dialect, *map(str, (one.whole, one.broken, one.full, one.words, one.kills)))
    return found


def report(tally: Tally, accounts: Mapping[str, Account], grown: float) -> dict[str, object]:
    """Return the same, and all else that is known, as plain values."""
    return {
        "faults": dict(tally.faults),
        "sessions": tally.sessions,
        "dialects": {name: asdict(one) for name, one in accounts.items()},
        "memory_grown": round(grown, 4),
        "wrong": tally.wrong,
    }
