"""The error rate of a model that writes, on held-out speech."""

from collections.abc import Callable, Mapping, Sequence

import torch

from steno_models.text.units import Units
from steno_models.text.wer import align
from steno_models.training.data import Batch, BucketedBatches

Transcribe = Callable[[Batch], Sequence[Sequence[int]]]
"""From a batch to the token ids that a search finds in each of its utterances."""


def error_rates(
    transcribe: Transcribe,
    dev: Mapping[str, BucketedBatches],
    units: Units,
    device: torch.device,
) -> dict[str, float]:
    """Return the error rate of each held-out set NAME as `error_NAME`, and of all as `error`.

    Args:
        transcribe: the search.
        dev: held-out speech by name.
        units: what tokens mean, for counting errors.
        device: where batches are to be.
    """
    rates, wrong, spoken = {}, 0, 0
    for name, batches in dev.items():
        errors, length = _errors(transcribe, batches, units, device)
        rates[f"error_{name}"] = errors / max(1, length)
        wrong, spoken = wrong + errors, spoken + length
    return {"error": wrong / max(1, spoken), **rates}


def _errors(
    transcribe: Transcribe, batches: BucketedBatches, units: Units, device: torch.device
) -> tuple[int, int]:
    """Return edits and the length of the references over `batches`."""
    errors = length = 0
    for batch in batches.epoch(0):
        found = transcribe(batch.to(device))
        for tokens, target, U in zip(found, batch.targets, batch.target_lengths, strict=True):
            alignment = align(units.parts(target[: int(U)].tolist()), units.parts(tokens))
            errors += alignment.errors
            length += alignment.reference_length
    return errors, length
