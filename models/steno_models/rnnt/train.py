"""From a configuration to a transducer's weights."""

import msgspec
import torch

from steno_models.rnnt.config import TrainConfig
from steno_models.rnnt.model import TransducerModel, TransducerOptions
from steno_models.rnnt.objective import TrainingTransducer, Weights
from steno_models.rnnt.task import Course, TransducerTask
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
    model = TransducerModel(options_of(config), len(speech.units.table))
    if speech.start is not None:
        speech.start.give(model.encoder)
    loss = config.loss
    task = TransducerTask(
        TrainingTransducer(model, columns=loss.columns, fast_emit=loss.fast_emit),
        _course(config),
        config.chunks.contexts(),
        speech.dev,
        speech.units,
    )
    return fit(task, speech.batches, fit_options, ranks=ranks)


def options_of(config: TrainConfig) -> TransducerOptions:
    """Return the shape of the model that `config` trains."""
    return TransducerOptions(
        encoder=config.encoder.options(),
        **msgspec.structs.asdict(config.transducer),
    )


def _course(config: TrainConfig) -> Course:
    loss = config.loss
    batches = config.optim.total_steps * config.run.accumulate
    return Course(
        weights=Weights(
            pruned=loss.pruned, simple=loss.simple, ctc=loss.ctc, middle_ctc=loss.middle_ctc
        ),
        warm_batches=round(loss.warm_share * batches),
    )
