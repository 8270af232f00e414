"""What one speaker is likely to say again, beside any language model.

The back-off model of what was said so far (`lm.cache`) is one more part of a mixture. Its weight
grows with what is known of the speaker and is bounded, since a recogniser's own finals have its
errors in them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from steno_models.errors import ConfigError
from steno_models.lm.cache.counts import Counts
from steno_models.lm.cache.model import ngram_model
from steno_models.lm.ngram.model import NgramModel
from steno_models.recogniser import LanguageModel
from steno_models.search.mixture.joint import part_of
from steno_models.search.mixture.kernels import MOST_PARTS, Part
from steno_models.search.mixture.mixing import Mixing
from steno_models.search.tree import LexiconTree

MOST_WEIGHT = 0.15
"""Of the speaker's own model."""
_HALF_WORDS = 50.0
"""Where so many words are remembered it has half of that."""


@dataclass(frozen=True, slots=True, eq=False)
class Personal:
    """What is known of a speaker where a session begins.

    Attributes:
        counts: of what was said before.
        numbers: the word ids of the language models beside it.
        most_weight: what it weighs at most.
    """

    counts: Counts
    numbers: Mapping[str, int]
    most_weight: float = MOST_WEIGHT

    def weight(self, counts: Counts) -> float:
        """Return what a model of such counts weighs."""
        return self.most_weight * counts.total / (counts.total + _HALF_WORDS)

    def beside(self, model: LanguageModel, finals: tuple[tuple[str, ...], ...]) -> LanguageModel:
        """Return a language model with the speaker's own beside it.

        Args:
            model: a mixture, of one language model perhaps.
            finals: the words of the stream's finals so far, which are not in `counts`.
        """
        mixing, counts = model.search.mixing, self.counts.after(finals)
        if mixing is None or len(mixing.parts) == MOST_PARTS:
            raise ConfigError(
                f"expected a mixture of fewer than {MOST_PARTS} language models, found another"
            )
        ngrams = ngram_model(counts, self.numbers)
        if ngrams is None:
            return replace(model, personal=None)
        weight = self.weight(counts)
        beside = replace(
            mixing,
            parts=(*mixing.parts, _part(ngrams, self.numbers, mixing, model.search.tree)),
            starts=(*mixing.starts, ngrams.start_state),
            weights=(*(share * (1 - weight) for share in mixing.weights), weight),
        )
        return replace(model, search=model.search.remixed(beside), personal=None)


def _part(
    ngrams: NgramModel, numbers: Mapping[str, int], mixing: Mixing, tree: LexiconTree
) -> Part:
    """Return the speaker's own model as a part; its words are numbered as the mixture's."""
    own = np.full(mixing.num_words, -1, np.int32)
    own[[numbers[word] for word in ngrams.vocabulary[:-3]]] = np.arange(len(ngrams.vocabulary) - 3)
    own[-3:] = np.arange(len(ngrams.vocabulary) - 3, len(ngrams.vocabulary))
    in_order = own[:-3] >= 0
    return part_of(ngrams.arrays, tree, own, in_order)._replace(is_remembered=False)
