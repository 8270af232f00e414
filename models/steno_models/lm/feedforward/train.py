"""From a configuration to a feed-forward model's folder."""

from pathlib import Path

import msgspec
import torch

from steno_models.lm.feedforward.config import TrainConfig
from steno_models.lm.feedforward.model import FeedforwardLm
from steno_models.lm.neural.batches import SentenceBatches
from steno_models.lm.neural.task import Carrying, LmTask
from steno_models.lm.neural.train import alone, export_network, read_material
from steno_models.lm.ngram.corpus import SentenceSplitter
from steno_models.training.distributed import Ranks
from steno_models.training.loop import Outcome, fit


def train(config: TrainConfig, ranks: Ranks, splitter: SentenceSplitter) -> Outcome:
    """Train, or go on training, as `config` says."""
    alone(ranks)
    options = config.fit_options()  # first, since its mistakes need no text to be seen
    material = read_material(config, splitter)
    run = config.run
    torch.manual_seed(run.seed)
    network = FeedforwardLm(material.units.size, config.network.shape())
    batches, dev = (
        SentenceBatches(stream, units_per_batch=run.rows * run.length, seed=run.seed)
        for stream in (material.train, material.dev)
    )
    task = LmTask(Carrying(network), dev, material.units_per_word)
    return fit(task, batches, options, ranks=ranks)


def export(config: TrainConfig, folder: Path) -> int:
    """Write the run's best weights as a model into `folder`; return the checkpoint's step.

    Raises:
        ConfigError: there is no checkpoint yet.
    """
    shape = msgspec.structs.asdict(config.network)
    return export_network(config, folder, kind=config.kind, carries=False, shape=shape)
