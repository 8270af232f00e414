"""From manifests to what the CTC model is trained on: features, phones, and labels of frames.

A batch of the training library has no place for labels, so they travel as one more, last column of
the features: the phone of each frame by alignment, 0 in silence, `NO_LABEL` where it is unknown.
`split_labels` takes them off again.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from steno_models.ctc.loss import NO_LABEL
from steno_models.encoders.protocol import Grid
from steno_models.errors import DataError
from steno_models.features.cmvn import GlobalCmvn
from steno_models.text.lexicon import Lexicon, Pronouncer
from steno_models.text.normalise import normalise
from steno_models.text.tokens import TokenTable
from steno_models.training.degrade import find_recordings
from steno_models.training.feature_cache import Features
from steno_models.training.recordings import recording_duration_s
from steno_models.training.utterance import Utterance
from steno_models.types import FloatArray, IntArray

_log = logging.getLogger(__name__)

Labels = NDArray[np.int8]
"""(T,) the phone of each frame at speed 1; its last one goes on for ever."""

SILENT: Labels = np.zeros(1, np.int8)
UNKNOWN: Labels = np.full(1, NO_LABEL, np.int8)


@dataclass(frozen=True, slots=True)
class Material:
    """Utterances with what they teach.

    Attributes:
        utterances: in the order of everything else.
        targets: the phones of each, (U,) int32 token ids.
        labels: the phone of each frame of each.
        turns: how often they come in an epoch.
    """

    utterances: Sequence[Utterance]
    targets: Sequence[IntArray]
    labels: Sequence[Labels]
    turns: float = 1.0


def spoken(
    utterances: Sequence[Utterance],
    sounds: Callable[[str], IntArray],
    *,
    labels: Path | None = None,
    tokens: Path | None = None,
    turns: float = 1.0,
) -> Material:
    """Return `utterances` as material.

    Args:
        utterances: with transcripts.
        sounds: the phones of a transcript, for what `tokens` lacks.
        labels: `.npz` of the phone of each frame, an array for each key.
        tokens: `.npz` of the phones as they were said, an array for each key.
        turns: how often they come in an epoch.
    """
    known_labels = read_arrays(labels) if labels else {}
    known_tokens = read_arrays(tokens) if tokens else {}
    for path, known in ((labels, known_labels), (tokens, known_tokens)):
        missing = sum(utterance.key not in known for utterance in utterances)
        if path and missing:
            _log.warning("%s lacks %d of %d utterances", path, missing, len(utterances))
    return Material(
        utterances,
        [
            known_tokens[u.key].astype(np.int32) if u.key in known_tokens else sounds(u.text)
            for u in utterances
        ],
        [known_labels.get(u.key, UNKNOWN) for u in utterances],
        turns,
    )


def silent(folder: Path, *, piece_s: float, turns: float) -> Material:
    """Return the recordings in `folder`, in pieces, as utterances without words."""
    pieces = [
        Utterance(f"{path.relative_to(folder)}@{start_s:g}", path, start_s, length_s, "", "")
        for path in find_recordings(folder)
        for start_s, length_s in _pieces(recording_duration_s(path), piece_s)
    ]
    if not pieces:
        raise DataError(f"expected recordings of noise in {folder}, found none")
    nothing = np.zeros(0, np.int32)
    return Material(pieces, [nothing] * len(pieces), [SILENT] * len(pieces), turns)


def _pieces(duration_s: float, piece_s: float) -> Iterator[tuple[float, float]]:
    """Yield start and length of whole pieces, or of the recording where it is shorter than one."""
    for piece in range(max(1, int(duration_s / piece_s))):
        yield piece * piece_s, min(piece_s, duration_s)


def read_arrays(path: Path) -> dict[str, Labels]:
    """Return the arrays in an `.npz` file by name, (T,) of small whole numbers each.

    Raises:
        DataError: it cannot be read, or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError, AttributeError, EOFError) as error:
        raise DataError(f"expected arrays of phones in {path}, found: {error}") from error
    highest = len(TokenTable.phones())
    for key, array in arrays.items():
        if array.ndim != 1 or array.size == 0 or not np.issubdtype(array.dtype, np.integer):
            raise DataError(f"{path}: expected whole numbers of frames as {key}, found others")
        if array.min() < 0 or array.max() >= highest:
            raise DataError(f"{path}: expected phones below {highest} in {key}, found others")
    return {key: array.astype(np.int8) for key, array in arrays.items()}


@dataclass(frozen=True, slots=True)
class Sounds:
    """The phones of a transcript: of each word the way that the dictionary has first."""

    lexicon: Lexicon
    fallback: Pronouncer
    table: TokenTable

    def __call__(self, text: str) -> IntArray:
        """Return (U,) int32 token ids."""
        words = normalise(text).split()
        phones = (p for w in words for p in self.lexicon.pronounce(w, self.fallback)[0])
        return np.array(self.table.ids(phones), np.int32)


class LabelledFeatures:
    """Features with the phone of each frame as their last column.

    Frame f of a variant at speed v is frame f·v of the recording.

    Attributes:
        unlabelled: the features alone.
    """

    def __init__(
        self, features: Features, labels: Sequence[Labels], speeds: Sequence[float]
    ) -> None:
        self.unlabelled = features
        self._labels = labels
        self._speeds = speeds

    @property
    def keys(self) -> Sequence[str]:
        """The utterances' keys."""
        return self.unlabelled.keys

    @property
    def lengths(self) -> IntArray:
        """(utterances, variants) int32: frames of each."""
        return self.unlabelled.lengths

    def read(self, utterance: int, variant: int) -> FloatArray:
        """Return (T, F + 1) float32."""
        features = self.unlabelled.read(utterance, variant)
        labels = self._labels[utterance]
        frames = np.arange(len(features)) * self._speeds[variant] + 1e-6
        at = np.minimum(frames.astype(np.int64), len(labels) - 1)
        return np.column_stack([features, labels[at].astype(np.float32)])


def split_labels(batch: Tensor, steps: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    """Return a batch's features, (B, T, F), and the label of each encoder step, (B, S) int64.

    Args:
        batch: (B, T, F + 1), the last column the labels of frames.
        steps: (B,) encoder steps of each utterance; there are no labels beyond them.
        grid: where the steps lie; the label of each is that of its middle frame.
    """
    features, column = batch[..., :-1], batch[..., -1]
    S = grid.steps_of(batch.shape[1])
    labels = column[:, grid.middle_frame :: grid.factor][:, :S].long()
    beyond = labels.new_ones(S).cumsum(0) > steps.unsqueeze(1)
    return features, labels.masked_fill(beyond, NO_LABEL)


def measure_cmvn(features: Features, utterances: int = 1500) -> GlobalCmvn:
    """Return the normalisation by about so many `utterances`, evenly spread over all."""
    every = max(1, len(features.keys) // utterances)
    return GlobalCmvn.accumulate(
        features.read(utterance, 0) for utterance in range(0, len(features.keys), every)
    )
