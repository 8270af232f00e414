"""From a configuration to the weights of encoder and speller."""

import torch

from steno_models.las.config import TrainConfig
from steno_models.las.loss import TrainingLas, Weights
from steno_models.las.model import LasModel
from steno_models.las.task import Course, LasTask
from steno_models.training.distributed import Ranks
from steno_models.training.loop import Outcome, fit
from steno_models.training.speech import Speech


def train(config: TrainConfig, ranks: Ranks) -> Outcome:
    """Train, or go on training, as `config` says; this process's share of it."""
    fit_options = config.run.fit_options(
        config.folder, config.optim
    )  # first, since its mistakes need no features to be seen
    speech = Speech.of(config, ranks)
    torch.manual_seed(config.run.seed)
    model = LasModel(config.options(), len(speech.units.table))
    if speech.start is not None:
        speech.start.give(model.encoder)
    task = LasTask(
        TrainingLas(model, smoothing=config.loss.smoothing),
        _course(config),
        config.chunks.contexts(),
        speech.dev,
        speech.units,
        config.search.options(),
    )
    return fit(task, speech.batches, fit_options, ranks=ranks)


def _course(config: TrainConfig) -> Course:
    loss = config.loss
    return Course(
        batches=config.optim.total_steps * config.run.accumulate,
        weights=Weights(ctc=loss.ctc, middle_ctc=loss.middle_ctc),
        sampling=loss.sampling,
        sampling_from=loss.sampling_from,
        sampling_until=loss.sampling_until,
    )
