"""Predictor and joiner, step by step and whole."""

import pytest
import torch
from tests.models.rnnt import tiny_transducer as tiny

from steno_models.errors import ConfigError
from steno_models.rnnt.model import TransducerOptions

torch.set_num_threads(1)


@pytest.mark.parametrize("name", tiny.SHAPES)
def test_a_predictor_says_the_same_label_by_label(name: str) -> None:
    predictor = tiny.transducer(name, 6).predictor
    targets = torch.tensor([[1, 5, 2, 2], [3, 3, 4, 1]])
    whole = predictor(targets)
    assert whole.shape == (2, 5, 6)
    states = predictor.start().repeat(2, *[1] * (predictor.start().dim() - 1))
    tokens = torch.zeros(2, dtype=torch.int64)
    for u in range(5):
        outputs, states = predictor.step(tokens, states)
        torch.testing.assert_close(outputs, whole[:, u])
        if u < 4:
            tokens = targets[:, u]


def test_a_stateless_predictor_sees_the_last_two_labels_alone() -> None:
    predictor = tiny.transducer("stateless", 6).predictor
    one, other = predictor(torch.tensor([[1, 2, 3, 4], [5, 1, 3, 4]]))
    torch.testing.assert_close(one[4], other[4], rtol=0, atol=0)
    assert not torch.allclose(one[3], other[3])


def test_a_recurrent_predictor_sees_all() -> None:
    predictor = tiny.transducer("recurrent", 6).predictor
    one, other = predictor(torch.tensor([[1, 2, 3, 4], [5, 2, 3, 4]]))
    assert not torch.allclose(one[4], other[4])


def test_a_factorised_joiner_decides_about_the_blank_first() -> None:
    joiner = tiny.transducer("factorised", 6).joiner
    encoder, predictor = torch.randn(2, 3, 1, 5), torch.randn(2, 1, 4, 5)
    own = joiner.output(torch.tanh(encoder + predictor))
    probs = joiner(encoder, predictor).softmax(-1)
    blank = own[..., 0].sigmoid()
    torch.testing.assert_close(probs[..., 0], blank)
    labels = own[..., 1:].softmax(-1) * (1 - blank).unsqueeze(-1)
    torch.testing.assert_close(probs[..., 1:], labels)


@pytest.mark.parametrize("name", ["recurrent", "factorised"])
def test_the_internal_language_model_is_one(name: str) -> None:
    joiner = tiny.transducer(name, 6).joiner
    log_probs = joiner.internal_log_probs(torch.randn(7, 5))
    assert not log_probs[:, 0].any()
    torch.testing.assert_close(log_probs[:, 1:].exp().sum(-1), torch.ones(7))


def test_logits_stand_at_every_step_and_number_of_labels() -> None:
    model = tiny.transducer("stateless", 6)
    features = torch.randn(2, 31, 80)
    logits = model(features, torch.tensor([7, 5]), torch.tensor([[1, 2], [3, 0]]))
    assert logits.shape == (2, 7, 3, 6)


def test_a_shape_without_width_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected joiner_width of 1 or more, found 0"):
        TransducerOptions(joiner_width=0)
