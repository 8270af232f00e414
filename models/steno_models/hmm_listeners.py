"""From the sound of a stream to the frames that hidden Markov models emit, chunk by chunk.

The models learn from features that are normalised over all that a speaker says. A stream has no
such knowledge: its features are normalised over the frames of the segment up to the present one,
the training data standing in for those that are not there yet.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch

from steno_models.encoders.protocol import Context
from steno_models.features.cmvn import CmvnState, StreamingCmvn
from steno_models.features.extractor import StreamingExtractor
from steno_models.features.fbank import NUM_BINS, StreamingFbank
from steno_models.features.mfcc import NUM_CEPSTRA, StreamingMfcc
from steno_models.hmm.frames import FrontEnd
from steno_models.hmm.hybrid.model import Network
from steno_models.listening import STEP_FRAMES, Ear, Heard
from steno_models.recogniser import FEATURE_LIMIT, AnyState
from steno_models.types import FloatArray


class Listener(Protocol):
    """From features to frames; how features are cut makes no difference to the frames."""

    @property
    def frame_factor(self) -> int:
        """Features of 10 ms from one frame to the next."""

    def features(self) -> StreamingExtractor:
        """Return what makes the features."""

    def start(self, chunk_steps: int) -> AnyState:
        """Return the state before the first feature, for chunks of so many steps of 40 ms."""

    def hear(
        self, features: FloatArray, state: AnyState, *, is_last: bool
    ) -> tuple[list[FloatArray], AnyState]:
        """Return the frames of each chunk that `features`, (T, F), complete, and the next state."""

    def missing_features(self, state: AnyState) -> int:
        """Return how many features the next chunk still lacks."""


@dataclass(frozen=True, slots=True)
class CepstralState:
    """Where a stream of cepstra stands.

    Attributes:
        cmvn: of the normalisation.
        cepstra: (t, F) normalised; the first `margin` ones are those before the next chunk.
        chunk: frames of a chunk.
    """

    cmvn: CmvnState
    cepstra: FloatArray
    chunk: int


@dataclass(frozen=True, slots=True)
class CepstralListener:
    """Cepstra with their slopes or neighbours.

    Attributes:
        cmvn: normalises as features come.
        front_end: what the states emit.
        margin: how many neighbours on each side a frame is made of.
    """

    cmvn: StreamingCmvn
    front_end: FrontEnd
    margin: int

    @property
    def frame_factor(self) -> int:
        """Features of 10 ms from one frame to the next."""
        return 1

    def features(self) -> StreamingExtractor:
        """Return the incremental cepstra."""
        return StreamingMfcc()

    def start(self, chunk_steps: int) -> CepstralState:
        """Return the state before the first feature, for chunks of so many steps of 40 ms."""
        nothing = np.zeros((0, NUM_CEPSTRA), np.float32)
        return CepstralState(self.cmvn.start(), nothing, STEP_FRAMES * chunk_steps)

    def hear(
        self, features: FloatArray, state: CepstralState, *, is_last: bool
    ) -> tuple[list[FloatArray], CepstralState]:
        """Return the frames of each chunk that `features`, (T, F), complete, and the next state.

        As in training, the first and the last frame are repeated beyond the edges.
        """
        new, cmvn = self.cmvn.apply(features, state.cmvn)
        cepstra = np.concatenate([state.cepstra, new])
        if len(new) and not len(state.cepstra):
            cepstra = np.concatenate([np.repeat(cepstra[:1], self.margin, axis=0), cepstra])
        if is_last and len(cepstra):
            cepstra = np.concatenate([cepstra, np.repeat(cepstra[-1:], self.margin, axis=0)])
        chunks = []
        while len(cepstra) - 2 * self.margin >= (1 if is_last else state.chunk):
            count = min(state.chunk, len(cepstra) - 2 * self.margin)
            around = self.front_end(cepstra[: count + 2 * self.margin])
            chunks.append(around[self.margin : self.margin + count])
            cepstra = cepstra[count:]
        return chunks, CepstralState(cmvn, cepstra, state.chunk)

    def missing_features(self, state: CepstralState) -> int:
        """Return how many features the next chunk still lacks."""
        # The first frame of a segment will come `margin` times.
        there = len(state.cepstra) or self.margin
        return max(0, state.chunk + 2 * self.margin - there)


@dataclass(frozen=True, slots=True)
class NetworkState:
    """Where a stream through a network stands.

    Attributes:
        cmvn: of the normalisation.
        energies: (t, F) normalised, that wait for their chunk.
        heard: of the encoder.
        context: how far a step looks.
    """

    cmvn: CmvnState
    energies: FloatArray
    heard: Heard
    context: Context


@dataclass(frozen=True, slots=True)
class NetworkListener:
    """A network that tells states apart; its "frames" are log posteriors.

    Attributes:
        cmvn: normalises as features come.
        network: from features to log posteriors.
    """

    cmvn: StreamingCmvn
    network: Network

    @property
    def frame_factor(self) -> int:
        """Features of 10 ms from one frame to the next."""
        return self.network.model.encoder.grid.factor

    def features(self) -> StreamingExtractor:
        """Return the incremental filter bank."""
        return StreamingFbank()

    def start(self, chunk_steps: int) -> NetworkState:
        """Return the state before the first feature, for chunks of so many steps of 40 ms."""
        context = self._ear.context(chunk_steps, self.network.context.left_steps)
        nothing = np.zeros((0, NUM_BINS), np.float32)
        return NetworkState(self.cmvn.start(), nothing, self._ear.start(context), context)

    def hear(
        self, features: FloatArray, state: NetworkState, *, is_last: bool
    ) -> tuple[list[FloatArray], NetworkState]:
        """Return the posteriors of each chunk that `features`, (T, F), complete; and the state."""
        new, cmvn = self.cmvn.apply(features, state.cmvn)
        within = np.clip(new, -FEATURE_LIMIT, FEATURE_LIMIT)
        state = replace(state, cmvn=cmvn, energies=np.concatenate([state.energies, within]))
        found = []
        while len(state.energies) >= (need := self._frames_of_chunk(state)) or (
            is_last and len(state.energies)
        ):
            work = [(state.energies[:need], state.heard)]
            [(steps, heard)] = self._ear.step(work, state.context)
            found.append(steps)
            state = replace(state, energies=state.energies[need:], heard=heard)
        if is_last:
            found += self._ear.finish([state.heard], state.context)
        with torch.inference_mode():
            return [self.network.model.log_posteriors(x).numpy() for x in found if len(x)], state

    def missing_features(self, state: NetworkState) -> int:
        """Return how many features the next chunk still lacks."""
        return max(0, self._frames_of_chunk(state) - len(state.energies))

    def _frames_of_chunk(self, state: NetworkState) -> int:
        return self._ear.frames_of_chunk(state.heard)

    @property
    def _ear(self) -> Ear:
        return Ear(self.network.model.encoder)
