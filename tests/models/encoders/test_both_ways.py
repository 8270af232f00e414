"""LSTMs of both directions, padded: what PyTorch says of packed sequences."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from steno_models.encoders.both_ways import both_ways

Run = Callable[[nn.LSTM, Tensor], Tensor]
LENGTHS = torch.tensor([9, 1, 5, 7])


def packed(lstm: nn.LSTM, x: Tensor) -> Tensor:
    sequences = pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(lstm(sequences)[0], batch_first=True, total_length=x.shape[1])[0]


@pytest.mark.parametrize("layers", [1, 3])
def test_outputs_and_gradients_are_those_of_packed_sequences(layers: int) -> None:
    torch.manual_seed(1)
    lstm = nn.LSTM(6, 5, layers, batch_first=True, bidirectional=True).double()
    weights = torch.randn(4, 11, 10, dtype=torch.float64)
    found = []
    runs: tuple[Run, ...] = (lambda lstm, x: both_ways(lstm, x, LENGTHS), packed)
    for run in runs:
        lstm.zero_grad()
        x = torch.randn(4, 11, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
        x.requires_grad_()
        y = run(lstm, x)
        torch.autograd.backward((y * weights).sum())
        assert x.grad is not None
        grads = [each.grad.clone() for each in lstm.parameters() if each.grad is not None]
        found.append([y.detach(), x.grad.clone(), *grads])
    assert len(found[0]) == 2 + 8 * layers
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)


def test_what_stands_behind_an_end_is_never_read() -> None:
    lstm = nn.LSTM(6, 5, 2, batch_first=True, bidirectional=True)
    x = torch.randn(4, 9, 6)
    other = x.clone()
    for row, length in enumerate(LENGTHS.tolist()):
        other[row, length:] = 100.0
    with torch.no_grad():
        torch.testing.assert_close(both_ways(lstm, x, LENGTHS), both_ways(lstm, other, LENGTHS))


def test_dropout_lies_between_layers_and_in_training_alone() -> None:
    torch.manual_seed(3)
    lstm = nn.LSTM(6, 5, 2, batch_first=True, bidirectional=True, dropout=0.5)
    x = torch.randn(4, 9, 6)
    with torch.no_grad():
        assert not torch.equal(both_ways(lstm, x, LENGTHS), both_ways(lstm, x, LENGTHS))
        lstm.eval()
        torch.testing.assert_close(both_ways(lstm, x, LENGTHS), packed(lstm, x))
