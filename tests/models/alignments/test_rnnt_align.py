"""Transducers: all paths of a text through the lattice, one by one and at once."""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.rnnt.tiny_transducer import transducer

from steno_models.encoders.protocol import Context
from steno_models.errors import DataError
from steno_models.rnnt.align import text_lattice, ways
from steno_models.rnnt.loss import Lattice, transducer_loss


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), steps=st.integers(1, 4), labels=st.integers(0, 3))
def test_all_paths_and_the_best_are_those_of_the_enumeration(
    seed: int, steps: int, labels: int
) -> None:
    rng = np.random.default_rng(seed)
    blank, label = -rng.exponential(size=(2, 1, steps, labels + 1))
    found = ways(
        Lattice(
            torch.from_numpy(blank),
            torch.from_numpy(label),
            torch.tensor([steps]),
            torch.tensor([labels]),
        )
    )
    paths: list[tuple[float, list[int], set[tuple[int, int]]]] = []
    # A path is an order of steps − 1 blanks and the labels; one more blank ends it.
    for places in combinations(range(steps - 1 + labels), labels):
        s, u, score, emitted, cells = 0, 0, 0.0, [], {(0, 0)}
        for move in range(steps - 1 + labels):
            if move in places:
                score += label[0, s, u]
                emitted.append(s)
                u += 1
            else:
                score += blank[0, s, u]
                s += 1
            cells.add((s, u))
        paths.append((score + blank[0, s, u], emitted, cells))
    total = np.logaddexp.reduce([score for score, _, _ in paths])
    assert found.log_score == pytest.approx(total)
    best = max(paths, key=lambda path: path[0])
    assert found.best_log_score == pytest.approx(best[0])
    assert found.emitted.tolist() == best[1]
    for s in range(steps):
        for u in range(labels + 1):
            share = sum(np.exp(p - total) for p, _, cells in paths if (s, u) in cells)
            assert np.exp(found.log_occupancy[s, u]) == pytest.approx(share, abs=1e-9)


def test_the_lattice_of_a_model_scores_what_its_loss_says() -> None:
    model, context = transducer("recurrent", tokens=4), Context(4, 8)
    features = np.random.default_rng(0).normal(size=(50, 80)).astype(np.float32)
    tokens = [2, 1, 1, 3]
    found = ways(text_lattice(model, features, tokens, context))
    S = len(found.log_occupancy)
    logits = model(
        torch.from_numpy(features)[None], torch.tensor([S]), torch.tensor([tokens]), context
    )
    loss = transducer_loss(
        logits.double(), torch.tensor([tokens]), torch.tensor([S]), torch.tensor([4])
    )
    assert found.log_score == pytest.approx(-float(loss), abs=1e-5)
    with pytest.raises(DataError, match="expected sound for an encoder step, found 3 frames"):
        text_lattice(model, features[:3], tokens, context)
