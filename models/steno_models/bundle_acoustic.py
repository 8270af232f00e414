"""The acoustic part of a bundle, of what a training of any family left."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from safetensors.torch import load_file, save_file

from steno_models.bundle import (
    CalibrationSection,
    SearchSection,
    StreamingSection,
)
from steno_models.bundle_sections import HmmSection, SpellerSection, TransducerSection
from steno_models.encoders.build import build_encoder
from steno_models.encoders.section import Encoder
from steno_models.errors import ConfigError
from steno_models.features.cmvn import GlobalCmvn
from steno_models.features.fbank import fbank
from steno_models.features.mfcc import mfcc
from steno_models.fusion.section import FusionSection
from steno_models.listening import STEP_FRAMES
from steno_models.model_card import Origin
from steno_models.search.confidence import UNCALIBRATED
from steno_models.training.checkpoint import CheckpointFolder, read_checkpoint
from steno_models.training.manifest import read_manifest
from steno_models.training.recordings import read_samples
from steno_models.training.toml_file import Table, read_table
from steno_models.types import FloatArray

WEIGHTS = "model.safetensors"
LEXICON_SEARCH = SearchSection(
    beam=14.0,
    max_tokens=1500,
    lm_weight=1.0,
    word_score=0.0,
    blank_penalty=0.0,
    posterior_scale=0.3,
)
LABEL_SEARCH = SearchSection(
    beam=12.0,
    max_tokens=6,
    lm_weight=0.3,
    word_score=0.0,
    blank_penalty=0.0,
    posterior_scale=1.0,
)
HMM_CHUNK_STEPS = 4
CMVN_RECORDINGS = 100
"""So many recordings are enough to know the mean of features."""


@dataclass(frozen=True, slots=True)
class Made:
    """The acoustic part of a bundle, its files written.

    Attributes:
        fields: of the description that are its family's own.
        origin: where it comes from.
        symbols: what words are spelled in: subwords; None for phones.
    """

    fields: Mapping[str, object]
    origin: Origin
    symbols: Sequence[str] | None = None


def family_of(table: Table) -> object:
    """Return the family of a training by its file's table: what it says, or what shows it."""
    shown = "hmm" if "manifests" in table or "kind" in table else "ctc"
    return table.get("family", shown)


def write_acoustic(config: Path, out: Path, stage: str | None) -> Made:
    """Write the acoustic part of a training into `out`."""
    table = read_table(config)
    family = family_of(table)
    if stage is not None and family != "hmm":
        raise ConfigError(f"expected --stage for hidden Markov models only, found {family}")
    match family:
        case "ctc":
            return _ctc(config, out)
        case "rnnt":
            return _rnnt(config, out)
        case "las":
            return _las(config, out)
        case "hmm" if table.get("kind") is None:
            return _gaussians(config, out, stage)
        case "hmm" if table.get("kind") == "hybrid":
            return _hybrid(config, out, stage)
        case other:
            kind = f" of kind {table['kind']}" if "kind" in table else ""
            raise ConfigError(
                f"{config}: expected a training of ctc, rnnt, las, Gaussians or a hybrid, found "
                f"{other}{kind}"
            )


def _ctc(config: Path, out: Path) -> Made:
    from steno_models.ctc.config import read_stages  # noqa: PLC0415
    from steno_models.ctc.train import export  # noqa: PLC0415

    stages = read_stages(config)
    for stage in reversed(stages):
        step = export(stage, out)
        if step is None:
            continue
        point = f"step {step}" if len(stages) == 1 else f"step {step} of stage {stage.folder.name}"
        chunks = stage.chunks
        corpora = [corpus.manifest for corpus in stage.corpora]
        fields = {
            "family": "ctc",
            "encoder": stage.encoder,
            "streaming": streaming(stage.encoder, chunks.dev_chunk, chunks.dev_left),
            "search": LEXICON_SEARCH,
            "calibration": _uncalibrated(),
        }
        return Made(fields, _origin(config, corpora, point, stage.folder, out))
    raise ConfigError(f"expected checkpoints of the training in {stages[0].folder}, found none")


