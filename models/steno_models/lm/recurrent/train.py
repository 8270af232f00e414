"""From a configuration to a recurrent model's folder."""

from pathlib import Path

import msgspec
import torch

from steno_models.errors import ConfigError
from steno_models.lm.neural import stored
from steno_models.lm.neural.batches import SentenceBatches, StreamBatches
from steno_models.lm.neural.task import Carrying, LmTask
from steno_models.lm.neural.train import Material, alone, export_network, read_material
from steno_models.lm.ngram.corpus import SentenceSplitter
from steno_models.lm.recurrent.config import TrainConfig
from steno_models.lm.recurrent.model import RecurrentLm
from steno_models.training.distributed import Ranks
from steno_models.training.loop import Batches, Outcome, fit
from steno_models.types import IntArray

# Rows in which held-out text is read: a few, since their contexts begin with nothing.
_DEV_ROWS = 16
_DEV_LENGTH = 64


def train(config: TrainConfig, ranks: Ranks, splitter: SentenceSplitter) -> Outcome:
    """Train, or go on training, as `config` says."""
    alone(ranks)
    options = config.fit_options()  # first, since its mistakes need no text to be seen
    if config.init is not None:
        _keep_units(config, config.init)
    material = read_material(config, splitter)
    torch.manual_seed(config.run.seed)
    network = RecurrentLm(material.units.size, config.network.shape())
    if config.init is not None:
        network.load_state_dict(stored.load_weights(config.init))
    carried = network.start(config.run.rows) if config.context == "carried" else None
    task = LmTask(Carrying(network, carried), _dev(config, material), material.units_per_word)
    return fit(task, _batches(config, material.train), options, ranks=ranks)


def export(config: TrainConfig, folder: Path) -> int:
    """Write the run's best weights as a model into `folder`; return the checkpoint's step.

    Raises:
        ConfigError: there is no checkpoint yet.
    """
    return export_network(
        config,
        folder,
        kind=config.kind,
        carries=config.context == "carried",
        shape=msgspec.structs.asdict(config.network),
    )


def _keep_units(config: TrainConfig, init: Path) -> None:
    """Make the units of the model `init` those of the run, once.

    Raises:
        ConfigError: the model has another shape than `config` says.
        DataError: there is no such model.
    """
    description = stored.read_description(init)
    found, expected = description.shape, msgspec.structs.asdict(config.network)
    # Dropout has no weights: it may be another.
    differing = [
        name for name in expected if name != "dropout" and found.get(name) != expected[name]
    ]
    if description.kind != config.kind or differing:
        raise ConfigError(
            f"init: expected a {config.kind} model of the shape in [network], found {init}, a "
            f"{description.kind} one of {found}"
        )
    units = stored.read_units(init, description)
    if not any((config.folder / name).exists() for name in (stored.WORDS, stored.TOKENS)):
        stored.write_units(config.folder, units)


def _batches(config: TrainConfig, stream: IntArray) -> Batches:
    run = config.run
    if config.context == "carried":
        return StreamBatches(stream, rows=run.rows, length=run.length, seed=run.seed)
    return SentenceBatches(stream, units_per_batch=run.rows * run.length, seed=run.seed)


def _dev(config: TrainConfig, material: Material) -> Batches:
    if config.context == "carried":
        rows = max(1, min(_DEV_ROWS, len(material.dev) // (2 * _DEV_LENGTH)))
        length = min(_DEV_LENGTH, (len(material.dev) - 1) // rows)
        return StreamBatches(material.dev, rows=rows, length=length, seed=0)
    return SentenceBatches(material.dev, units_per_batch=_DEV_ROWS * _DEV_LENGTH, seed=0)
