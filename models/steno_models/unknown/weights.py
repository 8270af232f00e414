"""What is fitted on speech whose words are known: how parts weigh, and when a word is unknown."""

from pathlib import Path

import msgspec
import numpy as np

from steno_models.errors import DataError
from steno_models.types import FloatArray
from steno_models.unknown.boosting import Boosted

FILE = "weights.json"
_LEAST_SOUND = 0.1

DETECTION = (
    "word_deficit", "word_deficit_rate", "edge_deficit", "largest_deficit", "word_log_prob",
    "unknown_log_prob", "language_gain", "least_log_count", "mean_log_count", "least_posterior",
    "mean_posterior", "edge_posterior", "words", "phones", "steps", "steps_of_phone", "phonotactic",
    "candidate_deficit", "candidate_deficit_rate", "candidate_gain", "candidate_distance",
    "candidate_log_count", "candidate_context", "candidate_longer",
)  # fmt: skip
"""What tells whether words stand for an unknown one; see `measures`."""
PARTS = ("distance", "forced", "frequency", "context", "embedding")
"""What tells candidates apart; see `rank`."""


class Weights(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fitted numbers, stored beside the vocabulary.

    Attributes:
        symbols: the tokens of the acoustic model that they were fitted for, the blank first.
        detection: log odds that words stand for an unknown one, by `DETECTION`.
        threshold: log odds from which on they count as one.
        parts: one for each of `PARTS`.
        confusion: (V, V) nats that a phone costs in the place of one heard.
        insertion: nats for a phone that was not heard.
        deletion: nats for one heard that is not there.
        phonotactic: weight of the phone bigram in the loop.
    """

    symbols: tuple[str, ...]
    detection: Boosted
    threshold: float
    parts: tuple[float, ...]
    confusion: tuple[tuple[float, ...], ...]
    insertion: float = 3.0
    deletion: float = 3.0
    phonotactic: float = 0.3

    def __post_init__(self) -> None:
        V = len(self.symbols)
        shape = [len(self.confusion), *{len(row) for row in self.confusion}]
        asked = {one for tree in self.detection.trees for one in tree.feature}
        if asked and max(asked) >= len(DETECTION):
            raise ValueError(
                f"expected trees of {len(DETECTION)} features, found one that asks for "
                f"feature {max(asked)}"
            )
        if len(self.parts) != len(PARTS):
            raise ValueError(f"expected {len(PARTS)} weights of parts, found {len(self.parts)}")
        if shape != [V, V]:
            raise ValueError(f"expected confusions of shape [{V}, {V}], found {shape}")

    @property
    def frequency(self) -> float:
        """Phones' nats that a nat of ln p(word) is worth in a first look."""
        distance, forced, frequency = self.parts[:3]
        return frequency / max(distance + forced, _LEAST_SOUND)

    @property
    def costs(self) -> FloatArray:
        """The confusions as an array, (V, V)."""
        return np.array(self.confusion, np.float32)

    def write(self, folder: Path) -> None:
        """Write them into `folder`.

        Raises:
            DataError: it cannot be written.
        """
        try:
            (folder / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(self)))
        except OSError as error:
            raise DataError(f"expected to write to {folder / FILE}, found: {error}") from error

    @classmethod
    def read(cls, folder: Path) -> "Weights":
        """Return those in `folder`.

        Raises:
            DataError: there are none, or they are not of this form.
        """
        try:
            return msgspec.json.decode((folder / FILE).read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError) as error:
            raise DataError(
                f"expected the weights of an unknown-word detector at {folder / FILE} "
                f"(steno-models unknown-words fit makes them), found: {error}"
            ) from error


def confusions(log_probs: list[FloatArray], cap: float = 8.0) -> FloatArray:
    """Return (V, V) the cost of each token where another is the likeliest, by mean posteriors.

    No labels are needed: what a model can hardly tell apart, it gives to both.

    Args:
        log_probs: posteriors, each (S, V).
        cap: the most that a confusion costs.
    """
    V = log_probs[0].shape[1]
    totals = np.full((V, V), 1e-3) + np.eye(V)
    for rows in log_probs:
        np.add.at(totals, rows.argmax(axis=1), np.exp(rows.astype(np.float64)))
    shares = totals / totals.diagonal()[:, None]
    costs = np.clip(-np.log(shares), 0.0, cap)
    np.fill_diagonal(costs, 0.0)
    return np.asarray(costs, np.float32)
