"""Multi-head self-attention under a chunk mask, with rotary positions."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from steno_models.encoders.past import Past

# What is added up of a key that must not be seen; finite, so that no row of a softmax is empty.
_NEVER = -1e4


def chunk_mask(steps: int, *, chunk: int, left: int, device: torch.device) -> Tensor:
    """Return (S, S) bool: whether the query (row) may look at the key (column).

    A query in chunk c sees the keys of [c·chunk − left, (c + 1)·chunk).
    """
    position = torch.arange(steps, device=device)
    begin = position // chunk * chunk
    key = position.unsqueeze(0)
    return (key >= (begin - left).unsqueeze(1)) & (key < (begin + chunk).unsqueeze(1))


def rotary(position: Tensor, head_width: int) -> tuple[Tensor, Tensor]:
    """Return cosines and sines, (…, head_width / 2), of positions (Su et al. 2021, eq. 15)."""
    exponent = torch.arange(0, head_width, 2, device=position.device) / head_width
    angle = position.unsqueeze(-1) * (10_000.0**-exponent)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return `x`, (…, B, H, S, head_width), turned by its position's angles."""
    a, b = x.chunk(2, dim=-1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Return the values, (B, H, K, head_width), as queries, (B, H, S, head_width), weigh them.

    Written out: with a mask, PyTorch's fused form trains 1.6 times slower on a CPU.
    """
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    weights: Tensor = scores.masked_fill(~mask, _NEVER).softmax(dim=-1)
    return weights.to(v.dtype) @ v


def attend_back(
    q: Tensor, k: Tensor, v: Tensor, fresh: Tensor, layer: int, pasts: Sequence[Past]
) -> Tensor:
    """Return what `attend` does for streams that look back at pasts of their own.

    Each stream goes by itself here: to line up the pasts of all in one tensor would cost more than
    the arithmetic.

    Args:
        q: (B, H, S, head_width).
        k: of these steps, as wide; they and `v` are written into the pasts.
        v: of these steps.
        fresh: (B, 1, 1, S) bool: whether a step is one, or fills up a shorter chunk.
        layer: whose keys and values these are.
        pasts: of each stream, with room for S rows.
    """
    out = torch.empty_like(q)
    q = q * q.shape[-1] ** -0.5
    for i, past in enumerate(pasts):
        keys, values = past.add(layer, k[i], v[i])
        scores = torch.bmm(q[i], keys.transpose(1, 2))
        scores[:, :, len(past) :].masked_fill_(~fresh[i], _NEVER)
        torch.bmm(scores.softmax(dim=-1), values, out=out[i])
    return out


class ChunkAttention(nn.Module):
    """Self-attention, of whole utterances or of chunks with the keys and values before them."""

    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor, angles: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        """Return (B, S, D) of whole utterances.

        Args:
            x: (B, S, D).
            angles: cosines and sines that broadcast to (B, H, S, head_width / 2).
            mask: bool, broadcasts to (B, H, S, S); True where a query may look.
        """
        q, k, v = self._projected(x, angles)
        return self._joined(attend(q, k, v, mask))

    def step(
        self,
        x: Tensor,
        angles: tuple[Tensor, Tensor],
        fresh: Tensor,
        layer: int,
        pasts: Sequence[Past],
    ) -> Tensor:
        """Return (B, S, D) of chunks, which look back at what came before them.

        Args:
            x: (B, S, D).
            angles: as above.
            fresh: (B, 1, 1, S) bool: whether a step is one, or fills up a shorter chunk.
            layer: of this attention in `pasts`.
            pasts: of each stream, with room for S rows, which are written.
        """
        q, k, v = self._projected(x, angles)
        return self._joined(attend_back(q, k, v, fresh, layer, pasts))

    def _projected(self, x: Tensor, angles: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries and keys, turned by their positions, and values: (B, H, S, head_width)."""
        B, S, D = x.shape
        qkv = self.project(x).view(B, S, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
        (q, k), v = rotate(qkv[:2], *angles), qkv[2]
        return q, k, v

    def _joined(self, out: Tensor) -> Tensor:
        """Return the heads' (B, H, S, head_width) as one, (B, S, D)."""
        joined: Tensor = self.output(out.transpose(1, 2).flatten(2))
        return joined
