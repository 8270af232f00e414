"""Which phones a network hears when nobody tells it the words: the measure of a training.

Phones follow each other as a bigram has them; each lasts as long as its self loop likes. What the
states of a phone are given together stands for the phone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from steno_models.encoders.protocol import Grid
from steno_models.hmm.hybrid.data import Aligned
from steno_models.hmm.hybrid.states import PhoneUnits, at_steps, phone_of_states
from steno_models.hmm.kernels import F64, viterbi
from steno_models.hmm.topology import NUM_PHONES, SILENCE
from steno_models.types import FloatArray, IntArray

PHONE_SCALE = 0.25  # of log-likelihoods per frame of a step, against the bigram; at most 1


@dataclass(frozen=True, slots=True)
class PhoneLoop:
    """A hidden Markov model in which any phone may follow any other.

    Attributes:
        members: (A, P) float32 1 where a state is part of a phone.
        log_priors: (P,) log P(phone) at a step.
        bigram: (P + 1, P + 1) [before, behind] log probabilities; the last is the edge of an
            utterance.
        stays: (P,) log probabilities of self loops.
        leaves: (P,) log probabilities of going on.
        scale: of log-likelihoods.
    """

    members: FloatArray
    log_priors: F64
    bigram: F64
    stays: F64
    leaves: F64
    scale: float

    @classmethod
    def of(cls, aligned: Aligned, units: PhoneUnits, grid: Grid) -> "PhoneLoop":
        """Return the loop whose bigram and lengths are those of `aligned`."""
        paths = [at_steps(nodes, grid) for nodes in aligned.nodes]
        counts = np.full((NUM_PHONES + 1, NUM_PHONES + 1), 0.1)
        met, tokens = np.full(NUM_PHONES, 2.0), np.ones(NUM_PHONES)
        for graph, path in zip(aligned.graphs(units), paths, strict=True):
            at = graph.tokens[path]
            begins = np.flatnonzero(np.diff(at, prepend=-1))
            phones = graph.phones[path][begins]
            edged = np.concatenate([[NUM_PHONES], phones, [NUM_PHONES]])
            np.add.at(counts, (edged[:-1], edged[1:]), 1.0)
            np.add.at(met, graph.phones[path], 1.0)
            np.add.at(tokens, phones, 1.0)
        members = np.eye(NUM_PHONES, dtype=np.float32)[phone_of_states(units)]
        return cls(
            members=members,
            log_priors=np.log(met / met.sum()),
            bigram=np.log(counts / counts.sum(axis=1, keepdims=True)),
            stays=np.log1p(-tokens / met),
            leaves=np.log(tokens / met),
            scale=min(1.0, PHONE_SCALE * grid.factor),
        )

    def log_likelihoods(self, log_posteriors: FloatArray) -> FloatArray:
        """Return (S, P) float32 log P(phone | x) - log P(phone) of (S, A) log posteriors."""
        phones = np.maximum(np.exp(log_posteriors) @ self.members, 1e-10)
        return np.asarray(np.log(phones) - self.log_priors, np.float32)

    def transcribe(self, log_posteriors: FloatArray) -> list[int]:
        """Return the phones on the best path of (S, A) log posteriors, see `heard`."""
        P = NUM_PHONES
        if not len(log_posteriors):
            return []
        others = np.arange(P)
        arcs = (self.bigram[:P, :P] + self.leaves[:, None]).T.reshape(-1)
        path, _ = viterbi(
            np.asarray(self.log_likelihoods(log_posteriors) * np.float32(self.scale)),
            others.astype(np.int32),
            self.stays,
            np.arange(0, P * P + 1, P, dtype=np.int32),
            np.tile(others, P).astype(np.int32),
            arcs,
            self.bigram[P, :P],
            self.bigram[:P, P] + self.leaves,
        )
        return heard(path)


def heard(phones: Sequence[int] | IntArray) -> list[int]:
    """Return the phones that are heard where there are `phones` step by step.

    Silence is none, and a phone that follows itself cannot be told from one that goes on.
    """
    return [p for p, _ in groupby(p for p in np.asarray(phones).tolist() if p != SILENCE)]
