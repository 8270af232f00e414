"""What every training of a network does: texts to units, units to batches, weights to a folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import tomli_w

from steno_models.errors import ConfigError
from steno_models.lm.neural import stored
from steno_models.lm.neural.config import LmConfig, UnitsTable
from steno_models.lm.neural.corpus import encode, frequencies, read_corpus
from steno_models.lm.neural.units import SubwordUnits, WordUnits
from steno_models.lm.ngram.binary import is_binary
from steno_models.lm.ngram.corpus import Corpus, SentenceSplitter
from steno_models.lm.ngram.model import NgramModel
from steno_models.lm.ngram.vocabulary import read_vocabulary
from steno_models.text.bpe import Bpe
from steno_models.training.checkpoint import (
    Checkpoint,
    CheckpointFolder,
    read_checkpoint,
    weights_to_use,
)
from steno_models.training.distributed import Ranks
from steno_models.types import IntArray


@dataclass(frozen=True, slots=True)
class Material:
    """What a training learns from.

    Attributes:
        units: what is predicted.
        train: (N,) units of the texts, an end after each sentence.
        dev: of the held-out texts, likewise.
        units_per_word: of the held-out texts, the ends counted as words.
    """

    units: WordUnits | SubwordUnits
    train: IntArray
    dev: IntArray
    units_per_word: float


def read_material(config: LmConfig, splitter: SentenceSplitter) -> Material:
    """Return the texts of `config` as units; those chosen once stay in the run's folder."""
    corpus, dev = (read_corpus(paths, splitter) for paths in (config.text, config.dev))
    units = _units(config, corpus)
    dev_stream = encode(dev, units)
    return Material(units, encode(corpus, units), dev_stream, len(dev_stream) / len(dev.tokens))


def alone(ranks: Ranks) -> None:
    """Raise ConfigError where several processes were to train together."""
    if ranks.world_size > 1:
        raise ConfigError(
            f"expected one process to train a language model, found {ranks.world_size}"
        )


def newest(folder: Path) -> Checkpoint:
    """Return the run's best checkpoint, or the last one where none was measured.

    Raises:
        ConfigError: there is none yet.
    """
    checkpoints = CheckpointFolder(folder / "checkpoints")
    paths = checkpoints.paths()
    if not paths:
        raise ConfigError(f"expected checkpoints of a training in {folder}, found none")
    return read_checkpoint(checkpoints.best() or paths[-1])


def write_description(folder: Path, description: stored.Description) -> None:
    """Write what the model in `folder` is."""
    text = tomli_w.dumps(msgspec.to_builtins(description))
    (folder / stored.DESCRIPTION).write_text(text, encoding="utf-8")


def export_network(
    config: LmConfig, folder: Path, *, kind: str, carries: bool, shape: dict[str, float | int | str]
) -> int:
    """Write the run's best weights as a model into `folder`; return the checkpoint's step."""
    checkpoint = newest(config.folder)
    units = kept_units(config)
    stored.write_units(folder, units)
    weights = {
        name.removeprefix("model."): weight
        for name, weight in weights_to_use(checkpoint).items()
        if name.startswith("model.")
    }
    stored.write_weights(folder, weights)
    described = {
        "kind": kind,
        "units": config.units.stored,
        "own": units.own if isinstance(units, WordUnits) else units.size,
        "carries": carries,
        "shape": shape,
        "step": checkpoint.step,
        "perplexity": checkpoint.metrics.get("error", 0.0),
    }
    write_description(folder, msgspec.convert(described, stored.Description))
    return checkpoint.step


def kept_units(config: LmConfig) -> WordUnits | SubwordUnits:
    """Return the units that the run's folder has kept."""
    match config.units.stored:
        case "words":
            return WordUnits.read(config.folder / stored.WORDS, _own(config))
        case "subwords":
            return SubwordUnits.read(config.folder / stored.TOKENS)


def _own(config: LmConfig) -> int:
    """Return how many words of the run have units of their own: all but one, at most."""
    lines = (config.folder / stored.WORDS).read_text(encoding="utf-8").count("\n")
    return min(config.units.size, lines - 1)


def _units(config: LmConfig, corpus: Corpus) -> WordUnits | SubwordUnits:
    asked, counts = config.units, frequencies(corpus)
    name = stored.WORDS if asked.kind == "words" else stored.TOKENS
    if not (config.folder / name).exists():
        found: WordUnits | SubwordUnits
        if asked.kind == "words":
            found = WordUnits.of_counts(counts, asked.size, _vocabulary(asked))
        else:
            found = _subwords(asked, counts)
        stored.write_units(config.folder, found)
    return kept_units(config)


def _subwords(asked: UnitsTable, counts: Mapping[str, int]) -> SubwordUnits:
    if asked.kind == "characters":
        return SubwordUnits(Bpe.characters())
    if asked.tokens is not None:
        return SubwordUnits.read(asked.tokens)
    return SubwordUnits.learn(counts, asked.size)


def _vocabulary(asked: UnitsTable) -> tuple[str, ...]:
    """Return all words that there are to be, without the special ones."""
    path = asked.vocabulary
    if path is None:
        return ()
    words = NgramModel.open(path).vocabulary if is_binary(path) else read_vocabulary(path)
    return words[:-3]
