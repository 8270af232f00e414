"""What a session hears with: a language model, and the words and phrases that were added to it."""

from collections.abc import Callable, Sequence

from steno_daemon import wire
from steno_daemon.domains import Version
from steno_daemon.lanes import Lanes
from steno_daemon.models import Models
from steno_daemon.offer import Offer, Snapshot
from steno_daemon.outbox import Outbox
from steno_daemon.replies import Replies
from steno_daemon.vocabulary import Order, Vocabulary
from steno_daemon.wire import When
from steno_models.recogniser import Wishes


class Repertoire:
    """The language model of one session and its vocabulary.

    Args:
        name: of the session.
        offer: what the daemon can do.
        outbox: of the session.
        replies: tell the client of names that there are not.
    """

    def __init__(self, name: str, offer: Offer, outbox: Outbox, replies: Replies) -> None:
        self._models = Models(offer.domains, name, replies)
        self._vocabulary = Vocabulary(offer.fill, offer.words, outbox.add)
        self._version = offer.domains.newest(offer.domains.default)

    @property
    def kept(self) -> dict[int, Wishes]:
        """The words and phrases that checkpoints name, by number."""
        return self._vocabulary.kept

    def call_when_ready(self, wake: Callable[[], None]) -> None:
        """Call `wake` when there may be work that waited for words to be made ready."""
        self._vocabulary.wake = wake

    def newest(self, name: str | None) -> Version | None:
        """Return a language model; None for no name, and, with a complaint, where there is none."""
        return None if name is None else self._models.newest(name)

    def begin(self, version: Version, phrases: Sequence[wire.Phrase], lanes: Lanes) -> None:
        """Hear with a language model from the start of the stream on."""
        self._version = version
        self._models.hold([version])
        if phrases:
            order = self._vocabulary.expect(phrases, version, at=When.SEGMENT, position=0)
            self._follow(order, lanes)

    def restore(self, snapshot: Snapshot) -> list[Version]:
        """Hear with what an earlier life of the session had; return the model of each channel."""
        name = snapshot.start.language_model
        versions = [
            self._models.restored(one.language_model or name) for one in snapshot.checkpoints
        ]
        self._version = versions[0]
        self._models.hold(versions)
        number = max(one.wishes for one in snapshot.checkpoints)
        self._vocabulary.restore(snapshot.wishes, number)
        return versions

    def go_on(self, snapshot: Snapshot, lanes: Lanes) -> None:
        """Make the words and phrases of a snapshot again, which are not kept made."""
        if any(one.wishes for one in snapshot.checkpoints):
            self._follow(self._vocabulary.again(self._version, at=When.NOW, position=0), lanes)

    def change(
        self, wish: wire.Configure, version: Version | None, lanes: Lanes, *, position: int
    ) -> None:
        """Hear with other phrases, another language model, or both, from a position on."""
        if version is not None:
            self._version = version
        vocabulary = self._vocabulary
        if wish.phrases is not None:
            order = vocabulary.expect(wish.phrases, self._version, at=wish.at, position=position)
            self._follow(order, lanes)
        elif version is not None and vocabulary.wishes != Wishes():
            self._follow(vocabulary.again(version, at=wish.at, position=position), lanes)
        elif version is not None:
            lanes.switch(version, wish.at, position)
            self._models.hold(lanes.versions)

    def add(self, wish: wire.AddWords, lanes: Lanes, *, position: int) -> None:
        """Hear more words from a position on."""
        order = self._vocabulary.add(wish.words, self._version, at=wish.at, position=position)
        self._follow(order, lanes)

    def let_go_of_old(self, lanes: Lanes) -> None:
        """Give back the language models that no channel needs any more."""
        if self._models.are_changing:
            self._models.hold(lanes.versions)

    def let_go(self) -> None:
        """Give back all that is held of the daemon's."""
        self._models.hold(())

    def _follow(self, order: Order | None, lanes: Lanes) -> None:
        """Go on with what was ordered from its place on; the audio behind waits for it."""
        if order is not None:
            lanes.switch(order.version, order.at, order.position)
            self._models.hold(lanes.versions)
            self._vocabulary.start(order)
