"""A system as a bundle: made of what its training left, with and without a language model."""

import shutil
from pathlib import Path

import msgspec
import tomli_w

from steno_models import bundle, bundle_create
from steno_models.bundle import (
    CalibrationSection,
    Description,
    EncoderSection,
    SearchSection,
    StreamingSection,
)
from steno_models.bundle_acoustic import LEXICON_SEARCH
from steno_models.bundle_command import seal
from steno_models.compare.config import Search
from steno_models.compare.measurement import Request
from steno_models.compare.standing import ctc_stage, located
from steno_models.ctc.train import export
from steno_models.errors import ConfigError
from steno_models.search.confidence import UNCALIBRATED
from steno_models.text.tokens import TokenTable
from steno_models.transducer_words import begins_word

_ABOUT = {"name": "compared", "version": "1", "language": "en"}


def as_bundle(asked: Request, folder: Path) -> Path:
    """Return a bundle of what is to be measured, made in `folder` unless it is one already.

    Raises:
        ConfigError: there is nothing to bundle, or its encoder is one that bundles have not.
        BundleError: the parts do not fit together.
    """
    system, out = asked.system, folder / "bundle"
    if system.bundle is not None:
        return located(system.bundle)
    if system.kind == "ctc":
        return _ctc(asked, out)
    bundle_create.create(
        system.training(),
        out,
        about=_ABOUT,
        lm=str(asked.lm),
        language_models=[asked.lm_name],
        stage=system.stage,
    )
    return out


def _ctc(asked: Request, out: Path) -> Path:
    """Write the bundle of a stage of CTC."""
    stage = ctc_stage(asked.system)
    shape = {"bins": 80, **msgspec.structs.asdict(stage.encoder)}
    shape.pop("dropout", None)
    try:
        encoder = EncoderSection(**shape)
    except TypeError as error:
        raise ConfigError(
            f"{asked.system.recipe}: expected a conformer for an encoder, which bundles have, "
            f"found {type(stage.encoder).__name__}"
        ) from error
    if export(stage, out) is None:
        raise ConfigError(f"expected checkpoints of a training in {stage.folder}, found none")
    (out / "lm").mkdir()
    for ending in ("bin", "lexicon.txt"):
        name = f"{asked.lm_name}.{ending}"
        shutil.copyfile(asked.lm / name, out / "lm" / name)
    chunks = stage.chunks
    described = Description(
        name=_ABOUT["name"],
        version=_ABOUT["version"],
        language=_ABOUT["language"],
        family="ctc",
        language_models=(asked.lm_name,),
        encoder=encoder,
        streaming=StreamingSection(chunk_steps=chunks.dev_chunk, left_steps=chunks.dev_left),
        search=LEXICON_SEARCH,
        calibration=CalibrationSection(weights=UNCALIBRATED.weights, bias=UNCALIBRATED.bias),
        files={},
    )
    _write(described, out)
    seal(out)
    return out


def with_language_model(made: Path, changed: Search, out: Path) -> Path | None:
    """Return the bundle `made` with another search, in `out`; None if it has no language model."""
    described = bundle.describe(made)
    if not described.language_models:
        return None
    search = changed_search(described.search, changed)
    return _linked(made, msgspec.structs.replace(described, search=search), out)


def without_language_model(made: Path, changed: Search, word_score: float, out: Path) -> Path:
    """Return the bundle `made` in `out` without what its language models say of words.

    What spells by itself, in subwords, gets along without their words, too; all others search
    through the lexicon, whose words are then all alike.
    """
    described = bundle.describe(made)
    search = msgspec.structs.replace(
        changed_search(described.search, changed), lm_weight=0.0, word_score=word_score
    )
    spells = described.family in {"rnnt", "las"} and any(
        map(begins_word, TokenTable.read(made / "tokens.txt").symbols)
    )
    names = () if spells else described.language_models
    return _linked(
        made, msgspec.structs.replace(described, search=search, language_models=names), out
    )


def changed_search(section: SearchSection, changed: Search) -> SearchSection:
    """Return `section` with what is different in `changed`."""
    told = {name: x for name, x in msgspec.structs.asdict(changed).items() if x is not None}
    return msgspec.structs.replace(section, **told)


def _linked(made: Path, described: Description, out: Path) -> Path:
    """Write a bundle with another description and links to the files of `made`."""
    for name in described.files:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).symlink_to((made / name).resolve())
    _write(described, out)
    return out


def _write(described: Description, out: Path) -> None:
    text = tomli_w.dumps(msgspec.to_builtins(described))
    (out / bundle.DESCRIPTION).write_text(text, encoding="utf-8")
