"""The channels of a session: each a segmenter and a narrator of its own, all on one clock."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from steno_daemon import wire
from steno_daemon.checkpoint import Checkpoint
from steno_daemon.domains import Version
from steno_daemon.endpoint import Rules
from steno_daemon.happenings import Finalized, Work
from steno_daemon.narrator import Narrator
from steno_daemon.offer import Hearing, Snapshot
from steno_daemon.outbox import Outbox
from steno_daemon.segmenter import Segmenter
from steno_models.types import FloatArray

if TYPE_CHECKING:
    from steno_models.recogniser import State, Update


@dataclass(frozen=True, slots=True)
class _Lane:
    """One channel."""

    segmenter: Segmenter
    narrator: Narrator


class Lanes:
    """All channels that a session tells apart, one where it mixes them.

    Args:
        count: how many.
        hearing: how they are heard.
        start: what the client asked for.
        outbox: of the session.
    """

    def __init__(self, count: int, hearing: Hearing, start: wire.Start, outbox: Outbox) -> None:
        self._lanes = [
            _Lane(
                Segmenter(
                    hearing.rules,
                    features=hearing.features,
                    version=hearing.version,
                    pace=hearing.pace,
                ),
                Narrator(outbox, start, channel=channel, writing=hearing.writing),
            )
            for channel in range(count)
        ]
        self._finalized: Counter[int] = Counter()

    @classmethod
    def restored(
        cls, snapshot: Snapshot, hearings: Sequence[Hearing], outbox: Outbox, *, first: int
    ) -> "Lanes":
        """Return lanes that go on from the checkpoints of a snapshot.

        Args:
            snapshot: of the session.
            hearings: how each channel is heard; the rules where its checkpoint has none.
            outbox: of the session.
            first: 16 kHz position from which on audio comes.
        """
        start = snapshot.start
        channels = zip(
            snapshot.checkpoints, hearings, snapshot.announced, snapshot.newest, strict=True
        )
        lanes = cls(0, hearings[0], start, outbox)
        lanes._lanes = [
            _Lane(
                Segmenter(
                    hearing.rules,
                    checkpoint,
                    first=first,
                    features=hearing.features,
                    version=hearing.version,
                    pace=hearing.pace,
                ),
                Narrator(
                    outbox,
                    start,
                    channel=channel,
                    writing=hearing.writing,
                    announced=told,
                    newest=last,
                ),
            )
            for channel, (checkpoint, hearing, told, last) in enumerate(channels)
        ]
        return lanes

    @property
    def pending_samples(self) -> int:
        """Audio of the channel that is most behind that was received and not looked at."""
        return max((lane.segmenter.pending_samples for lane in self._lanes), default=0)

    @property
    def has_to_do(self) -> bool:
        """Whether `work_to_do` would do anything."""
        return any(lane.segmenter.has_to_do for lane in self._lanes)

    @property
    def is_pressed(self) -> bool:
        """Whether another language model, wished at once, waits for work that is out."""
        return any(lane.segmenter.is_pressed for lane in self._lanes)

    @property
    def next_look(self) -> int:
        """The 16 kHz position before which no channel looks at audio that comes in."""
        return min((lane.segmenter.next_look for lane in self._lanes), default=0)

    @property
    def told(self) -> int | None:
        """The 16 kHz position up to which every channel told its words; None for the last one."""
        busy = [lane.segmenter.told for lane in self._lanes if not lane.segmenter.is_idle]
        return min(busy, default=None)

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Where each channel can be taken up again."""
        return tuple(lane.segmenter.checkpoint for lane in self._lanes)

    @property
    def needed_from(self) -> int:
        """The 16 kHz position from which on any channel needs its audio, whatever happens."""
        return min((checkpoint.position for checkpoint in self.checkpoints), default=0)

    @property
    def finished(self) -> bool:
        """Whether every channel has come to its end."""
        return all(lane.segmenter.finished for lane in self._lanes)

    @property
    def versions(self) -> set[Version]:
        """Every version of a language model that is, or may still be, decoded with."""
        return {version for lane in self._lanes for version in lane.segmenter.versions}

    def append(self, samples: FloatArray) -> None:
        """Add samples, (C, N) at 16 kHz."""
        if not samples.shape[1]:
            return
        for lane, channel in zip(self._lanes, samples, strict=True):
            lane.segmenter.append(channel)

    def change_rules(self, rules: Rules, position: int) -> None:
        """Apply other rules from `position` on."""
        for lane in self._lanes:
            lane.segmenter.change_rules(rules, position)

    def switch(self, version: Version, at: wire.When, position: int) -> None:
        """Decode with another version of a language model from `position` on."""
        for lane in self._lanes:
            lane.segmenter.switch(version, at, position)

    def finalize(self) -> None:
        """End the open segments after what was received so far."""
        for lane in self._lanes:
            lane.segmenter.finalize()

    def stop(self) -> None:
        """End the stream after what was received so far."""
        for lane in self._lanes:
            lane.segmenter.stop()

    def abandon(self) -> None:
        """End the open segments with the words that are known."""
        for lane in self._lanes:
            lane.segmenter.abandon()

    def work_to_do(self) -> Work | None:
        """Return the next work of a channel that has none out, if there is audio enough."""
        for channel, lane in enumerate(self._lanes):
            work = lane.segmenter.work_to_do()
            if work is not None:
                return replace(work, channel=channel)
        return None

    def work_done(self, channel: int, update: "Update", state: "State") -> None:
        """Take the result of the work of a channel."""
        self._lanes[channel].segmenter.work_done(update, state)

    def tell(self) -> list[int]:
        """Tell what happened since the last call; return the positions that are now finalized."""
        for lane in self._lanes:
            for happening in lane.segmenter.happenings():
                lane.narrator.tell(happening)
                if isinstance(happening, Finalized):
                    self._finalized[happening.position] += 1
        everywhere = [at for at, count in self._finalized.items() if count % len(self._lanes) == 0]
        for position in everywhere:
            del self._finalized[position]
        return sorted(everywhere)
