"""A recording through a session and a recogniser, here and now: what a client would have seen.

The evaluation streams through this, so that its figures are those of the daemon.
"""

from collections.abc import Iterator

import msgspec

from steno_daemon import wire
from steno_daemon.endpoint import SAMPLE_RATE
from steno_daemon.engine import Recogniser, own_chunk_ms, perform
from steno_daemon.session import STEP_MS, Offer, Session
from steno_models.types import FloatArray


def replay(
    recogniser: Recogniser,
    samples: FloatArray,
    *,
    block_samples: int = 320,
    start: wire.Start | None = None,
) -> Iterator[tuple[int, wire.ServerMessage]]:
    """Yield every event with the number of samples that had been received when it came.

    Args:
        recogniser: decodes each piece of work as soon as it is ready.
        samples: (N,) float32 at 16 kHz.
        block_samples: how many samples come at a time.
        start: what the client asks for; the form of the audio in it does not matter.
    """
    wish = msgspec.structs.replace(
        start or wire.Start(), encoding=wire.Encoding.PCM_F32LE, rate=SAMPLE_RATE, channels=1
    )
    session = Session("replay", Offer(chunk_ms=own_chunk_ms(recogniser)))
    session.receive_start(wish)
    data = samples.astype("<f4")
    for begin in range(0, len(data), block_samples):
        block = data[begin : begin + block_samples]
        session.receive_audio(block.tobytes())
        yield from _events(session, recogniser, begin + len(block))
    session.receive_stop()
    yield from _events(session, recogniser, len(data))


def evaluate(
    recogniser: Recogniser, samples: FloatArray, chunk_steps: int
) -> Iterator[tuple[int, wire.ServerMessage]]:
    """Yield the events of a recording with the times of words, decoded `chunk_steps` at a time."""
    start = wire.Start(word_times=True, chunk_ms=chunk_steps * STEP_MS)
    return replay(recogniser, samples, start=start)


def _events(
    session: Session, recogniser: Recogniser, received_samples: int
) -> Iterator[tuple[int, wire.ServerMessage]]:
    """Yield what the audio so far brings about."""
    while work := session.work_to_do():
        session.work_done(*perform(recogniser, work, session.decoding))
        for event in session.events_to_send():
            yield received_samples, event
    for event in session.events_to_send():
        yield received_samples, event