def _rnnt(config: Path, out: Path) -> Made:
    from steno_models.rnnt.config import read_config  # noqa: PLC0415
    from steno_models.text.tokens import TokenTable  # noqa: PLC0415
    from steno_models.training.speech import export_best  # noqa: PLC0415
    from steno_models.transducer_words import begins_word  # noqa: PLC0415

    found = read_config(config)
    _check_fusion(config, found.fusion)
    step = export_best(found.folder, out)
    shape = msgspec.structs.asdict(found.transducer)
    del shape["dropout"]
    chunks = found.chunks
    fields = {
        "family": "rnnt",
        "encoder": found.encoder,
        "transducer": TransducerSection(**shape),
        "streaming": streaming(found.encoder, chunks.dev_chunk, chunks.dev_left),
        "search": LABEL_SEARCH,
        "calibration": _uncalibrated(),
    }
    symbols = TokenTable.read(out / "tokens.txt").symbols
    corpora = [corpus.manifest for corpus in found.corpora]
    origin = _origin(config, corpora, f"step {step}", found.folder, out)
    return Made(fields, origin, symbols if any(map(begins_word, symbols)) else None)


def _check_fusion(config: Path, fusion: FusionSection | None) -> None:
    if fusion is not None:
        raise ConfigError(
            f"{config}: expected a training without a fusion for a bundle, which has no place for "
            f"its language model, found {fusion.kind} fusion"
        )


def _las(config: Path, out: Path) -> Made:
    from steno_models.las.config import read_config  # noqa: PLC0415
    from steno_models.text.tokens import TokenTable  # noqa: PLC0415
    from steno_models.training.speech import export_best  # noqa: PLC0415

    found = read_config(config)
    if found.units.kind == "phones":
        raise ConfigError(
            f"{config}: expected a speller of subwords or characters for a bundle, found phones"
        )
    _check_fusion(config, found.fusion)
    step = export_best(found.folder, out)
    speller, attention = found.speller, found.speller.attention
    chunks = found.chunks
    fields = {
        "family": "las",
        "encoder": found.encoder,
        "las": SpellerSection(
            width=speller.width,
            layers=speller.layers,
            feeds=speller.feeds.value,
            attention=attention.kind.value,
            attention_width=attention.width,
            attention_channels=attention.channels,
            attention_kernel=attention.kernel,
            length_power=found.search.length_power,
            coverage=found.search.coverage,
            labels_per_step=found.search.labels_per_step,
        ),
        "streaming": streaming(found.encoder, chunks.dev_chunk, chunks.dev_left),
        "search": LABEL_SEARCH,
        "calibration": _uncalibrated(),
    }
    symbols = TokenTable.read(out / "tokens.txt").symbols
    corpora = [corpus.manifest for corpus in found.corpora]
    return Made(fields, _origin(config, corpora, f"step {step}", found.folder, out), symbols)


def _gaussians(config: Path, out: Path, stage: str | None) -> Made:
    from steno_models.bundle_hmm import MODEL, read_system  # noqa: PLC0415
    from steno_models.hmm.config import read_config  # noqa: PLC0415
    from steno_models.hmm.recipe import ADAPTED, STAGES, SUBSPACE, model_path  # noqa: PLC0415
    from steno_models.hmm.subspace_system import SUBSPACE_SCALE  # noqa: PLC0415
    from steno_models.hmm_decoder import ACOUSTIC_SCALE  # noqa: PLC0415

    found = read_config(config)
    there = [name for name in STAGES if model_path(found.folder, name).is_file()]
    if stage is not None and stage not in there:
        raise ConfigError(f"expected one of the stages {', '.join(there) or 'none'}, found {stage}")
    streaming = [name for name in there if name not in {ADAPTED, SUBSPACE}]
    if stage is None and not streaming:
        raise ConfigError(f"expected a trained stage in {found.folder}, found none")
    stage = stage or streaming[-1]
    kind: Literal["gmm", "subspace"] = "subspace" if stage == SUBSPACE else "gmm"
    source = model_path(found.folder, stage)
    read_system(source, kind)
    shutil.copyfile(source, out / MODEL)
    _measure(found.manifests, mfcc, out / "cmvn.safetensors")
    scale = SUBSPACE_SCALE if stage == SUBSPACE else ACOUSTIC_SCALE
    fields = {
        "family": "hmm",
        "hmm": HmmSection(kind=kind, acoustic_scale=scale),
        "streaming": StreamingSection(chunk_steps=HMM_CHUNK_STEPS, left_steps=0),
        "search": msgspec.structs.replace(LEXICON_SEARCH, max_tokens=5000),
        "calibration": _uncalibrated(),
    }
    with np.load(source) as arrays:
        parameters = sum(arrays[name].size for name in arrays.files)
    return Made(fields, Origin(config, found.manifests, f"the stage {stage}", parameters, {}))


