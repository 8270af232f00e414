"""The cell in 16 bits beside the one of torch in 32, and the network that steps by it."""

import pytest
import torch
from torch import nn

from steno_models.lm.recurrent.cells import NarrowCell
from steno_models.lm.recurrent.model import RecurrentLm, RecurrentShape

D, H = 24, 40
SHAPE = RecurrentShape(width=D, cells=H, layers=2, shortlist=8, class_size=4)


@pytest.mark.parametrize("hypotheses", [1, 2, 37])
def test_a_narrow_cell_errs_by_the_bits_that_it_has(hypotheses: int) -> None:
    torch.manual_seed(3)
    cell = nn.LSTMCell(D, H).requires_grad_(requires_grad=False)
    x, h, c = (torch.randn(hypotheses, width) for width in (D, H, H))
    weights = [cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh]
    found = NarrowCell(weights)(x, (h, c))
    # A gate's sum errs by 2^-9 of each of two factors and of itself, and no gate is steeper than 1.
    size = (x.abs() @ cell.weight_ih.T.abs() + h.abs() @ cell.weight_hh.T.abs()).max() + 1.0
    for one, exact in zip(found, cell(x, (h, c)), strict=True):
        assert one.dtype is torch.float32
        assert (one - exact).abs().max() <= 2**-7 * size * (1.0 + c.abs().max())
    assert not torch.equal(found[0], cell(x, (h, c))[0])


def _network() -> RecurrentLm:
    torch.manual_seed(4)
    return RecurrentLm(30, SHAPE).eval().requires_grad_(requires_grad=False)


def _told(network: RecurrentLm, units: torch.Tensor) -> torch.Tensor:
    """Return (K, U) ln p of each next unit of `units`, (K, U + 1), step by step."""
    memory = network.begin().expand(len(units), -1, -1, -1)
    found = []
    for step in range(units.shape[1] - 1):
        hidden, memory = network.read(units[:, step], memory)
        found.append(network.softmax(hidden, units[:, step + 1], network.embedding.weight))
    return torch.stack(found, dim=1)


def test_rounding_adds_up_to_little_over_a_sentence() -> None:
    exact, narrow = _network(), _network()
    narrow.lay_out(narrow=True)
    units = torch.randint(30, (5, 40))
    wanted, found = _told(exact, units), _told(narrow, units)
    assert not torch.equal(found, wanted)
    torch.testing.assert_close(found, wanted, atol=0.02, rtol=0)


def test_a_single_hypothesis_is_read_in_32_bits() -> None:
    exact, narrow = _network(), _network()
    narrow.lay_out(narrow=True)
    units = torch.randint(30, (1, 12))
    torch.testing.assert_close(_told(narrow, units), _told(exact, units), atol=2e-6, rtol=0)


def test_where_the_processor_is_no_faster_nothing_is_rounded() -> None:
    exact, wide = _network(), _network()
    wide.lay_out(narrow=False)
    units = torch.randint(30, (5, 12))
    torch.testing.assert_close(_told(wide, units), _told(exact, units), atol=2e-6, rtol=0)
