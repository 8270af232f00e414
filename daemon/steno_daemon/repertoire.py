"""What a session hears with: a language model, and the words and phrases that were added to it."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from steno_daemon import wire
from steno_daemon.domains import Version
from steno_daemon.errors import WireError
from steno_daemon.lanes import Lanes
from steno_daemon.models import Models, spelled
from steno_daemon.offer import Offer, Snapshot
from steno_daemon.outbox import Outbox
from steno_daemon.replies import Replies
from steno_daemon.vocabulary import Order, Vocabulary
from steno_daemon.wire import ErrorCode, When
from steno_models.recogniser import Wishes

if TYPE_CHECKING:
    from steno_daemon.personal import Memory


class Repertoire:
    """The language model of one session and its vocabulary.

    Args:
        name: of the session.
        offer: what the daemon can do.
        outbox: of the session.
        replies: tell the client of names that there are not.

    Attributes:
        memory: remembers what is said, where the client wishes that.
    """

    def __init__(self, name: str, offer: Offer, outbox: Outbox, replies: Replies) -> None:
        self._models = Models(offer.domains, name, replies)
        self._vocabulary = Vocabulary(offer.fill, offer.words, outbox.add)
        self._version = offer.domains.newest(offer.domains.default)
        self._offer = offer
        self._replies = replies
        self.memory: Memory | None = None

    @property
    def kept(self) -> dict[int, Wishes]:
        """The words and phrases that checkpoints name, by number."""
        return self._vocabulary.kept

    def call_when_ready(self, wake: Callable[[], None]) -> None:
        """Call `wake` when there may be work that waited for words to be made ready."""
        self._vocabulary.wake = wake

    def wished(self, wish: wire.Start | wire.Configure) -> Version | None:
        """Return the language model that a client names, by itself or several with weights.

        None where it names none, and, with a complaint, where there is none such.
        """
        name, weights = wish.language_model, wish.language_model_weights
        if isinstance(wish, wire.Start):
            self.memory = None
            if wish.personal is not None and not self._remember(wish.personal):
                return None
        elif name is not None and weights is not None:
            self._complain("two wishes", "language_model or language_model_weights", "both")
            return None
        if weights is not None:
            version = self._mixture(weights)
        else:
            version = None if name is None else self._models.newest(name)
        if version is None or self.memory is None:
            return version
        return self._models.with_memory(version, self.memory)

    @property
    def weights(self) -> dict[str, float]:
        """How much each language model counts, by name; none where there is one alone."""
        return self._version.weights

    def _mixture(self, weights: Mapping[str, float]) -> Version | None:
        if self._offer.fill is None:
            self._complain("language models cannot be mixed", "one language model", "weights")
            return None
        return self._models.mixture(weights)

    def _remember(self, name: str) -> bool:
        """Remember what is said from now on; say whether that can be, and complain if not."""
        if self._offer.fill is None or self._offer.remember is None:
            what = "keeps a state" if self._offer.remember is None else "mixes language models"
            self._complain(
                "nothing can be remembered", f"a daemon that {what}", "one that does not"
            )
            return False
        self.memory = self._offer.remember(name)
        return True

    def _complain(self, message: str, expected: str, found: str) -> None:
        error = WireError(ErrorCode.INVALID_MESSAGE, message, expected=expected, found=found)
        self._replies.complain(error)

    def begin(self, version: Version, phrases: Sequence[wire.Phrase], lanes: Lanes) -> None:
        """Hear with a language model from the start of the stream on."""
        self._version = version
        self._models.hold([version])
        if phrases:
            order = self._vocabulary.expect(phrases, version, at=When.SEGMENT, position=0)
            self._follow(order, lanes)
        elif not version.is_ready:
            self._follow(self._vocabulary.again(version, at=When.SEGMENT, position=0), lanes)

    def restore(self, snapshot: Snapshot) -> list[Version]:
        """Hear with what an earlier life of the session had; return the model of each channel."""
        name = snapshot.start.language_model
        weights = snapshot.start.language_model_weights
        name = name if weights is None else spelled(weights)
        versions = [
            self._models.restored(one.language_model or name) for one in snapshot.checkpoints
        ]
        if snapshot.start.personal is not None and self._remember(snapshot.start.personal):
            versions = [self._remembering(version) for version in versions]
        self._version = versions[0]
        self._models.hold(versions)
        number = max(one.wishes for one in snapshot.checkpoints)
        self._vocabulary.restore(snapshot.wishes, number)
        return versions

    def go_on(self, snapshot: Snapshot, lanes: Lanes) -> None:
        """Make the words and phrases of a snapshot again, which are not kept made."""
        if any(one.wishes for one in snapshot.checkpoints) or not self._version.is_ready:
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
        elif version is not None and (vocabulary.wishes != Wishes() or not version.is_ready):
            self._follow(vocabulary.again(version, at=wish.at, position=position), lanes)
        elif version is not None:
            lanes.switch(version, wish.at, position)
            self._models.hold(lanes.versions)

    def add(self, wish: wire.AddWords, lanes: Lanes, *, position: int) -> None:
        """Hear more words from a position on."""
        order = self._vocabulary.add(wish.words, self._version, at=wish.at, position=position)
        self._follow(order, lanes)

    def _remembering(self, version: Version) -> Version:
        """Return a version with the memory beside it, or without where there is no room."""
        assert self.memory is not None  # noqa: S101 — asked for before
        return self._models.with_memory(version, self.memory) or version

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
