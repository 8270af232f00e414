"""How far the steps of a streaming encoder may look while it is trained.

Dynamic chunks (Zhang et al. 2020, arXiv:2012.05481): each batch draws its own, so that one set of
weights serves many delays.
"""

import random
from dataclasses import dataclass

from steno_models.encoders.protocol import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Contexts:
    """How far steps may look: fixed when measured, drawn for each batch in training.

    Attributes:
        dev: when the error is measured.
        unlimited_share: of the batches, in which every step sees every other.
        chunk_steps: to draw from for the others.
        left_steps: likewise.
    """

    dev: Context
    unlimited_share: float = 0.15
    chunk_steps: tuple[int, ...] = (8, 12, 16, 16, 16, 24, 32)
    left_steps: tuple[int, ...] = (32, 64, 64, 128)

    def draw(self) -> Context | None:
        """Return a context by the generator that the training loop seeds for every step."""
        if random.random() < self.unlimited_share:
            return None
        return Context(random.choice(self.chunk_steps), random.choice(self.left_steps))
