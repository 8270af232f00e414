"""Where the speller looks while it writes a given text: what an attention plot draws."""

from collections.abc import Sequence

import torch
from torch import Tensor

from steno_models.encoders.protocol import Context
from steno_models.errors import DataError
from steno_models.las.model import LasModel
from steno_models.types import FloatArray


@torch.inference_mode()
def attention_map(
    model: LasModel, features: FloatArray, tokens: Sequence[int], context: Context | None = None
) -> FloatArray:
    """Return (U, S) float32 weights: row u is the look before token u, and sums to 1.

    Step s is about the frames of 10 ms from s·factor on, with `model.encoder.grid.factor`.

    Args:
        model: in evaluation mode.
        features: (T, F) of an utterance, normalised as in training.
        tokens: U ids of what is said in it.
        context: how far an encoder step may look.

    Raises:
        DataError: the utterance is too short for an encoder step, or a token is not the model's.
    """
    steps = model.encoder.grid.steps_of(len(features))
    if steps == 0:
        raise DataError(f"expected sound for an encoder step, found {len(features)} frames")
    known = model.ctc_output.out_features
    if not all(0 < token < known for token in tokens):
        raise DataError(f"expected tokens from 1 to {known - 1}, found {list(tokens)}")
    device = model.ctc_output.weight.device
    sound = torch.from_numpy(features).unsqueeze(0).to(device)
    encoded = model.encode(sound, torch.tensor([len(features)], device=device), context)
    targets = torch.tensor(tokens, dtype=torch.int64, device=device).view(1, 1, len(tokens))
    _, weights = model.speller(targets, model.memory(encoded))
    looks: Tensor = weights[0, 0, : len(tokens)]
    found: FloatArray = looks.float().cpu().numpy()
    return found
