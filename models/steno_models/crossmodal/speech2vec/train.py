"""From a configuration to the weights of Speech2Vec."""

import logging
import zlib

import torch

from steno_models.crossmodal.segmentation.segments import Span, read_segments, spans
from steno_models.crossmodal.speech import read_speech
from steno_models.crossmodal.speech2vec.config import TrainConfig
from steno_models.crossmodal.speech2vec.data import NeighbourBatches, NeighbourOptions
from steno_models.crossmodal.speech2vec.model import Speech2Vec
from steno_models.crossmodal.speech2vec.task import Speech2VecTask
from steno_models.errors import ConfigError
from steno_models.training.checkpoint import CheckpointFolder, read_checkpoint, weights_to_use
from steno_models.training.distributed import Ranks
from steno_models.training.loop import Outcome, fit

_log = logging.getLogger(__name__)


def train(config: TrainConfig, ranks: Ranks) -> Outcome:
    """Train, or go on training, as `config` says; this process's share of it.

    Raises:
        DataError: the speech or its pieces cannot be read, or there are too few.
    """
    fit_options = config.fit_options()  # first: its mistakes need no speech to be seen
    speech = read_speech(config.speech, config.cache)
    recordings = [each for path in config.segments for each in read_segments(path)]
    missing: list[str] = []
    found, _ = spans(recordings, speech, left_out=missing.append)
    if missing:
        _log.warning("left out %d pieces and recordings, the first: %s", len(missing), missing[0])
    learnt, measured = _parted(found, speech.keys, config.held_out)
    options = NeighbourOptions(
        window=config.window,
        pieces_per_batch=config.run.pieces_per_batch,
        longest_frames=config.model.longest_frames,
        seed=config.run.seed,
    )
    torch.manual_seed(config.run.seed)
    task = Speech2VecTask(
        Speech2Vec(config.options()),
        config.form,
        NeighbourBatches(speech, measured, options, Ranks(0, 1, ranks.device)),
    )
    return fit(task, NeighbourBatches(speech, learnt, options, ranks), fit_options, ranks=ranks)


def best_model(config: TrainConfig) -> tuple[int, Speech2Vec]:
    """Return the step that was best on held-out recordings, and the model after it.

    Raises:
        ConfigError: there is no checkpoint with a measurement.
    """
    path = CheckpointFolder(config.folder / "checkpoints").best()
    if path is None:
        raise ConfigError(f"expected measured checkpoints in {config.folder}, found none")
    checkpoint = read_checkpoint(path)
    model = Speech2Vec(config.options())
    model.load_state_dict(dict(weights_to_use(checkpoint)))
    return checkpoint.step, model.eval()


def _parted(
    found: list[Span], keys: tuple[str, ...], share: float
) -> tuple[list[Span], list[Span]]:
    """Return the pieces to learn from and those to measure on, recordings by their keys' hash."""
    order = sorted({span.place for span in found}, key=lambda p: (zlib.crc32(keys[p].encode()), p))
    held = set(order[: max(1, round(share * len(order)))])
    return (
        [span for span in found if span.place not in held],
        [span for span in found if span.place in held],
    )
