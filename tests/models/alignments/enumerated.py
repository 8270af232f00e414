"""Paths through tiny networks, one by one: what clever sums and maxima are held against."""

from collections.abc import Iterator

import numpy as np

from steno_models.trellis.network import Network
from steno_models.types import FloatArray


def all_paths(network: Network, frames: int) -> Iterator[tuple[tuple[int, ...], float]]:
    """Yield every path of so many nodes with the log score of its moves."""

    def longer(path: tuple[int, ...], score: float) -> Iterator[tuple[tuple[int, ...], float]]:
        last = path[-1]
        if len(path) == frames:
            if np.isfinite(network.finals[last]):
                yield path, score + float(network.finals[last])
            return
        yield from longer((*path, last), score + float(network.loops[last]))
        for node in range(len(network)):
            for arc in range(network.offsets[node], network.offsets[node + 1]):
                if network.sources[arc] == last:
                    yield from longer((*path, node), score + float(network.arcs[arc]))

    for node in np.flatnonzero(np.isfinite(network.starts)).tolist():
        yield from longer((node,), float(network.starts[node]))


def scored(network: Network, emissions: FloatArray) -> dict[tuple[int, ...], float]:
    """Return every path of `emissions`, (T, C), with its log score."""
    return {
        path: score + sum(float(emissions[t, network.columns[n]]) for t, n in enumerate(path))
        for path, score in all_paths(network, len(emissions))
    }


def posteriors(log_scores: dict[tuple[int, ...], float], nodes: int) -> FloatArray:
    """Return (T, N) p(node at t) by the share of all paths that are there."""
    total = np.logaddexp.reduce(list(log_scores.values()))
    T = len(next(iter(log_scores)))
    found = np.zeros((T, nodes), np.float32)
    for path, score in log_scores.items():
        found[np.arange(T), list(path)] += np.exp(score - total)
    return found
