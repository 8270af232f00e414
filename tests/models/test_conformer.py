"""The chunked Conformer: streamed equals whole, and nobody sees what they must not see."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from steno_models.encoders.conformer import Conformer, ConformerOptions, Context
from steno_models.encoders.subsampling import CONTEXT_FRAMES, FACTOR, steps_of
from steno_models.listening import Ear

OPTIONS = ConformerOptions(
    bins=16, width=16, layers=2, heads=2, feed_forward=24, kernel=5, subsampling_channels=3
)


@pytest.fixture(scope="module")
def conformer() -> Conformer:
    torch.manual_seed(1)
    return Conformer(OPTIONS).eval()


def whole(conformer: Conformer, features: Tensor, context: Context) -> Tensor:
    lengths = torch.tensor([steps_of(len(features))])
    with torch.inference_mode():
        out: Tensor = conformer(features.unsqueeze(0), lengths, context)[-1][0]
    return out


def streamed(conformer: Conformer, features: Tensor, context: Context) -> Tensor:
    state, out = conformer.start(context), []
    chunk = context.chunk_steps * FACTOR
    begin, end = 0, CONTEXT_FRAMES - FACTOR + chunk
    while begin < len(features):
        [(steps, state)] = conformer.step([(features[begin:end], state)], context)
        out.append(steps)
        begin, end = end, end + chunk
    return torch.cat(out)


@settings(deadline=None, max_examples=40)
@given(
    frames=st.integers(CONTEXT_FRAMES, 150),
    chunk=st.integers(1, 12),
    left=st.integers(0, 20),
    seed=st.integers(0, 1000),
)
def test_streamed_output_equals_whole_output_under_the_same_chunk_mask(
    conformer: Conformer, frames: int, chunk: int, left: int, seed: int
) -> None:
    features = torch.randn(frames, 16, generator=torch.Generator().manual_seed(seed))
    context = Context(chunk, left)
    expected = whole(conformer, features, context)
    found = streamed(conformer, features, context)
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@settings(
    deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    frames=st.integers(CONTEXT_FRAMES, 150),
    chunk=st.integers(2, 12),
    first=st.integers(1, 12),
    left=st.integers(0, 20),
)
def test_a_shorter_first_chunk_moves_the_borders_of_all(
    conformer: Conformer,
    monkeypatch: pytest.MonkeyPatch,
    frames: int,
    chunk: int,
    first: int,
    left: int,
) -> None:
    def moved(steps: int, **_: object) -> Tensor:
        seen = torch.zeros(steps, steps, dtype=torch.bool)
        begin, end = 0, min(first, chunk)
        while begin < steps:
            seen[begin:end, max(0, begin - left) : end] = True
            begin, end = end, end + chunk
        return seen

    features = torch.randn(frames, 16, generator=torch.Generator().manual_seed(frames))
    context, ear = Context(chunk, left), Ear(conformer)
    heard, rest, found = ear.start(context, first), features.numpy(), []
    while len(rest):
        size = ear.frames_of_chunk(heard)
        [(steps, heard)] = ear.step([(rest[:size], heard)], context)
        found.append(steps)
        rest = rest[size:]
    monkeypatch.setattr("steno_models.encoders.conformer.chunk_mask", moved)
    expected = whole(conformer, features, context)
    torch.testing.assert_close(torch.cat(found), expected, atol=1e-5, rtol=0)


def test_streams_in_one_batch_do_not_touch_each_other(conformer: Conformer) -> None:
    context = Context(4, 8)
    torch.manual_seed(2)
    first, second = torch.randn(19, 16), torch.randn(11, 16)
    alone = [conformer.step([(x, conformer.start(context))], context)[0] for x in (first, second)]
    together = conformer.step(
        [(first, conformer.start(context)), (second, conformer.start(context))], context
    )
    for (a, a_state), (b, b_state) in zip(alone, together, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)
        torch.testing.assert_close(a_state.past.seen, b_state.past.seen, atol=1e-5, rtol=0)
        torch.testing.assert_close(a_state.convolution, b_state.convolution, atol=1e-5, rtol=0)
        assert a_state.steps == b_state.steps


def test_a_state_may_be_gone_on_from_twice(conformer: Conformer) -> None:
    context = Context(4, 8)
    torch.manual_seed(6)
    begun, [one, other, more] = conformer.start(context), torch.randn(3, 16, 16)
    [(_, state)] = conformer.step([(torch.randn(19, 16), begun)], context)
    expected, after = conformer.step([(one, state)], context)[0]
    for _ in range(3):  # as often as moves the window to other memory
        [(_, after)] = conformer.step([(more, after)], context)
    conformer.step([(other, state)], context)
    found, _ = conformer.step([(one, state)], context)[0]
    torch.testing.assert_close(found, expected, atol=0, rtol=0)
    before = after.past.seen.clone()
    conformer.step([(other, after)], context)
    torch.testing.assert_close(after.past.seen, before, atol=0, rtol=0)


def test_padding_changes_nothing(conformer: Conformer) -> None:
    torch.manual_seed(3)
    features = torch.randn(50, 16)
    steps = steps_of(50)
    padded = torch.cat((features, torch.randn(33, 16)))
    with torch.inference_mode():
        expected = conformer(features.unsqueeze(0), torch.tensor([steps]), Context(6, 6))[-1]
        found = conformer(padded.unsqueeze(0), torch.tensor([steps]), Context(6, 6))[-1]
    torch.testing.assert_close(found[:, :steps], expected, atol=1e-5, rtol=0)


def test_a_step_has_no_gradient_from_beyond_its_chunk(conformer: Conformer) -> None:
    features = torch.randn(1, 60, 16, requires_grad=True)
    lengths = torch.tensor([steps_of(60)])
    out = conformer(features, lengths, Context(4, 4))[-1]
    out[0, 5, 0].backward()  # its chunk is the steps 4 … 7
    assert features.grad is not None
    seen = features.grad[0].abs().sum(1).nonzero().flatten()
    assert int(seen.max()) == 7 * FACTOR + CONTEXT_FRAMES - 1


def test_more_than_a_chunk_at_once_is_refused(conformer: Conformer) -> None:
    context = Context(2, 2)
    with pytest.raises(ValueError, match="expected at most 2 steps, found 4"):
        conformer.step([(torch.randn(19, 16), conformer.start(context))], context)


def test_too_few_frames_for_a_step_wait_in_the_state(conformer: Conformer) -> None:
    context = Context(2, 2)
    [(out, state)] = conformer.step([(torch.randn(6, 16), conformer.start(context))], context)
    assert out.shape == (0, 16)
    assert len(state.features) == 6
