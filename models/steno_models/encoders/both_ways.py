"""LSTMs of both directions over sequences of unequal lengths, each from its own end backwards.

PyTorch's way is to pack the sequences (`pack_padded_sequence`), but on a CPU a step of training
with packed ones costs several times what it does with padded ones. So they stay padded, and the
direction from the end reads each sequence turned round within its own length.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

_PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def both_ways(lstm: nn.LSTM, x: Tensor, lengths: Tensor) -> Tensor:
    """Return (B, S, 2 H) the outputs of an LSTM of both directions, zero behind each one's end.

    Args:
        lstm: bidirectional, with biases and `batch_first`; of any number of layers.
        x: (B, S, I), padded at the end.
        lengths: (B,) of each sequence, at least 1 and at most S.
    """
    if x.is_cuda:  # packed sequences are what cuDNN is quick with
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(lstm(packed)[0], batch_first=True, total_length=x.shape[1])[0]
    lengths = lengths.to(x.device)
    places = torch.arange(x.shape[1], device=x.device)
    inside = places < lengths[:, None]
    turned = torch.where(inside, lengths[:, None] - 1 - places, places)
    for layer in range(lstm.num_layers):
        if layer:
            x = dropout(x, lstm.dropout, lstm.training)
        ahead = _one_way(lstm, x, f"l{layer}")
        back = _one_way(lstm, _turned(x, turned), f"l{layer}_reverse")
        x = torch.cat((ahead, _turned(back, turned)), dim=2) * inside[..., None].to(x.dtype)
    return x


def _one_way(lstm: nn.LSTM, x: Tensor, direction: str) -> Tensor:
    """Return (B, S, H) the outputs of one direction of one layer."""
    weights = [getattr(lstm, f"{part}_{direction}") for part in _PARTS]
    zeros = x.new_zeros(1, len(x), lstm.hidden_size)
    outputs: Tensor = torch.lstm(
        x, (zeros, zeros), weights, has_biases=True, num_layers=1, dropout=0.0,
        train=lstm.training, bidirectional=False, batch_first=True,
    )[0]  # fmt: skip
    return outputs


def _turned(x: Tensor, places: Tensor) -> Tensor:
    """Return (B, S, D) the rows of each sequence in the order of (B, S) `places`."""
    return x.gather(1, places[..., None].expand(-1, -1, x.shape[2]))
