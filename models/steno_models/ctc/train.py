"""`steno-models train`: from a configuration file to the acoustic part of a bundle."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import torch
from rich.console import Console
from safetensors.torch import save_file

from steno_models.ctc.config import Corpus, Dev, Noise, TrainConfig, read_config
from steno_models.ctc.data import (
    UNKNOWN,
    Changes,
    LabelledFeatures,
    Material,
    Plain,
    Sounds,
    Varied,
    measure_cmvn,
    silent,
    spoken,
)
from steno_models.ctc.loss import TrainingCtc, Weights
from steno_models.ctc.model import CtcModel
from steno_models.ctc.task import Contexts, Course, CtcTask
from steno_models.encoders.conformer import ConformerOptions, Context
from steno_models.errors import ConfigError
from steno_models.features.cmvn import GlobalCmvn
from steno_models.text.g2p import G2P
from steno_models.text.lexicon import Lexicon
from steno_models.text.tokens import TokenTable
from steno_models.training.checkpoint import CheckpointFolder, read_checkpoint, weights_to_use
from steno_models.training.data import BatchOptions, BucketedBatches
from steno_models.training.degrade import Degrade, find_recordings
from steno_models.training.distributed import Ranks, joined_ranks
from steno_models.training.feature_cache import (
    FeatureCache,
    JoinedFeatures,
    Recipe,
    Variant,
    cached_features,
)
from steno_models.training.loop import FitOptions, Outcome, fit
from steno_models.training.manifest import read_manifest
from steno_models.training.optim import OptimOptions
from steno_models.training.utterance import Utterance

CMVN = "cmvn.safetensors"

_DESCRIPTION = """Train a streaming CTC acoustic model as a TOML file says.

Progress, checkpoints, log.jsonl and learning-curves.png are in the run's folder; the same command
goes on after an interruption. At the end the folder acoustic/ there has model.safetensors,
cmvn.safetensors and tokens.txt, the acoustic part of a bundle.
"""

_EXAMPLE = """example (small.toml):

  folder = "runs/small"
  cache = "runs/features"
  speeds = [1.0, 0.9, 1.1]
  optim = { total_steps = 5000 }
  encoder = { width = 144, layers = 6, feed_forward = 432 }

  [[corpora]]
  manifest = "$STENO_DATA/an4/train.jsonl"          # from steno-models manifest
  labels = "runs/align/an4-train.phones.npz"        # from steno-models force-align; optional
  tokens = "runs/align/an4-train.tokens.npz"

  [[dev]]
  manifest = "$STENO_DATA/an4/test.jsonl"

  steno-models train small.toml
  steno-models train small.toml --export bundles/small    write the best checkpoint so far

on two processes, each with half of every batch:

  OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 -m steno_models train small.toml

The recipe of the embedded English bundle is steno_models/bundles/en.train.toml.
"""


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models train`."""
    asked = _parser().parse_args(arguments)
    config = read_config(asked.config)
    if asked.export is not None:
        _say(f"step {export(config, asked.export)} written to {asked.export}")
        return 0
    with joined_ranks(asked.device) as ranks:
        outcome = train(config, ranks)
        if not ranks.is_first:
            return 0
        if outcome.interrupted:
            _say(f"stopped after step {outcome.step}; the same command goes on from there")
            return 0
        folder = config.folder / "acoustic"
        _say(f"best: step {export(config, folder)}, written to {folder}")
    return 0


def train(config: TrainConfig, ranks: Ranks) -> Outcome:
    """Train, or go on training, as `config` says; this process's share of it."""
    fit_options = _fit_options(config)  # first, since its mistakes need no features to be seen
    sounds = Sounds(Lexicon.from_cmudict(), G2P.load(), TokenTable.phones())
    material = _material(config, sounds)
    features = _labelled_features(config, material)
    cmvn = _cmvn(config, features, ranks)
    options = _batch_options(config, ranks)
    batches = BucketedBatches(
        features,
        [target for each in material for target in each.targets],
        options,
        augment=Varied(cmvn, Changes(**msgspec.structs.asdict(config.augment))),
        turns=[each.turns for each in material for _ in each.utterances],
    )
    torch.manual_seed(config.run.seed)
    task = CtcTask(
        TrainingCtc(_model(config)),
        _course(config),
        _contexts(config),
        {_name(dev.manifest): _dev_batches(config, dev, sounds, cmvn) for dev in config.dev},
        aligned=any(labels is not UNKNOWN for each in material for labels in each.labels),
    )
    return fit(task, batches, fit_options, ranks=ranks)


