"""What a session costs on this machine: one is heard from its first byte to its last event.

All of it counts that the daemon does for a client but the socket: the detector, the features, the
recogniser and the messages. A sentence of real speech is heard, since how much the search has to
do depends on how sure the acoustic model is: `speech.flac` is from chapter 1 of Jane Austen's
Sense and Sensibility, read by a volunteer of LibriVox, and in the public domain.
"""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from steno_daemon import wire
from steno_daemon.config import EngineConfig
from steno_daemon.domains import Domains
from steno_daemon.endpoint import SAMPLE_RATE
from steno_daemon.engine import own_chunk_ms, perform
from steno_daemon.ladder import STEPS, Ladder
from steno_daemon.offer import STEP_MS, Decoding, Offer
from steno_daemon.session import Session
from steno_models.audio import read_file
from steno_models.recogniser import Recogniser
from steno_models.types import FloatArray

logger = logging.getLogger(__name__)

SPEECH = Path(__file__).parent / "speech.flac"
PAUSE_S = 1.0
"""Behind the sentence: long enough for an endpoint."""
BLOCK_BYTES = 2 * SAMPLE_RATE * 40 // 1000
"""What comes at a time, as from a microphone."""
WARM_UP_BYTES = 2 * SAMPLE_RATE * 2
"""What is heard first: the end of the sentence and the pause, so that all code has run once."""
SESSIONS_MAX = 1_000


def sentence() -> FloatArray:
    """Return what a session hears to be measured, (N,) at 16 kHz: a sentence and a pause."""
    pause = np.zeros(round(PAUSE_S * SAMPLE_RATE), np.float32)
    return np.concatenate([read_file(SPEECH), pause])


def measure(
    recogniser: Recogniser,
    decoding: Decoding,
    samples: FloatArray,
    *,
    clock: Callable[[], float] = time.thread_time,
) -> float:
    """Return the real-time factor: seconds of work for one second of speech, after a warm-up.

    Args:
        recogniser: nothing else may call it meanwhile.
        decoding: how the session is decoded.
        samples: what it hears, (N,) float32 at 16 kHz.
        clock: of the work that this thread does; it stands still while others have the core.
    """
    data = np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2").tobytes()
    _hear(recogniser, decoding, data[-WARM_UP_BYTES:])
    began_s = clock()
    _hear(recogniser, decoding, data)
    return (clock() - began_s) * SAMPLE_RATE / len(samples)


def room(real_time_factor: float, *, headroom: float) -> int:
    """Return how many sessions keep up if all speak at once and `headroom` of a core is theirs."""
    return int(min(SESSIONS_MAX, max(1, headroom / max(real_time_factor, 1e-6))))


def _hear(recogniser: Recogniser, decoding: Decoding, data: bytes) -> None:
    """Do all that a session of this audio needs, and throw away what it says."""
    model = decoding.language_model
    chunk_ms = decoding.chunk_steps * STEP_MS
    offer = Offer(Domains((model,)), chunk_ms, features=recogniser.features)
    session = Session("measured", offer)
    session.receive_start(wire.Start(language_model=model, word_times=True))
    session.degrade(decoding.degraded, lag_ms=0)
    for begin in range(0, len(data), BLOCK_BYTES):
        session.receive_audio(data[begin : begin + BLOCK_BYTES])
        _answer(session, recogniser)
    session.receive_stop()
    _answer(session, recogniser)


def _answer(session: Session, recogniser: Recogniser) -> None:
    """Decode what there is, and say what there is to say."""
    while (work := session.work_to_do()) is not None:
        update, state = perform(recogniser, work, session.decoding)
        session.work_done(update, state, channel=work.channel)
    for event in session.events_to_send():
        wire.encode(event)


def measured_ladder(
    config: EngineConfig, recogniser: Recogniser, language_models: Sequence[str]
) -> Ladder:
    """Return how many sessions keep up at each effort: what is configured, or was measured."""
    chunk_ms = config.chunk_ms or own_chunk_ms(recogniser)
    samples, rooms = sentence(), list[int]()
    for step in range(STEPS if config.degrade else 1):
        decoding = Decoding(
            language_model=Domains(language_models).default,
            chunk_steps=max(1, round(chunk_ms / STEP_MS)),
            degraded=step,
        )
        factor = measure(recogniser, decoding, samples)
        rooms.append(max([room(factor, headroom=config.headroom), *rooms]))
        logger.info(
            "effort %d: a second of speech takes %.3f s, %d keep up", step, factor, rooms[-1]
        )
    ladder = Ladder(tuple(rooms))
    return ladder.capped(config.max_sessions) if config.max_sessions else ladder
