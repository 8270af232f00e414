"""Forced alignment by the CTC model of a bundle.

What the model says is late, by an amount that belongs to the model: it hears a little beyond a
phone before it names it. For the bundle `en`, against a GMM-HMM on 80 recordings of
`librispeech_mini/dev`, borders of phones stood 20 ms late, ends before pauses 13 ms and onsets
after pauses not at all; all three are taken off here. Then 929 words of a synthetic voice that it
never heard begin 15 ms (median) from where they are known to; by GMM-HMMs that were trained on that
voice it is 9 ms.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from steno_models import bundle
from steno_models.alignments.route import Job, Outcome, Report, check_fit, counted, halves, timed
from steno_models.alignments.sound import heard
from steno_models.alignments.timed import Timed, TimedPhone
from steno_models.ctc.align import LabelGraph, label_graph
from steno_models.ctc.extents import LabelSpan, label_spans
from steno_models.ctc.model import CtcModel
from steno_models.encoders.protocol import Context, Grid
from steno_models.errors import DataError
from steno_models.features.cmvn import GlobalCmvn
from steno_models.features.extractor import (
    FRAME_LENGTH_SAMPLES,
    FRAME_SHIFT_SAMPLES,
    SAMPLE_RATE,
)
from steno_models.features.fbank import StreamingFbank
from steno_models.lexicon_recogniser import LexiconRecogniser
from steno_models.listening import Ear
from steno_models.recogniser import FEATURE_LIMIT, TAIL_FRAMES
from steno_models.rewriting_recogniser import unwrapped
from steno_models.text.tokens import TokenTable
from steno_models.types import FloatArray

SHIFT_S = FRAME_SHIFT_SAMPLES / SAMPLE_RATE


def middle_s(grid: Grid) -> float:
    """Return when the middle of step 0 is: that of the frames that it is about."""
    return (grid.field_frames - 1) / 2 * SHIFT_S + FRAME_LENGTH_SAMPLES / SAMPLE_RATE / 2


@dataclass(frozen=True, slots=True)
class Lateness:
    """By how much a model's borders are late, in seconds.

    Attributes:
        label: from one label to the next.
        onset: of the first label after a pause.
        offset: of the last label before one.
    """

    label: float = 0.020
    onset: float = 0.0
    offset: float = 0.013


@dataclass(frozen=True, slots=True)
class CtcRoute:
    """Aligns by CTC posteriors.

    Attributes:
        model: gives them.
        cmvn: normalises its features.
        context: the chunks that it works in, in the encoder's steps.
        tokens: its symbols.
        lateness: what is taken off the borders.
    """

    model: CtcModel
    cmvn: GlobalCmvn
    context: Context
    tokens: TokenTable
    lateness: Lateness = Lateness()

    @classmethod
    def of_bundle(cls, name: str) -> Self:
        """Return the route of the bundle at a path or of an embedded name.

        Raises:
            BundleError: there is none, or it is damaged.
            DataError: as `of` does.
        """
        return cls.of(bundle.load(name))

    @classmethod
    def of(cls, loaded: bundle.Bundle) -> Self:
        """Return the route of a loaded bundle.

        Raises:
            DataError: it has no CTC model.
        """
        recogniser = unwrapped(loaded.first_pass)
        if not isinstance(recogniser, LexiconRecogniser):
            raise DataError(
                f"expected a bundle of the family ctc, found {loaded.description.family}"
            )
        table = TokenTable.read(loaded.path / "tokens.txt")
        ear, wished = Ear(recogniser.acoustic.encoder), recogniser.context
        context = ear.context(wished.chunk_steps, wished.left_steps)
        return cls(recogniser.acoustic, recogniser.cmvn, context, table)

    def align(self, jobs: Sequence[Job], report: Report) -> Iterator[Outcome]:
        """Yield what becomes of `jobs`."""
        for job in jobs:
            try:
                yield Outcome(job, self._aligned(job, report))
            except DataError as error:
                yield Outcome(job, error)

    def graph(self, job: Job) -> LabelGraph:
        """Return the graph of the text of `job` in the model's tokens."""
        return label_graph([[self.tokens.ids(way) for way in ways] for ways in job.ways])

    def log_probs(self, features: FloatArray, report: Report) -> FloatArray:
        """Return (S, V) ln p(token) of a recording of any length, (T, F) log-mel energies."""
        frames = np.clip(self.cmvn.apply(features), -FEATURE_LIMIT, FEATURE_LIMIT)
        tail = np.full((TAIL_FRAMES, frames.shape[1]), -FEATURE_LIMIT, np.float32)
        frames = np.concatenate([frames, tail])
        ear, total, found = Ear(self.model.encoder), len(frames), []
        stream = ear.start(self.context)
        while len(frames):
            need = ear.frames_of_chunk(stream)
            [(steps, stream)] = ear.step([(frames[:need], stream)], self.context)
            found.append(steps)
            frames = frames[need:]
            report("listening", 1 - len(frames) / total)
        found += ear.finish([stream], self.context)
        with torch.inference_mode():
            return np.asarray(self.model.log_probs(torch.cat(found)).numpy())

    @property
    def step_s(self) -> float:
        """From one step to the next, in seconds."""
        return self.model.encoder.grid.factor * SHIFT_S

    def seconds(self, span: LabelSpan) -> tuple[float, float]:
        """Return when `span` begins and ends, lateness taken off."""
        late, first_s = self.lateness, middle_s(self.model.encoder.grid)
        start_s = first_s + (span.start - 0.5) * self.step_s
        end_s = first_s + (span.end - 0.5) * self.step_s
        start_s -= late.onset if span.after_pause else late.label
        end_s -= late.offset if span.before_pause else late.label
        return start_s, end_s

    def _aligned(self, job: Job, report: Report) -> Timed:
        sound = heard(job.name, counted(job, report), StreamingFbank())
        log_probs = self.log_probs(sound.features, report)
        if not len(log_probs) or (log_probs.argmax(axis=1) == 0).all():
            raise DataError(
                f"{job.name}: expected speech, found no phone in {sound.duration_s:.2f} s of sound"
            )
        graph = self.graph(job)
        check_fit(job, graph.network.least_frames() * self.step_s, len(log_probs) * self.step_s)
        spans = label_spans(log_probs, graph, tick=halves(len(log_probs), report))
        phones = [
            TimedPhone(self.tokens.symbols[span.label], span.word, *self.seconds(span), span.score)
            for span in spans
        ]
        return timed(job, sound.duration_s, phones)
