"""From a configuration to the acoustic part of a bundle."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import torch
from safetensors.torch import save_file

from steno_models.ctc.config import Corpus, Dev, Noise, TrainConfig
from steno_models.ctc.crf import LabelLm
from steno_models.ctc.data import (
    UNKNOWN,
    LabelledFeatures,
    Material,
    Sounds,
    measure_cmvn,
    silent,
    spoken,
)
from steno_models.ctc.label_lm import count_phones, estimate, phones_of_text
from steno_models.ctc.loss import TrainingCtc, Weights
from steno_models.ctc.model import CtcModel
from steno_models.ctc.start import CMVN, Start
from steno_models.ctc.task import Course, CtcTask
from steno_models.ctc.variation import Changes, Plain, Varied
from steno_models.features.cmvn import GlobalCmvn
from steno_models.text.g2p import G2P
from steno_models.text.lexicon import Lexicon
from steno_models.text.tokens import TokenTable
from steno_models.training.checkpoint import CheckpointFolder, read_checkpoint, weights_to_use
from steno_models.training.data import BatchOptions, BucketedBatches
from steno_models.training.degrade import Degrade, find_recordings
from steno_models.training.distributed import Ranks
from steno_models.training.feature_cache import (
    FeatureCache,
    JoinedFeatures,
    Recipe,
    Variant,
    cached_features,
)
from steno_models.training.loop import Outcome, fit
from steno_models.training.manifest import manifest_name, read_manifest
from steno_models.training.music_folder import LONGEST_S as MUSIC_LONGEST_S
from steno_models.training.music_folder import music_folder
from steno_models.training.utterance import Utterance

# A batch's length is a multiple of so many frames: libraries prepare themselves for each shape.
_ROUND_FRAMES = 40
# What silences and slower tempos add to an utterance, more or less.
_SPARE_FRAMES = 40


def train(config: TrainConfig, ranks: Ranks) -> Outcome:
    """Train, or go on training, as `config` says; this process's share of it."""
    fit_options = config.run.fit_options(
        config.folder, config.optim
    )  # first, since its mistakes need no features to be seen
    start = _start(config)
    torch.manual_seed(config.run.seed)
    model = TrainingCtc(_model(config))
    if start is not None:
        start.give(model)
    sounds = Sounds(Lexicon.from_cmudict(), G2P.load(), TokenTable.phones())
    material = _material(config, sounds)
    caches = _caches(config, material)
    features = LabelledFeatures(
        JoinedFeatures(caches),
        [labels for each in material for labels in each.labels],
        config.speeds,
    )
    cmvn = _cmvn(config, features, start, ranks)
    noises = None if config.noise is None else caches[len(config.corpora)]
    batches = BucketedBatches(
        features,
        [target for each in material for target in each.targets],
        _batch_options(config, ranks),
        augment=Varied(cmvn, Changes(**msgspec.structs.asdict(config.augment)), noises),
        turns=[each.turns for each in material for _ in each.utterances],
    )
    task = CtcTask(
        model,
        _course(config),
        config.chunks.contexts(),
        {
            manifest_name(dev.manifest): _dev_batches(config, dev, sounds, cmvn)
            for dev in config.dev
        },
        aligned=any(labels is not UNKNOWN for each in material for labels in each.labels),
        lm=_label_lm(config, material, sounds.lexicon) if config.loss.crf > 0 else None,
    )
    return fit(task, batches, fit_options, ranks=ranks)


def _start(config: TrainConfig) -> Start | None:
    """Return what the training begins with, or None: by chance, or at a checkpoint."""
    if config.init is None or _checkpoints(config).latest() is not None:
        return None
    return Start.find(config.init)


def is_finished(config: TrainConfig) -> bool:
    """Return whether the training has taken its last step."""
    newest = _checkpoints(config).latest()
    return newest is not None and newest.step >= config.optim.total_steps


def export(config: TrainConfig, folder: Path) -> int | None:
    """Write the acoustic part of a bundle from the run's best checkpoint.

    Returns:
        The checkpoint's step, or None if there is no checkpoint yet and nothing was written.
    """
    checkpoints = _checkpoints(config)
    paths = checkpoints.paths()
    if not paths:
        return None
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


def _checkpoints(config: TrainConfig) -> CheckpointFolder:
    return CheckpointFolder(config.folder / "checkpoints")


def _material(config: TrainConfig, sounds: Sounds) -> list[Material]:
    """Return each corpus's utterances with their targets, then noise, then music."""
    found = [_spoken(corpus, sounds) for corpus in config.corpora]
    noise, music = config.noise, config.music
    if noise is not None:
        found.append(silent(noise.folder, piece_s=noise.piece_s, turns=noise.turns))
    if music is not None:
        folder = music_folder(config.cache, music.hours, music.seed)
        found.append(silent(folder, piece_s=MUSIC_LONGEST_S, turns=music.turns))
    return found


def _spoken(corpus: Corpus, sounds: Sounds) -> Material:
    return spoken(
        read_manifest(corpus.manifest),
        sounds,
        labels=corpus.labels,
        tokens=corpus.tokens,
        turns=corpus.turns,
    )


def _caches(config: TrainConfig, material: Sequence[Material]) -> list[FeatureCache]:
    """Return the features of each of `material`, every corpus from a cache of its own."""
    recipe = _recipe(config)
    return [_features(each.utterances, config.cache, recipe) for each in material]


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


def _cmvn(
    config: TrainConfig, features: LabelledFeatures, start: Start | None, ranks: Ranks
) -> GlobalCmvn:
    """Return the run's normalisation, that of its first weights or measured once.

    A resumed training keeps it.
    """
    path = config.folder / CMVN
    ranks.summed([0.0])
    if ranks.is_first and not path.exists():
        config.folder.mkdir(parents=True, exist_ok=True)
        found = measure_cmvn(features.unlabelled) if start is None else start.read_cmvn()
        draft = path.with_name(f"draft-{path.name}")
        found.save(draft)
        draft.replace(path)
    ranks.summed([0.0])  # nobody reads before it is there
    return GlobalCmvn.load(path)


def _label_lm(config: TrainConfig, material: Sequence[Material], lexicon: Lexicon) -> LabelLm:
    """Return the trigram of phones in all transcripts and in the text that goes with them."""
    V, asked = len(TokenTable.phones()), config.label_lm
    counts = count_phones((target for each in material for target in each.targets), V)
    counts *= asked.transcripts
    if asked.text is not None:
        counts += count_phones(phones_of_text(asked.text, lexicon, every=asked.every), V)
    return LabelLm.of_table(torch.from_numpy(estimate(counts)))


def _batch_options(config: TrainConfig, ranks: Ranks) -> BatchOptions:
    return BatchOptions(
        frames_per_batch=config.run.frames_per_batch // ranks.world_size,
        spare_frames=_SPARE_FRAMES,
        round_frames=_ROUND_FRAMES,
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
    return CtcModel(config.encoder.options(), len(TokenTable.phones()))


def _course(config: TrainConfig) -> Course:
    settings = msgspec.structs.asdict(config.loss)
    weights = {name: settings.pop(name) for name in Weights.__slots__}
    batches = config.optim.total_steps * config.run.accumulate
    return Course(batches=batches, weights=Weights(**weights), **settings)
