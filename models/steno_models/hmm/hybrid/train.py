"""One network: from an alignment to a system, and from the system to the next alignment."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress

from steno_models.encoders.build import build_encoder
from steno_models.encoders.protocol import Grid
from steno_models.errors import DataError
from steno_models.hmm.config import read_config
from steno_models.hmm.corpus import by_speaker, pronunciations, spoken_words
from steno_models.hmm.hybrid.changes import Changed
from steno_models.hmm.hybrid.config import HybridConfig
from steno_models.hmm.hybrid.data import Aligned, LabelledFeatures, NormalisedFeatures, read_nodes
from steno_models.hmm.hybrid.model import Network, StateClassifier
from steno_models.hmm.hybrid.phones import PhoneLoop, heard
from steno_models.hmm.hybrid.sequence import Criterion, StateBigram
from steno_models.hmm.hybrid.start import DEV, TRAIN, read_units
from steno_models.hmm.hybrid.states import PhoneUnits, priors, step_of_frames
from steno_models.hmm.hybrid.system import HybridSystem, acoustic_scale
from steno_models.hmm.hybrid.task import Held, HybridTask, SequenceTask
from steno_models.text.g2p import G2P
from steno_models.text.lexicon import Lexicon
from steno_models.training.checkpoint import CheckpointFolder, read_checkpoint, weights_to_use
from steno_models.training.data import BatchOptions, BucketedBatches
from steno_models.training.distributed import Ranks
from steno_models.training.feature_cache import Recipe, Variant, cached_features
from steno_models.training.loop import Outcome, fit
from steno_models.training.manifest import read_manifest
from steno_models.training.utterance import Utterance

_log = logging.getLogger(__name__)

# A batch's length is a multiple of so many frames: libraries prepare themselves for each shape.
_ROUND_FRAMES = 40
_SPARE_FRAMES = 40  # what slower tempos add to an utterance, more or less


@dataclass(frozen=True, slots=True)
class Speech:
    """Aligned utterances with their features, normalised by speaker."""

    aligned: Aligned
    features: NormalisedFeatures


@dataclass(frozen=True, slots=True)
class Lesson:
    """What all networks of a training learn from and are measured on.

    Attributes:
        units: the states of the phones.
        grid: the steps of the encoder.
        train: aligned by Gaussians.
        held: what networks are measured on.
    """

    units: PhoneUnits
    grid: Grid
    train: Speech
    held: Held


def grid_of(config: HybridConfig) -> Grid:
    """Return the steps of the encoder that `config` asks for."""
    return build_encoder(config.encoder.options()).grid


def read_lesson(config: HybridConfig, start: Path) -> Lesson:
    """Return the speech of `config` with the alignments in the folder `start`."""
    lexicon, fallback = Lexicon.from_cmudict(), G2P.load()

    def speech(manifests: Sequence[Path], nodes: Path, speeds: Sequence[float]) -> Speech:
        utterances = [u for manifest in manifests for u in read_manifest(manifest)]
        return _speech(config, utterances, (nodes, speeds), (lexicon, fallback))

    units, grid = read_units(start), grid_of(config)
    train = speech(read_config(config.gmm).manifests, start / TRAIN, config.speeds)
    held = Held(
        _dev_batches(speech(config.dev, start / DEV, (1.0,)), units, config.run.frames_per_batch),
        PhoneLoop.of(train.aligned, units, grid),
    )
    return Lesson(units, grid, train, held)


def train_network(
    config: HybridConfig,
    lesson: Lesson,
    place: tuple[Path, Ranks],
    aligned: Aligned,
    before: HybridSystem | None = None,
    criterion: Criterion | None = None,
) -> Outcome:
    """Train a network on `aligned`, the training speech of `lesson`.

    Args:
        config: how.
        lesson: on what, and what it is measured on.
        place: the run's folder, whose checkpoints are gone on from, and this process.
        aligned: the states to learn.
        before: whose weights to begin with; drawn by chance if None.
        criterion: of whole sequences; None for the frame loss alone.
    """
    folder, ranks = place
    seed = config.run.seed
    options = config.run.fit_options(folder, config.optim)
    torch.manual_seed(seed)
    model = _classifier(config, lesson)
    if before is not None:
        model.load_state_dict(before.network.model.state_dict())
    features = LabelledFeatures(lesson.train.features, aligned.states(lesson.units), config.speeds)
    batches = BucketedBatches(
        features,
        [np.zeros(0, np.int32)] * len(features.keys),
        BatchOptions(
            frames_per_batch=config.run.frames_per_batch // ranks.world_size,
            spare_frames=_SPARE_FRAMES,
            round_frames=_ROUND_FRAMES,
            seed=seed,
            rank=ranks.rank,
            world_size=ranks.world_size,
            threads=config.run.threads,
        ),
        augment=Changed(config.augment),
    )
    contexts = config.chunks.contexts()
    if criterion is None or config.sequence is None:
        task = HybridTask(model, contexts, lesson.held, smoothing=config.smoothing)
    else:
        weight = config.sequence.frame_weight
        task = SequenceTask(model, contexts, lesson.held, criterion=criterion, frame_weight=weight)
    return fit(task, batches, options, ranks=ranks)


def criterion_of(lesson: Lesson, aligned: Aligned) -> Criterion:
    """Return the criterion of whole sequences with the bigram and the priors of `aligned`."""
    A = lesson.units.num_states
    log_priors, stays = priors(aligned.graphs(lesson.units), aligned.nodes, lesson.grid, A)
    bigram = StateBigram.of(aligned.states(lesson.units), stays)
    return Criterion(
        bigram,
        bigram.everything(),
        torch.from_numpy(log_priors.astype(np.float32)),
        acoustic_scale(lesson.grid),
    )


def export(config: HybridConfig, lesson: Lesson, aligned: Aligned, folder: Path) -> HybridSystem:
    """Write the system of the best checkpoint in `folder`, and return it.

    Priors and the length of states are those of `aligned`, which the network was trained on.

    Raises:
        DataError: there is no checkpoint.
    """
    checkpoints = CheckpointFolder(folder / "checkpoints")
    paths = checkpoints.paths()
    if not paths:
        raise DataError(f"expected a checkpoint in {folder}, found none")
    model = _classifier(config, lesson)
    model.load_state_dict(dict(weights_to_use(read_checkpoint(checkpoints.best() or paths[-1]))))
    model.eval().requires_grad_(requires_grad=False)
    A = lesson.units.num_states
    found = priors(aligned.graphs(lesson.units), aligned.nodes, lesson.grid, A)
    system = HybridSystem(lesson.units, Network(model, config.chunks.contexts().dev), *found)
    system.save(folder, config.encoder)
    return system


def realign(
    system: HybridSystem, speech: Speech, aligned: Aligned, progress: Progress
) -> tuple[Aligned, int]:
    """Return the alignment of `speech` by `system`, and how many utterances it could not align.

    These stay as they are in `aligned`.
    """
    grid = system.network.model.encoder.grid
    task = progress.add_task("aligning", total=len(aligned.keys))
    nodes, failed = [], 0
    for number, graph in enumerate(aligned.graphs(system.units)):
        features = speech.features.read(number, 0)
        try:
            path = system.best_path(system.front_end(features), graph)
            T = len(aligned.nodes[number])
            nodes.append(path[step_of_frames(T, len(path), grid)])
        except DataError as error:
            _log.warning("%s keeps its alignment: %s", aligned.keys[number], error)
            nodes.append(aligned.nodes[number])
            failed += 1
        progress.advance(task)
    return replace(aligned, nodes=nodes), failed


def _classifier(config: HybridConfig, lesson: Lesson) -> StateClassifier:
    encoder = build_encoder(config.encoder.options())
    return StateClassifier(encoder, lesson.units.num_states, config.bottleneck)


def _dev_batches(speech: Speech, units: PhoneUnits, frames_per_batch: int) -> BucketedBatches:
    """Return batches of held-out speech whose targets are the phones that were said."""
    features, aligned = speech.features, speech.aligned
    phones = [
        np.array(heard(graph.phones[nodes]), np.int32)
        for graph, nodes in zip(aligned.graphs(units), aligned.nodes, strict=True)
    ]
    options = BatchOptions(frames_per_batch=max(int(features.lengths.max()), frames_per_batch))
    labelled = LabelledFeatures(features, aligned.states(units), (1.0,))
    return BucketedBatches(labelled, phones, options)


def _speech(
    config: HybridConfig,
    utterances: Sequence[Utterance],
    aligned: tuple[Path, Sequence[float]],
    words: tuple[Lexicon, G2P],
) -> Speech:
    """Return those of `utterances` that are aligned in a file, their features at some speeds."""
    path, speeds = aligned
    nodes = read_nodes(path)
    kept = [utterance for utterance in utterances if utterance.key in nodes]
    recipe = Recipe(variants=tuple(Variant(speed) for speed in speeds))
    # A few recordings are done before other processes have started.
    processes = None if len(kept) > 50 else 1
    cache = cached_features(kept, config.cache, recipe=recipe, processes=processes)
    groups = enumerate(by_speaker(kept))
    speakers = {utterance.key: number for number, group in groups for utterance in group}
    return Speech(
        Aligned(
            [utterance.key for utterance in kept],
            [pronunciations(spoken_words(utterance), *words) for utterance in kept],
            [nodes[utterance.key] for utterance in kept],
        ),
        NormalisedFeatures(cache, [speakers[utterance.key] for utterance in kept]),
    )
