"""A system as a bundle: made of what its training left, with and without a language model."""

from pathlib import Path

import msgspec
import tomli_w

from steno_models import bundle, bundle_create
from steno_models.bundle import Description, SearchSection
from steno_models.bundle_command import seal
from steno_models.compare.config import Search
from steno_models.compare.measurement import Request
from steno_models.compare.standing import ctc_stage, located
from steno_models.ctc.train import export
from steno_models.errors import ConfigError
from steno_models.text.tokens import TokenTable
from steno_models.transducer_words import begins_word

_ABOUT = {"name": "compared", "version": "1", "language": "en"}


def as_bundle(asked: Request, folder: Path) -> Path:
    """Return a bundle of what is to be measured, made in `folder` unless it is one already.

    Raises:
        ConfigError: there is nothing to bundle.
        BundleError: the parts do not fit together.
    """
    system, out = asked.system, folder / "bundle"
    if system.bundle is not None:
        return located(system.bundle)
    bundle_create.create(
        system.training(),
        out,
        about=_ABOUT,
        lm=str(asked.lm),
        language_models=[asked.lm_name],
        stage=None if system.kind == "ctc" else system.stage,
    )
    if system.kind == "ctc":
        # The bundle of its training's last stage, with the weights of its own.
        export(ctc_stage(system), out)
        seal(out)
    if system.acoustic_scale is not None:
        _rescale(out, system.acoustic_scale)
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
    through the lexicon, whose words are then all alike. A second pass that asks a language model is
    left out with them.
    """
    described = bundle.describe(made)
    if described.second_pass is not None and described.second_pass.kind != "attention":
        described = msgspec.structs.replace(described, second_pass=None)
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


def _rescale(made: Path, acoustic_scale: float) -> None:
    """Give the hidden Markov models of the bundle `made` another acoustic scale."""
    described = bundle.describe(made)
    if described.hmm is None:
        raise ConfigError(f"expected a bundle of hidden Markov models, found {described.family}")
    hmm = msgspec.structs.replace(described.hmm, acoustic_scale=acoustic_scale)
    _write(msgspec.structs.replace(described, hmm=hmm), made)


def _write(described: Description, out: Path) -> None:
    text = tomli_w.dumps(msgspec.to_builtins(described))
    (out / bundle.DESCRIPTION).write_text(text, encoding="utf-8")


def _linked(made: Path, described: Description, out: Path) -> Path:
    """Write a bundle with another description and links to the files of `made`."""
    for name in described.files:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).symlink_to((made / name).resolve())
    _write(described, out)
    return out