def export(config: TrainConfig, folder: Path) -> int:
    """Write the acoustic part of a bundle from the run's best checkpoint; return its step.

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
    TokenTable.phones().write(folder / "tokens.txt")
    return checkpoint.step


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models train",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, help="the TOML file")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--export", type=Path, metavar="DIR", help="do not train, write weights")
    return parser


def _say(text: str) -> None:
    Console(file=sys.stderr, soft_wrap=True).print(text, highlight=False)


def _name(manifest: Path) -> str:
    return f"{manifest.parent.name}-{manifest.stem}"


def _material(config: TrainConfig, sounds: Sounds) -> list[Material]:
    """Return each corpus's utterances with their targets, noise last."""
    found = [_spoken(corpus, sounds) for corpus in config.corpora]
    noise = config.noise
    if noise is None:
        return found
    return [*found, silent(noise.folder, piece_s=noise.piece_s, turns=noise.turns)]


def _spoken(corpus: Corpus, sounds: Sounds) -> Material:
    return spoken(
        read_manifest(corpus.manifest),
        sounds,
        labels=corpus.labels,
        tokens=corpus.tokens,
        turns=corpus.turns,
    )


def _labelled_features(config: TrainConfig, material: Sequence[Material]) -> LabelledFeatures:
    """Return the features of all `material`, each corpus from a cache of its own."""
    recipe = _recipe(config)
    caches = [_features(each.utterances, config.cache, recipe) for each in material]
    labels = [labels for each in material for labels in each.labels]
    return LabelledFeatures(JoinedFeatures(caches), labels, config.speeds)


def _features(utterances: Sequence[Utterance], cache: Path, recipe: Recipe) -> FeatureCache:
    # A few recordings are done before other processes have started.
    processes = None if len(utterances) > 50 else 1
    return cached_features(utterances, cache, recipe=recipe, processes=processes)


def _recipe(config: TrainConfig) -> Recipe:
    """Return how recordings are stored: untouched at their own speed, degraded at others."""
    degrade = None if config.noise is None else _degrade(config.noise)
    return Recipe(
        variants=tuple(Variant(speed, degrade if speed != 1 else None) for speed in config.speeds)
    )


def _degrade(noise: Noise) -> Degrade:
    return Degrade(
        tuple(find_recordings(noise.folder)),
        room_share=noise.room_share,
        noise_share=noise.noise_share,
        snr_db=noise.snr_db,
    )


def _cmvn(config: TrainConfig, features: LabelledFeatures, ranks: Ranks) -> GlobalCmvn:
    """Return the run's normalisation, measured once: a resumed training keeps it."""
    path = config.folder / CMVN
    ranks.summed([0.0])
    if ranks.is_first and not path.exists():
        config.folder.mkdir(parents=True, exist_ok=True)
        measure_cmvn(features.unlabelled).save(path)
    ranks.summed([0.0])  # nobody reads before it is there
    return GlobalCmvn.load(path)


def _batch_options(config: TrainConfig, ranks: Ranks) -> BatchOptions:
    return BatchOptions(
        frames_per_batch=config.run.frames_per_batch // ranks.world_size,
        seed=config.run.seed,
        rank=ranks.rank,
        world_size=ranks.world_size,
        threads=config.run.threads,
    )


def _dev_batches(
    config: TrainConfig, dev: Dev, sounds: Sounds, cmvn: GlobalCmvn
) -> BucketedBatches:
    material = spoken(read_manifest(dev.manifest), sounds, tokens=dev.tokens)
    features = _features(material.utterances, config.cache, Recipe())
    longest = int(features.lengths.max())
    options = BatchOptions(frames_per_batch=max(longest, config.run.frames_per_batch))
    return BucketedBatches(features, material.targets, options, augment=Plain(cmvn))


def _model(config: TrainConfig) -> CtcModel:
    options = ConformerOptions(**msgspec.structs.asdict(config.encoder))
    return CtcModel(options, len(TokenTable.phones()))


def _course(config: TrainConfig) -> Course:
    settings = msgspec.structs.asdict(config.loss)
    weights = {name: settings.pop(name) for name in Weights.__slots__}
    batches = config.optim.total_steps * config.run.accumulate
    return Course(batches=batches, weights=Weights(**weights), **settings)


def _contexts(config: TrainConfig) -> Contexts:
    chunks = config.chunks
    return Contexts(
        dev=Context(chunks.dev_chunk, chunks.dev_left),
        unlimited_share=chunks.unlimited_share,
        chunk_steps=chunks.chunk,
        left_steps=chunks.left,
    )


def _fit_options(config: TrainConfig) -> FitOptions:
    run = config.run
    return FitOptions(
        folder=config.folder,
        optim=OptimOptions(**msgspec.structs.asdict(config.optim)),
        accumulate=run.accumulate,
        report_every=run.report_every,
        evaluate_every=run.evaluate_every,
        checkpoint_every=run.checkpoint_every,
        bf16=run.bf16,
        seed=run.seed,
    )
