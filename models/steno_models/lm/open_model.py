"""Any stored language model as a scorer: a file of n-grams, or a trained model's folder."""

from pathlib import Path

from steno_models.errors import DataError
from steno_models.lm.neural import stored
from steno_models.lm.neural.scorer import Network, SubwordScorer, WordScorer
from steno_models.lm.neural.units import SubwordUnits, WordUnits
from steno_models.lm.ngram.model import NgramModel
from steno_models.lm.ngram.scorer import NgramScorer
from steno_models.lm.scorer import Scorer


def open_model(path: Path) -> Scorer:
    """Return the model at `path`.

    Raises:
        DataError: there is none, or it is damaged.
    """
    if not path.is_dir():
        return NgramScorer(NgramModel.open(path))
    description = stored.read_description(path)
    units = stored.read_units(path, description)
    match description.kind:
        case "recurrent":
            from steno_models.lm.recurrent.model import (  # noqa: PLC0415
                RecurrentLm,
                RecurrentShape,
            )

            recurrent = RecurrentLm(units.size, stored.shaped(path, description, RecurrentShape))
            stored.read_weights(path, recurrent)
            return _network(recurrent, units, carries=description.carries)
        case "feedforward":
            from steno_models.lm.feedforward.model import (  # noqa: PLC0415
                FeedforwardLm,
                FeedforwardShape,
            )

            ahead = FeedforwardLm(units.size, stored.shaped(path, description, FeedforwardShape))
            stored.read_weights(path, ahead)
            return _network(ahead, units, carries=description.carries)
        case "factorized":
            return _factorized(path, description, units)


def _network(network: Network, units: WordUnits | SubwordUnits, *, carries: bool) -> Scorer:
    if isinstance(units, WordUnits):
        return WordScorer(network, units, carries=carries)
    return SubwordScorer(network, units, carries=carries)


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
