"""Self-attention against its equations, one step at a time."""

import pytest
import torch
from torch import Tensor

from steno_models.encoders.attention import rotary, rotate
from steno_models.encoders.protocol import Context
from steno_models.encoders.transformer import Transformer, TransformerBlock, TransformerOptions
from steno_models.errors import ConfigError


def options(left: int | None, right: int | None) -> TransformerOptions:
    return TransformerOptions(
        bins=8,
        width=8,
        layers=2,
        heads=2,
        feed_forward=12,
        left_steps=left,
        right_steps=right,
        downsampling="pyramid",
        factor=2,
    )


def attended(block: TransformerBlock, x: Tensor, step: int, reach: range) -> Tensor:
    """Attention's answer for one step of `x`, (S, D), which looks at the steps of `reach`."""
    qkv = block.attention.project(block.norm(x))
    out = []
    for head in range(2):
        q, k, v = (qkv[:, 8 * i + 4 * head : 8 * i + 4 * head + 4] for i in range(3))
        angles = rotary(torch.arange(len(x)), 4)
        q, k = rotate(q, *angles), rotate(k, *angles)
        weights = torch.softmax(torch.stack([q[step] @ k[s] / 2 for s in reach]), 0)
        out.append(sum(w * v[s] for w, s in zip(weights, reach, strict=True)))
    answer: Tensor = block.attention.output(torch.cat([torch.as_tensor(each) for each in out]))
    return answer


@pytest.mark.parametrize(("left", "right"), [(3, 1), (0, 2), (2, None), (None, 0), (None, None)])
def test_a_step_attends_to_those_within_its_reach(left: int | None, right: int | None) -> None:
    torch.manual_seed(7)
    model = Transformer(options(left, right)).eval()
    features, S = torch.randn(1, 18, 8), 9
    x = model.front.output(features.view(S, 16))
    for block in model.blocks:
        assert isinstance(block, TransformerBlock)
        y = []
        for s in range(S):
            first = 0 if left is None else max(0, s - left)
            last = S - 1 if right is None else min(S - 1, s + right)
            z = x[s] + attended(block, x, s, range(first, last + 1))
            y.append(z + block.feed_forward(z.view(1, 1, -1))[0, 0])
        x = torch.stack(y)
    found = model(features, torch.tensor([S]))[-1][0]
    torch.testing.assert_close(found, model.norm(x), atol=1e-5, rtol=0)


def test_one_bound_is_not_enough_to_stream() -> None:
    model = Transformer(options(None, 1))
    assert not model.streaming
    assert model.delay_frames == 4  # it does not wait for ever, but remembers for ever
    with pytest.raises(ConfigError, match="which needs the whole utterance"):
        model.start(Context(4, 4))


def test_a_width_that_heads_cannot_share_is_refused() -> None:
    with pytest.raises(ValueError, match="expected width to be a multiple of 2 x 4 heads"):
        TransformerOptions(width=12)


def test_convolutions_make_four_frames_a_step() -> None:
    with pytest.raises(ValueError, match="expected convolutions to make 4 frames a step, found 3"):
        TransformerOptions(factor=3)
