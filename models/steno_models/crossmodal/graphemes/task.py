"""The recogniser of letters as a task of the training loop."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import ctc_loss

from steno_models.crossmodal.graphemes.alphabet import BLANK, Alphabet
from steno_models.crossmodal.graphemes.model import GraphemeModel
from steno_models.text.wer import character_error_rate
from steno_models.training.data import Batch, BucketedBatches


class GraphemeTask:
    """Trains `model`; the error is that of characters on held-out recordings.

    Args:
        model: with random weights, or those to go on from.
        alphabet: what its tokens are.
        held_out: recordings of the transcribed ones that are not learnt from.
    """

    def __init__(self, model: GraphemeModel, alphabet: Alphabet, held_out: BucketedBatches) -> None:
        self._model = model
        self._alphabet = alphabet
        self._held_out = held_out

    @property
    def model(self) -> GraphemeModel:
        """The model whose weights are trained."""
        return self._model

    def loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
        """Return the mean loss of a letter, (), and nothing else to report."""
        scores = self._model(batch.features, batch.feature_lengths)
        loss = ctc_loss(
            scores.transpose(0, 1), batch.targets.long(), batch.feature_lengths.long(),
            batch.target_lengths.long(), BLANK, zero_infinity=True,
        )  # fmt: skip
        return loss, {}

    @torch.no_grad()
    def evaluate(self) -> Mapping[str, float]:
        """Return the error rate of characters as `error`."""
        said, heard = [], []
        device = next(self._model.parameters()).device
        for batch in self._held_out.epoch(0):
            scores = self._model(batch.features.to(device), batch.feature_lengths)
            for b, steps in enumerate(batch.feature_lengths.tolist()):
                heard.append(self._alphabet.decode(collapsed(scores[b, :steps].argmax(1).tolist())))
                target = batch.targets[b, : int(batch.target_lengths[b])].tolist()
                said.append(self._alphabet.decode(target))
        return {"error": character_error_rate(said, heard).rate}


def collapsed(path: list[int]) -> list[int]:
    """Return the tokens of a path of steps: repetitions once, blanks left out."""
    ahead = [BLANK, *path]
    return [now for before, now in zip(ahead, path, strict=False) if now not in {before, BLANK}]
