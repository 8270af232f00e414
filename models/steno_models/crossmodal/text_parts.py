"""Stretches of a text: what one space learns from, no other sees."""

from collections.abc import Sequence

import numpy as np

from steno_models.errors import ConfigError


def read_part(text: str) -> tuple[int, int]:
    """Return the k and n of "k/n".

    Raises:
        ConfigError: it is something else.
    """
    match text.split("/"):
        case [k, n] if k.isdecimal() and n.isdecimal() and 1 <= int(k) <= int(n):
            return int(k), int(n)
        case _:
            raise ConfigError(f"expected a part as 1/2, found {text}")


def share(sentences: Sequence[str], part: tuple[int, int]) -> Sequence[str]:
    """Return the k-th of n stretches of equally many `sentences`."""
    k, n = part
    return sentences[(k - 1) * len(sentences) // n : k * len(sentences) // n]


def shuffled(sentences: Sequence[str], seed: int) -> list[str]:
    """Return `sentences` in an order of chance."""
    order = np.random.default_rng(seed).permutation(len(sentences))
    return [sentences[place] for place in order]
