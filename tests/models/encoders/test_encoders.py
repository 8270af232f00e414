"""What every encoder promises, shown for each kind."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.encoders.shapes import (
    BINS,
    CHUNKED,
    CONTEXT,
    SHAPES,
    STREAMING,
    WHOLE,
    WIDTH,
    encoder,
    noise,
    whole,
)
from torch import Tensor, nn

from steno_models.encoders.build import build_encoder
from steno_models.encoders.cnn import CnnOptions
from steno_models.encoders.conformer import Conformer, ConformerOptions
from steno_models.encoders.layout import lay_out
from steno_models.encoders.protocol import AnyEncoder, AnyState, Context
from steno_models.errors import ConfigError
from steno_models.narrow import NarrowLinear, multiplies_bfloat16


def pieces(encoder: AnyEncoder, features: Tensor, cuts: list[int]) -> list[Tensor]:
    """`features` cut anywhere; a Conformer takes a chunk at a time."""
    if not isinstance(encoder, Conformer):
        bounds = [0, *sorted(min(cut, len(features)) for cut in cuts), len(features)]
        return [features[a:b] for a, b in pairwise(bounds)]
    chunk = CONTEXT.chunk_steps * encoder.grid.factor
    first = encoder.grid.frames_of(CONTEXT.chunk_steps)
    return [features[:first], *torch.split(features[first:], chunk)]


@settings(deadline=None, max_examples=15)
@given(
    frames=st.integers(7, 130),
    cuts=st.lists(st.integers(0, 130), max_size=12),
    seed=st.integers(0, 1000),
)
@pytest.mark.parametrize("name", STREAMING)
def test_streamed_output_equals_whole_output(
    name: str, frames: int, cuts: list[int], seed: int
) -> None:
    model, features = encoder(name), noise(frames, seed)
    state, out = model.start(CONTEXT), []
    for piece in pieces(model, features, cuts):
        [(steps, state)] = model.step([(piece, state)], CONTEXT)
        out.append(steps)
    [rest] = model.finish([state], CONTEXT)
    found, expected = torch.cat([*out, rest]), whole(model, features)
    assert found.shape == expected.shape == (model.grid.steps_of(frames), WIDTH)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", STREAMING)
def test_streams_in_one_batch_do_not_touch_each_other(name: str) -> None:
    model, lengths = encoder(name), (15, 0, 9, 11)
    alone: list[list[Tensor]] = []
    for i, frames in enumerate(lengths):
        state: AnyState = model.start(CONTEXT)
        [(first, state)] = model.step([(noise(frames, i), state)], CONTEXT)
        [(second, state)] = model.step([(noise(8, 9 + i), state)], CONTEXT)
        alone.append([first, second, *model.finish([state], CONTEXT)])
    states = [model.start(CONTEXT) for _ in lengths]
    work = [(noise(n, i), state) for i, (n, state) in enumerate(zip(lengths, states, strict=True))]
    one = model.step(work, CONTEXT)
    two = model.step([(noise(8, 9 + i), state) for i, (_, state) in enumerate(one)], CONTEXT)
    rest = model.finish([state for _, state in two], CONTEXT)
    for i, expected in enumerate(alone):
        for a, b in zip(expected, (one[i][0], two[i][0], rest[i]), strict=True):
            torch.testing.assert_close(b, a, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", SHAPES)
def test_batched_equals_single_and_padding_changes_nothing(name: str) -> None:
    model, lengths = encoder(name), torch.tensor([50, 23, 7, 38])
    padded = [torch.cat((noise(int(n), i), noise(64 - int(n), 50))) for i, n in enumerate(lengths)]
    batch = torch.stack(padded)
    steps = model.grid.steps_of_all(lengths)
    found = model(batch, steps, CONTEXT)
    for layer in found:
        assert layer.shape == (4, model.grid.steps_of(64), WIDTH)
    for i, (frames, S) in enumerate(zip(lengths.tolist(), steps.tolist(), strict=True)):
        alone = model(noise(frames, i).unsqueeze(0), torch.tensor([S]), CONTEXT)
        for a, b in zip(alone, found, strict=True):
            torch.testing.assert_close(b[i, :S], a[0, :S], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", SHAPES)
def test_gradients_reach_every_weight_and_every_frame_that_a_step_is_about(name: str) -> None:
    torch.manual_seed(5)
    model = build_encoder(SHAPES[name])
    features = noise(60).unsqueeze(0).requires_grad_()
    S = model.grid.steps_of(60)
    found = model(features, torch.tensor([S]), None)[-1]
    (found * torch.randn(1, S, WIDTH)).sum().backward()
    for label, weight in model.named_parameters():
        assert weight.grad is not None, label
        assert torch.isfinite(weight.grad).all(), label
        assert weight.grad.abs().max() > 0, label
    assert features.grad is not None
    heard = features.grad[0].abs().sum(1) > 0
    assert heard[: model.grid.frames_of(S)][:: model.grid.factor].all()


@pytest.mark.parametrize("name", STREAMING)
def test_a_step_sees_nothing_beyond_the_delay_and_is_said_as_soon_as_that_is_over(
    name: str,
) -> None:
    model = encoder(name)
    delay = model.delay_frames
    assert delay is not None
    chunk = CONTEXT.chunk_steps if name in CHUNKED else 1
    step = 3 * chunk - 1  # the last of its chunk
    enough = model.grid.frames_of(step + 1) + delay
    features = noise(enough + 40).unsqueeze(0).requires_grad_()
    out = model(features, torch.tensor([model.grid.steps_of(enough + 40)]), CONTEXT)[-1]
    out[0, step, 0].backward()
    assert features.grad is not None
    heard = features.grad[0].abs().sum(1).nonzero()
    assert int(heard.max()) < enough
    said, state = 0, model.start(CONTEXT)
    for piece in pieces(model, features.detach()[0, :enough], [enough - 1]):
        before = said
        [(steps, state)] = model.step([(piece, state)], CONTEXT)
        said += len(steps)
    assert before <= step
    assert said == step + 1


@pytest.mark.parametrize("name", WHOLE)
def test_what_needs_the_whole_utterance_says_so(name: str) -> None:
    model = encoder(name)
    assert not model.streaming
    assert model.delay_frames is None
    with pytest.raises(ConfigError, match="expected an encoder that streams in chunks of 3 steps"):
        model.start(CONTEXT)
    with pytest.raises(ConfigError, match="which needs the whole utterance"):
        model.step([(noise(9), None)], CONTEXT)


@pytest.mark.parametrize("name", STREAMING)
def test_what_streams_says_so(name: str) -> None:
    assert encoder(name).streaming


@pytest.mark.parametrize("name", SHAPES)
def test_its_shape_is_told(name: str) -> None:
    model = encoder(name)
    assert model.width == WIDTH
    frames = torch.arange(40)
    found = model.grid.steps_of_all(frames)
    assert found.tolist() == [model.grid.steps_of(int(T)) for T in frames]
    for T in (model.grid.frames_of(5), model.grid.frames_of(5) + model.grid.factor - 1):
        assert whole(model, noise(T)).shape == (5, WIDTH)
    assert SHAPES[name].bins == BINS


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(("narrow", "error"), [(False, 1e-5), (True, 0.1)])
def test_laying_weights_out_changes_hardly_a_number(
    name: str, *, narrow: bool, error: float
) -> None:
    torch.manual_seed(1)
    model = build_encoder(SHAPES[name]).eval()
    expected = whole(model, noise(40))
    lay_out(model, narrow=narrow)
    torch.testing.assert_close(whole(model, noise(40)), expected, atol=error, rtol=0)


@pytest.mark.parametrize("bias", [True, False])
def test_a_narrow_layer_errs_by_the_bits_that_it_has(*, bias: bool) -> None:
    torch.manual_seed(1)
    wide = nn.Linear(64, 48, bias=bias)
    x = torch.randn(2, 5, 64)
    x64, weight64 = x.double(), wide.weight.detach().double()
    exact = x64 @ weight64.T + (wide.bias.detach().double() if bias else 0.0)
    found = NarrowLinear(wide)(x)
    assert found.dtype is torch.float32
    size = x64.abs() @ weight64.abs().T + exact.abs() + 1.0
    assert ((found.double() - exact).abs() <= 2**-8 * size).all()


needs_bfloat16 = pytest.mark.skipif(
    not multiplies_bfloat16(), reason="needs a processor that multiplies bfloat16"
)


@needs_bfloat16
@pytest.mark.parametrize("inputs", [96, 192, 256, 512, 608, 704, 768, 1024])
def test_a_row_comes_to_the_same_whoever_is_beside_it(inputs: int) -> None:
    torch.manual_seed(1)
    layer = NarrowLinear(nn.Linear(inputs, 256).requires_grad_(requires_grad=False))
    x = torch.randn(320, inputs)
    alone = torch.cat([layer(row[None]) for row in x])
    for rows in (2, 12, 16, 33, 48, 64, 100, 128, 200, 233, 256, 320):
        assert torch.equal(layer(x[:rows]), alone[:rows])
        assert torch.equal(layer(x[-rows:]), alone[-rows:])


@needs_bfloat16
@torch.inference_mode()
def test_a_stream_hears_the_same_to_the_last_bit_whoever_is_heard_beside_it() -> None:
    torch.manual_seed(1)
    encoder, context = Conformer(ConformerOptions()).eval(), Context(16, 64)
    lay_out(encoder, narrow=True)
    chunks = torch.randn(9, 3, 67, 80)
    beside = [encoder.start(context) for _ in chunks]
    alone = [encoder.start(context) for _ in chunks]
    for k in range(chunks.shape[1]):
        new = chunks[:, k] if k == 0 else chunks[:, k, :64]
        together = encoder.step(list(zip(new, beside, strict=True)), context)
        beside = [state for _, state in together]
        for i, (heard, _) in enumerate(together):
            [(own, alone[i])] = encoder.step([(new[i], alone[i])], context)
            assert torch.equal(heard, own)


def test_chunks_need_all_their_blocks_at_one_pace() -> None:
    options = CnnOptions(ahead="chunk", factors=(1, 1, 1, 2, 1))
    with pytest.raises(ConfigError, match=r"expected factors of 1 .* found \[1, 1, 1, 2, 1\]"):
        build_encoder(options)
