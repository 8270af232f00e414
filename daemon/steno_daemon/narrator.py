"""What happens to the segments of a stream, told in events as its client wished."""

from steno_daemon import wire
from steno_daemon.happenings import Ended, Finalized, Happening, Heard, Opened
from steno_daemon.intake import Intake
from steno_daemon.outbox import Outbox
from steno_daemon.transcript import UNNUMBERED, final, partial, seconds


class Narrator:
    """Fills the outbox of one session.

    Args:
        outbox: of the session.
        start: what the client asked for.
        intake: knows the client's own samples, in which it hears what is acknowledged.
    """

    def __init__(self, outbox: Outbox, start: wire.Start, intake: Intake) -> None:
        self._outbox = outbox
        self._start = start
        self._intake = intake
        self._last_partial = ("", 0)
        self._acknowledged = 0

    def tell(self, happening: Happening) -> None:
        """Tell of one thing that happened."""
        match happening:
            case Opened(segment, position):
                self._last_partial = ("", 0)
                self._outbox.add(
                    wire.SpeechStarted(seq=UNNUMBERED, segment=segment, time=seconds(position))
                )
            case Heard():
                self._tell_partial(happening)
            case Ended():
                self._tell_end(happening)
            case Finalized(position):
                self.acknowledge(position, at_least=0)

    def acknowledge(self, position: int, *, at_least: int) -> None:
        """Acknowledge the audio before `position`, if that is `at_least` so many samples more."""
        if position - self._acknowledged >= at_least:
            self._acknowledged = position
            samples = self._intake.client_samples(position)
            self._outbox.add(wire.Acknowledged(seq=UNNUMBERED, samples=samples))

    def _tell_partial(self, heard: Heard) -> None:
        """Tell the hypothesis if it says anything new."""
        event = partial(heard, word_times=self._start.word_times)
        news = (event.text, event.stable_chars)
        if self._start.partials and news != self._last_partial:
            self._outbox.add(event)
        self._last_partial = news

    def _tell_end(self, ended: Ended) -> None:
        """Tell the words, if there are any, and the end of the segment."""
        if ended.words:
            self._outbox.add(
                final(ended, word_times=self._start.word_times, n_best=self._start.n_best)
            )
        self._outbox.add(
            wire.Endpoint(
                seq=UNNUMBERED,
                segment=ended.segment,
                time=seconds(ended.position),
                reason=ended.reason,
            )
        )
