"""Any stored language model: as a scorer of words, or beside a recogniser of its units."""

from collections.abc import Sequence
from pathlib import Path

from steno_models.errors import ConfigError, DataError
from steno_models.lm.neural import stored
from steno_models.lm.neural.labels import LabelNetwork
from steno_models.lm.neural.scorer import Network, SubwordScorer, WordScorer
from steno_models.lm.neural.units import SubwordUnits, WordUnits
from steno_models.lm.ngram.model import NgramModel
from steno_models.lm.ngram.scorer import NgramScorer
from steno_models.lm.scorer import Scorer


def open_model(path: Path, *, live: bool = False) -> Scorer:
    """Return the model at `path`.

    Args:
        path: a file of n-grams, or the folder of another model.
        live: whether somebody waits for its scores: they may be rounded as processors like it.

    Raises:
        DataError: there is none, or it is damaged.
    """
    if not path.is_dir():
        return NgramScorer(NgramModel.open(path))
    description = stored.read_description(path)
    units = stored.read_units(path, description)
    if description.kind == "factorized":
        return _factorized(path, description, units)
    network = _read_network(path, description, units.size, live=live)
    if isinstance(units, WordUnits):
        return WordScorer(network, units, carries=description.carries)
    return SubwordScorer(network, units, carries=description.carries)


def open_label_network(path: Path, symbols: Sequence[str]) -> LabelNetwork:
    """Return the network in the folder `path` as a language model of tokens.

    Args:
        path: of a recurrent or feed-forward model of subwords or characters.
        symbols: of the tokens, which its units must be.

    Raises:
        ConfigError: its units are others.
        DataError: there is none, or it is damaged.
    """
    description = stored.read_description(path)
    units = stored.read_units(path, description)
    if description.kind == "factorized" or isinstance(units, WordUnits):
        raise ConfigError(
            f"{path}: expected a network of subwords or characters, found {description.kind} of "
            f"{description.units}"
        )
    found = units.bpe.table.symbols
    if found != tuple(symbols):
        raise ConfigError(
            f"{path}: expected the recogniser's {len(symbols)} tokens, found {len(found)} others; "
            "train it with [units] tokens = the recogniser's tokens.txt"
        )
    return LabelNetwork(_read_network(path, description, units.size), found)


def _read_network(
    path: Path, description: stored.Description, units: int, *, live: bool = False
) -> Network:
    """Return the network of so many units in the folder `path`."""
    match description.kind:
        case "recurrent":
            from steno_models.lm.recurrent.model import (  # noqa: PLC0415
                RecurrentLm,
                RecurrentShape,
            )

            recurrent = RecurrentLm(units, stored.shaped(path, description, RecurrentShape))
            stored.read_weights(path, recurrent)
            if live:
                recurrent.lay_out()
            return recurrent
        case "feedforward":
            from steno_models.lm.feedforward.model import (  # noqa: PLC0415
                FeedforwardLm,
                FeedforwardShape,
            )

            ahead = FeedforwardLm(units, stored.shaped(path, description, FeedforwardShape))
            stored.read_weights(path, ahead)
            return ahead
        case other:
            raise DataError(f"{path}: expected a network, found {other}")


def _factorized(
    path: Path, description: stored.Description, units: WordUnits | SubwordUnits
) -> Scorer:
    from steno_models.lm.factorized.counts import PairCounts  # noqa: PLC0415
    from steno_models.lm.factorized.model import (  # noqa: PLC0415
        Factors,
        FactorsShape,
        SmoothedPairs,
    )
    from steno_models.lm.factorized.scorer import FactorizedScorer  # noqa: PLC0415

    if not isinstance(units, WordUnits):
        raise DataError(f"{path}: expected units of words, found {description.units}")
    shape, counts = stored.shaped(path, description, FactorsShape), PairCounts.read(path)
    factors = Factors(len(counts), units.size, shape.width)
    stored.read_weights(path, factors)
    pairs = SmoothedPairs(factors, counts, transform=shape.transform, share=shape.share)
    return FactorizedScorer(pairs, units)
