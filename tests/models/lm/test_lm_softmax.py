"""The softmax in two steps and the networks around it: sums, gradients, carried memory."""

import pytest
import torch
from torch import Tensor, nn

from steno_models.lm.feedforward.model import FeedforwardLm, FeedforwardShape
from steno_models.lm.neural.softmax import TwoStepSoftmax
from steno_models.lm.recurrent.model import RecurrentLm, RecurrentShape

torch.set_num_threads(1)

V = 23


def _softmax(shortlist: int, class_size: int) -> tuple[TwoStepSoftmax, Tensor]:
    torch.manual_seed(4)
    softmax = TwoStepSoftmax(V, 6, shortlist=shortlist, class_size=class_size)
    for weight in softmax.parameters():
        nn.init.normal_(weight)
    return softmax, torch.randn(V, 6)


@pytest.mark.parametrize(("shortlist", "class_size"), [(5, 4), (23, 4), (30, 7), (1, 1), (4, 100)])
def test_probabilities_of_all_units_sum_to_one(shortlist: int, class_size: int) -> None:
    softmax, vectors = _softmax(shortlist, class_size)
    hidden = torch.randn(9, 6)
    everything = softmax.all(hidden, vectors)
    assert everything.shape == (9, V)
    assert everything.exp().sum(dim=1).tolist() == pytest.approx([1.0] * 9, abs=1e-5)
    for unit in range(V):
        asked = softmax(hidden, torch.full((9,), unit), vectors)
        assert asked.tolist() == pytest.approx(everything[:, unit].tolist(), abs=1e-5)


def test_without_classes_it_is_the_softmax() -> None:
    softmax, vectors = _softmax(V, 4)
    hidden = torch.randn(3, 6)
    wanted = torch.log_softmax(hidden @ vectors.T + softmax.bias, dim=1)
    assert torch.allclose(softmax.all(hidden, vectors), wanted, atol=1e-6)


def test_gradients_are_those_of_finite_differences() -> None:
    softmax, vectors = _softmax(5, 4)
    softmax.double()
    hidden = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    vectors = vectors.double().requires_grad_()
    targets = torch.tensor([1, 7, 20, 22])
    assert torch.autograd.gradcheck(lambda h, v: softmax(h, targets, v), (hidden, vectors))


def _networks() -> list[RecurrentLm | FeedforwardLm]:
    torch.manual_seed(5)
    recurrent = RecurrentShape(width=6, cells=8, layers=2, shortlist=5, class_size=4)
    ahead = FeedforwardShape(order=4, width=6, hidden=8, shortlist=5, class_size=4)
    return [RecurrentLm(V, recurrent).eval(), FeedforwardLm(V, ahead).eval()]


@pytest.mark.parametrize("network", _networks())
def test_single_steps_say_what_the_whole_text_says(network: RecurrentLm | FeedforwardLm) -> None:
    units = torch.randint(V, (1, 12))
    units[0, 0] = 0
    whole, _ = network(units[:, :-1], units[:, 1:])
    memory, found = network.begin(), []
    for read, asked in zip(units[0, :-1], units[0, 1:], strict=True):
        hidden, memory = network.read(read[None], memory)
        found.append(network.softmax(hidden, asked[None], network.embedding.weight))
    assert torch.allclose(torch.cat(found), whole[0], atol=1e-5)


def test_a_carried_memory_makes_two_pieces_one_text() -> None:
    network = _networks()[0]
    units = torch.randint(V, (3, 21))
    whole, memory = network(units[:, :-1], units[:, 1:])
    first, carried = network(units[:, :10], units[:, 1:11])
    second, last = network(units[:, 10:-1], units[:, 11:], carried)
    assert torch.allclose(torch.cat((first, second), dim=1), whole, atol=1e-5)
    assert torch.allclose(last, memory, atol=1e-5)
