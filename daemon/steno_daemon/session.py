"""One audio stream from its first sample to its last word, without sockets, clock or threads.

    transport side    receive_start, receive_audio, receive_configure, receive_finalize,
                      receive_stop, receive_ping, receive_resume  →  events_to_send
    engine side       work_to_do  →  work_done or work_failed

Every event is a function of the bytes received: the same audio in any chunks gives the same
segments, words and times. Only how many partials and acknowledgements there are may differ; and
where the daemon is overloaded, what `load` tells of.

A session can be taken up again: by a client whose connection broke (`receive_resume`), and by
another daemon, from the `Snapshot` of the one that had it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from steno_daemon import wire
from steno_daemon.checkpoint import Checkpoint
from steno_daemon.domains import Version
from steno_daemon.endpoint import SAMPLE_RATE
from steno_daemon.errors import OverloadedError, WireError
from steno_daemon.happenings import Work
from steno_daemon.intake import Intake
from steno_daemon.lanes import Lanes
from steno_daemon.offer import (
    STEP_MS,
    Admit,
    Decoding,
    Hearing,
    Offer,
    Snapshot,
    always_room,
    transcripts_of,
)
from steno_daemon.outbox import Outbox, nobody
from steno_daemon.repertoire import Repertoire
from steno_daemon.replies import Replies
from steno_daemon.soundness import check
from steno_daemon.states import TRANSITIONS, Input, State
from steno_daemon.transcript import UNNUMBERED
from steno_daemon.unheard import words_of
from steno_daemon.wire import CloseReason, ErrorCode

if TYPE_CHECKING:
    from steno_models import recogniser


class Session:
    """One stream.

    Args:
        name: identifies the session in `ready` and in the log.
        offer: what the daemon can do.
        admit: asked at `start` for so many transcripts; raises `OverloadedError` without room.
        observe: hears of every event as soon as there is one.
        note: hears of audio and messages that the session takes, before anything comes of them.
        token: what `resume` needs, if the session can be resumed.

    Attributes:
        repertoire: what it hears with.
    """

    def __init__(
        self,
        name: str,
        offer: Offer,
        admit: Admit = always_room,
        *,
        observe: Callable[[wire.ServerMessage], None] = nobody,
        note: Callable[[wire.ClientMessage | bytes], None] = nobody,
        token: str | None = None,
    ) -> None:
        self.name = name
        self.state = State.IDLE
        self.start = wire.Start()
        self.decoding = Decoding()
        self._offer = offer
        self._admit = admit
        self._note = note
        self._token = token
        self._rules = offer.rules
        self._outbox = Outbox(observe)
        self._replies = Replies(self._outbox)
        self.repertoire = Repertoire(name, offer, self._outbox, self._replies)
        self._intake = Intake(self.start)
        self._lanes = Lanes(1, Hearing(self._rules), self.start, self._outbox)
        self._close_reason = CloseReason.STOPPED
        self._finalizing: dict[int, int] = {}  # the client's samples at each position
        self._resumed = False

    def restore(self, snapshot: Snapshot) -> None:
        """Go on where the session of a daemon that is gone was at `snapshot`.

        Raises:
            OverloadedError: there is no room.
        """
        start = snapshot.start
        if not snapshot.is_over:
            self._admit(len(snapshot.checkpoints), is_resumed=True)
        self._take_form(start, snapshot.phase)
        self._intake = Intake.resumed(start, snapshot.needed_from)
        self._rules = snapshot.checkpoints[0].rules or self._rules
        hearings = [
            self._offer.hearing(self._rules, self.decoding.pace, version)
            for version in self.repertoire.restore(snapshot)
        ]
        self._lanes = Lanes.restored(snapshot, hearings, self._outbox, first=self._intake.position)
        if snapshot.acknowledged_samples > self._intake.received_samples:
            self._intake = Intake(start, at_sample=snapshot.acknowledged_samples)
        self._replies.acknowledged = self._intake.received_samples
        self._outbox.restore(snapshot.events)
        self.state = State.CLOSED if snapshot.is_over else State.LISTENING
        if snapshot.is_over:
            self.repertoire.let_go()
        else:
            self.repertoire.go_on(snapshot, self._lanes)

    # The transport side.

    @property
    def undecoded_s(self) -> float:
        """Seconds of audio that were received and not looked at yet; a closed session has none."""
        if self.state is State.CLOSED:
            return 0.0
        return self._lanes.pending_samples / SAMPLE_RATE

    @property
    def received_s(self) -> float:
        """Seconds of audio that were received."""
        return self._intake.position / SAMPLE_RATE

    @property
    def told_s(self) -> float:
        """Seconds of the received audio whose words were told, as far as they are known."""
        told = self._lanes.told
        return self.received_s if told is None else min(self.received_s, told / SAMPLE_RATE)

    @property
    def received_bytes(self) -> int:
        """Bytes of audio that need not come again."""
        return self._intake.received_bytes

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Where each channel can be taken up, after the events that were said so far."""
        return self._lanes.checkpoints

    @property
    def wishes(self) -> "dict[int, recogniser.Wishes]":
        """The words and phrases that checkpoints name, by number."""
        return self.repertoire.kept

    def receive_start(self, start: wire.Start) -> None:
        """Begin to listen, if the daemon has room and the language model."""
        if not self._allowed(Input.START):
            return
        version = self.repertoire.wished(start)
        if version is None:
            return
        try:
            phase = self._admit(transcripts_of(start), is_resumed=False)
        except OverloadedError as error:
            self.refuse_overloaded(error)
            return
        self._begin(start, version, phase)

    def receive_audio(self, data: bytes) -> None:
        """Take the next bytes of the stream, cut anywhere."""
        if not self._allowed(Input.AUDIO):
            return
        self._note(data)
        self._lanes.append(self._intake.accept(data, self._lanes.next_look))
        if self._intake.fault is not None:
            self._replies.fail_for(self._intake.fault)
            self.end(CloseReason.FAILED)
            return
        if self._intake.loose_bytes:
            found = f"{len(data)} bytes; the rest is joined to the next one"
            self._replies.complain_of_loose_bytes(self._intake.format.block_bytes, found)
        if self._intake.position > self._offer.session_s * SAMPLE_RATE:
            expected = f"at most {self._offer.session_s:g} s of audio"
            self.exceed("the session is too long", expected=expected, found="more")

    def receive_configure(self, wish: wire.Configure) -> None:
        """Change the rules, or the language model, for the audio that follows."""
        if not self._allowed(Input.CONFIGURE):
            return
        version = self.repertoire.wished(wish)
        if version is None and (wish.language_model or wish.language_model_weights) is not None:
            return
        self._note(wish)
        self._lanes.append(self._intake.accept(b""))  # what nobody needed to look at yet
        if wish.endpointing != wire.Endpointing():
            self._rules = self._rules.changed(wish.endpointing)
            self._lanes.change_rules(self._rules, self._intake.position)
        self.repertoire.change(wish, version, self._lanes, position=self._intake.position)

    def receive_add_words(self, wish: wire.AddWords | wire.ConfirmWord) -> None:
        """Add words to what may be heard in the audio that follows, an unknown one as heard."""
        words = words_of(wish, self._outbox, self._replies)
        if words is not None and self._allowed(Input.ADD_WORDS):
            self._note(words)
            self._lanes.append(self._intake.accept(b""))
            self.repertoire.add(words, self._lanes, position=self._intake.position)

    def receive_finalize(self) -> None:
        """End the utterance with what was received so far."""
        if self._allowed(Input.FINALIZE):
            self._note(wire.Finalize())
            self._lanes.append(self._intake.flush())
            self._finalizing[self._intake.position] = self._intake.received_samples
            self._lanes.finalize()

    def receive_stop(self) -> None:
        """Take the end of the stream: what is left is decoded, then the session closes."""
        if not self._allowed(Input.STOP):
            return
        if self.state is State.IDLE:
            self._close(self._close_reason)
            return
        self._note(wire.Stop())
        if self._intake.loose_bytes:
            found = f"{self._intake.loose_bytes} bytes at the end"
            self._replies.complain_of_loose_bytes(self._intake.format.block_bytes, found)
        self._lanes.append(self._intake.flush())
        self._lanes.stop()
        self.state = TRANSITIONS[self.state, Input.STOP]

    def receive_ping(self, number: int) -> None:
        """Answer a ping."""
        if self.state is not State.CLOSED:
            self._outbox.add(wire.Pong(seq=UNNUMBERED, id=number))

    def receive_resume(self, resume: wire.Resume) -> None:
        """Let a client go on whose connection broke: it hears again what it missed.

        Raises:
            LookupError: some of that is forgotten.
        """
        self._resumed = True
        self._intake.forget_loose_bytes()
        self._outbox.rewind(
            wire.Resumed(
                seq=resume.seq,
                session=self.name,
                samples=self._intake.received_samples,
                bytes=self._intake.received_bytes,
            )
        )

    def refuse(self, error: WireError, *, retry_after_s: float | None = None) -> None:
        """Close a session that never began; `retry_after_s` where another try may do better."""
        self._replies.fail_for(error, retry_after_s=retry_after_s)
        self._close(CloseReason.REFUSED)

    def refuse_overloaded(self, error: OverloadedError) -> None:
        """Close a session for which there is no room."""
        self._replies.fail(ErrorCode.OVERLOADED, str(error), retry_after_s=error.retry_after_s)
        self._close(CloseReason.REFUSED)

    def exceed(self, message: str, *, expected: str, found: str) -> None:
        """End a session that comes to a limit; the words so far still come."""
        if self.state in {State.IDLE, State.LISTENING}:
            self._replies.fail(ErrorCode.LIMIT_EXCEEDED, message, expected=expected, found=found)
            self.end(CloseReason.LIMIT)

    def withdraw(self) -> None:
        """End a session whose client may not hold it any more; the words so far still come."""
        if self.state in {State.IDLE, State.LISTENING}:
            self._replies.withdraw()
            self.end(CloseReason.WITHDRAWN)

    def degrade(self, level: int, lag_ms: int) -> None:
        """Decode with less effort from the next segment on; `level` as in `wire.Load`."""
        if level != self.decoding.degraded and self.state is State.LISTENING:
            self.decoding = replace(self.decoding, degraded=level)
            self._outbox.add(wire.Load(seq=UNNUMBERED, degraded=level, lag_ms=lag_ms))

    def end(self, reason: CloseReason) -> None:
        """End the stream from the daemon's side; the words so far still come."""
        if self.state in (State.IDLE, State.LISTENING):
            self._close_reason = reason
            self.receive_stop()

    def complain(self, error: WireError) -> None:
        """Tell the client what it did wrong; the session goes on."""
        self._replies.complain(error)

    def events_to_send(self) -> list[wire.ServerMessage]:
        """Return the events since the last call."""
        return self._outbox.take()

    @property
    def waiting_events(self) -> int:
        """How many events `events_to_send` would return."""
        return len(self._outbox)

    # The engine side.

    def work_to_do(self) -> Work | None:
        """Return the next work of a channel that has none out, if there is audio enough."""
        if self.state not in (State.LISTENING, State.DRAINING) or not self._lanes.has_to_do:
            return None
        work = self._lanes.work_to_do()
        self._report()
        return work

    @property
    def is_pressed(self) -> bool:
        """Whether another language model, wished at once, waits for work that is out."""
        return self._lanes.is_pressed

    def work_done(
        self, update: "recogniser.Update", state: "recogniser.State", *, channel: int = 0
    ) -> None:
        """Take the result of the work of a channel.

        Raises:
            TypeError, ValueError: it is nonsense; of that nothing is kept.
        """
        if self.state is not State.CLOSED:
            check(update)
            self._lanes.work_done(channel, update, state)
            self._report()

    def work_failed(self, message: str) -> None:
        """Give up: the recogniser failed on the work that is out."""
        self.give_up(ErrorCode.RECOGNISER_FAILED, message)

    def give_up(self, code: ErrorCode, message: str) -> None:
        """Close by a fault of the daemon; what is known so far is still told."""
        if self.state is State.CLOSED:
            return
        self._lanes.abandon()
        self._lanes.tell()  # and acknowledge nothing: what failed may have been a final
        self._replies.fail(code, message)
        self._close(CloseReason.FAILED)

    def break_off(self, code: ErrorCode, message: str) -> None:
        """Close by a fault of the daemon that comes again when what is known is told."""
        if self.state is not State.CLOSED:
            self._replies.fail(code, message)
            self._close(CloseReason.FAILED)

    # Within.

    def _allowed(self, what: Input) -> bool:
        """Say whether `what` may come in now; complain if not, of audio only once a state."""
        if (self.state, what) in TRANSITIONS:
            return True
        ending = self._close_reason is not CloseReason.STOPPED
        if self.state is State.DRAINING and (self._resumed or ending):
            return False  # a client says again what it is not sure of, or knows nothing of the end
        if self.state is not State.CLOSED:
            fitting = [when.value for state, when in TRANSITIONS if state is self.state]
            self._replies.complain_of_place(
                what.value, self.state.value, fitting, once=what is Input.AUDIO
            )
        return False

    def _begin(self, start: wire.Start, version: Version, phase: int | None) -> None:
        self._take_form(start, phase)
        self._intake = Intake(start)
        hearing = self._offer.hearing(self._rules, self.decoding.pace, version)
        self._lanes = Lanes(transcripts_of(start), hearing, start, self._outbox)
        self.state = TRANSITIONS[self.state, Input.START]
        self._outbox.add(self._offer.ready(self.name, self.decoding.chunk_ms, self._token))
        self.repertoire.begin(version, start.phrases, self._lanes)

    def _take_form(self, start: wire.Start, phase: int | None) -> None:
        """Decode and end utterances as `start` says, in chunks of that phase."""
        steps = max(1, round((start.chunk_ms or self._offer.chunk_ms) / STEP_MS))
        self.start = start
        self._outbox.word_times = start.word_times
        self.decoding = Decoding.of(start, steps, phase)
        self._rules = self._offer.rules.changed(start.endpointing)

    def _report(self) -> None:
        """Tell what happened to the stream since the last call."""
        self.repertoire.let_go_of_old(self._lanes)
        for position in self._lanes.tell():
            samples = self._finalizing.pop(position, self._intake.client_samples(position))
            self._outbox.add(wire.Finalized(seq=UNNUMBERED, samples=samples))
        if self._lanes.finished:
            self._replies.acknowledge(self._intake.received_samples)
            self._close(self._close_reason)
        else:
            self._replies.acknowledge(self._intake.needed_from(self._lanes.needed_from))

    def _close(self, reason: CloseReason) -> None:
        self.state = State.CLOSED
        self.repertoire.let_go()
        self._replies.close(reason)

    def let_go(self) -> None:
        """Give back what is held of the daemon's: nothing more is decoded."""
        self._lanes.abandon()
        self.repertoire.let_go()