def _hybrid(config: Path, out: Path, stage: str | None) -> Made:
    from steno_models.hmm.config import read_config  # noqa: PLC0415
    from steno_models.hmm.hybrid.config import read_hybrid  # noqa: PLC0415
    from steno_models.hmm.hybrid.rounds import read_table as read_rounds  # noqa: PLC0415
    from steno_models.hmm.hybrid.system import (  # noqa: PLC0415
        DESCRIPTION,
        STATES,
        WEIGHTS,
        load_hybrid,
    )

    found = read_hybrid(config)
    stage = stage or read_rounds(found.folder).best_name
    source = found.folder / stage
    system = load_hybrid(source)
    weights = load_file(source / WEIGHTS)
    save_file({name: weight.half() for name, weight in weights.items()}, out / WEIGHTS)
    for name in (DESCRIPTION, STATES):
        shutil.copyfile(source / name, out / name)
    manifests = read_config(found.gmm).manifests
    _measure(manifests, fbank, out / "cmvn.safetensors")
    context, factor = system.network.context, system.network.model.encoder.grid.factor
    chunk_steps = max(1, context.chunk_steps * factor // STEP_FRAMES)
    fields = {
        "family": "hmm",
        "hmm": HmmSection(kind="hybrid", acoustic_scale=system.acoustic_scale),
        "streaming": StreamingSection(chunk_steps=chunk_steps, left_steps=context.left_steps),
        "search": msgspec.structs.replace(LEXICON_SEARCH, max_tokens=5000),
        "calibration": _uncalibrated(),
    }
    parameters = sum(weight.numel() for weight in weights.values())
    return Made(fields, Origin(config, manifests, f"the network {stage}", parameters, {}))


def _measure(
    manifests: Sequence[Path], features: Callable[[FloatArray], FloatArray], out: Path
) -> None:
    """Write mean and deviation of the features of some of the recordings."""
    utterances = [each for manifest in manifests for each in read_manifest(manifest)]
    some = utterances[:: max(1, len(utterances) // CMVN_RECORDINGS)]
    GlobalCmvn.accumulate(features(read_samples(utterance)) for utterance in some).save(out)


def streaming(encoder: Encoder, chunk_steps: int, left_steps: int) -> StreamingSection:
    """Return how much is decoded at a time, by chunks of so many of the encoder's own steps."""
    factor = build_encoder(encoder.options()).grid.factor
    told = max(1, round(chunk_steps * factor / STEP_FRAMES))
    return StreamingSection(chunk_steps=told, left_steps=left_steps)


def _uncalibrated() -> CalibrationSection:
    return CalibrationSection(weights=UNCALIBRATED.weights, bias=UNCALIBRATED.bias)


def _origin(config: Path, corpora: Sequence[Path], point: str, run: Path, out: Path) -> Origin:
    """Return where the weights in `out` come from."""
    checkpoints = CheckpointFolder(run / "checkpoints")
    best = checkpoints.best() or checkpoints.paths()[-1]
    metrics = read_checkpoint(best).metrics
    errors = {name: value for name, value in metrics.items() if name.startswith("error")}
    parameters = sum(weight.numel() for weight in load_file(out / WEIGHTS).values())
    return Origin(config, corpora, point, parameters, errors)
