"""`steno-models bundle create`: from what a training left to a bundle that a daemon serves."""

import argparse
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import tomli_w
from rich.console import Console
from safetensors.torch import load_file

from steno_models import bundle
from steno_models.bundle import (
    CalibrationSection,
    Description,
    EncoderSection,
    SearchSection,
    StreamingSection,
)
from steno_models.bundle_command import seal
from steno_models.bundle_sections import HmmSection, TransducerSection
from steno_models.errors import BundleError, ConfigError
from steno_models.model_card import CARD, Origin, model_card
from steno_models.search.confidence import UNCALIBRATED
from steno_models.training.checkpoint import CheckpointFolder, read_checkpoint
from steno_models.training.toml_file import Table, read_table

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
CMVN_RECORDINGS = 400
"""So many recordings are enough to know the mean of cepstra."""

_DESCRIPTION = """Make a bundle of what a training left: weights in half precision, tokens,
normalisation, language models, bundle.toml with the hash of every file, and the beginning of a
MODEL_CARD.md with what is known. The family is that of the training: ctc, rnnt or hmm.
"""

_EXAMPLES = """from recordings to captions in three commands:
  steno-models train small.toml
  steno-models bundle create small.toml ./my-bundle
  stenod --bundle ./my-bundle

the same with Gaussian mixtures:
  steno-models hmm train mini.toml --until tri2
  steno-models bundle create mini.toml ./my-bundle
  stenod --bundle ./my-bundle

a transducer of subwords that also listens to the language model of the English bundle:
  steno-models bundle create rnnt.toml ./my-bundle --lm en

before people rely on it:
  steno-models calibrate --bundle ./my-bundle --manifest dev.jsonl
  steno-models evaluate --bundle ./my-bundle --manifest dev.jsonl --streaming
"""


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


def create(
    config: Path,
    out: Path,
    *,
    about: Mapping[str, str],
    lm: str | None,
    language_models: Sequence[str],
    stage: str | None,
) -> Description:
    """Write the bundle of a training and return its description.

    Args:
        config: the TOML file of the training.
        out: the bundle's folder, new or empty.
        about: name, version and language.
        lm: the bundle or the folder with language models; `none`, or None for what suits.
        language_models: their names.
        stage: of a training in stages of Gaussians; the last one that streams if None.

    Raises:
        ConfigError: there is nothing to bundle yet, or `out` has files.
        BundleError: the parts do not fit together; nothing is left in `out` then.
    """
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"expected a new or empty folder for the bundle, found files in {out}")
    out.mkdir(parents=True, exist_ok=True)
    try:
        made = _acoustic(config, out, stage)
        names = _copy_language_models(out, lm, language_models, made)
        described = msgspec.convert(
            {**about, **made.fields, "language_models": names, "files": {}},
            Description,
            from_attributes=True,
        )
        (out / bundle.DESCRIPTION).write_text(tomli_w.dumps(msgspec.to_builtins(described)))
        sealed = seal(out)
        bundle.load(out)
        (out / CARD).write_text(model_card(out, sealed, made.origin), encoding="utf-8")
    except BaseException:
        shutil.rmtree(out)
        raise
    return sealed


def family_of(table: Table) -> object:
    """Return the family of a training by its file's table: what it says, or what shows it."""
    return table.get("family", "hmm" if "manifests" in table else "ctc")


