"""From a configuration to a transducer's weights."""

import msgspec
import torch

from steno_models.fusion.language import OpenLanguage
from steno_models.fusion.start import begin, fused_language, with_encoder_of
from steno_models.rnnt.config import TrainConfig
from steno_models.rnnt.model import TransducerModel, TransducerOptions
from steno_models.rnnt.objective import TrainingTransducer, Weights
from steno_models.rnnt.task import Course, TransducerTask
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
    model = TransducerModel(options_of(config), len(symbols), language)
    if trained is not None:
        trained.give(model, {"predictor.": "predictor.predictor."})
    elif speech.start is not None:
        speech.start.give(model.encoder)
    loss, deep = config.loss, config.fusion is not None and config.fusion.kind == "deep"
    task = TransducerTask(
        TrainingTransducer(model, columns=loss.columns, fast_emit=loss.fast_emit, only_fusion=deep),
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
        fusion=None if config.fusion is None else config.fusion.options(),
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
