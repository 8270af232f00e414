"""From samples to segments: what is speech, what to decode next, and where an utterance ends.

One cursor moves through the stream from look to look, 80 ms apart. Everything is decided at
positions that depend on the audio alone: while a piece of work is out, the cursor waits for its
update. So the speed of the engine and the cutting of the input change nothing in what is heard.

    no segment      the cursor looks for speech; found, it opens a segment a pre-roll earlier
    a segment       at a look its new features go out as work; on the update the rules decide
    it ends         the last work goes out; words that lie behind the cut belong to the next one;
                    here the stream could be taken up again, so a checkpoint is made
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from steno_daemon.checkpoint import Checkpoint
from steno_daemon.domains import Version
from steno_daemon.endpoint import SAMPLE_RATE, Rules, decide
from steno_daemon.happenings import (
    STEP_SAMPLES,
    Ended,
    Finalized,
    Happening,
    Heard,
    Opened,
    Switched,
    Work,
)
from steno_daemon.rhythm import Pace
from steno_daemon.segment import (
    Command,
    Segment,
    Switch,
    alternatives_before,
    detector,
    said_after,
    unknown_before,
)
from steno_daemon.tape import Tape
from steno_daemon.wire import EndpointReason, When
from steno_models.features.extractor import StreamingExtractor
from steno_models.features.fbank import StreamingFbank
from steno_models.types import FloatArray
from steno_models.vad.decision import SpeechStart

if TYPE_CHECKING:
    from steno_models.recogniser import State, Update

SUSPICION = 0.1
"""Share of frames that sound like speech above which silence may be the start of a word."""
QUIET_SAMPLES = 15 * SAMPLE_RATE
"""Silence after which there is a checkpoint without a segment."""
UNQUIET_SAMPLES = 60 * SAMPLE_RATE
"""The same where it is never quite silent."""


class Segmenter:
    """The audio side of one channel: samples in, work and happenings out.

    Args:
        rules: of the endpoint.
        checkpoint: where to take up a stream whose earlier samples were heard before.
        first: position of the first sample that will be appended, the checkpoint's at the latest.
        features: makes what turns the samples of a segment into features.
        version: of the language model, where the session's own name does not say it all.
        pace: when it looks.

    Attributes:
        told: position up to which the recogniser was heard.
    """

    def __init__(
        self,
        rules: Rules,
        checkpoint: Checkpoint | None = None,
        *,
        first: int = 0,
        features: Callable[[], StreamingExtractor] = StreamingFbank,
        version: Version | None = None,
        pace: Pace | None = None,
    ) -> None:
        begin = checkpoint or Checkpoint()
        self._rules = begin.rules or rules
        self._features = features
        self._version = version
        self._pace = pace or Pace()
        self._switch: Switch | None = None  # waits for the next segment
        self._tape = Tape(first)
        self._commands: deque[Command] = deque()
        self._vad = detector(self._rules, begin.vad)
        self._vad_origin = begin.cursor  # where the detector began to listen
        self._in_speech = self._vad.speaking
        self._turned = begin.turned  # where speech or silence began last
        self._cursor = begin.cursor
        self._floor = begin.floor  # where the last segment ended: nothing is decoded twice
        self._segment: Segment | None = None
        self._segments = begin.segments
        self._said = begin.said
        self._next_look = 0  # of the segment
        self._waiting = False
        self._happenings: list[Happening] = []
        self.checkpoint = begin
        self.told = begin.cursor
        self.finished = False
        if begin.is_open:
            self._open(begin.position)

    @property
    def pending_samples(self) -> int:
        """Audio that was received and not looked at yet."""
        return max(0, self._tape.end - self._cursor)

    @property
    def next_look(self) -> int:
        """The position up to which audio must have come before more of it is looked at."""
        return self._pace.next_look(max(self._tape.end, self._cursor))

    @property
    def versions(self) -> set[Version]:
        """Every version of a language model that is, or may still be, decoded with."""
        switches = [self._switch, *(command.switch for command in self._commands)]
        now = [self._version, self._segment.version if self._segment else None]
        later = [switch.version for switch in switches if switch is not None]
        return {version for version in (*now, *later) if version is not None}

    @property
    def has_to_do(self) -> bool:
        """Whether `work_to_do` would do anything."""
        segment = self._segment
        if self._waiting:
            return False
        if segment is not None and segment.is_due:
            return True
        return bool(self._commands) or self._tape.end >= self._pace.next_look(self._cursor)

    @property
    def is_idle(self) -> bool:
        """Whether all that can be told of the audio so far was told."""
        return not (self._waiting or self.has_to_do)

    @property
    def is_pressed(self) -> bool:
        """Whether another language model, wished at once, waits for the work that is out."""
        return self._waiting and any(command.is_pressing for command in self._commands)

    def append(self, samples: FloatArray) -> None:
        """Add samples, (N,) at 16 kHz, at the end of the stream."""
        self._forget()  # now the room is needed
        self._tape.append(samples)

    def change_rules(self, rules: Rules, position: int) -> None:
        """Apply other rules from `position` on."""
        self._commands.append(Command(position, rules=rules))

    def switch(self, version: Version, at: When, position: int) -> None:
        """Decode with another version of a language model from `position` on."""
        self._commands.append(Command(position, switch=Switch(version, at)))

    def finalize(self) -> None:
        """End the open segment after what was received so far."""
        self._end_here(EndpointReason.FINALIZE)

    def stop(self) -> None:
        """End the stream after what was received so far."""
        self._end_here(EndpointReason.STOP)

    def happenings(self) -> list[Happening]:
        """Return what happened since the last call."""
        happened, self._happenings = self._happenings, []
        return happened

    def work_to_do(self) -> Work | None:
        """Return the next work, unless one is out or audio is short of it."""
        if not self.has_to_do:
            return None
        while True:
            segment = self._segment
            if segment is not None and (segment.is_due or self._cursor >= self._next_look):
                if segment.is_due or segment.is_enough(self._cursor):
                    self._waiting = True
                    return segment.work(
                        self._tape.read(segment.fed, self._cursor),
                        silence=self._silence_samples(),
                        in_speech=self._in_speech,
                        said=self._said,
                    )
                self._decide(segment)
            elif not self._move():
                return None

    def work_done(self, update: "Update", state: "State") -> None:
        """Take the result of the work that is out."""
        segment = self._segment
        self._waiting = False
        if segment is None:
            return
        segment.state = state
        self.told = self._cursor
        if segment.ending is not None:
            self._close(segment, segment.ending, update)
            return
        segment.update = update
        segment.stable_words = max(segment.stable_words, update.stable_words)
        if update.words:
            self._announce(segment, segment.origin)
        if segment.number is not None:
            self._happenings.append(Heard(segment.number, segment.origin, update))
        if self._cursor >= self._next_look:  # what was scored again may have come in between
            self._decide(segment)

    def abandon(self) -> None:
        """End the open segment with the words that are known: its work failed."""
        self._waiting = False
        segment = self._segment
        if segment is None:
            return
        self._segment = None
        self._report(segment, self._cursor, EndpointReason.FAILED, segment.update)

    def _end_here(self, reason: EndpointReason) -> None:
        """End the open segment after what was received so far, or what had been heard before."""
        missing = self._cursor - self._tape.end
        if missing > 0:  # a client came back with less audio than it had sent
            self._tape.append(np.zeros(missing, np.float32))
        self._commands.append(Command(self._tape.end, end=reason))

    def _decide(self, segment: Segment) -> None:
        """Let the rules look at what is known here; they look again a little later."""
        if segment.update is not None:
            silence = self._silence_samples()
            found = segment.situation(segment.update, cursor=self._cursor, silence=silence)
            segment.ending = decide(self._rules, found)
        self._next_look = self._pace.next_look(self._cursor)

    def _move(self) -> bool:
        """Move the cursor to a look or obey a command; say whether there was anything to do."""
        command = self._commands[0] if self._commands else None
        end = self._pace.next_look(self._cursor)
        if command is not None:
            end = min(end, command.due_at(self._cursor))
            if end == self._cursor:
                if command.is_ready:
                    self._obey(command)
                return command.is_ready
        if end > self._tape.end:
            return False
        self._listen(end)
        return True

    def _listen(self, end: int) -> None:
        """Let the detector hear the samples up to `end`; open a segment where speech begins."""
        events = self._vad.accept(self._tape.read(self._cursor, end))
        self._cursor = end
        for event in events:
            self._in_speech = isinstance(event, SpeechStart)
            self._turned = self._vad_origin + event.sample
            if self._in_speech:
                self._speech_starts()
        if self._segment is None and self._is_quiet():
            self._begin_anew(max(self._floor, self._cursor - self._rules.pre_roll_samples))

    def _is_quiet(self) -> bool:
        """Say whether it has been silent so long that another detector may go on from here."""
        since = self._cursor - self.checkpoint.cursor
        calm = not self._in_speech and self._vad.speech_fraction == 0
        return since >= (QUIET_SAMPLES if calm else UNQUIET_SAMPLES) and not self._in_speech

    def _begin_anew(self, position: int) -> None:
        """Make a checkpoint here that needs audio from `position` on, and begin the detector anew.

        The detector's history is no plain value: without it the future depends on nothing else.
        """
        self._vad = detector(self._rules, self._vad.memory)
        self._vad_origin = self._cursor
        self.checkpoint = Checkpoint(
            position=position,
            cursor=self._cursor,
            floor=self._floor,
            turned=self._turned,
            segments=self._segments,
            said=self._said,
            is_open=self._segment is not None,
            rules=self._rules,
            vad=self._vad.memory,
            language_model=self._version.name if self._version else "",
            wishes=self._version.wishes if self._version else 0,
        )

    def _forget(self) -> None:
        """Let go of the audio that no segment can need any more."""
        lookback = self._rules.pre_roll_samples + self._vad.options.lookback_samples
        keep = self._segment.origin if self._segment else self._cursor - lookback
        self._tape.forget_before(max(self._floor, keep))

    def _speech_starts(self) -> None:
        """Open a segment with its pre-roll, or announce the silent one that is open."""
        pre_roll = self._turned - self._rules.pre_roll_samples
        segment = self._segment or self._open(max(self._floor, pre_roll, self._tape.start))
        self._announce(segment, self._turned)

    def _open(self, origin: int) -> Segment:
        self._segment = Segment(
            origin,
            fed=origin,
            extractor=self._features(),
            version=self._version,
            first_frames=self._pace.first_frames(origin),
        )
        self._next_look = self._cursor
        return self._segment

    def _announce(self, segment: Segment, position: int) -> None:
        """Give the segment its number and tell of it, once."""
        if segment.number is None:
            segment.number = self._segments
            self._segments += 1
            self._happenings.append(Opened(segment.number, max(position, segment.origin)))

    def _obey(self, command: Command) -> None:
        """Do what a command says at this position; an end waits until its segment is closed."""
        segment = self._segment
        if command.end is not None and segment is not None and segment.origin < command.position:
            segment.ending = command.end
            return
        self._commands.popleft()
        if command.rules is not None:
            self._change_rules(command.rules)
        if command.switch is not None:
            self._obey_switch(command.switch)
        if command.end is EndpointReason.FINALIZE:
            self._happenings.append(Finalized(command.position))
        self.finished = self.finished or command.end is EndpointReason.STOP

    def _obey_switch(self, switch: Switch) -> None:
        """Change the language model here, or keep in mind to do it when the segment ends."""
        segment = self._segment
        # Where nobody heard of the segment yet, it is the next one.
        waits = segment is not None and segment.number is not None and switch.at is When.SEGMENT
        self._switch = switch if waits else None
        if not waits:
            self._apply(switch, segment)

    def _apply(self, switch: Switch, segment: Segment | None) -> None:
        """Change the language model here, also of the segment that is open."""
        self._version = switch.version
        version = switch.version
        self.checkpoint = replace(
            self.checkpoint, language_model=version.name, wishes=version.wishes
        )
        if segment is not None:
            segment.rescore(switch.version)
        number = segment.number if segment else None
        self._happenings.append(Switched(self._cursor, switch.version, switch.at, number))

    def _change_rules(self, rules: Rules) -> None:
        """Apply other rules from here on; another detector starts with what it hears now."""
        if rules.vad_aggressiveness != self._rules.vad_aggressiveness:
            self._vad = detector(rules)
            self._vad_origin = self._turned = self._cursor
            self._in_speech = False
        self._rules = rules

    def _silence_samples(self) -> int:
        """Return since when it is silent for sure: 0 where a word may have begun."""
        if self._in_speech or self._vad.speech_fraction > SUSPICION:
            return 0
        return self._cursor - self._turned

    def _close(self, segment: Segment, reason: EndpointReason, update: "Update") -> None:
        """End the segment; what lies behind the cut, or is still being said, opens the next one."""
        cut = segment.cut(reason, update, self._cursor) if self._in_speech else None
        end = self._cursor if cut is None else segment.origin + cut * STEP_SAMPLES
        self._segment = None
        self._floor = end
        self._report(segment, end, reason, update)
        if self._switch is not None:
            self._apply(self._switch, None)
            self._switch = None
        if end < self._cursor or (self._in_speech and reason is not EndpointReason.STOP):
            self._open(end)
        self._begin_anew(end)

    def _report(
        self, segment: Segment, end: int, reason: EndpointReason, update: "Update | None"
    ) -> None:
        """Tell of the end of a segment that somebody heard of, with the words before the end."""
        words = segment.words_before(end, update)
        if words:
            self._announce(segment, segment.origin)
            self._said = said_after(self._said, words)
        if segment.number is not None:
            last = segment.steps_to(end)
            told = (words, alternatives_before(last, update), unknown_before(last, update))
            self._happenings.append(Ended(segment.number, segment.origin, end, reason, *told))
