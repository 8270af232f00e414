"""From a configuration to the folder of a factorized model."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from steno_models.errors import ConfigError
from steno_models.lm.factorized.config import TrainConfig
from steno_models.lm.factorized.counts import PairCounts
from steno_models.lm.factorized.loss import SquaredError
from steno_models.lm.factorized.model import Factors, SmoothedPairs
from steno_models.lm.factorized.scorer import FactorizedScorer
from steno_models.lm.neural import stored
from steno_models.lm.neural.batches import as_batch
from steno_models.lm.neural.train import (
    alone,
    kept_units,
    newest,
    read_material,
    write_description,
)
from steno_models.lm.neural.units import WordUnits
from steno_models.lm.ngram.corpus import SentenceSplitter, read_sentences
from steno_models.training.checkpoint import weights_to_use
from steno_models.training.data import Batch
from steno_models.training.distributed import Ranks
from steno_models.training.loop import Outcome, fit

# Shares of the factors that are tried on held-out text, and on how many of its sentences.
_SHARES = (0.0, 0.2, 0.4, 0.6, 0.8)
_TRIED_ON = 500
# Histories that are evaluated at once.
_PART = 4096


class RowBatches:
    """Every history once an epoch; the one target of each is its number."""

    def __init__(self, counts: PairCounts, rows: int, seed: int) -> None:
        self._counts = counts
        self._rows = rows
        self._seed = seed

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides which batch is number k of an epoch."""
        found = hashlib.sha256(repr([self._rows, self._seed]).encode())
        found.update(np.ascontiguousarray(self._counts.histories).data)
        return found.hexdigest()[:20]

    def count(self, epoch: int) -> int:  # noqa: ARG002 - all epochs are alike
        """Return how many batches `epoch` has."""
        return -(-len(self._counts) // self._rows)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Give the batches of `epoch` from number `start` on."""
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._counts))
        for k in range(start, self.count(epoch)):
            rows = order[k * self._rows : (k + 1) * self._rows].astype(np.int32)[:, None]
            yield as_batch(rows, np.ones(len(rows), np.int64), f"histories {epoch}/{k}")


class FactorTask:
    """Fits `model`; what it reports is the share of all squares that is left."""

    def __init__(self, model: Factors, error: SquaredError, R: int) -> None:
        self.model = model
        self._error = error
        self._R = R
        self._total = error.total()

    def loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
        """Return the squared error of the batch's histories, as if all were like them, ()."""
        rows = batch.targets[:, 0].long()
        found = self._of(rows)
        return found * (self._R / len(rows) / self._total), {}

    def evaluate(self) -> Mapping[str, float]:
        """Return the share of all squares that the factors leave, as `error`."""
        parts = [torch.arange(i, min(i + _PART, self._R)) for i in range(0, self._R, _PART)]
        return {"error": sum(float(self._of(rows)) for rows in parts) / self._total}

    def _of(self, rows: Tensor) -> Tensor:
        model = self.model
        return self._error(rows, model.histories(rows), model.words.weight)


def train(config: TrainConfig, ranks: Ranks, splitter: SentenceSplitter) -> Outcome:
    """Train, or go on training, as `config` says."""
    alone(ranks)
    # First, since its mistakes need no text to be seen; sums of squares need whole numbers' bits.
    options = replace(config.fit_options(), bf16=False)
    material, asked = read_material(config, splitter), config.factors
    V = material.units.size
    counts = PairCounts.of_text(material.train, V, order=asked.order, least=asked.least)
    counts.write(config.folder)
    torch.manual_seed(config.run.seed)
    model = Factors(len(counts), V, asked.width)
    error = SquaredError.of_counts(counts, asked.transform, asked.zero_weight)
    batches = RowBatches(counts, asked.rows, config.run.seed)
    return fit(FactorTask(model, error, len(counts)), batches, options)


def export(config: TrainConfig, folder: Path, splitter: SentenceSplitter) -> int:
    """Write the run's best factors and its counts into `folder`; return the checkpoint's step.

    The share of the factors is the one of a few that suits the held-out text best.

    Raises:
        ConfigError: there is no checkpoint yet.
    """
    checkpoint, units = newest(config.folder), kept_units(config)
    if not isinstance(units, WordUnits):
        raise ConfigError(f"expected units of words, found {config.units.kind}")
    counts, asked = PairCounts.read(config.folder), config.factors
    model = Factors(len(counts), units.size, asked.width)
    model.load_state_dict(dict(weights_to_use(checkpoint)))
    held_out = [s.split() for path in config.dev for s in read_sentences(path, splitter)]
    perplexities = {}
    for share in _SHARES:
        pairs = SmoothedPairs(model, counts, transform=asked.transform, share=share)
        scorer = FactorizedScorer(pairs, units)
        perplexities[share] = _perplexity(scorer, held_out[:_TRIED_ON])
    share = min(perplexities, key=lambda each: perplexities[each])
    stored.write_units(folder, units)
    stored.write_weights(folder, model.state_dict())
    counts.write(folder)
    write_description(
        folder,
        stored.Description(
            kind="factorized",
            units="words",
            own=units.own,
            carries=False,
            shape={"width": asked.width, "transform": asked.transform, "share": share},
            step=checkpoint.step,
            perplexity=perplexities[share],
        ),
    )
    return checkpoint.step


def _perplexity(scorer: FactorizedScorer, sentences: Sequence[Sequence[str]]) -> float:
    log_probs = np.concatenate(scorer.score_sentences(sentences).log_probs)
    return math.exp(-float(log_probs.mean()))
