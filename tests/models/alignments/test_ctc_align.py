"""CTC: all alignments of a text, its best one, and what becomes of spikes."""

from itertools import groupby, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.alignments.enumerated import posteriors, scored

from steno_models.ctc.align import chain, label_graph, occupancy
from steno_models.ctc.extents import label_spans
from steno_models.errors import DataError
from steno_models.trellis.network import Matrix
from steno_models.trellis.viterbi import best_way
from steno_models.types import FloatArray

TEXT = [[[1], [2, 1]], [[1, 1], [3]]]


def _log_probs(seed: int, steps: int, tokens: int = 4) -> FloatArray:
    values = np.random.default_rng(seed).dirichlet(np.full(tokens, 0.5), steps)
    return np.log(values + 1e-9).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), steps=st.integers(3, 6))
def test_the_graph_has_the_alignments_of_the_text_and_no_others(seed: int, steps: int) -> None:
    log_probs = _log_probs(seed, steps)
    texts = [a + b for a in TEXT[0] for b in TEXT[1]]
    meant = {
        path: sum(float(log_probs[s, k]) for s, k in enumerate(path))
        for path in product(range(4), repeat=steps)
        if [k for k, _ in groupby(path) if k] in texts
    }
    graph = label_graph(TEXT)
    way = best_way(graph.network, Matrix(log_probs), beam=1.0)
    assert way.log_score == pytest.approx(max(meant.values()), abs=1e-4)
    assert tuple(graph.network.columns[way.nodes].tolist()) in meant
    total = np.logaddexp.reduce(list(meant.values()))
    assert occupancy(log_probs, graph).log_score == pytest.approx(total, abs=1e-4)


def test_occupancies_are_the_shares_of_paths() -> None:
    log_probs, graph = _log_probs(3, 6), label_graph(TEXT)
    paths = scored(graph.network, log_probs)
    found = occupancy(log_probs, graph)
    expected = posteriors(paths, len(graph.network))
    np.testing.assert_allclose(np.exp(found.log_occupancy), expected, atol=1e-5)


def test_all_paths_of_a_chain_score_what_the_loss_says() -> None:
    log_probs, labels = _log_probs(5, 12), [1, 1, 3, 2]
    loss = torch.nn.functional.ctc_loss(
        torch.from_numpy(log_probs).unsqueeze(1),
        torch.tensor([labels]),
        torch.tensor([12]),
        torch.tensor([4]),
        reduction="sum",
    )
    assert occupancy(log_probs, chain(labels)).log_score == pytest.approx(-float(loss), abs=1e-4)


def test_a_text_with_too_many_labels_is_refused() -> None:
    with pytest.raises(DataError, match="expected at least 3 steps for the text, found 2"):
        occupancy(_log_probs(0, 2), chain([1, 1]))
    with pytest.raises(DataError, match="expected at least one word to align, found none"):
        label_graph([])


def _spelled(runs: list[tuple[int, int]], tokens: int = 4) -> FloatArray:
    """Posteriors that are sure of runs of (token, steps)."""
    path = [token for token, steps in runs for _ in range(steps)]
    logits = np.full((len(path), tokens), -9.0, np.float32)
    logits[np.arange(len(path)), path] = 0.0
    return logits


def test_labels_last_from_border_to_border_and_pauses_stay_between_words() -> None:
    log_probs = _spelled([(0, 5), (1, 3), (2, 2), (0, 1), (3, 2), (0, 6), (1, 4), (0, 3)])
    found = label_spans(log_probs, label_graph([[[1, 2]], [[3]], [[1]]]))
    assert [(span.label, span.word) for span in found] == [(1, 0), (2, 0), (3, 1), (1, 2)]
    borders = [(span.start, span.end) for span in found]
    # The one blank step between words is shared, the six of them are a pause.
    expected = [(5, 8), (8, 10.5), (10.5, 13), (19, 23)]
    np.testing.assert_allclose(borders, expected, atol=0.3)
    assert [span.after_pause for span in found] == [True, False, False, True]
    assert [span.before_pause for span in found] == [False, False, True, True]


def test_a_border_is_between_steps_where_the_posteriors_are() -> None:
    log_probs = _spelled([(0, 2), (1, 3), (2, 3), (0, 2)])
    early, late = log_probs.copy(), log_probs.copy()
    early[4, 2] = late[5, 1] = -0.2  # the second label nearly as likely in the first's last step
    graph = label_graph([[[1, 2]]])
    places = [label_spans(each, graph)[0].end for each in (early, log_probs, late)]
    assert places[0] < places[1] - 0.2
    assert places[1] == pytest.approx(5, abs=0.05)
    assert places[2] > places[1] + 0.2
