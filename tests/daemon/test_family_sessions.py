"""Sessions with recognisers of every family: how the audio comes changes nothing in the words."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.daemon.fakes import pcm, speak
from tests.models import tiny_bundles as tiny

from steno_daemon import wire
from steno_daemon.engine import own_chunk_ms, perform
from steno_daemon.offer import Offer
from steno_daemon.session import Session
from steno_models import bundle
from steno_models.recogniser import Recogniser

FAMILIES: dict[str, Callable[[Path], Path]] = {
    "rnnt": tiny.transducer,
    "las": tiny.speller,
    "hmm": tiny.hmm,
}
SOUND = pcm(speak("do mi so"))


def finals(recogniser: Recogniser, block_bytes: int) -> list[tuple[object, ...]]:
    """Everything that the finals of a session say."""
    offer = Offer(chunk_ms=own_chunk_ms(recogniser), features=recogniser.features)
    session, found = Session("test", offer), list[wire.ServerMessage]()

    def answer() -> None:
        while (work := session.work_to_do()) is not None:
            update, state = perform(recogniser, work, session.decoding)
            session.work_done(update, state, channel=work.channel)
        found.extend(session.events_to_send())

    session.receive_start(wire.Start(word_times=True))
    for begin in range(0, len(SOUND), block_bytes):
        session.receive_audio(SOUND[begin : begin + block_bytes])
        answer()
    session.receive_stop()
    answer()
    assert any(isinstance(event, wire.Partial) for event in found)
    return [
        (event.text, event.start, event.end, event.words)
        for event in found
        if isinstance(event, wire.Final)
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_words_and_times_are_the_same_in_any_blocks(family: str, tmp_path: Path) -> None:
    recogniser = bundle.load(FAMILIES[family](tmp_path / "tiny")).recogniser
    whole = finals(recogniser, len(SOUND))
    assert whole
    assert finals(recogniser, 642) == whole
    assert finals(recogniser, 16_000) == whole
