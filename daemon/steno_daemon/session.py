"""One audio stream from its first sample to its last word, without sockets, clock or threads.

    transport side    receive_start, receive_audio, receive_configure, receive_finalize,
                      receive_stop, receive_ping  →  events_to_send
    engine side       work_to_do  →  work_done or work_failed

Every event is a function of the bytes received: the same audio in any chunks gives the same
segments, words and times. Only how many partials and acknowledgements there are may differ.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from steno_daemon import wire
from steno_daemon.domains import GENERAL, Domains
from steno_daemon.endpoint import SAMPLE_RATE, Rules
from steno_daemon.errors import OverloadedError, UnknownModelError, WireError
from steno_daemon.happenings import STEP_SAMPLES, Work
from steno_daemon.intake import Intake
from steno_daemon.narrator import Narrator
from steno_daemon.outbox import Outbox
from steno_daemon.segmenter import Segmenter
from steno_daemon.transcript import UNNUMBERED
from steno_daemon.wire import CloseReason, ErrorCode

if TYPE_CHECKING:
    from steno_models import recogniser

STEP_MS = 1000 * STEP_SAMPLES // SAMPLE_RATE


class State(Enum):
    """Where a session is in its life."""

    IDLE = "idle"
    LISTENING = "listening"
    DRAINING = "draining"
    CLOSED = "closed"


class Input(Enum):
    """What can come in."""

    START = "start"
    AUDIO = "audio"
    CONFIGURE = "configure"
    FINALIZE = "finalize"
    STOP = "stop"


TRANSITIONS = {
    (State.IDLE, Input.START): State.LISTENING,
    (State.IDLE, Input.STOP): State.CLOSED,
    (State.LISTENING, Input.AUDIO): State.LISTENING,
    (State.LISTENING, Input.CONFIGURE): State.LISTENING,
    (State.LISTENING, Input.FINALIZE): State.LISTENING,
    (State.LISTENING, Input.STOP): State.DRAINING,
}
"""What may come in when, and what the session is then. A drained session is closed."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What the daemon offers to every session.

    Attributes:
        domains: the language models.
        chunk_ms: decoding step where the client wishes none.
        rules: endpointing where the client wishes none.
    """

    domains: Domains = field(default_factory=lambda: Domains((GENERAL,)))
    chunk_ms: int = 640
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True, slots=True)
class Decoding:
    """How the recogniser shall decode a session."""

    language_model: str = "general"
    n_best: int = 1
    chunk_steps: int = 16


def always_room() -> None:
    """Admit everybody."""


class Session:
    """One stream.

    Args:
        name: identifies the session in `ready` and in the log.
        offer: what the daemon can do.
        admit: asked at `start`; it raises `OverloadedError` where there is no room.
    """

    def __init__(self, name: str, offer: Offer, admit: Callable[[], None] = always_room) -> None:
        self.name = name
        self.state = State.IDLE
        self.decoding = Decoding()
        self._offer = offer
        self._admit = admit
        self._rules = offer.rules
        self._outbox = Outbox()
        self._intake = Intake(wire.Start())
        self._segmenter = Segmenter(self._rules)
        self._narrator = Narrator(self._outbox, wire.Start(), self._intake)
        self._close_reason = CloseReason.STOPPED
        self._complained: set[str] = set()

    # The transport side.

    @property
    def undecoded_s(self) -> float:
        """Seconds of audio that were received and not looked at yet; a closed session has none."""
        if self.state is State.CLOSED:
            return 0.0
        return self._segmenter.pending_samples / SAMPLE_RATE

    def receive_start(self, start: wire.Start) -> None:
        """Begin to listen, if the daemon has room and the language model."""
        if not self._allowed(Input.START):
            return
        try:
            self._offer.domains.check(start.language_model)
            self._admit()
        except UnknownModelError as error:
            self._error(
                ErrorCode.UNKNOWN_LANGUAGE_MODEL,
                "there is no such language model",
                expected="one of " + ", ".join(error.expected),
                found=error.found,
            )
            return
        except OverloadedError as error:
            self._refuse(error)
            return
        self._begin(start)

    def receive_audio(self, data: bytes) -> None:
        """Take the next bytes of the stream, cut anywhere."""
        if not self._allowed(Input.AUDIO):
            return
        self._segmenter.append(self._intake.accept(data))
        if self._intake.loose_bytes:
            self._complain_of_loose_bytes(f"{len(data)} bytes; the rest is joined to the next one")

    def receive_configure(self, wish: wire.Endpointing) -> None:
        """Change the rules for the audio that follows."""
        if self._allowed(Input.CONFIGURE):
            self._rules = self._rules.changed(wish)
            self._segmenter.change_rules(self._rules, self._intake.position)

    def receive_finalize(self) -> None:
        """End the utterance with what was received so far."""
        if self._allowed(Input.FINALIZE):
            self._segmenter.append(self._intake.flush())
            self._segmenter.finalize()

    def receive_stop(self) -> None:
        """Take the end of the stream: what is left is decoded, then the session closes."""
        if not self._allowed(Input.STOP):
            return
        if self.state is State.IDLE:
            self._close(self._close_reason)
            return
        if self._intake.loose_bytes:
            self._complain_of_loose_bytes(f"{self._intake.loose_bytes} bytes at the end")
        self._segmenter.append(self._intake.flush())
        self._segmenter.stop()
        self.state = TRANSITIONS[self.state, Input.STOP]

    def receive_ping(self, number: int) -> None:
        """Answer a ping."""
        if self.state is not State.CLOSED:
            self._outbox.add(wire.Pong(seq=UNNUMBERED, id=number))

    def end(self, reason: CloseReason) -> None:
        """End the stream from the daemon's side; the words so far still come."""
        if self.state in (State.IDLE, State.LISTENING):
            self._close_reason = reason
            self.receive_stop()

    def complain(self, error: WireError) -> None:
        """Tell the client what it did wrong; the session goes on."""
        self._error(ErrorCode(error.code), error.message, error.expected, error.found)

    def events_to_send(self) -> list[wire.ServerMessage]:
        """Return the events since the last call."""
        return self._outbox.take()

    @property
    def waiting_events(self) -> int:
        """How many events `events_to_send` would return."""
        return len(self._outbox)

    # The engine side.

    def work_to_do(self) -> Work | None:
        """Return the next work, unless one is out or there is not audio enough."""
        if self.state not in (State.LISTENING, State.DRAINING):
            return None
        work = self._segmenter.work_to_do()
        self._report()
        return work

    def work_done(self, update: "recogniser.Update", state: "recogniser.State") -> None:
        """Take the result of the work that is out."""
        if self.state is not State.CLOSED:
            self._segmenter.work_done(update, state)
            self._report()

    def work_failed(self, message: str) -> None:
        """Give up: the recogniser failed on the work that is out."""
        self.give_up(ErrorCode.RECOGNISER_FAILED, message)

    def give_up(self, code: ErrorCode, message: str) -> None:
        """Close by a fault of the daemon; what is known so far is still told."""
        if self.state is State.CLOSED:
            return
        self._segmenter.abandon()
        self._report()
        self._error(code, message, fatal=True)
        self._close(CloseReason.FAILED)

    # Within.

    def _allowed(self, what: Input) -> bool:
        """Say whether `what` may come in now; complain if not, of audio only once a state."""
        if (self.state, what) in TRANSITIONS:
            return True
        key = f"{what.value} while {self.state.value}"
        if self.state is not State.CLOSED and not (what is Input.AUDIO and key in self._complained):
            self._complained.add(key)
            fitting = [when.value for state, when in TRANSITIONS if state is self.state]
            self.complain(
                WireError(
                    ErrorCode.UNEXPECTED_MESSAGE,
                    f"{what.value} came while the session is {self.state.value}",
                    expected=" or ".join(fitting) or "nothing more",
                    found=what.value,
                )
            )
        return False

    def _begin(self, start: wire.Start) -> None:
        wished_ms = start.chunk_ms or self._offer.chunk_ms
        self.decoding = Decoding(
            start.language_model, start.n_best, max(1, round(wished_ms / STEP_MS))
        )
        self._rules = self._offer.rules.changed(start.endpointing)
        self._intake = Intake(start)
        self._segmenter = Segmenter(self._rules)
        self._narrator = Narrator(self._outbox, start, self._intake)
        self.state = TRANSITIONS[self.state, Input.START]
        self._outbox.add(
            wire.Ready(
                seq=UNNUMBERED,
                session=self.name,
                version=wire.PROTOCOL_VERSION,
                models=self._offer.domains.names,
                chunk_ms=self.decoding.chunk_steps * STEP_MS,
                sample_rate=SAMPLE_RATE,
            )
        )

    def _refuse(self, error: OverloadedError) -> None:
        self._outbox.add(
            wire.Error(
                seq=UNNUMBERED,
                code=ErrorCode.OVERLOADED,
                message=str(error),
                fatal=True,
                retry_after_s=error.retry_after_s,
            )
        )
        self._close(CloseReason.REFUSED)

    def _complain_of_loose_bytes(self, found: str) -> None:
        """Tell once that the audio is cut within a sample: it may well be misread."""
        if "loose bytes" not in self._complained:
            self._complained.add("loose bytes")
            whole = self._intake.format.block_bytes
            self.complain(
                WireError(
                    ErrorCode.INVALID_AUDIO,
                    "the audio is cut within a sample",
                    expected=f"a multiple of {whole} bytes",
                    found=found,
                )
            )

    def _error(
        self,
        code: ErrorCode,
        message: str,
        expected: str | None = None,
        found: str | None = None,
        *,
        fatal: bool = False,
    ) -> None:
        self._outbox.add(
            wire.Error(
                seq=UNNUMBERED,
                code=code,
                message=message,
                fatal=fatal,
                expected=expected,
                found=found,
            )
        )

    def _report(self) -> None:
        """Tell what happened to the stream since the last call."""
        for happening in self._segmenter.happenings():
            self._narrator.tell(happening)
        settled = self._segmenter.settled
        self._narrator.acknowledge(settled, at_least=1 if self._segmenter.finished else SAMPLE_RATE)
        if self._segmenter.finished:
            self._close(self._close_reason)

    def _close(self, reason: CloseReason) -> None:
        self.state = State.CLOSED
        self._outbox.add(wire.Closed(seq=UNNUMBERED, reason=reason))
