"""What the engine has to do, and what came of it: plain values."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from steno_daemon.happenings import Work
from steno_daemon.offer import Decoding
from steno_daemon.rhythm import Part
from steno_models.recogniser import State, Update

SILENT_SHARE = 0.25
"""Of the patience of a piece of speech, that of one with silence at its end."""
LIVE_S = 0.2
"""Audio that is not spoken yet by more than this comes from a file."""


@dataclass(frozen=True, slots=True)
class Done:
    """What the recogniser answered."""

    update: Update
    state: State


@dataclass(frozen=True, slots=True)
class Failed:
    """Why it did not."""

    message: str


Outcome: TypeAlias = Done | Failed


@dataclass(eq=False, slots=True)
class Seat:
    """The right of one session to hand in work.

    Attributes:
        name: of the session.
        transcripts: how many it makes at once.
        part: in the rhythm of all.
        taken: whether it still may.
    """

    name: str
    transcripts: int
    part: Part
    taken: bool = True


@dataclass(order=True, slots=True)
class Job:
    """Work of a session: the earliest due comes first, then the one that came first.

    Attributes:
        is_hurried: whether what somebody waits for follows on it.
    """

    due_s: float
    number: int
    seat: Seat = field(compare=False)
    work: Work = field(compare=False)
    decoding: Decoding = field(compare=False)
    deliver: Callable[[Outcome], None] = field(compare=False)
    came_s: float = field(default_factory=time.monotonic, compare=False)
    is_hurried: bool = field(default=False, compare=False)

    @property
    def is_live(self) -> bool:
        """Whether its audio had been spoken when it came; a file's is there ahead of time."""
        return self.due_s <= self.came_s + LIVE_S

    @property
    def is_urgent(self) -> bool:
        """Whether somebody waits to see another language model count; that is soon done."""
        return self.is_live and (self.work.is_rescored or self.is_hurried)

    @property
    def patience(self) -> float:
        """What share of the longest wait it may wait for others; a file gets on by not waiting."""
        if self.work.is_last or self.is_urgent or not self.is_live:
            return 0.0
        return 1.0 if self.work.in_speech else SILENT_SHARE
