"""The models of a mixture and how much each weighs."""

from collections.abc import Sequence
from dataclasses import dataclass

from steno_models.errors import ConfigError, DataError
from steno_models.lm.domain.general import under_vocabulary
from steno_models.lm.ngram.backoff import BackoffModel
from steno_models.lm.ngram.corpus import Corpus
from steno_models.lm.ngram.counts import count
from steno_models.lm.ngram.kernels import DoubleArray
from steno_models.lm.ngram.kneser_ney import estimate
from steno_models.lm.ngram.mixture import mix, tuned_weights
from steno_models.lm.ngram.model import NgramModel
from steno_models.lm.ngram.prune import chained_log_probs, history_log_probs

TOGETHER = 1e-6


@dataclass(frozen=True, slots=True)
class Part:
    """One model of a mixture.

    Attributes:
        source: where it comes from.
        model: unpruned.
        history: (inner,) ln p(h) of its histories.
    """

    source: str
    model: BackoffModel
    history: DoubleArray


def part_of_text(corpus: Corpus, vocabulary: tuple[str, ...], order: int) -> Part:
    """Return the smoothed model of a text (interpolated modified Kneser-Ney)."""
    counts = count(corpus.encode(vocabulary), vocabulary=vocabulary, order=order)
    model = estimate(counts)
    return Part("text", model, history_log_probs(counts, model))


def part_of_general(source: str, stored: NgramModel, vocabulary: tuple[str, ...]) -> Part:
    """Return a stored model under a larger vocabulary."""
    model = under_vocabulary(stored, vocabulary)
    return Part(source, model, chained_log_probs(model))


def mixed(parts: Sequence[Part], weights: Sequence[float]) -> Part:
    """Return the mixture of `parts`, whose `weights` sum to 1."""
    used = [(part, w) for part, w in zip(parts, weights, strict=True) if w > 0]
    if len(used) == 1:
        return used[0][0]
    chosen = [part for part, _ in used]
    model, history = mix(
        [part.model for part in chosen],
        [weight for _, weight in used],
        [part.history for part in chosen],
    )
    return Part("mixture", model, history)


def check_weights(wished: Sequence[float | None]) -> None:
    """Check the weights that general models shall have; the rest is the text's.

    Raises:
        ConfigError: one is outside 0 to 1, they leave nothing to the text, or only some are given.
    """
    for weight in wished:
        if weight is not None and not 0 <= weight <= 1:
            raise ConfigError(f"--with-general: expected a weight of 0 to 1, found {weight:g}")
    given = [weight for weight in wished if weight is not None]
    if given and len(given) < len(wished):
        raise ConfigError(
            f"--with-general: expected a weight for each or for none, found {len(given)} for "
            f"{len(wished)} models"
        )
    if sum(given) > 1 + TOGETHER:
        raise ConfigError(
            f"--with-general: expected weights of at most 1 together, found {sum(given):g}"
        )


def check_held_out(wished: Sequence[float | None], held_out: Sequence[str]) -> None:
    """Check that there is held-out text where weights have to be found.

    Raises:
        DataError: there is none.
    """
    if None in wished and not held_out:
        raise DataError(
            "--with-general: expected a weight (B:WEIGHT), --tune FILE, or a text of 20 sentences "
            "or more to hold some out, found none"
        )


def weights_of(
    parts: Sequence[Part], wished: Sequence[float | None], held_out: Sequence[str]
) -> list[float]:
    """Return the weight of each part, the text's first: as wished, or as suits held-out text."""
    given = [weight for weight in wished if weight is not None]
    if len(given) == len(wished):
        return [max(0.0, 1.0 - sum(given)), *given]
    return tuned_weights([NgramModel.from_backoff(part.model) for part in parts], held_out)
