"""A second pass behind a session: its finals, its context, its option, its count."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.daemon.fakes import FakeRecogniser, pcm, speak
from tests.daemon.listening import Run
from tests.models import second_passes as second

from steno_daemon import wire
from steno_daemon.checkpoint import Checkpoint
from steno_daemon.engine import Engine, own_chunk_ms, perform
from steno_daemon.happenings import Work
from steno_daemon.jobs import Done, Outcome
from steno_daemon.ladder import Ladder
from steno_daemon.metrics import Metrics
from steno_daemon.offer import Decoding, Offer
from steno_daemon.segment import SAID_WORDS, said_after
from steno_daemon.session import Session
from steno_models import bundle
from steno_models.recogniser import DecodeOptions, Recogniser, State, Update, Word
from steno_models.recogniser import Work as Chunk

SOUND = pcm(np.concatenate([speak("do mi so"), speak("re fa"), speak("so do")]))


def heard(
    recogniser: Recogniser, start: wire.Start, block_bytes: int = 16_000
) -> list[wire.ServerMessage]:
    """Everything that a session says."""
    offer = Offer(chunk_ms=own_chunk_ms(recogniser), features=recogniser.features)
    session, found = Session("test", offer), list[wire.ServerMessage]()

    def answer() -> None:
        while (work := session.work_to_do()) is not None:
            update, state = perform(recogniser, work, session.decoding)
            session.work_done(update, state, channel=work.channel)
        found.extend(session.events_to_send())

    session.receive_start(start)
    for begin in range(0, len(SOUND), block_bytes):
        session.receive_audio(SOUND[begin : begin + block_bytes])
        answer()
    session.receive_stop()
    answer()
    return found


def finals(events: Sequence[wire.ServerMessage]) -> list[wire.Final]:
    found = [event for event in events if isinstance(event, wire.Final)]
    return [msgspec.structs.replace(event, seq=0) for event in found]


def test_finals_are_those_of_both_passes_in_any_blocks_and_keep_what_was_stable(
    tmp_path: Path,
) -> None:
    path = second.ctc_of_subwords(tmp_path / "ctc")
    plain = bundle.load(path).recogniser
    second.give(
        path,
        neural_share=0.9,
        language_weight=4.0,
        n_best=12,
        context_words=20,
        hold_ms=400,
    )
    both = bundle.load(path).recogniser
    start = wire.Start(word_times=True, n_best=3)
    events = heard(both, start)
    assert len(finals(events)) > 1
    assert finals(heard(both, start, 642)) == finals(events)
    one_pass = finals(heard(plain, start))
    assert finals(events) != one_pass
    off = wire.Start(word_times=True, n_best=3, second_pass=False)
    assert finals(heard(both, off)) == one_pass
    stable: dict[int, str] = {}
    for event in events:
        if isinstance(event, wire.Partial | wire.Final):
            assert event.text.startswith(stable.get(event.segment, ""))
        if isinstance(event, wire.Partial):
            stable[event.segment] = event.text[: event.stable_chars]
    assert any(stable.values())


class Listener(FakeRecogniser):
    """Remembers what segments were begun with."""

    def __init__(self) -> None:
        super().__init__()
        self.wishes: list[DecodeOptions] = []

    def start(self, options: DecodeOptions) -> State:
        self.wishes.append(options)
        return super().start(options)


def test_a_segment_is_told_the_finals_before_it() -> None:
    run = Run()
    run.recogniser = listener = Listener()
    run.session.receive_start(wire.Start())
    run.hear(np.concatenate([speak("do mi"), speak("re")]))
    before = run.session.checkpoints[0].said
    run.stop()
    assert before[0] == ("do", "mi")
    told = [one.finals for one in listener.wishes]
    assert told[0] == ()
    assert (("do", "mi"),) in told
    assert run.session.checkpoints[0].said == (("do", "mi"), ("re",))


def test_a_checkpoint_with_finals_survives_json() -> None:
    one = Checkpoint(said=(("do", "mi"), ("re",)))
    assert msgspec.json.decode(msgspec.json.encode(one), type=Checkpoint) == one
    assert msgspec.json.decode(b"{}", type=Checkpoint).said == ()


def test_only_the_newest_words_are_kept() -> None:
    def spoken(*texts: str) -> tuple[Word, ...]:
        return tuple(Word(text, 0, 1, 1.0) for text in texts)

    long = spoken(*["a"] * (SAID_WORDS - 1))
    assert said_after((("x", "y"),), spoken("z")) == (("x", "y"), ("z",))
    assert said_after((("x",), ("y", "y")), long) == (("a",) * (SAID_WORDS - 1),)
    assert said_after((("x", "y"), ("z",)), long) == (("z",), ("a",) * (SAID_WORDS - 1))
    assert said_after((("x",),), spoken(*["a"] * (SAID_WORDS + 1))) == ()


@pytest.mark.parametrize(
    ("decoding", "expected"),
    [
        (Decoding(), True),
        (Decoding(second_pass=False), False),
        (Decoding(degraded=1), False),
        (Decoding(degraded=2), False),
    ],
)
def test_an_overloaded_daemon_makes_one_pass(decoding: Decoding, *, expected: bool) -> None:
    listener = Listener()
    perform(
        listener, Work(np.zeros((0, 80), np.float32), None, is_last=False, position=0), decoding
    )
    assert [one.second_pass for one in listener.wishes] == [expected]


class Hurried(FakeRecogniser):
    """Never has time for all."""

    def __init__(self, unscored: int | None) -> None:
        super().__init__()
        self.unscored = unscored
        self.asked_s: list[float | None] = []

    def step(self, work: Sequence[Chunk]) -> list[tuple[Update, State]]:
        self.asked_s += [item.asked_s for item in work]
        return [(replace(a, unscored=self.unscored), b) for a, b in super().step(work)]


@pytest.mark.parametrize(
    ("unscored", "passes", "cut"),
    [(None, b"0.0", b"0.0"), (0, b"1.0", b"0.0"), (3, b"1.0", b"1.0")],
)
@pytest.mark.parametrize("ladder", [Ladder((2, 3)), Ladder((2,))])
def test_it_is_counted_how_often_time_was_up_where_effort_is_saved_at_all(
    unscored: int | None, passes: bytes, cut: bytes, ladder: Ladder
) -> None:
    async def scenario() -> None:
        metrics, recogniser = Metrics(), Hurried(unscored)
        engine = Engine(recogniser, ladder, metrics=metrics)
        engine.start()
        seat = engine.admit("test")
        done = asyncio.get_running_loop().create_future()

        def deliver(outcome: Outcome) -> None:
            done.set_result(outcome)

        work = Work(np.zeros((8, 80), np.float32), None, is_last=True, position=0)
        engine.submit(seat, work, Decoding(), due_s=0.0, deliver=deliver)
        assert isinstance(await done, Done)
        await engine.close()
        _, text = metrics.render()
        assert b"steno_second_passes_total " + passes in text
        assert b"steno_second_passes_cut_total " + cut in text
        assert (recogniser.asked_s[0] is not None) == ladder.saves_effort

    asyncio.run(scenario())
