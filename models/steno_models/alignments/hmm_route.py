"""Forced alignment by GMM-HMMs, trained before by `steno-models hmm train`, or now.

The border between two frames is where the middles of their windows are equally far.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import Progress

from steno_models.alignments.dictionary import Dictionary
from steno_models.alignments.route import Job, Outcome, Report, check_fit, counted, halves, timed
from steno_models.alignments.sound import Sound, heard
from steno_models.alignments.timed import Timed, TimedPhone
from steno_models.errors import DataError
from steno_models.features.extractor import (
    FRAME_LENGTH_SAMPLES,
    FRAME_SHIFT_SAMPLES,
    SAMPLE_RATE,
)
from steno_models.features.mfcc import StreamingMfcc
from steno_models.hmm.config import Mono
from steno_models.hmm.forced import ScoredSpan, adapted_frames, forced_alignment, network
from steno_models.hmm.frames import FrontEnd, normalised, observations
from steno_models.hmm.model import load_phone_model
from steno_models.hmm.speech import Recording
from steno_models.hmm.stages import train_mono, usable
from steno_models.hmm.subspace_system import load_subspace_system
from steno_models.hmm.system import Acoustics, System, load_system
from steno_models.hmm.topology import MONOPHONES, SILENCE, Graph, utterance_graph
from steno_models.text.tokens import PHONES
from steno_models.types import FloatArray

SHIFT_S = FRAME_SHIFT_SAMPLES / SAMPLE_RATE
BORDER_S = (FRAME_LENGTH_SAMPLES - FRAME_SHIFT_SAMPLES) / SAMPLE_RATE / 2
STATES_PER_PHONE = 3

_Frames = Callable[[Sequence[FloatArray]], list[FloatArray]]


@dataclass(frozen=True, slots=True)
class HmmRoute:
    """Aligns by the states of phones.

    Attributes:
        acoustics: the states.
        frames: from the cepstra of a speaker's recordings, (T, 13), to their frames, (T, D).
        dictionary: numbers the phones.
    """

    acoustics: Acoustics
    frames: _Frames
    dictionary: Dictionary

    @classmethod
    def read(cls, path: Path, dictionary: Dictionary) -> "HmmRoute":
        """Return the route of the system in the file `path`.

        It may be any stage of `steno-models hmm train` (mono, tri1, tri2, tri3, sgmm), what
        `steno-models force-align --train` wrote, or the phone model of training labels.

        Raises:
            DataError: it is none of them, or its phones are not those of the dictionary.
        """
        _check_phones(path, dictionary)
        names = _names(path)
        if "pool_means" in names:
            return cls.of(load_subspace_system(path), dictionary)
        if "states_per_phone" in names:
            return cls.of(load_system(path), dictionary)
        # Its frames are normalised behind their slopes, not before.
        system = System(MONOPHONES, load_phone_model(path), FrontEnd())
        return cls(system, observations, dictionary)

    @classmethod
    def of(cls, acoustics: Acoustics, dictionary: Dictionary) -> "HmmRoute":
        """Return the route of a system in memory."""

        def frames(cepstra: Sequence[FloatArray]) -> list[FloatArray]:
            return [acoustics.front_end(each) for each in normalised(cepstra)]

        return cls(acoustics, frames, dictionary)

    def align(self, jobs: Sequence[Job], report: Report) -> Iterator[Outcome]:
        """Yield what becomes of `jobs`, the recordings of one speaker."""
        read: list[tuple[Job, Sound, Graph]] = []
        for job in jobs:
            try:
                sound = heard(job.name, counted(job, report), StreamingMfcc())
                graph = self.graph(job)
                # Self loops count nothing here: any will do.
                least = network(graph, self.acoustics.stay_probs).least_frames()
                check_fit(job, least * SHIFT_S, len(sound.features) * SHIFT_S)
            except DataError as error:
                yield Outcome(job, error)
                continue
            read.append((job, sound, graph))
        if not read:
            return
        frames = self.frames([sound.features for _, sound, _ in read])
        if isinstance(self.acoustics, System) and self.acoustics.adapted:
            said = [(own, graph) for own, (_, _, graph) in zip(frames, read, strict=True)]
            frames = adapted_frames(self.acoustics, said)
        for own, (job, sound, graph) in zip(frames, read, strict=True):
            tick = halves(len(own), report)
            spans = forced_alignment(self.acoustics, own, graph, tick=tick)
            yield Outcome(job, self._timed(job, sound, spans))

    def graph(self, job: Job) -> Graph:
        """Return the graph of the text of `job` in the states of the system."""
        words = [self.dictionary.numbers(ways) for ways in job.ways]
        return utterance_graph(words, units=self.acoustics.units)

    def _timed(self, job: Job, sound: Sound, spans: Sequence[ScoredSpan]) -> Timed:
        T = len(sound.features)

        def seconds(frame: int) -> float:
            inside = frame * SHIFT_S + BORDER_S
            return 0.0 if frame == 0 else sound.duration_s if frame == T else inside

        phones = [
            TimedPhone(
                phone=self.dictionary.phones[each.span.phone - 1],
                word=each.span.word,
                start_s=seconds(each.span.start),
                end_s=seconds(each.span.end),
                score=each.score,
            )
            for each in spans
            if each.span.phone != SILENCE
        ]
        return timed(job, sound.duration_s, phones)


def train_system(
    speakers: Sequence[Sequence[Job]], dictionary: Dictionary, path: Path, progress: Progress
) -> None:
    """Train phones without context from a flat start on `speakers`' jobs, and write the system.

    Phones that are not those of English are listed beside it.

    Raises:
        DataError: no recording is long enough for its words.
    """
    speech: list[Recording] = []
    task = progress.add_task("reading", total=sum(map(len, speakers)))
    for number, jobs in enumerate(speakers):
        sounds = []
        for job in jobs:
            try:
                sounds.append((job, heard(job.name, job.open(), StreamingMfcc())))
            except DataError as error:
                progress.console.print(f"left out: {error}", highlight=False)
            progress.advance(task)
        if not sounds:
            continue
        cepstra = normalised([sound.features for _, sound in sounds])
        for (job, _), each in zip(sounds, cepstra, strict=True):
            words = [dictionary.numbers(ways) for ways in job.ways]
            speech.append(Recording(job.name, number, each, words))
    trained = train_mono(usable(speech, STATES_PER_PHONE), STATES_PER_PHONE, Mono(), progress)
    trained.system.save(path)
    if dictionary.phones != PHONES:
        text = "".join(f"{phone}\n" for phone in dictionary.phones)
        _phones_file(path).write_text(text, encoding="utf-8")


def _phones_file(path: Path) -> Path:
    """Return where the phones of the system at `path` are listed, unless they are English."""
    return path.with_suffix(".phones.txt")


def _check_phones(path: Path, dictionary: Dictionary) -> None:
    """Check that the system at `path` has the phones of `dictionary`."""
    file = _phones_file(path)
    found = tuple(file.read_text(encoding="utf-8").split()) if file.is_file() else PHONES
    if not set(dictionary.phones) <= set(found):
        raise DataError(
            f"expected a lexicon in the phones of {path}, {' '.join(found[:8])} …, found one in "
            f"{' '.join(dictionary.phones[:8])} …"
        )
    if found != dictionary.phones:
        raise DataError(
            f"expected a lexicon with all {len(found)} phones of {path}, found one with "
            f"{len(dictionary.phones)}: align with the lexicon of the training"
        )


def _names(path: Path) -> list[str]:
    """Return the names of the arrays in the file `path`."""
    try:
        with np.load(path) as arrays:
            return list(arrays.files)
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(f"expected an acoustic model in {path}, found {error}") from error
