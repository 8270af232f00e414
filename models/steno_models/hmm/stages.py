"""The stages of a training: phones, triphones, triphones on discriminants, then for each speaker.

Every stage starts from the alignments of the one before. Its paths are nodes of the recordings'
graphs, which are the same for all units of equally many states a phone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.progress import Progress

from steno_models.errors import DataError
from steno_models.hmm.config import Lda, Mono, Sat, Tree, Tri
from steno_models.hmm.contexts import Triphones, context_statistics
from steno_models.hmm.course import Course, Report, Schedule, first_model
from steno_models.hmm.frames import FrontEnd
from steno_models.hmm.lda import LdaStatistics, splice
from steno_models.hmm.questions import articulation, clustered
from steno_models.hmm.speakers import speaker_frames
from steno_models.hmm.speech import Recording
from steno_models.hmm.system import System
from steno_models.hmm.topology import Monophones, shortest_path
from steno_models.hmm.train import Example, Stage, by_state, train
from steno_models.hmm.tree import TiedStates, TreeOptions, build_tree, phone_moments
from steno_models.types import FloatArray, IntArray

FRAMES_PER_HOUR = 360_000


@dataclass(frozen=True, slots=True)
class Trained:
    """What a stage leaves: the model, and the node of each frame of each recording."""

    system: System
    paths: list[IntArray]


def usable(speech: Sequence[Recording], states_per_phone: int) -> list[Recording]:
    """Return the recordings that are long enough for their words, the shortest first.

    Raises:
        DataError: there is none.
    """
    units = Monophones(states_per_phone, silence_states=1)
    found = [r for r in speech if len(r.cepstra) >= len(shortest_path(r.graph(units)))]
    if not found:
        raise DataError("expected recordings that are long enough for their words, found none")
    return sorted(found, key=lambda recording: len(recording.cepstra))


def train_mono(
    speech: Sequence[Recording],
    states_per_phone: int,
    options: Mono,
    progress: Progress | None = None,
) -> Trained:
    """Return models of the phones alone, on cepstra with slopes."""
    units = Monophones(states_per_phone, silence_states=1)
    front_end = FrontEnd()
    examples = [Example(front_end(r.cepstra), r.graph(units)) for r in speech]
    length = np.cumsum([len(example.frames) for example in examples])
    chosen = examples[: max(1, int((length <= options.hours * FRAMES_PER_HOUR).sum()))]
    schedule = [Stage(splits=0, rounds=options.flat_rounds, share=0.5)]
    schedule += [Stage(splits=1, rounds=options.rounds)] * options.doublings
    model = train(chosen, schedule, units, progress)
    paths = [model.best_path(example.frames, example.graph) for example in examples]
    return Trained(System(units, model, front_end), paths)


def train_tri1(
    speech: Sequence[Recording], before: Trained, options: Tri, report: Report
) -> Trained:
    """Return triphones on cepstra with slopes."""
    front_end = FrontEnd()
    frames = [front_end(recording.cepstra) for recording in speech]
    start = _Start(before.paths, front_end, frames, frames, before.system.units.states_per_phone)
    return _triphones(speech, start, options, report)


def train_tri2(
    speech: Sequence[Recording], before: Trained, options: Lda, report: Report
) -> Trained:
    """Return triphones on discriminants of the states of `before`."""
    units = before.system.units
    statistics = LdaStatistics(
        units.num_states, (2 * options.context + 1) * speech[0].cepstra.shape[1]
    )
    for recording, path in zip(speech, before.paths, strict=True):
        states = recording.graph(units).states[path]
        spliced = splice(recording.cepstra, options.context)
        statistics.add(by_state(spliced, states, units.num_states))
    front_end = FrontEnd(statistics.transform(options.width))
    frames = [front_end(recording.cepstra) for recording in speech]
    start = _Start(before.paths, front_end, frames, frames, before.system.units.states_per_phone)
    return _triphones(speech, start, options, report)


def train_tri3(
    speech: Sequence[Recording], before: Trained, options: Sat, report: Report
) -> Trained:
    """Return triphones on the features of `before`, mapped for each speaker."""
    front_end = before.system.front_end
    base = [front_end(recording.cepstra) for recording in speech]
    units = before.system.units
    pairs = zip(speech, before.paths, strict=True)
    states = [recording.graph(units).states[path] for recording, path in pairs]
    frames = speaker_frames(before.system.model.gmm, speech, base, states)
    start = _Start(before.paths, front_end, base, frames, units.states_per_phone)
    return _triphones(speech, start, options, report)


@dataclass(frozen=True, slots=True)
class _Start:
    """What triphones are trained from.

    Attributes:
        paths: (T,) the node of each frame of each recording.
        front_end: from cepstra to `base`.
        base: (T, D) the frames of each recording.
        frames: the same after the speaker's map, or `base` itself.
        states_per_phone: of the units in which `paths` were found.
    """

    paths: list[IntArray]
    front_end: FrontEnd
    base: list[FloatArray]
    frames: list[FloatArray]
    states_per_phone: int


def _triphones(speech: Sequence[Recording], start: _Start, options: Tri, report: Report) -> Trained:
    """Return triphones whose tree and first Gaussians are found on the frames of `start`."""
    tied = tied_states(speech, start.paths, start.frames, start.states_per_phone, options)
    graphs = [recording.graph(tied) for recording in speech]
    model = first_model(start.frames, graphs, start.paths, tied)
    course = Course(speech, graphs, start.paths, start.front_end, start.base, start.frames, model)
    course.run(
        Schedule(
            gaussians=options.gaussians,
            rounds=options.rounds,
            align_at=options.align_at,
            rotate_at=options.rotate_at if isinstance(options, Lda) else (),
            adapt_at=options.adapt_at if isinstance(options, Sat) else (),
            method=options.method,
        ),
        report,
    )
    course.align()
    system = System(tied, course.model, course.front_end, adapted=isinstance(options, Sat))
    return Trained(system, course.paths)


def tied_states(
    speech: Sequence[Recording],
    paths: Sequence[IntArray],
    frames: Sequence[FloatArray],
    states_per_phone: int,
    options: Tree,
) -> TiedStates:
    """Return the tied states of the triphones.

    Args:
        speech: the recordings.
        paths: (T,) the node of each frame of each, in its graph of `states_per_phone`.
        frames: (T, D) what the states are told apart by.
        states_per_phone: of every phone but silence.
        options: how many states there should be.
    """
    units = Triphones(states_per_phone)
    named = (
        (each, recording.graph(units).states[path])
        for each, recording, path in zip(frames, speech, paths, strict=True)
    )
    statistics = context_statistics(named, units)
    D = frames[0].shape[1]
    read_off = [
        clustered(moments[:, 0], moments[:, 1 : 1 + D], moments[:, 1 + D :])
        for moments in phone_moments(statistics)
    ]
    questions = np.unique(np.concatenate([articulation(), *read_off]), axis=0)
    limits = TreeOptions(
        max_leaves=options.leaves, min_gain=options.min_gain, min_frames=options.min_frames
    )
    return build_tree(statistics, questions, limits)