def _acoustic(config: Path, out: Path, stage: str | None) -> Made:
    """Write the acoustic part of a training into `out`."""
    table = read_table(config)
    family = family_of(table)
    if stage is not None and family != "hmm":
        raise ConfigError(f"expected --stage for a training of Gaussians only, found {family}")
    match family:
        case "ctc":
            return _ctc(config, out)
        case "rnnt":
            return _rnnt(config, out)
        case "hmm" if table.get("kind") is None:
            return _hmm(config, out, stage)
        case other:
            kind = f" of kind {table['kind']}" if "kind" in table else ""
            raise ConfigError(
                f"{config}: expected a training of ctc, rnnt or Gaussians, found {other}{kind}"
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
            "encoder": _encoder(config, stage.encoder),
            "streaming": StreamingSection(chunk_steps=chunks.dev_chunk, left_steps=chunks.dev_left),
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
    step = export_best(found.folder, out)
    shape = msgspec.structs.asdict(found.transducer)
    del shape["dropout"]
    chunks = found.chunks
    fields = {
        "family": "rnnt",
        "encoder": _encoder(config, found.encoder),
        "transducer": TransducerSection(**shape),
        "streaming": StreamingSection(chunk_steps=chunks.dev_chunk, left_steps=chunks.dev_left),
        "search": LABEL_SEARCH,
        "calibration": _uncalibrated(),
    }
    symbols = TokenTable.read(out / "tokens.txt").symbols
    corpora = [corpus.manifest for corpus in found.corpora]
    origin = _origin(config, corpora, f"step {step}", found.folder, out)
    return Made(fields, origin, symbols if any(map(begins_word, symbols)) else None)


def _hmm(config: Path, out: Path, stage: str | None) -> Made:
    from steno_models.bundle_hmm import MODEL, read_system  # noqa: PLC0415
    from steno_models.hmm.config import read_config  # noqa: PLC0415
    from steno_models.hmm.recipe import ADAPTED, STAGES, SUBSPACE, model_path  # noqa: PLC0415
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
    _measure_cepstra(found.manifests, out / "cmvn.safetensors")
    fields = {
        "family": "hmm",
        "hmm": HmmSection(kind=kind, acoustic_scale=ACOUSTIC_SCALE),
        "streaming": StreamingSection(chunk_steps=HMM_CHUNK_STEPS, left_steps=0),
        "search": msgspec.structs.replace(LEXICON_SEARCH, max_tokens=5000),
        "calibration": _uncalibrated(),
    }
    with np.load(source) as arrays:
        parameters = sum(arrays[name].size for name in arrays.files)
    return Made(fields, Origin(config, found.manifests, f"the stage {stage}", parameters, {}))


def _measure_cepstra(manifests: Sequence[Path], out: Path) -> None:
    """Write mean and deviation of the cepstra of some of the recordings."""
    from steno_models.features.cmvn import GlobalCmvn  # noqa: PLC0415
    from steno_models.features.mfcc import mfcc  # noqa: PLC0415
    from steno_models.training.manifest import read_manifest  # noqa: PLC0415
    from steno_models.training.recordings import read_samples  # noqa: PLC0415

    utterances = [each for manifest in manifests for each in read_manifest(manifest)]
    some = utterances[:: max(1, len(utterances) // CMVN_RECORDINGS)]
    GlobalCmvn.accumulate(mfcc(read_samples(utterance)) for utterance in some).save(out)


def _encoder(config: Path, section: msgspec.Struct) -> EncoderSection:
    """Return the encoder's shape as a bundle has it."""
    fields = {"bins": 80, **msgspec.structs.asdict(section)}
    fields.pop("dropout", None)
    try:
        return EncoderSection(**fields)
    except TypeError as error:
        raise BundleError(
            f"{config}: expected a conformer for an encoder, which bundles have, found "
            f"{type(section).__name__}"
        ) from error


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


def _copy_language_models(
    out: Path, lm: str | None, names: Sequence[str], made: Made
) -> tuple[str, ...]:
    """Put the language models into the bundle; return their names."""
    wanted = lm or ("none" if made.symbols is not None else "en")
    if wanted == "none":
        return ()
    folder = Path(wanted)
    if not (folder / f"{names[0]}.bin").is_file():
        folder = bundle.find(wanted) / "lm"
    (out / "lm").mkdir()
    for name in names:
        for file in (f"{name}.bin", f"{name}.lexicon.txt"):
            if not (folder / file).is_file() and not (made.symbols and file.endswith(".txt")):
                raise ConfigError(f"expected a language model {name} in {folder}, found no {file}")
        shutil.copyfile(folder / f"{name}.bin", out / "lm" / f"{name}.bin")
        lexicon = folder / f"{name}.lexicon.txt"
        if made.symbols is None:
            shutil.copyfile(lexicon, out / "lm" / lexicon.name)
        elif lexicon.is_file():
            _respell(lexicon, out / "lm" / lexicon.name, made.symbols)
    return tuple(names)


def _respell(lexicon: Path, out: Path, symbols: Sequence[str]) -> None:
    """Write the words of a lexicon, one spelling each, in subwords."""
    from steno_models.text.bpe import Bpe  # noqa: PLC0415
    from steno_models.text.tokens import TokenTable  # noqa: PLC0415

    bpe = Bpe(TokenTable(tuple(symbols)))
    lines = lexicon.read_text(encoding="utf-8").splitlines()
    words = dict.fromkeys(line.split(maxsplit=1)[0] for line in lines)
    spelled = ((word, bpe.encode(word)) for word in words)
    out.write_text(
        "".join(f"{word} {' '.join(symbols[i] for i in cut)}\n" for word, cut in spelled if cut),
        encoding="utf-8",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models bundle create",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, metavar="CONFIG.toml", help="that of the training")
    parser.add_argument("out", type=Path, metavar="DIR", help="the bundle, a new folder")
    parser.add_argument("--name", help="of the bundle (default: that of its folder)")
    parser.add_argument("--version", default="1", help="of the bundle (default: 1)")
    parser.add_argument("--language", default="en", help="ISO 639 code (default: en)")
    parser.add_argument(
        "--lm",
        metavar="BUNDLE",
        help="a bundle, or a folder of NAME.bin and NAME.lexicon.txt, whose language models to "
        "take, or none (default: en; none for subwords, which spell by themselves)",
    )
    parser.add_argument(
        "--language-model",
        nargs="+",
        default=["general"],
        metavar="NAME",
        help="which of them (default: general)",
    )
    parser.add_argument(
        "--stage",
        help="of a training of Gaussians: mono, tri1, tri2 or sgmm (default: the last of the "
        "first three; tri3 needs to know its speaker, so it cannot stream)",
    )
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models bundle create`."""
    asked = _parser().parse_args(arguments)
    name = asked.name or asked.out.resolve().name
    made = create(
        asked.config,
        asked.out,
        about={"name": name, "version": asked.version, "language": asked.language},
        lm=asked.lm,
        language_models=asked.language_model,
        stage=asked.stage,
    )
    Console(soft_wrap=True).print(
        f"{made.name} {made.version} ({made.family}): {len(made.files)} files in {asked.out}; now "
        f"stenod --bundle {asked.out}",
        highlight=False,
    )
    return 0
