"""What a TOML file may say about a training of the CTC model.

Paths are relative to the file; `~` and `$VARIABLES` are filled in. Whatever has a default may be
left out; whatever is not listed here is refused.

A training may have stages, one after the other, each beginning with the best weights of the one
before. A stage says what is different in it; everything else is as outside of the stages.
"""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, structs

from steno_models.errors import ConfigError
from steno_models.training.manifest import manifest_name
from steno_models.training.sections import (
    Amount,
    Chunks,
    ConformerSection,
    Count,
    Encoder,
    Optim,
    Run,
    Share,
    with_encoder_kind,
)
from steno_models.training.toml_file import Table, converted, read_table

Range = Annotated[float, Meta(ge=0, le=0.5)]


class Corpus(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Speech to learn from.

    Attributes:
        manifest: its utterances.
        turns: how often each comes in an epoch.
        labels: `.npz` of the phone at each 10 ms frame, an array for each utterance's key.
        tokens: `.npz` of the phones as they were said, an array for each utterance's key; without
            it words sound as the dictionary has them first.
    """

    manifest: Path
    turns: Amount = 1.0
    labels: Path | None = None
    tokens: Path | None = None


class Dev(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Speech to measure the phone error rate on."""

    manifest: Path
    tokens: Path | None = None


class Noise(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Recordings without words: mixed into speech, and in pieces the lesson that they are silence.

    Attributes:
        folder: with the recordings, at any depth.
        piece_s: length of the pieces in seconds.
        turns: how often each piece comes in an epoch.
        noise_share: of the changed utterances, that stand in noise.
        room_share: of the changed utterances, that stand in a room.
        snr_db: the lowest and the highest ratio of speech to noise.
    """

    folder: Path
    piece_s: Annotated[float, Meta(gt=0.1)] = 5.0
    turns: Amount = 0.25
    noise_share: Share = 0.4
    room_share: Share = 0.25
    snr_db: tuple[float, float] = (5.0, 25.0)


class Music(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Music made by a program, like noise a lesson in silence.

    Attributes:
        hours: how much is made, once, in the folder of the cache.
        turns: how often each piece comes in an epoch.
        seed: other seeds give other pieces.
    """

    hours: Annotated[float, Meta(gt=0)] = 0.5
    turns: Amount = 0.25
    seed: Annotated[int, Meta(ge=0)] = 7


class LabelLm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the trigram of phones is estimated from that CTC-CRF needs, besides all transcripts.

    Attributes:
        text: more text, plain or `.xz`.
        every: of its lines, every so-manieth is read.
        transcripts: how often a transcript counts for each time that a line of text does.
    """

    text: Path | None = None
    every: Count = 1
    transcripts: Annotated[float, Meta(gt=0)] = 3.0


class Augment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens to features each time they are used, field by field that of `Changes`."""

    volume: Amount = 1.0
    noise_share: Share = 0.25
    noise_snr_db: tuple[float, float] = (5.0, 25.0)
    tempo_share: Share = 0.4
    tempo_range: Range = 0.08
    warp_share: Share = 0.4
    warp_range: Range = 0.1
    mask_share: Share = 0.5
    mask_after: Annotated[int, Meta(ge=0)] = 100
    mask_ramp: Annotated[int, Meta(ge=0)] = 200
    frequency_masks: Annotated[int, Meta(ge=0)] = 2
    frequency_bins: Annotated[int, Meta(ge=0)] = 20
    frames_per_time_mask: Count = 120
    time_frames: Annotated[int, Meta(ge=0)] = 35

    def __post_init__(self) -> None:
        """Check what the fields must be together."""
        lowest, highest = self.noise_snr_db
        if lowest > highest:
            raise ValueError(
                f"expected noise_snr_db from low to high, found {lowest:g} and {highest:g}"
            )


class Loss(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The weights of the losses and when they count, field by field those of `Course`."""

    ctc: Amount = 2.0
    crf: Amount = 0.0
    middle_ctc: Amount = 0.6
    frame: Amount = 0.3
    middle_frame: Amount = 0.2
    frame_only_share: Share = 0.035
    ramp_share: Share = 0.03
    early_share: Share = 0.15
    early_factor: Amount = 2.0


class TrainConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training, or one stage of it.

    Attributes:
        family: what is trained, here always "ctc".
        folder: of the run: checkpoints, log, learning curves, and at the end `acoustic/`.
        cache: of features, shared by all trainings.
        align: folder of alignments, made where they are missing, for every corpus and held-out
            set that names none of its own; without it they go without.
        init: weights to begin with: a training's folder, a bundle or a `.safetensors` file.
        speeds: at which speech is stored; at any but 1.0 some of it in noise and in rooms.
    """

    family: Literal["ctc"] = "ctc"
    folder: Path
    cache: Path
    corpora: Annotated[tuple[Corpus, ...], Meta(min_length=1)]
    dev: Annotated[tuple[Dev, ...], Meta(min_length=1)]
    optim: Optim
    align: Path | None = None
    init: Path | None = None
    noise: Noise | None = None
    music: Music | None = None
    label_lm: LabelLm = LabelLm()
    speeds: Annotated[tuple[Annotated[float, Meta(ge=0.5, le=2)], ...], Meta(min_length=1)] = (1.0,)
    encoder: Encoder = ConformerSection()
    chunks: Chunks = Chunks()
    augment: Augment = Augment()
    loss: Loss = Loss()
    run: Run = Run()


class _Stage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is different in a stage: tables whose fields take the place of those outside."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]+$")]
    optim: Table = {}
    noise: Table = {}
    music: Table = {}
    chunks: Table = {}
    augment: Table = {}
    loss: Table = {}
    run: Table = {}


def read_stages(path: Path) -> tuple[TrainConfig, ...]:
    """Return the stages of the training that the TOML file at `path` says, at least one.

    Where the file has `[[stages]]`, each has a folder of its name in the training's folder.

    Raises:
        ConfigError: it cannot be read, is not TOML, or says something else than expected.
    """
    found = with_encoder_kind(read_table(path))
    stages = converted(found.pop("stages", []), tuple[_Stage, ...], path, "stages")
    if not stages:
        return (converted(found, TrainConfig, path, "the training"),)
    names = [stage.name for stage in stages]
    if len(set(names)) < len(names):
        raise ConfigError(f"{path}: expected stages of different names, found {', '.join(names)}")
    configs: list[TrainConfig] = []
    for stage in stages:
        config = converted(_merged(found, stage), TrainConfig, path, f"stage {stage.name}")
        before = {"init": configs[-1].folder} if configs else {}
        configs.append(structs.replace(config, folder=config.folder / stage.name, **before))
    return tuple(configs)


def with_alignments(config: TrainConfig) -> TrainConfig:
    """Return `config` with the files of its `align` folder where it names no others."""
    if config.align is None:
        return config
    folder = config.align
    corpora = tuple(
        structs.replace(
            corpus,
            labels=_beside(folder, corpus, "phones"),
            tokens=_beside(folder, corpus, "tokens"),
        )
        if to_align(corpus)
        else corpus
        for corpus in config.corpora
    )
    dev = tuple(
        structs.replace(each, tokens=_beside(folder, each, "tokens")) if to_align(each) else each
        for each in config.dev
    )
    return structs.replace(config, corpora=corpora, dev=dev)


def to_align(speech: Corpus | Dev) -> bool:
    """Return whether `speech` brings no alignments of its own."""
    return speech.tokens is None and getattr(speech, "labels", None) is None


def _beside(folder: Path, speech: Corpus | Dev, what: str) -> Path:
    return folder / f"{manifest_name(speech.manifest)}.{what}.npz"


def _merged(found: Table, stage: _Stage) -> Table:
    """Return what the file says outside of stages with what `stage` says in its place."""
    merged = dict(found)
    for name, different in structs.asdict(stage).items():
        outside = found.get(name, {})
        # What is no table is a mistake, which the conversion names.
        if different and name != "name" and isinstance(outside, dict):
            merged[name] = {**outside, **different}
    return merged
