"""Recurrent encoders against PyTorch's own stacks."""

import pytest
import torch
from torch import Tensor, nn

from steno_models.encoders.lstm import (
    Blstm,
    BlstmOptions,
    Lstm,
    LstmOptions,
    PyramidOptions,
)

F, D = 6, 8


def stacked(encoder: Lstm | Blstm, layers: int) -> nn.LSTM:
    """One `nn.LSTM` of several layers with the weights of the encoder's."""
    both = isinstance(encoder, Blstm)
    oracle = nn.LSTM(F, D // (1 + both), layers, batch_first=True, bidirectional=both)
    weights = {}
    for layer in range(layers):
        for name, weight in encoder.layers[layer].state_dict().items():
            weights[name.replace("_l0", f"_l{layer}")] = weight
    oracle.load_state_dict(weights)
    return oracle.eval()


def test_without_downsampling_it_is_an_lstm_of_several_layers() -> None:
    torch.manual_seed(0)
    encoder = Lstm(LstmOptions(bins=F, width=D, layers=3, factors=(1, 1, 1))).eval()
    x = torch.randn(2, 20, F)
    expected, _ = stacked(encoder, 3)(x)
    found = encoder(x, torch.tensor([20, 20]))
    assert len(found) == 3
    torch.testing.assert_close(found[-1], expected, atol=1e-6, rtol=0)


def test_without_downsampling_both_directions_are_an_lstm_of_both() -> None:
    torch.manual_seed(0)
    encoder = Blstm(BlstmOptions(bins=F, width=D, layers=2, factors=(1, 1))).eval()
    x = torch.randn(1, 20, F)
    expected, _ = stacked(encoder, 2)(x)
    torch.testing.assert_close(encoder(x, torch.tensor([20]))[-1], expected, atol=1e-6, rtol=0)


def test_a_pyramid_joins_the_outputs_of_neighbours_before_each_layer_above_the_first() -> None:
    torch.manual_seed(0)
    encoder = Blstm(PyramidOptions(bins=F, width=D, halvings=2).blstm()).eval()
    x = torch.randn(1, 23, F)
    y: Tensor = encoder.layers[0](x[:, :20])[0]
    for layer in (1, 2):
        joined = torch.stack(
            [torch.cat((a, b)) for a, b in zip(y[0, ::2], y[0, 1::2], strict=True)]
        )
        y = encoder.layers[layer](joined.unsqueeze(0))[0]
    found = encoder(x, torch.tensor([5]))
    assert [each.shape for each in found] == [(1, 5, D)]
    torch.testing.assert_close(found[-1], y, atol=1e-6, rtol=0)


def test_an_utterance_without_a_step_does_not_hinder_the_others() -> None:
    encoder = Blstm(PyramidOptions(bins=F, width=D, halvings=2).blstm()).eval()
    x = torch.randn(2, 12, F)
    found = encoder(x, torch.tensor([3, 0]))[-1]
    torch.testing.assert_close(found[0], encoder(x[:1], torch.tensor([3]))[-1][0])


def test_an_odd_width_has_no_halves() -> None:
    with pytest.raises(ValueError, match="expected an even width for two directions, found 7"):
        BlstmOptions(width=7)
