"""What the network learns from: features by speaker, and the state of each frame by alignment.

A batch of the training library has no place for labels of frames, so they travel as one more, last
column of the features.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from steno_models.encoders.protocol import Grid
from steno_models.errors import DataError
from steno_models.features.cmvn import CmvnStats, GlobalCmvn
from steno_models.features.fbank import fbank
from steno_models.hmm.topology import Graph, Pronunciation, Units, utterance_graph
from steno_models.training.feature_cache import Features
from steno_models.types import FloatArray, IntArray

NO_LABEL = -100  # PyTorch's own mark of a step that counts nothing in a cross-entropy
FEATURE_LIMIT = 4.0  # standard deviations: digital silence is no further away than that


@dataclass(frozen=True, slots=True)
class Aligned:
    """Utterances with their words in time.

    Attributes:
        keys: their names.
        words: of each, for each word its pronunciations as phone ids.
        nodes: (T,) int32 of each, the node of its graph at each 10 ms frame.
    """

    keys: Sequence[str]
    words: Sequence[Sequence[Sequence[Pronunciation]]]
    nodes: Sequence[IntArray]

    def graphs(self, units: Units) -> list[Graph]:
        """Return the graph of each utterance's words in the states of `units`."""
        return [utterance_graph(words, units=units) for words in self.words]

    def states(self, units: Units) -> list[IntArray]:
        """Return (T,) the state of each frame of each utterance."""
        pairs = zip(self.graphs(units), self.nodes, strict=True)
        return [graph.states[nodes] for graph, nodes in pairs]

    def save(self, path: Path) -> None:
        """Write the nodes as one `.npz`, an array for each key, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, **dict(zip(self.keys, self.nodes, strict=True)))  # type: ignore[arg-type]
        partial.replace(path)


def read_nodes(path: Path) -> dict[str, IntArray]:
    """Return the nodes of the frames of each utterance that `Aligned.save` wrote.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with np.load(path) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except (OSError, ValueError) as error:
        raise DataError(f"expected alignments in {path}, found {error}") from error


def speaker_energies(recordings: Sequence[FloatArray]) -> list[FloatArray]:
    """Return (T, 80) float32 log-mel energies of `recordings`, (N,) samples each, of one speaker.

    Their mean is 0 and their variance 1 over all of them together.
    """
    found = [fbank(samples) for samples in recordings]
    cmvn = GlobalCmvn.accumulate(found)
    return [limited(each, cmvn) for each in found]


def limited(features: FloatArray, cmvn: GlobalCmvn) -> FloatArray:
    """Return (T, F) normalised features, none further from the mean than `FEATURE_LIMIT`."""
    within: FloatArray = np.clip(cmvn.apply(features), -FEATURE_LIMIT, FEATURE_LIMIT)
    return within


class NormalisedFeatures:
    """Features whose mean is 0 and whose variance is 1 over all of a speaker's, in each variant.

    Args:
        features: as they are stored.
        speakers: the number of each utterance's speaker.
    """

    def __init__(self, features: Features, speakers: Sequence[int]) -> None:
        self._features = features
        self._speakers = speakers
        stats: dict[tuple[int, int], CmvnStats] = {}
        for utterance, speaker in enumerate(speakers):
            for variant in range(features.lengths.shape[1]):
                own = CmvnStats.of(features.read(utterance, variant))
                place = speaker, variant
                stats[place] = stats[place] + own if place in stats else own
        self._cmvn = {place: GlobalCmvn.from_stats(each) for place, each in stats.items()}

    @property
    def keys(self) -> Sequence[str]:
        """The utterances' keys."""
        return self._features.keys

    @property
    def lengths(self) -> IntArray:
        """(utterances, variants) int32: frames of each."""
        return self._features.lengths

    def read(self, utterance: int, variant: int) -> FloatArray:
        """Return (T, F) float32."""
        cmvn = self._cmvn[self._speakers[utterance], variant]
        return limited(self._features.read(utterance, variant), cmvn)


@dataclass(frozen=True, slots=True)
class LabelledFeatures:
    """Features with the state of each frame as their last column.

    Frame f of a variant at speed v is frame f·v of the recording.

    Attributes:
        features: the features alone.
        states: (T,) the state of each frame of each utterance at speed 1.
        speeds: of the variants.
    """

    features: Features
    states: Sequence[IntArray]
    speeds: Sequence[float]

    @property
    def keys(self) -> Sequence[str]:
        """The utterances' keys."""
        return self.features.keys

    @property
    def lengths(self) -> IntArray:
        """(utterances, variants) int32: frames of each."""
        return self.features.lengths

    def read(self, utterance: int, variant: int) -> FloatArray:
        """Return (T, F + 1) float32."""
        features, states = self.features.read(utterance, variant), self.states[utterance]
        frames = np.arange(len(features)) * self.speeds[variant] + 1e-6
        at = np.minimum(frames.astype(np.int64), len(states) - 1)
        return np.column_stack([features, states[at].astype(np.float32)])


def split_labels(batch: Tensor, steps: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    """Return a batch's features, (B, T, F), and the state in the middle of each step, (B, S) int64.

    Args:
        batch: (B, T, F + 1), the last column the states of frames.
        steps: (B,) how many steps each utterance has; beyond them there is `NO_LABEL`.
        grid: where the steps lie.
    """
    features, column = batch[..., :-1], batch[..., -1]
    S = grid.steps_of(batch.shape[1])
    labels = column[:, grid.middle_frame :: grid.factor][:, :S].long()
    beyond = torch.arange(S, device=batch.device) >= steps.unsqueeze(1)
    return features, labels.masked_fill(beyond, NO_LABEL)
