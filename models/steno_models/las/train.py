"""From a configuration to the weights of encoder and speller."""

import torch

from steno_models.fusion.language import OpenLanguage
from steno_models.fusion.start import begin, fused_language, with_encoder_of
from steno_models.las.config import TrainConfig
from steno_models.las.loss import TrainingLas, Weights
from steno_models.las.model import LasModel
from steno_models.las.task import Course, LasTask
from steno_models.training.distributed import Ranks
from steno_models.training.loop import Outcome, fit
from steno_models.training.speech import Speech


def train(
    config: TrainConfig, ranks: Ranks, *, open_language: OpenLanguage | None = None
) -> Outcome:
    """Train, or go on training, as `config` says; this process's share of it.

    Args:
        config: what to train.
        ranks: the processes.
        open_language: opens the language model of a fusion.

    Raises:
        ConfigError: something that it names is not there, or does not fit.
    """
    fit_options = config.run.fit_options(
        config.folder, config.optim
    )  # first, since its mistakes need no features to be seen
    trained = begin(config.fusion, config.folder, ranks)
    speech = Speech.of(with_encoder_of(config, config.fusion), ranks)
    torch.manual_seed(config.run.seed)
    symbols = speech.units.table.symbols
    language = fused_language(config.fusion, symbols, open_language)
    model = LasModel(config.options(), len(symbols), language)
    if trained is not None:
        trained.give(model)
    elif speech.start is not None:
        speech.start.give(model.encoder)
    task = LasTask(
        TrainingLas(
            model,
            smoothing=config.loss.smoothing,
            only_fusion=_is_deep(config),
            freeze_encoder=config.freeze_encoder,
        ),
        _course(config),
        config.chunks.contexts(),
        speech.dev,
        speech.units,
        config.search.options(),
    )
    return fit(task, speech.batches, fit_options, ranks=ranks)


def _is_deep(config: TrainConfig) -> bool:
    return config.fusion is not None and config.fusion.kind == "deep"


def _course(config: TrainConfig) -> Course:
    loss = config.loss
    return Course(
        batches=config.optim.total_steps * config.run.accumulate,
        weights=Weights(ctc=loss.ctc, middle_ctc=loss.middle_ctc, guide=loss.guide),
        sampling=loss.sampling,
        sampling_from=loss.sampling_from,
        sampling_until=loss.sampling_until,
    )
