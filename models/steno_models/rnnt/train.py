"""From a configuration to a transducer's weights."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import torch
from safetensors.torch import save_file

from steno_models.encoders.conformer import ConformerOptions
from steno_models.errors import ConfigError
from steno_models.features.cmvn import GlobalCmvn
from steno_models.rnnt.config import TrainConfig
from steno_models.rnnt.data import Changes, Material, Plain, Varied, measure_cmvn
from steno_models.rnnt.model import TransducerModel, TransducerOptions
from steno_models.rnnt.objective import TrainingTransducer, Weights
from steno_models.rnnt.start import CMVN, EncoderStart
from steno_models.rnnt.task import Course, TransducerTask
from steno_models.rnnt.units import Phones, Subwords, Units
from steno_models.text.g2p import G2P
from steno_models.text.lexicon import Lexicon
from steno_models.text.tokens import TokenTable
from steno_models.training.checkpoint import CheckpointFolder, read_checkpoint, weights_to_use
from steno_models.training.data import BatchOptions, BucketedBatches
from steno_models.training.distributed import Ranks
from steno_models.training.feature_cache import (
    FeatureCache,
    JoinedFeatures,
    Recipe,
    Variant,
    cached_features,
)
from steno_models.training.loop import Outcome, fit
from steno_models.training.manifest import read_manifest
from steno_models.training.utterance import Utterance

TOKENS = "tokens.txt"


def train(config: TrainConfig, ranks: Ranks) -> Outcome:
    """Train, or go on training, as `config` says; this process's share of it."""
    fit_options = config.run.fit_options(
        config.folder, config.optim
    )  # first, since its mistakes need no features to be seen
    start = _start(config)
    corpora = [read_manifest(corpus.manifest) for corpus in config.corpora]
    units = _units(config, [each.text for corpus in corpora for each in corpus], ranks)
    torch.manual_seed(config.run.seed)
    model = _model(config, units.table)
    if start is not None:
        start.give(model.encoder)
    turns = [corpus.turns for corpus in config.corpora]
    material = [
        _spoken(utterances, units, many) for utterances, many in zip(corpora, turns, strict=True)
    ]
    recipe = Recipe(variants=tuple(Variant(speed, None) for speed in config.speeds))
    features = JoinedFeatures([_features(config, each.utterances, recipe) for each in material])
    cmvn = _cmvn(config, features, start, ranks)
    batches = BucketedBatches(
        features,
        [target for each in material for target in each.targets],
        _batch_options(config, ranks),
        augment=Varied(cmvn, Changes(**msgspec.structs.asdict(config.augment))),
        turns=[each.turns for each in material for _ in each.utterances],
    )
    loss = config.loss
    task = TransducerTask(
        TrainingTransducer(model, columns=loss.columns, fast_emit=loss.fast_emit),
        _course(config),
        config.chunks.contexts(),
        _dev(config, units, cmvn),
        units,
    )
    return fit(task, batches, fit_options, ranks=ranks)


def export(config: TrainConfig, folder: Path) -> int:
    """Write the run's best weights, normalisation and tokens; return the checkpoint's step.

    Raises:
        ConfigError: there is no checkpoint yet.
    """
    checkpoints = CheckpointFolder(config.folder / "checkpoints")
    paths = checkpoints.paths()
    if not paths:
        raise ConfigError(f"expected checkpoints of a training in {config.folder}, found none")
    checkpoint = read_checkpoint(checkpoints.best() or paths[-1])
    weights = {
        name.removeprefix("model."): weight.half().contiguous()
        for name, weight in weights_to_use(checkpoint).items()
        if name.startswith("model.")
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors")
    GlobalCmvn.load(config.folder / CMVN).save(folder / CMVN)
    TokenTable.read(config.folder / TOKENS).write(folder / TOKENS)
    return checkpoint.step


def options_of(config: TrainConfig) -> TransducerOptions:
    """Return the shape of the model that `config` trains."""
    return TransducerOptions(
        encoder=ConformerOptions(**msgspec.structs.asdict(config.encoder)),
        **msgspec.structs.asdict(config.transducer),
    )


def _start(config: TrainConfig) -> EncoderStart | None:
    """Return the encoder to begin with, or None: by chance, or at a checkpoint."""
    resumes = bool(CheckpointFolder(config.folder / "checkpoints").paths())
    if config.init_encoder is None or resumes:
        return None
    return EncoderStart.find(config.init_encoder)


def _units(config: TrainConfig, texts: Sequence[str], ranks: Ranks) -> Units:
    """Return the units; those learnt once in the run's folder are kept."""
    path = config.folder / TOKENS
    ranks.summed([0.0])
    units: Units
    match config.units.kind:
        case "subwords":
            if ranks.is_first:
                Subwords.of(path, texts, config.units.size)
            ranks.summed([0.0])  # nobody reads before it is there
            units = Subwords.of(path, texts, config.units.size)
        case "phones":
            units = Phones(Lexicon.from_cmudict(), G2P.load())
            if ranks.is_first:
                config.folder.mkdir(parents=True, exist_ok=True)
                units.table.write(path)
    return units


def _model(config: TrainConfig, table: TokenTable) -> TransducerModel:
    return TransducerModel(options_of(config), len(table))


def _spoken(utterances: Sequence[Utterance], units: Units, turns: float = 1.0) -> Material:
    return Material(utterances, [units.encode(each.text) for each in utterances], turns)


def _features(config: TrainConfig, utterances: Sequence[Utterance], recipe: Recipe) -> FeatureCache:
    # A few recordings are done before other processes have started.
    processes = None if len(utterances) > 50 else 1
    return cached_features(utterances, config.cache, recipe=recipe, processes=processes)


def _cmvn(
    config: TrainConfig, features: JoinedFeatures, start: EncoderStart | None, ranks: Ranks
) -> GlobalCmvn:
    """Return the run's normalisation, that of its first encoder or measured once.

    A resumed training keeps it.
    """
    path = config.folder / CMVN
    ranks.summed([0.0])
    if ranks.is_first and not path.exists():
        config.folder.mkdir(parents=True, exist_ok=True)
        found = measure_cmvn(features) if start is None else start.read_cmvn()
        draft = path.with_name(f"draft-{path.name}")
        found.save(draft)
        draft.replace(path)
    ranks.summed([0.0])
    return GlobalCmvn.load(path)


def _batch_options(config: TrainConfig, ranks: Ranks) -> BatchOptions:
    return BatchOptions(
        frames_per_batch=config.run.frames_per_batch // ranks.world_size,
        seed=config.run.seed,
        rank=ranks.rank,
        world_size=ranks.world_size,
        threads=config.run.threads,
    )


def _dev(config: TrainConfig, units: Units, cmvn: GlobalCmvn) -> dict[str, BucketedBatches]:
    """Return the held-out speech by name."""
    found = {}
    for dev in config.dev:
        material = _spoken(read_manifest(dev.manifest), units)
        features = _features(config, material.utterances, Recipe())
        frames = max(int(features.lengths.max()), config.run.frames_per_batch)
        found[f"{dev.manifest.resolve().parent.name}-{dev.manifest.stem}"] = BucketedBatches(
            features,
            material.targets,
            BatchOptions(frames_per_batch=frames),
            augment=Plain(cmvn),
        )
    return found


def _course(config: TrainConfig) -> Course:
    loss = config.loss
    batches = config.optim.total_steps * config.run.accumulate
    return Course(
        weights=Weights(
            pruned=loss.pruned, simple=loss.simple, ctc=loss.ctc, middle_ctc=loss.middle_ctc
        ),
        warm_batches=round(loss.warm_share * batches),
    )
