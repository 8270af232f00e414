"""Speech2Vec as a task of the training loop."""

from collections.abc import Mapping

import torch
from torch import Tensor

from steno_models.crossmodal.speech2vec.data import NeighbourBatches
from steno_models.crossmodal.speech2vec.loss import Form, neighbour_loss
from steno_models.crossmodal.speech2vec.model import Speech2Vec
from steno_models.training.data import Batch


class Speech2VecTask:
    """Trains `model`; the error is the loss on held-out recordings.

    Args:
        model: with random weights, or those to go on from.
        form: skip-gram or CBOW.
        dev: held-out pieces with their neighbours.
    """

    def __init__(self, model: Speech2Vec, form: Form, dev: NeighbourBatches) -> None:
        self._model = model
        self._form = form
        self._dev = dev

    @property
    def model(self) -> Speech2Vec:
        """The model whose weights are trained."""
        return self._model

    def loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
        """Return the mean loss, (), and nothing else to report."""
        return neighbour_loss(self._model, batch, self._form), {}

    def evaluate(self) -> Mapping[str, float]:
        """Return the mean loss over the held-out pieces as `error`."""
        device = next(self._model.parameters()).device
        total, pieces = 0.0, 0
        with torch.no_grad():
            for batch in self._dev.epoch(0):
                loss = neighbour_loss(self._model, batch.to(device), self._form)
                total += float(loss) * len(batch.keys)
                pieces += len(batch.keys)
        return {"error": total / pieces}
