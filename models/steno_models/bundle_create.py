"""`steno-models bundle create`: from what a training left to a bundle that a daemon serves."""

import argparse
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import tomli_w
from rich.console import Console

from steno_models import bundle
from steno_models.bundle import Description
from steno_models.bundle_acoustic import Made, write_acoustic
from steno_models.bundle_command import seal
from steno_models.errors import ConfigError
from steno_models.model_card import CARD, model_card

_DESCRIPTION = """Make a bundle of what a training left: weights in half precision, tokens,
normalisation, language models, bundle.toml with the hash of every file, and the beginning of a
MODEL_CARD.md with what is known. The family is that of the training: ctc, rnnt, las or hmm.
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
        stage: of hidden Markov models; the last one of Gaussians that streams, or the best
            network, if None.

    Raises:
        ConfigError: there is nothing to bundle yet, or `out` has files.
        BundleError: the parts do not fit together; nothing is left in `out` then.
    """
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"expected a new or empty folder for the bundle, found files in {out}")
    out.mkdir(parents=True, exist_ok=True)
    try:
        made = write_acoustic(config, out, stage)
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
        help="of hidden Markov models: mono, tri1, tri2 or sgmm (default: the last of the first "
        "three; tri3 needs to know its speaker, so it cannot stream), or of a hybrid round1, … "
        "(default: the best)",
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
