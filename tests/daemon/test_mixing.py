"""A session has several language models at once, each with its weight."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from tests.daemon.fakes import finals, speak
from tests.daemon.listening import Run

from steno_daemon import wire
from steno_daemon.domains import Domains
from steno_daemon.models import spelled, weights_in
from steno_daemon.offer import Offer, Snapshot
from steno_daemon.personal import Memories
from steno_daemon.session import Session
from steno_daemon.vocabulary import Order
from steno_daemon.wire import ErrorCode, When
from steno_models.vocabulary import Extended

if TYPE_CHECKING:
    from steno_models.recogniser import LanguageModel

SOUND = np.concatenate([speak("do re mi", gap_s=0.1), speak("so fa")])
CUT = 20_800
WEIGHTS = {"general": 0.25, "legal": 0.75}


@dataclass
class Bench:
    """Makes language models that are their own names, as the fake recogniser takes them."""

    made: int = 0

    def __call__(self, order: Order, done: Callable[[Extended | None], None]) -> None:
        base, wishes = order.begin()
        self.made += 1
        names = [f"{part.name}*{weight}" for part, weight in base.parts] or [base.name]
        if base.personal is not None:
            names.append(f"said={round(base.personal.load().total)}")
        name = "+".join([*names, *(one.text for one in wishes.phrases)])
        done(Extended(cast("LanguageModel", name), (), (), ()))


class Talk(Run):
    """A session of a daemon whose language models can be mixed."""

    def __init__(
        self, start: wire.Start, memories: Memories | None = None, *, mixes: bool = True
    ) -> None:
        super().__init__()
        self.domains = Domains(("general", "legal"))
        self.offer = Offer(
            self.domains,
            fill=Bench() if mixes else None,
            remember=memories.of("token") if memories else None,
        )
        self.session = Session("test", self.offer)
        self.session.receive_start(start)
        self.work()

    def configure(self, wish: wire.Configure) -> None:
        self.session.receive_configure(wish)
        self.work()

    @property
    def holders(self) -> dict[str, bool]:
        return {name: "test" in self.domains.newest(name).holders for name in self.domains.names}


def heard_with(talk: Talk) -> list[set[str]]:
    """What the words of each final were decoded with: the fake recogniser writes it before them."""
    return [{word.rpartition("-")[0] for word in text.split()} for text in finals(talk.events)]


def errors(talk: Talk) -> list[wire.Error]:
    return [event for event in talk.events if isinstance(event, wire.Error)]


MIXED = "general*0.25+legal*0.75"


def test_the_weights_of_the_start_count_from_the_first_segment_on() -> None:
    talk = Talk(wire.Start(language_model_weights=WEIGHTS))
    assert talk.holders == {"general": True, "legal": True}
    talk.hear(SOUND)
    talk.stop()
    assert heard_with(talk) == [{MIXED}, {MIXED}]
    [event] = talk.of(wire.Switched)
    assert (event.language_model, event.time) == ("general:0.25+legal:0.75", 0.0)
    assert talk.holders == {"general": False, "legal": False}


@pytest.mark.parametrize("at", list(When))
def test_weights_that_come_later_count_from_a_segment_or_at_once(at: When) -> None:
    talk = Talk(wire.Start(language_model="legal"))
    talk.hear(SOUND[:CUT])
    talk.configure(wire.Configure(language_model_weights=WEIGHTS, at=at))
    talk.hear(SOUND[CUT:])
    talk.configure(wire.Configure(language_model="general"))
    talk.stop()
    assert heard_with(talk) == [{MIXED if at is When.NOW else "legal"}, {MIXED}]


def test_phrases_are_expected_of_a_mixture_too() -> None:
    phrases = (wire.Phrase(text="long"),)
    talk = Talk(wire.Start(language_model_weights=WEIGHTS, phrases=phrases))
    talk.hear(SOUND)
    talk.stop()
    assert heard_with(talk) == [{f"{MIXED}+long"}] * 2


@pytest.mark.parametrize(
    ("weights", "code", "expected", "found"),
    [
        (
            {"general": 0.5, "legal": 0.4},
            ErrorCode.INVALID_MESSAGE,
            "weights that sum to 1",
            "a sum of 0.9",
        ),
        (
            {"general": 0.5, "medical": 0.5},
            ErrorCode.UNKNOWN_LANGUAGE_MODEL,
            "one of general, legal",
            "medical",
        ),
    ],
)
def test_weights_that_cannot_be_are_refused_and_change_nothing(
    weights: dict[str, float], code: ErrorCode, expected: str, found: str
) -> None:
    talk = Talk(wire.Start(language_model_weights=weights))
    [error] = errors(talk)
    assert (error.code, error.expected, error.found) == (code, expected, found)
    talk.session.receive_start(wire.Start(language_model="legal"))
    talk.configure(wire.Configure(language_model_weights=weights))
    assert len(errors(talk)) == 2
    talk.hear(SOUND)
    talk.stop()
    assert heard_with(talk) == [{"legal"}] * 2


def test_two_wishes_at_once_are_refused() -> None:
    talk = Talk(wire.Start())
    talk.configure(wire.Configure(language_model="legal", language_model_weights=WEIGHTS))
    [error] = errors(talk)
    assert error.expected == "language_model or language_model_weights"


def test_a_daemon_that_cannot_mix_says_so() -> None:
    talk = Talk(wire.Start(language_model_weights=WEIGHTS), mixes=False)
    [error] = errors(talk)
    assert (error.expected, error.found) == ("one language model", "weights")


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"start","language_model_weights":{"general":1.5}}',
        '{"type":"start","language_model_weights":{}}',
        '{"type":"start","personal":"../anna"}',
        '{"type":"start","personal":""}',
        '{"type":"configure","language_model_weights":{"general":-0.5,"legal":1.5}}',
    ],
)
def test_what_is_out_of_range_is_no_message(text: str) -> None:
    with pytest.raises(wire.WireError) as caught:
        wire.decode_client(text)
    assert caught.value.code == ErrorCode.INVALID_MESSAGE


def test_a_session_that_goes_on_elsewhere_has_the_same_weights() -> None:
    talk = Talk(wire.Start())
    talk.hear(SOUND[:CUT])
    talk.configure(wire.Configure(language_model_weights=WEIGHTS, at=When.NOW))
    [checkpoint] = talk.session.checkpoints
    later = Talk(wire.Start())
    later.session = Session("test", later.offer)
    later.session.restore(Snapshot(wire.Start(), (checkpoint,), ()))
    later.hear(SOUND[checkpoint.position :])
    later.stop()
    assert heard_with(later)[-1] == {MIXED}


def test_names_of_mixtures_are_read_as_they_are_written() -> None:
    weights = {"general": 1 / 3, "a-b_c": 2 / 3}
    assert weights_in(spelled(weights)) == weights
    assert weights_in("general") is None


def test_what_was_said_counts_in_the_next_session(tmp_path: Path) -> None:
    memories = Memories(tmp_path)
    start = wire.Start(personal="anna")
    talk = Talk(start, memories)
    talk.hear(SOUND)
    talk.stop()
    assert heard_with(talk) == [{"general*1.0+said=0"}] * 2
    memory = talk.session.repertoire.memory
    assert memory is not None
    for words in ("do re mi", "so fa"):
        memory.hear(words.split())
    memory.save()
    memories.close()
    later = Talk(start, Memories(tmp_path))
    later.hear(SOUND)
    later.configure(wire.Configure(language_model_weights=WEIGHTS))
    assert heard_with(later)[0] == {"general*1.0+said=7"}
    other = Talk(wire.Start(), Memories(tmp_path))
    assert other.session.repertoire.memory is None


def test_a_daemon_that_keeps_nothing_cannot_remember() -> None:
    talk = Talk(wire.Start(personal="anna"))
    [error] = errors(talk)
    assert error.expected == "a daemon that keeps a state"


def test_a_personal_model_beside_too_many_others_is_refused(tmp_path: Path) -> None:
    talk = Talk(wire.Start())
    talk.domains = Domains(("general", "legal", "medical", "military"))
    names = talk.domains.names
    talk.offer = Offer(talk.domains, fill=Bench(), remember=Memories(tmp_path).of("token"))
    talk.session = Session("test", talk.offer)
    weights = {name: 1 / len(names) for name in names}
    talk.session.receive_start(wire.Start(language_model_weights=weights, personal="anna"))
    talk.work()
    [error] = errors(talk)
    assert (error.expected, error.found) == ("at most 3 beside a personal one", "4")
