"""A session expects words and phrases while it runs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import pytest
from tests.daemon.fakes import FakeRecogniser, finals, pcm, speak
from tests.daemon.listening import Run

from steno_daemon import wire
from steno_daemon.domains import Domains
from steno_daemon.engine import perform
from steno_daemon.offer import Offer, Snapshot
from steno_daemon.session import Session
from steno_daemon.vocabulary import Order, WordLimits, with_words
from steno_daemon.wire import When
from steno_models.recogniser import LanguageModel, Wishes
from steno_models.vocabulary import Extended, Refusal, Source, Taken

SOUND = np.concatenate([speak("do re mi", gap_s=0.1), speak("so fa")])
CUT = 20_800


def extended(base: str, wishes: Wishes) -> Extended:
    """A language model that is its own name, as the fake recogniser takes it."""
    texts = [one.text for one in wishes.words] + [one.text for one in wishes.phrases]
    name = "+".join([base, *texts])
    return Extended(
        cast("LanguageModel", name),
        tuple(Taken(one.text, ("D UW",), Source.GUESSED) for one in wishes.words),
        tuple(one.text for one in wishes.phrases),
        tuple(Refusal(one.text, "no") for one in wishes.words if one.text == "bad"),
    )


@dataclass
class Bench:
    """Fills orders when it is told to."""

    is_patient: bool = False
    waiting: list[tuple[Order, Callable[[Extended | None], None]]] = field(default_factory=list)
    filled: int = 0

    def __call__(self, order: Order, done: Callable[[Extended | None], None]) -> None:
        self.waiting.append((order, done))
        if not self.is_patient:
            self.work()

    def work(self, *, fails: bool = False) -> None:
        while self.waiting:
            order, done = self.waiting.pop(0)
            base, wishes = order.begin()
            self.filled += 1
            done(None if fails else extended(str(base.language_model), wishes))


class Talk(Run):
    """A session that may expect words."""

    def __init__(
        self,
        start: wire.Start | None = None,
        bench: Bench | None = None,
        limits: WordLimits | None = None,
    ) -> None:
        super().__init__()
        self.bench = bench or Bench()
        self.domains = Domains(("general", "legal"))
        self.offer = Offer(self.domains, fill=self.bench, words=limits or WordLimits())
        self.session = Session("test", self.offer)
        self.session.repertoire.call_when_ready(self.work)
        self.session.receive_start(start or wire.Start())
        self.work()

    def expect(self, *texts: str, at: When = When.SEGMENT) -> None:
        phrases = tuple(wire.Phrase(text=text) for text in texts)
        self.session.receive_configure(wire.Configure(phrases=phrases, at=at))
        self.work()

    def add(self, *texts: str, at: When = When.SEGMENT) -> None:
        words = tuple(wire.NewWord(text=text) for text in texts)
        self.session.receive_add_words(wire.AddWords(words=words, at=at))
        self.work()


def test_phrases_of_the_start_count_from_the_first_segment_on() -> None:
    talk = Talk(wire.Start(phrases=(wire.Phrase(text="so long"),)))
    talk.hear(SOUND)
    [event] = talk.of(wire.Vocabulary)
    assert event.phrases == ("so long",)
    assert finals(talk.stop()) == [
        "general+so long-do general+so long-re general+so long-mi",
        "general+so long-so general+so long-fa",
    ]


@pytest.mark.parametrize("at", list(When))
def test_words_and_phrases_that_come_later_count_where_they_came(at: When) -> None:
    talk = Talk()
    talk.hear(SOUND[:CUT])
    talk.add("kow", at=at)
    talk.expect("so long", at=at)
    talk.hear(SOUND[CUT:])
    name = "general+kow+so long"
    first = f"{name}-do {name}-re {name}-mi" if at is When.NOW else "do re mi"
    assert finals(talk.stop()) == [first, f"{name}-so {name}-fa"]
    assert [event.at for event in talk.of(wire.Switched)] == [at] * len(talk.of(wire.Switched))
    assert talk.of(wire.Vocabulary)[0].words[0].text == "kow"


@pytest.mark.parametrize("at", list(When))
def test_a_slow_bench_changes_nothing_in_what_is_heard(at: When) -> None:
    def told(bench: Bench) -> list[wire.ServerMessage]:
        talk = Talk(bench=bench)
        talk.hear(SOUND[:CUT])
        talk.add("kow", at=at)
        for begin in range(CUT, len(SOUND), 4_000):
            talk.hear(SOUND[begin : begin + 4_000])
        bench.work()
        lasting = wire.Final | wire.Endpoint | wire.Switched | wire.SpeechStarted
        return [replace_seq(one) for one in talk.stop() if isinstance(one, lasting)]

    assert told(Bench(is_patient=True)) == told(Bench())


def replace_seq(event: wire.ServerMessage) -> wire.ServerMessage:
    import msgspec

    return msgspec.structs.replace(event, seq=0)


def test_a_thousand_words_at_one_place_are_made_at_once() -> None:
    talk = Talk(bench=Bench(is_patient=True))
    talk.hear(SOUND[:CUT])
    for number in range(1_000):
        talk.add(f"word{number}")
    talk.bench.work()
    assert talk.bench.filled == 1
    [event] = talk.of(wire.Vocabulary)
    assert len(event.words) == 1_000


def test_each_addition_is_a_turn_and_a_word_that_comes_again_is_in_the_latest() -> None:
    wishes = Wishes()
    for texts in (("kow", "tam"), ("zor",), ("kow",)):
        words = [wire.NewWord(text=text) for text in texts]
        wishes, refused = with_words(wishes, words, WordLimits())
        assert not refused
    assert {word.text: word.turn for word in wishes.words} == {"kow": 2, "tam": 0, "zor": 1}


def test_what_is_too_much_is_named() -> None:
    talk = Talk(limits=WordLimits(phrases=1, phrase_words=2, words=1))
    talk.expect("one two three", "so", "fa")
    talk.add("kow", "tam", "bad")
    phrases, words = talk.of(wire.Vocabulary)
    assert phrases.phrases == ("so",)
    assert [(one.text, one.reason) for one in phrases.refused] == [
        ("one two three", "expected at most 2 words, found 3"),
        ("fa", "expected at most 1 phrases, found more"),
    ]
    assert [one.text for one in words.refused] == ["tam", "bad"]


def test_where_no_words_can_be_added_all_are_refused() -> None:
    talk = Talk()
    talk.session = Session("test", Offer(talk.domains))
    talk.session.receive_start(wire.Start(phrases=(wire.Phrase(text="so"),)))
    talk.work()
    [event] = talk.of(wire.Vocabulary)
    assert [one.text for one in event.refused] == ["so"]
    talk.hear(SOUND)
    assert finals(talk.stop()) == ["do re mi", "so fa"]


def test_a_bench_that_fails_leaves_the_words_as_they_were() -> None:
    talk = Talk(bench=Bench(is_patient=True))
    talk.add("kow")
    talk.hear(SOUND)
    talk.bench.work(fails=True)
    assert [one.text for one in talk.of(wire.Vocabulary)[0].refused] == ["kow"]
    assert finals(talk.stop()) == ["do re mi", "so fa"]


def test_another_language_model_is_extended_alike() -> None:
    talk = Talk()
    talk.add("kow")
    talk.session.receive_configure(wire.Configure(language_model="legal"))
    talk.work()
    talk.hear(SOUND)
    assert finals(talk.stop())[0].startswith("legal+kow-do")
    assert not talk.domains.newest("legal").holders


def test_phrases_can_be_forgotten() -> None:
    talk = Talk(wire.Start(phrases=(wire.Phrase(text="so"),)))
    talk.expect()
    talk.hear(SOUND)
    assert finals(talk.stop())[0] == "do re mi"


def test_a_session_that_goes_on_elsewhere_expects_the_same() -> None:
    talk = Talk()
    talk.add("kow")
    talk.hear(SOUND[: len(speak("do re mi", gap_s=0.1))])
    kept = Snapshot(
        wire.Start(), talk.session.checkpoints, tuple(talk.events), dict(talk.session.wishes)
    )
    other = Session("test", talk.offer)
    other.restore(kept)
    events: list[wire.ServerMessage] = []
    other.receive_audio(pcm(SOUND[kept.checkpoints[0].position :]))
    other.receive_stop()
    recogniser = FakeRecogniser()
    while work := other.work_to_do():
        other.work_done(*perform(recogniser, work, other.decoding))
    events = other.events_to_send()
    assert finals(events) == ["general+kow-so general+kow-fa"]
    assert not [one for one in events if isinstance(one, wire.Vocabulary)]
