"""A recording through a session and a recogniser, here and now: what a client would have seen.

The evaluation streams through this, so that its figures are those of the daemon. A capture of a
session goes the same way, byte by byte as it was received, so that another model can be heard on
it, or the same one checked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from steno_daemon import wire
from steno_daemon.capture import Capture, Command, read_capture
from steno_daemon.domains import Domains
from steno_daemon.endpoint import SAMPLE_RATE
from steno_daemon.engine import own_chunk_ms, perform
from steno_daemon.errors import UnknownModelError
from steno_daemon.offer import STEP_MS, Offer, room_at
from steno_daemon.session import Session
from steno_models.errors import ConfigError
from steno_models.recogniser import Recogniser
from steno_models.types import FloatArray

Savings = dict[tuple[int, int], int]
"""How much is saved in the segment of a channel whose first work reaches up to a position."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """A captured session, as it was and as it is decoded now.

    Attributes:
        session: its name.
        began: wall time, ISO 8601.
        bundle: that decoded it then.
        language_model: of then.
        audio_s: how much audio there is.
        saved_segments: how many were decoded with less effort, then and now.
        ending: why the capture ends before the session had its last word, None where it does not;
            such a capture is compared as far as it goes.
        then: finals that were sent, by channel and segment.
        now: finals that are sent now.
    """

    session: str
    began: str
    bundle: str
    language_model: str
    audio_s: float
    saved_segments: int
    ending: str | None
    then: tuple[wire.Final, ...]
    now: tuple[wire.Final, ...]


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
    session = Session(
        "replay", Offer(chunk_ms=own_chunk_ms(recogniser), features=recogniser.features)
    )
    session.receive_start(wish)
    data = samples.astype("<f4")
    for begin in range(0, len(data), block_samples):
        block = data[begin : begin + block_samples]
        session.receive_audio(block.tobytes())
        for event in _events(session, recogniser):
            yield begin + len(block), event
    session.receive_stop()
    for event in _events(session, recogniser):
        yield len(data), event


def evaluate(
    recogniser: Recogniser, samples: FloatArray, chunk_steps: int
) -> Iterator[tuple[int, wire.ServerMessage]]:
    """Yield the events of a recording with the times of words, decoded `chunk_steps` at a time."""
    start = wire.Start(word_times=True, chunk_ms=chunk_steps * STEP_MS)
    return replay(recogniser, samples, start=start)


def replay_capture(
    recogniser: Recogniser,
    path: Path,
    *,
    language_models: Sequence[str],
    language_model: str | None = None,
) -> Replayed:
    """Decode a captured session again.

    Args:
        recogniser: decodes now.
        path: the capture.
        language_models: those that the recogniser has.
        language_model: the one to decode with, None for that of then.

    Raises:
        DataError: there is no capture, or it is damaged.
        ConfigError: the recogniser has no such language model.
    """
    capture = read_capture(path)
    header = capture.header
    start = msgspec.structs.replace(
        header.start, language_model=language_model or header.start.language_model
    )
    domains = Domains(tuple(language_models))
    try:
        domains.check(start.language_model)
    except UnknownModelError as error:
        raise ConfigError(f"{path}: {error}") from error
    offer = Offer(domains, header.chunk_ms, header.rules, features=recogniser.features)
    session = Session("replay", offer, room_at(header.phase))
    session.receive_start(start)
    now = tuple(_decoded(capture, session, recogniser))
    then = _comparable(capture.sent, until=None)
    until = None if capture.ending is None else _said_until(capture.sent)
    return Replayed(
        session=header.session,
        began=header.began,
        bundle=header.bundle,
        language_model=header.start.language_model,
        audio_s=session.received_s,
        saved_segments=len(capture.savings),
        ending=capture.ending,
        then=then,
        now=_comparable(now, until=until),
    )


def _decoded(
    capture: Capture, session: Session, recogniser: Recogniser
) -> Iterator[wire.ServerMessage]:
    """Yield the events of a session that receives what was captured."""
    savings = {(one.channel, one.position): one.degraded for one in capture.savings}
    begin = 0
    for at, command in [*capture.commands, (capture.audio_bytes, None)]:
        for data in capture.audio(begin, at):
            session.receive_audio(data)
            yield from _events(session, recogniser, savings)
        begin = at
        _obey(session, command)
        yield from _events(session, recogniser, savings)
        if isinstance(command, wire.Stop):
            return
    if capture.ending is None:  # the daemon ended it: a shutdown, an idle client, a limit
        session.receive_stop()
        yield from _events(session, recogniser, savings)


def _obey(session: Session, command: Command | None) -> None:
    """Give the session what its client said between its audio."""
    match command:
        case wire.Configure():
            session.receive_configure(command)
        case wire.AddWords():
            session.receive_add_words(command)
        case wire.Finalize():
            session.receive_finalize()
        case wire.Stop():
            session.receive_stop()
        case None:
            pass


def _events(
    session: Session, recogniser: Recogniser, savings: Savings | None = None
) -> Iterator[wire.ServerMessage]:
    """Yield what the audio so far brings about."""
    while work := session.work_to_do():
        degraded = (savings or {}).get((work.channel, work.position), 0)
        decoding = replace(session.decoding, degraded=degraded)
        session.work_done(*perform(recogniser, work, decoding), channel=work.channel)
        yield from session.events_to_send()
    yield from session.events_to_send()


def _said_until(events: Sequence[wire.ServerMessage]) -> dict[int, float]:
    """Return up to which time of each channel everything was said."""
    until: dict[int, float] = {}
    for event in events:
        if isinstance(event, wire.Final | wire.Endpoint):
            time_s = event.end if isinstance(event, wire.Final) else event.time
            until[event.channel] = max(time_s, until.get(event.channel, 0.0))
    return until


def _comparable(
    events: Sequence[wire.ServerMessage], *, until: dict[int, float] | None
) -> tuple[wire.Final, ...]:
    """Return the finals by channel and segment, each once, none that ends after `until`."""
    finals = {
        (event.channel, event.segment): event
        for event in events
        if isinstance(event, wire.Final)
        and (until is None or event.end <= until.get(event.channel, 0.0))
    }
    return tuple(finals[key] for key in sorted(finals))
