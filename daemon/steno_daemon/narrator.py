"""What happens to the segments of one channel, told in events as its client wished."""

from steno_daemon import wire
from steno_daemon.happenings import Ended, Finalized, Happening, Heard, Opened, Switched
from steno_daemon.outbox import Outbox
from steno_daemon.transcript import UNNUMBERED, final, partial, seconds
from steno_daemon.unheard import unknown_words
from steno_daemon.writing import Writing


class Narrator:
    """Fills the outbox of one session.

    Args:
        outbox: of the session.
        start: what the client asked for.
        channel: which one is told about.
        writing: how finals are written.
        announced: how many segments the client has heard of in an earlier life of the session.
        newest: the last final that it heard in that life.
    """

    def __init__(
        self,
        outbox: Outbox,
        start: wire.Start,
        *,
        channel: int = 0,
        writing: Writing | None = None,
        announced: int = 0,
        newest: wire.Final | None = None,
    ) -> None:
        self._outbox = outbox
        self._start = start
        self._channel = channel
        self._writing = (writing or Writing()).wished(start)
        self._announced = announced
        self._newest = newest
        self._last_partial: tuple[str, int] | None = ("", 0)

    def tell(self, happening: Happening) -> None:
        """Tell of one thing that happened; what a client asked for is its session's to answer."""
        match happening:
            case Opened():
                self._tell_start(happening)
            case Heard():
                self._tell_partial(happening)
            case Ended():
                self._tell_end(happening)
            case Switched():
                self._tell_switch(happening)
            case Finalized():
                pass

    def _tell_start(self, opened: Opened) -> None:
        """Tell that speech began, if that is not known."""
        self._last_partial = ("", 0)
        if opened.segment < self._announced:
            return
        self._outbox.add(
            wire.SpeechStarted(
                seq=UNNUMBERED,
                segment=opened.segment,
                channel=self._channel,
                time=seconds(opened.position),
            )
        )

    def _tell_partial(self, heard: Heard) -> None:
        """Tell the hypothesis if it says anything new."""
        event = partial(heard, channel=self._channel, word_times=self._start.word_times)
        news = (event.text, event.stable_chars)
        if self._start.partials and news != self._last_partial:
            self._outbox.add(event)
        self._last_partial = news

    def _tell_end(self, ended: Ended) -> None:
        """Tell the words, if there are any, and the end of the segment."""
        if ended.words:
            event = final(ended, channel=self._channel, word_times=True, n_best=self._start.n_best)
            self._newest = self._writing.final(event, ended.reason, self._newest)
            self._outbox.add(self._newest)
            self._tell_unknown(ended)
        self._outbox.add(
            wire.Endpoint(
                seq=UNNUMBERED,
                segment=ended.segment,
                channel=self._channel,
                time=seconds(ended.position),
                reason=ended.reason,
            )
        )

    def _tell_unknown(self, ended: Ended) -> None:
        """Tell of the words that the lexicon lacks, if the client wishes."""
        if self._start.unknown_words:
            for event in unknown_words(ended, channel=self._channel):
                self._outbox.add(event)

    def _tell_switch(self, switched: Switched) -> None:
        """Tell that another language model counts from here on."""
        if switched.segment is not None and self._last_partial != ("", 0):
            self._last_partial = None  # what comes next is news: the same words as much as none
        self._outbox.add(
            wire.Switched(
                seq=UNNUMBERED,
                channel=self._channel,
                time=seconds(switched.position),
                language_model=switched.version.name,
                version=switched.version.number,
                at=switched.at,
                segment=switched.segment,
            )
        )
