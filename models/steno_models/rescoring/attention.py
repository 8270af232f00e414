"""A speller that says how likely candidates are, given the steps of the first pass's encoder."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from steno_models.errors import ConfigError
from steno_models.las.model import Encoded
from steno_models.las.rescore import speller_log_probs
from steno_models.las.speller import Speller
from steno_models.rescoring.candidate import Candidate
from steno_models.text.bpe import Bpe
from steno_models.types import FloatArray


@dataclass(frozen=True, slots=True)
class AttentionScorer:
    """A speller and the subwords that it spells in.

    Attributes:
        speller: in evaluation mode.
        units: its tokens.

    Raises:
        ConfigError: there are not as many tokens as the speller writes.
    """

    speller: Speller
    units: Bpe

    def __post_init__(self) -> None:
        tokens, writes = len(self.units.table), self.speller.output.out_features
        if tokens != writes:
            raise ConfigError(f"expected a speller of {tokens} tokens, found one of {writes}")

    def log_probs(self, candidates: Sequence[Candidate], steps: FloatArray) -> list[float]:
        """Return ln p(text | sound) of each; 0 for all where there was no sound.

        Args:
            candidates: what may have been said.
            steps: (S, D) of the encoder.
        """
        if not len(steps):
            return [0.0] * len(candidates)
        encoded = Encoded(torch.from_numpy(steps)[None], torch.tensor([len(steps)]))
        texts = [self.units.encode(" ".join(one.texts)) for one in candidates]
        [found] = speller_log_probs(self.speller, encoded, [texts])
        return found
