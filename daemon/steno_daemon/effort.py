"""What a session costs on this machine: one is heard from its first byte to its last event.

All of it counts that the daemon does for a client but the socket: the detector, the features, the
recogniser and the messages. A sentence of real speech is heard, since how much the search has to
do depends on how sure the acoustic model is: `speech.flac` is from chapter 1 of Jane Austen's
Sense and Sensibility, read by a volunteer of LibriVox, and in the public domain.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from steno_daemon import wire
from steno_daemon.config import EngineConfig
from steno_daemon.domains import Domains
from steno_daemon.endpoint import SAMPLE_RATE
from steno_daemon.engine import Batching, own_chunk_ms, perform
from steno_daemon.ladder import STEPS, Ladder
from steno_daemon.offer import STEP_MS, Decoding, Offer
from steno_daemon.rhythm import STEP_FRAMES
from steno_daemon.session import Session
from steno_models.audio import read_file
from steno_models.recogniser import DecodeOptions, Recogniser, Work
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
TOGETHER_MAX = 8
"""More in a batch are hardly cheaper each."""
BATCH_S = 0.065
"""A batch takes no longer, the core being its own: whoever comes meanwhile waits for it."""


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


def together(
    recogniser: Recogniser,
    decoding: Decoding,
    samples: FloatArray,
    *,
    clock: Callable[[], float] = time.thread_time,
) -> int:
    """Return how many chunks in the middle of speech are decoded together within BATCH_S.

    Args:
        recogniser: nothing else may call it meanwhile.
        decoding: how the sessions are decoded.
        samples: what all hear, (N,) float32 at 16 kHz.
        clock: of the work that this thread does.
    """
    options = DecodeOptions(
        chunk_steps=decoding.chunk_steps, language_model=decoding.language_model
    )
    states = [recogniser.start(options)] * TOGETHER_MAX
    frames, took_s = recogniser.features().accept(samples), []
    for piece in np.array_split(
        frames, max(2, len(frames) // (decoding.chunk_steps * STEP_FRAMES))
    ):
        began_s = clock()
        states = [state for _, state in recogniser.step([Work(piece, each) for each in states])]
        took_s.append(clock() - began_s)
    each_s = max(took_s[1:]) / TOGETHER_MAX  # the first one is a warm-up
    return int(min(TOGETHER_MAX, max(2, BATCH_S / max(each_s, 1e-6))))


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


def measured_batching(
    config: EngineConfig, recogniser: Recogniser, language_models: Sequence[str]
) -> Batching:
    """Return how sessions are decoded together: as configured, or as suits what was measured."""
    most = config.max_batch
    if most is None:
        most = together(recogniser, _decoding(config, recogniser, language_models), sentence())
        logger.info("chunks of %d sessions are decoded together", most)
    return Batching(most, config.batch_wait_ms / 1000)


def measured_ladder(
    config: EngineConfig, recogniser: Recogniser, language_models: Sequence[str]
) -> Ladder:
    """Return how many sessions keep up at each effort: what is configured, or was measured."""
    samples, rooms = sentence(), list[int]()
    for step in range(STEPS if config.degrade else 1):
        decoding = replace(_decoding(config, recogniser, language_models), degraded=step)
        factor = measure(recogniser, decoding, samples)
        rooms.append(max([room(factor, headroom=config.headroom), *rooms]))
        logger.info(
            "effort %d: a second of speech takes %.3f s, %d keep up", step, factor, rooms[-1]
        )
    ladder = Ladder(tuple(rooms))
    return ladder.capped(config.max_sessions) if config.max_sessions else ladder


def _decoding(
    config: EngineConfig, recogniser: Recogniser, language_models: Sequence[str]
) -> Decoding:
    """Return how a session is decoded that wishes nothing."""
    chunk_ms = config.chunk_ms or own_chunk_ms(recogniser)
    return Decoding(
        language_model=Domains(language_models).default,
        chunk_steps=max(1, round(chunk_ms / STEP_MS)),
    )
