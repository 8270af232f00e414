"""The one thread that owns the models.

Sessions hand in work, one piece at a time each; the thread takes all that is ready, the earliest
due first, through the recogniser as one batch and gives the results back to the event loop. So the
queue is never longer than the number of admitted sessions, and that number is limited by what was
measured at the start. Where a batch fails, its pieces are tried one by one: only the session whose
work is at fault hears of it.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from steno_daemon.errors import OverloadedError
from steno_daemon.happenings import Work
from steno_daemon.jobs import Done, Failed, Job, Outcome, Seat
from steno_daemon.ladder import Ladder
from steno_daemon.load import FULL, Load
from steno_daemon.metrics import Metrics
from steno_daemon.offer import STEP_MS, Decoding
from steno_daemon.rhythm import Rhythm, first_chunk_steps
from steno_models.recogniser import DecodeOptions, Recogniser, State, Update
from steno_models.recogniser import Work as Chunk

logger = logging.getLogger(__name__)

RETRY_AFTER_S = 5.0
NARROW_BEAM = 0.7
LONG_CHUNKS = 2
FRAME_S = 0.01
CROWD = 8
"""So many sessions are worth waiting for as long as may be."""
AHEAD_S = 0.5
"""Nothing goes ahead of work that waited longer by this."""
HAND_OVER_S = 0.02
"""The event loop may take so long to hand in what follows on urgent work."""


def own_chunk_ms(recogniser: Recogniser) -> int:
    """Return the decoding step that the recogniser was made for."""
    return recogniser.context.chunk_steps * STEP_MS


def perform(recogniser: Recogniser, work: Work, decoding: Decoding) -> tuple[Update, State]:
    """Return the result of one piece of work, computed here and now."""
    return recogniser.step([_chunk(recogniser, work, decoding)])[0]


def _chunk(recogniser: Recogniser, work: Work, decoding: Decoding) -> Chunk:
    state = work.state
    language_model = work.language_model or decoding.language_model
    if state is not None and work.is_rescored:
        state = recogniser.rescored(state, language_model)
    if state is None:
        chunk_steps = decoding.chunk_steps * (LONG_CHUNKS if decoding.degraded > 1 else 1)
        state = recogniser.start(
            DecodeOptions(
                n_best=decoding.n_best,
                chunk_steps=chunk_steps,
                first_chunk_steps=first_chunk_steps(work.origin, decoding.phase, chunk_steps),
                language_model=language_model,
                beam_scale=NARROW_BEAM if decoding.degraded else 1.0,
                second_pass=decoding.second_pass and not decoding.degraded,
                finals=work.finals,
                unknown_words=decoding.unknown_words and not decoding.degraded,
            )
        )
    return Chunk(work.features, state, work.is_last, is_silent=work.is_silent)


@dataclass(frozen=True, slots=True)
class Batching:
    """How long to wait for company, and how many to take.

    The pieces under another language model that was asked for at once go first and among
    themselves: they take a few milliseconds, and a batch is answered as a whole. They even go
    within a batch that is in hand, between its encoder and its searches. Then come those
    that end an utterance, among themselves too: somebody waits for that final. Pieces from the
    middle of speech wait a little for others, the longer the more sessions there are: with one
    session there is nobody to wait for, with two it hardly ever pays. Pieces with silence at their
    end wait less, since an endpoint may be near, and then take with them whoever is there.

    Attributes:
        most: pieces of work that go through the recogniser together.
        wait_s: how long a piece waits for others with CROWD sessions or more.
    """

    most: int = 4
    wait_s: float = 0.0

    def patience_s(self, sessions: int) -> float:
        """Return how long a piece waits for others where there are so many sessions."""
        return self.wait_s * min(1.0, max(0, sessions - 1) / (CROWD - 1))

    def take(self, jobs: Sequence[Job]) -> list[Job]:
        """Return the next batch out of the jobs that wait: the earliest due of the hastiest."""
        urgent = self.urgent(jobs, jobs)
        ends = [job for job in jobs if job.work.is_last]
        return urgent or sorted(ends or jobs)[: self.most]

    def urgent(self, jobs: Sequence[Job], others: Sequence[Job]) -> list[Job]:
        """Return those of `jobs` that may go before `others`, which wait or are in hand."""
        first_s = min((job.came_s for job in others), default=0.0)
        urgent = [job for job in jobs if job.is_urgent and job.came_s <= first_s + AHEAD_S]
        return sorted(urgent)[: self.most]


class Engine:
    """Decodes for the sessions of the running event loop.

    Args:
        recogniser: nothing else may call it while the engine runs.
        ladder: how many sessions keep up, at which effort.
        batching: what goes through the recogniser together.
        metrics: counts batches.

    Attributes:
        ladder: as given.
        load: how busy the daemon is; nobody is let in while it is full. Whoever knows the clock
            looks now and then.
        worked_s: how long it has decoded in all, for those who speak live.
        batches_done: batches that were finished, well or with an error.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        ladder: Ladder,
        *,
        batching: Batching | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.ladder = ladder
        self.load = Load()
        self.worked_s = 0.0
        self._metrics = metrics or Metrics()
        self._recogniser = recogniser
        self._batching = batching or Batching()
        # Where nobody waits for anybody there is no beat: all sessions are as if alone.
        room = self._batching.most if self._batching.wait_s else 0
        self._rhythm = Rhythm(recogniser.context.chunk_steps, room, clock=time.monotonic)
        self._seats: set[Seat] = set()
        self._transcripts = 0  # of all seats; both threads read it
        self._jobs: list[Job] = []
        self._jobs_seen = 0
        self._ready = threading.Condition()
        self._closing = False
        self._batch: list[Job] = []  # in hand
        self._within_s = 0.0  # how long others went within it
        self.batches_done = 0
        self._loop = asyncio.get_running_loop()
        # A daemon thread: a recogniser that hangs cannot keep the process from leaving.
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    @property
    def sessions(self) -> int:
        """How many transcripts are made now: one a session, or one for each of its channels."""
        return self._transcripts

    @property
    def max_sessions(self) -> int:
        """How many transcripts may be made at once."""
        return self.ladder.most

    @property
    def step_down(self) -> int:
        """The step of the ladder at which all who are here keep up."""
        return self.ladder.step(self.sessions)

    @property
    def has_work(self) -> bool:
        """Whether work is queued or in hand."""
        return bool(self._jobs or self._batch)

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    async def close(self, *, timeout_s: float = 5.0) -> None:
        """End the thread after its present batch; a hanging one is left behind."""
        with self._ready:
            self._closing = True
            self._ready.notify()
        await asyncio.to_thread(self._thread.join, timeout_s)
        if self._thread.is_alive():
            logger.warning("the engine did not end within %s s, leaving it behind", timeout_s)

    def admit(self, name: str, transcripts: int = 1, *, is_resumed: bool = False) -> Seat:
        """Return a seat for a session that makes so many transcripts at once.

        Args:
            name: of the session.
            transcripts: how many it makes.
            is_resumed: whether it was let in before, by a daemon that is gone: then the work of
                all that come back at once keeps nobody out.

        Raises:
            OverloadedError: there is no room for them.
        """
        self.check_room(transcripts, is_resumed=is_resumed)
        seat = Seat(name, transcripts, self._rhythm.join(transcripts))
        self._seats.add(seat)
        self._transcripts += transcripts
        return seat

    def check_room(self, transcripts: int = 1, *, is_resumed: bool = False) -> None:
        """Check that `admit` would let so many transcripts in.

        Raises:
            OverloadedError: there is no room for them.
        """
        if self.sessions + transcripts > self.max_sessions:
            raise OverloadedError(
                f"the daemon is busy: expected at most {self.max_sessions} sessions, "
                f"found {self.sessions} and {transcripts} more",
                retry_after_s=RETRY_AFTER_S,
            )
        if self.sessions and self.load.is_full and not is_resumed:
            shares = self.load.shares
            raise OverloadedError(
                f"the daemon is busy: expected its engine to work less than {FULL.engine:.0%} of "
                f"the time and its event loop less than {FULL.loop:.0%}, found "
                f"{shares.engine:.0%} and {shares.loop:.0%}",
                retry_after_s=RETRY_AFTER_S,
            )

    def leave(self, seat: Seat) -> None:
        """Give a seat back; its work is dropped."""
        if seat.taken:
            seat.taken = False
            self._seats.discard(seat)
            self._transcripts -= seat.transcripts
            self._rhythm.leave(seat.part)

    def submit(
        self,
        seat: Seat,
        work: Work,
        decoding: Decoding,
        *,
        due_s: float,
        deliver: Callable[[Outcome], None],
    ) -> None:
        """Queue a piece of work; `deliver` is called on the event loop with its outcome."""
        with self._ready:
            self._jobs_seen += 1
            self._jobs.append(Job(due_s, self._jobs_seen, seat, work, decoding, deliver))
            self._ready.notify()

    def hurry(self, seat: Seat) -> None:
        """Let the work of a session that is out go ahead: somebody waits for what follows on it."""
        with self._ready:
            for job in (*self._jobs, *self._batch):
                job.is_hurried = job.is_hurried or job.seat is seat
            self._ready.notify()

    def _run(self) -> None:
        while batch := self._collect():
            handed_over = self._deliver(
                list(zip(batch, self._perform(batch, self._meanwhile), strict=True))
            )
            if any(job.is_hurried for job in batch):
                handed_over.wait(HAND_OVER_S)  # else another batch would go before what follows
            self.batches_done += 1
            self._batch = []
            del batch  # while it waits, it holds no session that is over

    def _collect(self) -> list[Job]:
        """Wait for work; return the next batch, or nothing at the end."""
        batch: list[Job] = []
        with self._ready:
            while not batch:
                self._ready.wait_for(lambda: self._jobs or self._closing)
                while (patience_s := self._patience_s()) > 0.0:
                    self._ready.wait(patience_s)
                if self._closing:
                    return []
                self._jobs = [job for job in self._jobs if job.seat.taken]
                batch = self._batching.take(self._jobs)
            taken = {job.number for job in batch}
            self._jobs = [job for job in self._jobs if job.number not in taken]
            self._batch = batch
            self._metrics.queue(len(self._jobs))
        return batch

    def _patience_s(self) -> float:
        """Return how long the next batch may still wait for others; 0 where all are here."""
        if self._closing or len(self._jobs) >= min(self._batching.most, self._transcripts):
            return 0.0
        most_s = self._batching.patience_s(self._transcripts)
        until_s = min((job.came_s + job.patience * most_s for job in self._jobs), default=0.0)
        return max(0.0, until_s - time.monotonic())

    def _meanwhile(self) -> None:
        """Do what is urgent and of others, while a batch is in hand."""
        if not self._jobs:
            return
        with self._ready:
            seats = {job.seat for job in self._batch}
            waiting = [job for job in self._jobs if job.seat.taken and job.seat not in seats]
            urgent = self._batching.urgent(waiting, self._batch)
            self._jobs = [job for job in self._jobs if job not in urgent]
        if urgent:
            began_s = time.monotonic()
            outcomes = self._perform(urgent, meanwhile=lambda: None)
            self._within_s += time.monotonic() - began_s
            self._deliver(list(zip(urgent, outcomes, strict=True)))

    def _perform(self, batch: Sequence[Job], meanwhile: Callable[[], None]) -> list[Outcome]:
        """Return the outcome of each job: all at once, or one by one where that fails."""
        try:
            return self._step(batch, meanwhile)
        except Exception:
            if len(batch) > 1:
                logger.warning("a batch of %d failed, trying one by one", len(batch))
                return [outcome for job in batch for outcome in self._perform([job], meanwhile)]
            logger.exception("the recogniser failed on the session %s", batch[0].seat.name)
            return [Failed("the recogniser failed on this audio; the log of the daemon has more")]

    def _step(self, batch: Sequence[Job], meanwhile: Callable[[], None]) -> list[Outcome]:
        began_s, within_s = time.monotonic(), self._within_s
        saves = self.ladder.saves_effort  # else a final takes the time that it takes
        chunks = [
            replace(
                _chunk(self._recogniser, job.work, job.decoding),
                asked_s=job.came_s if job.work.is_last and job.is_live and saves else None,
                meanwhile=meanwhile,
            )
            for job in batch
        ]
        results = self._recogniser.step(chunks)
        busy_s = time.monotonic() - began_s - (self._within_s - within_s)
        self.worked_s += busy_s * sum(job.is_live for job in batch) / len(batch)
        self._metrics.batch(
            len(batch),
            busy_s=busy_s,
            audio_s=sum(len(chunk.features) for chunk in chunks) * FRAME_S,
        )
        for update, _ in results:
            # What is none at all is the fault of its own session, which says so.
            unscored = update.unscored if isinstance(update, Update) else None
            if unscored is not None:
                self._metrics.second_pass(is_cut=unscored > 0)
            if isinstance(update, Update) and update.unknown_s is not None:
                self._metrics.unknown_words(update.unknown, took_s=update.unknown_s)
        return [Done(update, state) for _, (update, state) in zip(chunks, results, strict=True)]

    def _deliver(self, outcomes: Sequence[tuple[Job, Outcome]]) -> threading.Event:
        """Hand the outcomes to the event loop, if it is still there; return what tells when."""
        handed_over = threading.Event()

        def hand_over() -> None:
            for job, outcome in outcomes:
                if job.seat.taken:
                    job.deliver(outcome)
            handed_over.set()

        if self._loop.is_closed():
            handed_over.set()
        else:
            self._loop.call_soon_threadsafe(hand_over)
        return handed_over
