"""What the daemon counts, for Prometheus: one registry for each daemon, nothing global.

    metrics.admitted(sessions=3)          the engine, on its own thread or on the loop
    metrics.batch(4, busy_s=…, audio_s=…)
    meter = metrics.session()             one for each session, asked by its stream
    meter.received(640, position_s=…)
    meter.told(events)

Nothing here is labelled with what a client says, so the number of series is bounded. Counting
takes a microsecond and needs nobody to ask: a `Metrics()` of its own serves tests as well.
"""

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    ProcessCollector,
)
from prometheus_client.exposition import choose_encoder

from steno_daemon import wire
from steno_daemon.wire import EndpointReason

if TYPE_CHECKING:
    from steno_models.recogniser import UnknownWord

UNKNOWN_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
LAG_BUCKETS_S = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
DELAY_BUCKETS_S = (0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
BATCH_BUCKETS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
DEGRADED_LEVELS = (1, 2)
MARKS_MAX = 2_048
"""Receipts of audio that a session remembers: 40 s of it in blocks of 20 ms."""
AT_THE_CURSOR = {EndpointReason.TRAILING_SILENCE, EndpointReason.FINALIZE, EndpointReason.STOP}
"""Endpoints whose time is where they were decided; other rules may cut further back."""


class Metrics:
    """The counts of one daemon; every method may be called from any thread."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._build = Info("steno_build", "What runs.", registry=self._registry)
        self._make_engine_metrics()
        self._make_session_metrics()
        self._make_viewer_metrics()

    def build(self, *, version: str, protocol: str, bundle: str) -> None:
        """Say once what runs."""
        self._build.info({"version": version, "protocol": protocol, "bundle": bundle})

    def limits(self, *, max_sessions: int) -> None:
        """Say how many sessions are let in."""
        self._max_sessions.set(max_sessions)

    def admitted(self, *, sessions: int) -> None:
        """Count a session that was let in; with it there are `sessions`."""
        self._admitted.inc()
        self._sessions.set(sessions)

    def refused(self, reason: str) -> None:
        """Count a session that was not: why, as a `wire.ErrorCode` or a word for it."""
        self._refused.labels(str(reason)).inc()

    def left(self, *, sessions: int) -> None:
        """Note that a session gave its seat back; without it there are `sessions`."""
        self._sessions.set(sessions)

    def queue(self, length: int) -> None:
        """Note how many pieces of work wait."""
        self._queue.set(length)

    def batch(self, size: int, *, busy_s: float, audio_s: float) -> None:
        """Count a batch of `size` pieces with `audio_s` of sound that took the engine `busy_s`."""
        self._batches.observe(size)
        self._busy.inc(busy_s)
        self._decoded.inc(audio_s)

    def second_pass(self, *, is_cut: bool) -> None:
        """Count a final that was ranked anew; `is_cut` where time was up first."""
        self._second_passes.inc()
        if is_cut:
            self._cut_passes.inc()

    def unknown_words(self, found: Sequence["UnknownWord"], *, took_s: float) -> None:
        """Count the words that a finished segment had and the lexicon lacks, and the search."""
        self._unknown_search.observe(took_s)
        self._unknown.inc(len(found))
        self._unnamed.inc(sum(not word.candidates for word in found))

    def lag(self, lag_s: float) -> None:
        """Count how much audio of a session was received and not decoded, at one moment."""
        self._lag.observe(lag_s)

    def resumed(self) -> None:
        """Count a session whose client came back."""
        self._resumes.inc()

    def viewers(self, count: int) -> None:
        """Note how many watch now."""
        self._viewers.set(count)

    def broker(self, *, is_connected: bool) -> None:
        """Note whether the MQTT broker is there."""
        self._broker.set(is_connected)

    def unposted(self) -> None:
        """Count a post that waited for the broker until there were too many."""
        self._unposted.inc()

    def skipped_partials(self, count: int = 1) -> None:
        """Count partials that a slow viewer did not get."""
        self._skipped.inc(count)

    def session(self, clock: Callable[[], float] = time.monotonic) -> "SessionMeter":
        """Return what counts for one session; `clock` counts seconds from anywhere."""
        return SessionMeter(self._counts, clock)

    def render(self, accept: str = "") -> tuple[str, bytes]:
        """Return content type and body for a scraper whose header `Accept` is `accept`."""
        encoder, content_type = choose_encoder(accept)
        return content_type, encoder(self._registry)

    def _counter(self, name: str, says: str, *labels: str) -> Counter:
        return Counter(name, says, labels, registry=self._registry)

    def _gauge(self, name: str, says: str, *labels: str) -> Gauge:
        return Gauge(name, says, labels, registry=self._registry)

    def _histogram(self, name: str, says: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, says, registry=self._registry, buckets=buckets)

    def _make_engine_metrics(self) -> None:
        self._sessions = self._gauge("steno_sessions", "Sessions that are let in now.")
        self._max_sessions = self._gauge("steno_max_sessions", "Sessions that may be at once.")
        self._admitted = self._counter("steno_sessions_admitted", "Sessions that were let in.")
        self._refused = self._counter(
            "steno_sessions_refused", "Sessions that were not let in.", "reason"
        )
        # Series that are there from the start show their first count in `rate`.
        for reason in (wire.ErrorCode.OVERLOADED, wire.ErrorCode.LIMIT_EXCEEDED):
            self._refused.labels(reason.value)
        self._queue = self._gauge("steno_queue_length", "Pieces of work that wait to be decoded.")
        self._batches = self._histogram(
            "steno_batch_size", "Pieces of work that were decoded together.", BATCH_BUCKETS
        )
        self._busy = self._counter("steno_engine_busy_seconds", "Time that decoding took.")
        self._decoded = self._counter("steno_audio_decoded_seconds", "Speech that was decoded.")
        self._second_passes = self._counter(
            "steno_second_passes", "Finals that a second pass ranked anew."
        )
        self._cut_passes = self._counter(
            "steno_second_passes_cut", "Second passes that their budget cut short."
        )
        self._unknown = self._counter(
            "steno_unknown_words", "Words that were said and are in no lexicon."
        )
        self._unnamed = self._counter(
            "steno_unknown_words_unnamed", "Those of them that no candidate was found for."
        )
        self._unknown_search = self._histogram(
            "steno_unknown_word_search_seconds",
            "Time that a finished segment was searched for unknown words.",
            UNKNOWN_BUCKETS_S,
        )
        self._lag = self._histogram(
            "steno_lag_seconds", "Audio that was received and not decoded yet.", LAG_BUCKETS_S
        )

    def _make_session_metrics(self) -> None:
        self._resumes = self._counter("steno_sessions_resumed", "Sessions whose client came back.")
        degraded = self._gauge(
            "steno_sessions_degraded", "Sessions that are decoded with less effort.", "level"
        )
        for level in DEGRADED_LEVELS:
            degraded.labels(str(level))
        self._counts = _SessionCounts(
            received_bytes=self._counter("steno_received_bytes", "Audio as it was received."),
            partials=self._counter("steno_partials", "Partials that were sent."),
            shown_words=self._counter(
                "steno_partial_words", "Words that partials and finals newly showed."
            ),
            revisions=self._counter(
                "steno_partial_revisions", "Words of a partial that the next one took back."
            ),
            finals=self._counter("steno_finals", "Finals that were sent."),
            words=self._counter("steno_words", "Words of finals."),
            final_delay=self._histogram(
                "steno_final_delay_seconds",
                "From the audio at the endpoint to the final.",
                DELAY_BUCKETS_S,
            ),
            degraded=degraded,
            closed=self._counter("steno_sessions_closed", "Sessions that ended.", "reason"),
            errors=self._counter("steno_errors", "Errors that were sent.", "code"),
        )

    def _make_viewer_metrics(self) -> None:
        self._viewers = self._gauge("steno_viewers", "Connections that watch sessions.")
        self._skipped = self._counter(
            "steno_skipped_partials", "Partials that slow viewers did not get."
        )
        self._broker = self._gauge("steno_broker_connected", "Whether the MQTT broker is there.")
        self._unposted = self._counter(
            "steno_unposted", "Posts that were given up because the MQTT broker was too slow."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _SessionCounts:
    """What all sessions add to."""

    received_bytes: Counter
    partials: Counter
    shown_words: Counter
    revisions: Counter
    finals: Counter
    words: Counter
    final_delay: Histogram
    degraded: Gauge
    closed: Counter
    errors: Counter


@dataclass(slots=True)
class _Channel:
    """What the last partial of a channel showed, and whether its segment had a final."""

    words: list[str] = field(default_factory=list)
    has_final: bool = False


class SessionMeter:
    """Counts what one session receives and says; called on the event loop alone."""

    def __init__(self, counts: _SessionCounts, clock: Callable[[], float]) -> None:
        self._counts = counts
        self._clock = clock
        self._marks: deque[tuple[float, float]] = deque(maxlen=MARKS_MAX)
        self._began_s: float | None = None
        self._channels: dict[int, _Channel] = {}
        self._level = 0

    def received(self, count: int, *, position_s: float) -> None:
        """Count `count` bytes of audio, with which the stream is `position_s` long."""
        self._counts.received_bytes.inc(count)
        now_s = self._clock()
        if self._began_s is None:
            self._began_s = now_s - position_s
        self._marks.append((position_s, now_s))

    def told(self, events: Iterable[wire.ServerMessage]) -> None:
        """Count events as they are sent."""
        for event in events:
            match event:
                case wire.SpeechStarted(channel=channel):
                    self._channels[channel] = _Channel()
                case wire.Partial(channel=channel, text=text):
                    self._counts.partials.inc()
                    self._show(channel, text)
                case wire.Final(channel=channel, text=text):
                    self._show(channel, text)
                    self._counts.finals.inc()
                    self._counts.words.inc(len(text.split()))
                    self._channels[channel].has_final = True
                case wire.Endpoint():
                    self._ended(event)
                case wire.Load(degraded=level):
                    self._degrade(level)
                case wire.Error(code=code):
                    self._counts.errors.labels(code.value).inc()
                case wire.Closed(reason=reason):
                    self._counts.closed.labels(reason.value).inc()
                case _:
                    pass

    def gone(self) -> None:
        """Note that the session is over."""
        self._degrade(0)

    def _show(self, channel: int, text: str) -> None:
        """Count the words that are new and those that the last partial had otherwise."""
        state = self._channels.setdefault(channel, _Channel())
        words = text.split()
        pairs = zip(state.words, words, strict=False)
        shorter = min(len(state.words), len(words))
        kept = next((i for i, (old, new) in enumerate(pairs) if old != new), shorter)
        self._counts.shown_words.inc(len(words) - kept)
        self._counts.revisions.inc(len(state.words) - kept)
        state.words = words

    def _ended(self, endpoint: wire.Endpoint) -> None:
        """Count how long after the audio at the endpoint its final came."""
        state = self._channels.pop(endpoint.channel, None)
        if state is None or not state.has_final or endpoint.reason not in AT_THE_CURSOR:
            return
        delay_s = self._clock() - self._due_s(endpoint.time)
        self._counts.final_delay.observe(max(0.0, delay_s))

    def _due_s(self, position_s: float) -> float:
        """Return when the audio at a position was there: received, and spoken if live.

        Who sends faster than people speak is in no hurry for its words.
        """
        if self._began_s is None:
            return self._clock()
        spoken_s = self._began_s + position_s
        at = bisect_left(self._marks, (position_s, -float("inf")))
        arrived_s = self._marks[min(at, len(self._marks) - 1)][1]
        return max(spoken_s, arrived_s)

    def _degrade(self, level: int) -> None:
        """Move the session from its level of degradation to another."""
        if self._level:
            self._counts.degraded.labels(str(self._level)).dec()
        if level:
            self._counts.degraded.labels(str(level)).inc()
        self._level = level
