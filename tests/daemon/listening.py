"""A session whose work is done as soon as it is there."""

from typing import TypeVar

from tests.daemon.fakes import FakeRecogniser, pcm

from steno_daemon import wire
from steno_daemon.engine import perform
from steno_daemon.offer import Offer
from steno_daemon.session import Session
from steno_models.types import FloatArray

Events = list[wire.ServerMessage]
Event = TypeVar("Event")


class Run:
    """A session whose work is done as soon as it is there."""

    def __init__(self, start: wire.Start | None = None) -> None:
        self.session = Session("test", Offer())
        self.recogniser = FakeRecogniser()
        self.events: Events = []
        if start is not None:
            self.session.receive_start(start)
            self.work()

    def work(self) -> None:
        while work := self.session.work_to_do():
            done = perform(self.recogniser, work, self.session.decoding)
            self.session.work_done(*done, channel=work.channel)
            self.events += self.session.events_to_send()
        self.events += self.session.events_to_send()

    def hear(self, sound: FloatArray | bytes) -> None:
        self.session.receive_audio(sound if isinstance(sound, bytes) else pcm(sound))
        self.work()

    def finalize(self) -> None:
        self.session.receive_finalize()
        self.work()

    def stop(self) -> Events:
        self.session.receive_stop()
        self.work()
        return self.events

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


def run(sound: FloatArray, start: wire.Start | None = None) -> Run:
    done = Run(start or wire.Start())
    for begin in range(0, len(sound), 320):
        done.hear(sound[begin : begin + 320])
    done.stop()
    return done
