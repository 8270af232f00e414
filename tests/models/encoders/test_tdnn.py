"""Time-delay networks against their equations in NumPy, and the factor that stays orthogonal."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from steno_models.encoders.tdnn import (
    RandomScale,
    Spliced,
    Tdnn,
    Tdnnf,
    TdnnfLayer,
    TdnnfOptions,
    TdnnLayer,
    TdnnOptions,
    more_orthogonal,
    scheduled,
)

Array = NDArray[np.float64]
F, D, T = 5, 7, 24
# Frames before the first and after the last are zeros; so many are enough for all windows here.
FAR = 40


def numbers(weight: Tensor) -> Array:
    return weight.detach().double().numpy()


def spliced(x: dict[int, Array], affine: Spliced, offsets: tuple[int, ...], t: int) -> Array:
    """W · [x(t + o₁); x(t + o₂); …] + c."""
    y: Array = numbers(affine.weight) @ np.concatenate([x[t + offset] for offset in offsets])
    return y if affine.bias is None else y + numbers(affine.bias)


def activated(y: Array, norm: nn.LayerNorm) -> Array:
    y = np.maximum(y, 0)
    y = (y - y.mean()) / np.sqrt(y.var() + norm.eps)
    return y * numbers(norm.weight) + numbers(norm.bias)


def frames() -> tuple[Tensor, dict[int, Array]]:
    """The same features for PyTorch, (1, T, F), and by their time with zeros around."""
    features = torch.randn(1, T, F, generator=torch.Generator().manual_seed(1))
    by_time = {t: np.zeros(F) for t in range(-FAR, T + FAR)}
    by_time.update({t: numbers(features[0, t]) for t in range(T)})
    return features, by_time


def times(x: dict[int, Array], *, left: int, right: int, stride: int = 1) -> range:
    """The times, in strides, at which a window of `x` is whole."""
    low = -(-(min(x) + left) // stride)
    return range(low, (max(x) - right) // stride + 1)


def test_a_plain_network_is_its_equations() -> None:
    torch.manual_seed(2)
    offsets = ((-2, 0, 1), (-1, 2), (-3, 0))
    model = Tdnn(TdnnOptions(bins=F, width=D, offsets=offsets, factors=(1, 3, 1))).eval()
    features, x = frames()
    for layer, each, stride in zip(model.layers, offsets, (3, 1, 1), strict=True):
        assert isinstance(layer, TdnnLayer)
        x = {
            t: activated(spliced(x, layer.affine, each, t * stride), layer.norm)
            for t in times(x, left=-min(each), right=max(each), stride=stride)
        }
    found = model(features, torch.tensor([T // 3]))[-1][0]
    expected = np.stack([x[t] for t in range(T // 3)])
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=1e-5)


def test_a_factorised_network_is_its_equations() -> None:
    torch.manual_seed(3)
    spans = ((1, 2), (2, 0))
    options = TdnnfOptions(
        bins=F, width=D, bottleneck=3, offsets=(-1, 0), spans=spans, factors=(1, 2, 1)
    )
    model = Tdnnf(options).eval()
    features, x = frames()
    first, *rest = model.layers
    assert isinstance(first, TdnnLayer)
    x = {
        t: activated(spliced(x, first.affine, (-1, 0), 2 * t), first.norm)
        for t in times(x, left=1, right=0, stride=2)
    }
    for layer, (a, b) in zip(rest, spans, strict=True):
        assert isinstance(layer, TdnnfLayer)
        z = {t: spliced(x, layer.first, (-a, 0), t) for t in times(x, left=a, right=0)}
        second = (0, b) if b else (0,)
        x = {
            t: activated(spliced(z, layer.second, second, t), layer.norm) + 0.66 * x[t]
            for t in times(z, left=0, right=b)
        }
    found = model(features, torch.tensor([T // 2]))[-1][0]
    expected = np.stack([x[t] for t in range(T // 2)])
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=1e-5)


# --- the semi-orthogonal factor


def deviation(matrix: Tensor) -> float:
    """‖M Mᵀ − α² I‖ in parts of α²."""
    P = matrix.double() @ matrix.double().t()
    scale = P.square().sum() / P.trace()
    return float((P / scale - torch.eye(len(P))).norm())


@settings(deadline=None, max_examples=20)
@given(rows=st.integers(1, 8), more=st.integers(0, 8), seed=st.integers(0, 1000))
def test_steps_lead_to_the_polar_factor_of_the_matrix(rows: int, more: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    # Away from singular matrices, where the direction of the factor is not determined.
    matrix = torch.randn(rows, rows + more, generator=generator) + 3 * torch.eye(rows, rows + more)
    U, _, Vh = torch.linalg.svd(matrix, full_matrices=False)
    for _ in range(300):
        matrix = more_orthogonal(matrix)
    alpha = (matrix @ matrix.t()).trace().div(rows).sqrt()
    assert alpha > 0.1
    torch.testing.assert_close(matrix / alpha, U @ Vh, atol=1e-3, rtol=0)
    assert deviation(matrix) < 1e-4


def test_a_small_deviation_is_squared_by_a_step() -> None:
    torch.manual_seed(4)
    exact = 1.7 * nn.init.orthogonal_(torch.empty(6, 15))
    for size in (1e-2, 1e-3):
        moved = exact + size * torch.randn(6, 15)
        assert deviation(more_orthogonal(moved)) < 2 * deviation(moved) ** 2


def test_what_is_semi_orthogonal_stays_as_it_is() -> None:
    exact = 2.5 * nn.init.orthogonal_(torch.empty(6, 15))
    torch.testing.assert_close(more_orthogonal(exact), exact)
    torch.testing.assert_close(more_orthogonal(exact.t()), exact.t())
    assert not more_orthogonal(torch.zeros(2, 3)).any()


def test_a_network_stays_semi_orthogonal_while_it_learns() -> None:
    torch.manual_seed(5)
    options = TdnnfOptions(bins=F, width=D, bottleneck=3, spans=((1, 1), (2, 0)), factors=(1, 1, 1))
    model = Tdnnf(options)
    layers = [layer for layer in model.layers if isinstance(layer, TdnnfLayer)]
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    features, wanted = torch.randn(4, T, F), torch.randn(4, T, D)
    losses = []
    for _ in range(60):
        optimiser.zero_grad()
        loss = (model(features, torch.full((4,), T))[-1] - wanted).square().mean()
        loss.backward()
        losses.append(float(loss.detach()))
        before = [layer.first.weight.detach().clone() for layer in layers]
        optimiser.step()
        for layer, weight in zip(layers, before, strict=True):
            assert not torch.equal(layer.first.weight, weight)
            layer.after_step()
            assert deviation(layer.first.weight.detach()) < 1e-3
    assert losses[-1] < losses[0]


# --- dropout


def test_dropout_follows_straight_lines_over_the_training() -> None:
    schedule = ((0.0, 0.0), (0.2, 0.0), (0.6, 0.4), (1.0, 0.1))
    found = [scheduled(schedule, done) for done in (0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2)]
    assert found == pytest.approx([0, 0, 0.2, 0.4, 0.25, 0.1, 0.1])
    model = Tdnnf(TdnnfOptions(bins=F, width=D, bottleneck=3, dropout=schedule))
    layers = [layer for layer in model.layers if isinstance(layer, TdnnfLayer)]
    for layer in layers:
        layer.before_step(0.5)
    assert [layer.dropout.rate for layer in layers] == pytest.approx([0.3] * len(layers))


def test_random_scales_are_the_same_for_all_steps_and_one_on_average() -> None:
    torch.manual_seed(6)
    scale = RandomScale(0.2)
    found = scale(torch.ones(50, 3, 400))
    assert (found == found[:, :1]).all()
    assert float(found.min()) >= 0.6 - 1e-6
    assert float(found.max()) <= 1.4 + 1e-6
    assert float(found.mean()) == pytest.approx(1, abs=0.01)
    assert scale.eval()(torch.ones(1, 2, 3)).eq(1).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"spans": ((-1, 0),), "factors": (1, 1)}, "expected spans of 0 steps or more"),
        ({"offsets": (1, 0)}, "expected rising offsets"),
        ({"dropout": ()}, "expected dropout at rising shares"),
        ({"dropout": ((0.0, 0.7),)}, "expected dropout from 0 to 0.5"),
        ({"factors": (1,)}, "expected factors of 1 or more for each of 12 layers"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TdnnfOptions(**wrong)  # type: ignore[arg-type]


def test_offsets_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ValueError, match="expected rising offsets in each layer"):
        TdnnOptions(offsets=((0, -1),), factors=(1,))
