"""From steps and transcripts to a recogniser of letters."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from msgspec import Struct

from steno_models.crossmodal.graphemes.alphabet import Alphabet
from steno_models.crossmodal.graphemes.model import GraphemeModel
from steno_models.crossmodal.graphemes.task import GraphemeTask
from steno_models.encoders.section import Count, Share
from steno_models.errors import ConfigError
from steno_models.features.cmvn import GlobalCmvn
from steno_models.training.checkpoint import CheckpointFolder, read_checkpoint, weights_to_use
from steno_models.training.data import BatchOptions, BucketedBatches
from steno_models.training.feature_cache import Features
from steno_models.training.loop import FitOptions, Outcome, fit
from steno_models.training.optim import OptimOptions
from steno_models.types import FloatArray, IntArray


class GraphemeOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a recogniser of letters is made.

    Attributes:
        width: of each direction of an LSTM.
        layers: of LSTMs.
        dropout: before each layer.
        total_steps: of the training, whatever the transcripts last.
        learning_rate: the highest.
        steps_per_batch: of 40 ms, padding included.
        evaluate_every: steps of the training.
        seed: of everything random.
    """

    width: Count = 160
    layers: Count = 2
    dropout: Share = 0.3
    total_steps: Count = 800
    learning_rate: float = 2e-3
    steps_per_batch: Count = 3000
    evaluate_every: Count = 100
    seed: int = 1


class Chosen:
    """Some of the utterances of `features`.

    Args:
        features: of all.
        places: of those.
    """

    def __init__(self, features: Features, places: Sequence[int]) -> None:
        self._features, self._places = features, tuple(places)

    @property
    def keys(self) -> Sequence[str]:
        """The utterances' keys."""
        return [self._features.keys[place] for place in self._places]

    @property
    def lengths(self) -> IntArray:
        """(utterances, variants) int32: steps of each."""
        found: IntArray = self._features.lengths[list(self._places)]
        return found

    def read(self, utterance: int, variant: int) -> FloatArray:
        """Return (S, F) float32."""
        return self._features.read(self._places[utterance], variant)


def train(
    folder: Path,
    learnt: tuple[Features, Sequence[str]],
    held_out: tuple[Features, Sequence[str]],
    alphabet: Alphabet,
    options: GraphemeOptions,
) -> Outcome:
    """Train, or go on training, in `folder`.

    Args:
        folder: of the run.
        learnt: steps and transcripts to learn from.
        held_out: likewise, by which the best checkpoint is chosen.
        alphabet: of the transcripts.
        options: how.
    """
    torch.manual_seed(options.seed)
    model = _model(learnt[0], alphabet, options)
    model.normalise_by(
        GlobalCmvn.accumulate(learnt[0].read(n, 0) for n in range(len(learnt[0].keys)))
    )
    batches, judged = (_batches(own, alphabet, options) for own in (learnt, held_out))
    every = min(options.evaluate_every, options.total_steps)
    course = FitOptions(
        folder=folder,
        optim=OptimOptions(
            total_steps=options.total_steps, learning_rate=options.learning_rate,
            warmup_steps=max(1, options.total_steps // 10), weight_decay=0.01, ema_decay=0.99,
        ),
        evaluate_every=every, checkpoint_every=every, report_every=20, seed=options.seed,
    )  # fmt: skip
    return fit(GraphemeTask(model, alphabet, judged), batches, course)


def best_model(
    folder: Path, features: Features, alphabet: Alphabet, options: GraphemeOptions
) -> GraphemeModel:
    """Return the model that was best on held-out recordings.

    Raises:
        ConfigError: there is no checkpoint with a measurement.
    """
    path = CheckpointFolder(folder / "checkpoints").best()
    if path is None:
        raise ConfigError(f"expected measured checkpoints in {folder}, found none")
    model = _model(features, alphabet, options)
    model.load_state_dict(dict(weights_to_use(read_checkpoint(path))))
    return model.eval()


@torch.no_grad()
def log_probs(model: GraphemeModel, features: Features, place: int) -> FloatArray:
    """Return (S, V) of one utterance."""
    steps = torch.from_numpy(features.read(place, 0))[None]
    found: FloatArray = model(steps, torch.tensor([steps.shape[1]]))[0].numpy()
    return found


def _model(features: Features, alphabet: Alphabet, options: GraphemeOptions) -> GraphemeModel:
    return GraphemeModel(
        features.read(0, 0).shape[1], alphabet.tokens, width=options.width,
        layers=options.layers, dropout=options.dropout,
    )  # fmt: skip


def _batches(
    own: tuple[Features, Sequence[str]], alphabet: Alphabet, options: GraphemeOptions
) -> BucketedBatches:
    features, texts = own
    longest = int(np.max(features.lengths))
    return BucketedBatches(
        features,
        [alphabet.encode(text) for text in texts],
        BatchOptions(frames_per_batch=max(longest, options.steps_per_batch), seed=options.seed),
    )
