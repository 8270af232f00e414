"""Fewer steps: several neighbouring ones made into one, between any two layers of an encoder."""

from math import prod
from typing import Literal, TypeAlias

from torch import Tensor

Downsampling: TypeAlias = Literal["pyramid", "max", "average", "stride"]


def downsample(x: Tensor, factor: int, how: Downsampling) -> Tensor:
    """Return (B, S // factor, D'), one step for each `factor` of `x`; left-over ones are dropped.

    Args:
        x: (B, S, D).
        factor: how many become one.
        how: `pyramid` writes them side by side, D' = factor·D (Chan et al. 2016, eq. 3); `max` and
            `average` pool them, and `stride` takes the first, D' = D.
    """
    if factor == 1:
        return x
    B, S, D = x.shape
    groups = x[:, : S // factor * factor].reshape(B, S // factor, factor, D)
    match how:
        case "pyramid":
            return groups.flatten(2)
        case "max":
            return groups.amax(2)
        case "average":
            return groups.mean(2)
        case "stride":
            return groups[:, :, 0]


def width_after(width: int, factor: int, how: Downsampling) -> int:
    """Return D' for steps of D = `width`."""
    return width * factor if how == "pyramid" else width


def check_factors(factors: tuple[int, ...], layers: int) -> None:
    """Check that there is a factor, of 1 or more, for each layer.

    Raises:
        ValueError: there is not.
    """
    if len(factors) != layers or min(factors, default=1) < 1:
        raise ValueError(
            f"expected factors of 1 or more for each of {layers} layers, found {list(factors)}"
        )


def last_paced(factors: tuple[int, ...]) -> int:
    """Return the first layer whose output has the pace of the last one's."""
    return max((layer for layer, factor in enumerate(factors) if factor > 1), default=0)


def total_factor(factors: tuple[int, ...]) -> int:
    """Return how many frames become one step."""
    return prod(factors)
