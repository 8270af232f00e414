"""From manifests and a configuration to batches of speech, and from a run's best weights to files.

What the families that write what they hear do alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from safetensors.torch import save_file

from steno_models.errors import ConfigError
from steno_models.features.cmvn import GlobalCmvn
from steno_models.text.bpe import Bpe
from steno_models.text.g2p import G2P
from steno_models.text.lexicon import Lexicon
from steno_models.text.tokens import TokenTable
from steno_models.text.units import Phones, Subwords, Units
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
from steno_models.training.manifest import manifest_name, read_manifest
from steno_models.training.speech_sections import SpeechConfig
from steno_models.training.start import CMVN, EncoderStart
from steno_models.training.utterance import Utterance
from steno_models.training.varied import Changes, Material, Plain, Varied, measure_cmvn

TOKENS = "tokens.txt"
WEIGHTS = "model.safetensors"


@dataclass(frozen=True, slots=True)
class Speech:
    """What a training takes from its corpora.

    Attributes:
        start: the encoder to begin with, None: by chance, or at a checkpoint.
        units: what is written.
        batches: to learn from.
        dev: held-out speech by name.
    """

    start: EncoderStart | None
    units: Units
    batches: BucketedBatches
    dev: dict[str, BucketedBatches]

    @classmethod
    def of(cls, config: SpeechConfig, ranks: Ranks) -> "Speech":
        """Return what `config` names, this process's share of it.

        Units and normalisation are made once, written to the run's folder and kept.

        Raises:
            ConfigError: there is no encoder at `init_encoder`.
            DataError: a manifest or a recording cannot be read.
        """
        start = _start(config)
        corpora = [read_manifest(corpus.manifest) for corpus in config.corpora]
        units = _units(config, [each.text for corpus in corpora for each in corpus], ranks)
        turns = [corpus.turns for corpus in config.corpora]
        material = [
            _spoken(utterances, units, many)
            for utterances, many in zip(corpora, turns, strict=True)
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
        return cls(start, units, batches, _dev(config, units, cmvn))


def export_best(run: Path, folder: Path) -> int:
    """Write a run's best weights, normalisation and tokens; return the checkpoint's step.

    Args:
        run: the training's folder.
        folder: gets half-precision weights of what the training calls `model`.

    Raises:
        ConfigError: there is no checkpoint yet.
    """
    checkpoints = CheckpointFolder(run / "checkpoints")
    paths = checkpoints.paths()
    if not paths:
        raise ConfigError(f"expected checkpoints of a training in {run}, found none")
    checkpoint = read_checkpoint(checkpoints.best() or paths[-1])
    weights = {
        name.removeprefix("model."): weight.half().contiguous()
        for name, weight in weights_to_use(checkpoint).items()
        if name.startswith("model.")
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / WEIGHTS)
    GlobalCmvn.load(run / CMVN).save(folder / CMVN)
    TokenTable.read(run / TOKENS).write(folder / TOKENS)
    return checkpoint.step


def _start(config: SpeechConfig) -> EncoderStart | None:
    """Return the encoder to begin with, or None: by chance, or at a checkpoint."""
    resumes = bool(CheckpointFolder(config.folder / "checkpoints").paths())
    if config.init_encoder is None or resumes:
        return None
    return EncoderStart.find(config.init_encoder)


def written_units(config: SpeechConfig, folder: Path) -> Units:
    """Return the units of a run whose tokens were written to `folder`.

    Raises:
        DataError: there are none.
    """
    match config.units.kind:
        case "subwords" | "characters":
            return Subwords(Bpe(TokenTable.read(folder / TOKENS)))
        case "phones":
            return Phones(Lexicon.from_cmudict(), G2P.load())


def _units(config: SpeechConfig, texts: Sequence[str], ranks: Ranks) -> Units:
    """Return the units; those learnt once are kept in the run's folder."""
    path = config.folder / TOKENS
    ranks.summed([0.0])
    if ranks.is_first and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        match config.units.kind:
            case "subwords":
                table = Bpe.learn(texts, config.units.size).table
            case "characters":
                table = Bpe.characters().table
            case "phones":
                table = TokenTable.phones()
        table.write(path)
    ranks.summed([0.0])  # nobody reads before it is there
    return written_units(config, config.folder)


def _spoken(utterances: Sequence[Utterance], units: Units, turns: float = 1.0) -> Material:
    return Material(utterances, [units.encode(each.text) for each in utterances], turns)


def _features(
    config: SpeechConfig, utterances: Sequence[Utterance], recipe: Recipe
) -> FeatureCache:
    # A few recordings are done before other processes have started.
    processes = None if len(utterances) > 50 else 1
    return cached_features(utterances, config.cache, recipe=recipe, processes=processes)


def _cmvn(
    config: SpeechConfig, features: JoinedFeatures, start: EncoderStart | None, ranks: Ranks
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


def _batch_options(config: SpeechConfig, ranks: Ranks) -> BatchOptions:
    return BatchOptions(
        frames_per_batch=config.run.frames_per_batch // ranks.world_size,
        seed=config.run.seed,
        rank=ranks.rank,
        world_size=ranks.world_size,
        threads=config.run.threads,
    )


def _dev(config: SpeechConfig, units: Units, cmvn: GlobalCmvn) -> dict[str, BucketedBatches]:
    """Return the held-out speech by name."""
    found = {}
    for dev in config.dev:
        material = _spoken(read_manifest(dev.manifest), units)
        features = _features(config, material.utterances, Recipe())
        frames = max(int(features.lengths.max()), config.run.frames_per_batch)
        found[manifest_name(dev.manifest)] = BucketedBatches(
            features,
            material.targets,
            BatchOptions(frames_per_batch=frames),
            augment=Plain(cmvn),
        )
    return found
