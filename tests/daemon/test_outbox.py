from steno_daemon import wire
from steno_daemon.outbox import Outbox


def partial(text: str, segment: int = 0) -> wire.Partial:
    return wire.Partial(seq=-1, segment=segment, text=text, stable_chars=0, start=0.0)


def final(text: str, segment: int = 0) -> wire.Final:
    return wire.Final(seq=-1, segment=segment, text=text, start=0.0, end=1.0, confidence=1.0)


def test_a_slow_reader_misses_partials_and_no_final_and_no_number() -> None:
    outbox = Outbox()
    for segment in range(3):
        for text in ("a", "a b", "a b c"):
            outbox.add(partial(text, segment))
        outbox.add(final("a b c", segment))
    taken = outbox.take()
    assert [type(event) for event in taken] == [wire.Partial, wire.Final] * 3
    assert all(event.text == "a b c" for event in taken if isinstance(event, wire.Partial))
    assert [event.seq for event in taken] == list(range(6))
    outbox.add(final("d"))
    assert outbox.take()[0].seq == 6


def test_partials_of_two_segments_do_not_replace_each_other() -> None:
    outbox = Outbox()
    outbox.add(partial("a", 0))
    outbox.add(partial("b", 1))
    assert len(outbox) == 2


def test_only_the_newest_acknowledgement_is_sent_behind_what_it_acknowledges() -> None:
    outbox = Outbox()
    outbox.add(wire.Acknowledged(seq=-1, samples=1))
    outbox.add(final("a"))
    outbox.add(wire.Acknowledged(seq=-1, samples=2))
    outbox.add(wire.Closed(seq=-1, reason=wire.CloseReason.STOPPED))
    events = outbox.take()
    assert [type(event) for event in events] == [wire.Final, wire.Acknowledged, wire.Closed]
    assert events[1] == wire.Acknowledged(seq=1, samples=2)
    assert outbox.take() == []
