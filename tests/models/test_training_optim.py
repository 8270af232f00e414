import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from steno_models.errors import ConfigError
from steno_models.training.optim import (
    AveragedWeights,
    OptimOptions,
    Schedule,
    learning_rate_at,
    make_adamw,
    set_learning_rate,
)

torch.set_num_threads(1)


def options(schedule: Schedule = Schedule.COSINE) -> OptimOptions:
    return OptimOptions(
        learning_rate=2.0, warmup_steps=10, total_steps=110, schedule=schedule, final_share=0.1
    )


@pytest.mark.parametrize("schedule", list(Schedule))
def test_the_learning_rate_rises_in_a_straight_line_then_falls(schedule: Schedule) -> None:
    rates = [learning_rate_at(step, options(schedule)) for step in range(1, 111)]
    assert rates[:10] == pytest.approx([0.2 * step for step in range(1, 11)])
    assert all(later < earlier for earlier, later in pairwise(rates[9:]))
    assert max(rates) == 2.0


def test_the_cosine_is_halfway_down_in_the_middle_and_stays_at_its_end() -> None:
    assert learning_rate_at(60, options()) == pytest.approx(2.0 * (1 + 0.1) / 2)
    assert learning_rate_at(110, options()) == pytest.approx(0.2)
    assert learning_rate_at(1_000, options()) == pytest.approx(0.2)


def test_noam_falls_with_the_root_of_the_step() -> None:
    rate = learning_rate_at(40, options(Schedule.NOAM))
    assert rate == pytest.approx(2.0 * math.sqrt(10 / 40))


@pytest.mark.parametrize(
    "bad",
    [
        {"warmup_steps": 0},
        {"warmup_steps": 10, "total_steps": 10},
        {"ema_decay": 1.0},
        {"learning_rate": 0.0},
        {"clip_norm": -1.0},
    ],
)
def test_impossible_options_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"expected .*, found"):
        OptimOptions(**bad)  # type: ignore[arg-type]


def test_weight_decay_shrinks_matrices_and_leaves_biases_alone() -> None:
    model = nn.Linear(2, 2)
    nn.init.ones_(model.weight)
    nn.init.ones_(model.bias)
    model.weight.grad = torch.zeros(2, 2)
    model.bias.grad = torch.zeros(2)
    optimiser = make_adamw(model, OptimOptions(weight_decay=0.5))
    set_learning_rate(optimiser, 0.1)
    optimiser.step()
    torch.testing.assert_close(model.weight.detach(), torch.full((2, 2), 1 - 0.1 * 0.5))
    assert torch.equal(model.bias.detach(), torch.ones(2))


def test_frozen_weights_are_left_out_and_a_model_may_have_no_matrix() -> None:
    model = nn.LayerNorm(3)
    model.bias.requires_grad_(False)  # noqa: FBT003 - torch's own form
    (group,) = make_adamw(model, OptimOptions()).param_groups
    assert [weight.shape for weight in group["params"]] == [(3,)]


def make_normalised() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def test_averaged_weights_follow_the_recurrence() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 4.0)
    average = AveragedWeights(model, decay=0.9)
    expected = 4.0
    for step in range(1, 200):
        nn.init.constant_(model.weight, float(step % 5))
        average.update(model, step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * (step % 5)
    assert float(average.state()["weight"]) == pytest.approx(expected, rel=1e-5)


def test_the_average_is_lent_to_the_model_and_taken_back_even_after_an_error() -> None:
    model = make_normalised()
    average = AveragedWeights(model, decay=0.5)
    weight = model.get_parameter("0.weight")
    before = weight.detach().clone()
    with torch.no_grad():
        weight.add_(1.0)

    def fail_inside() -> None:
        with average.put_into(model):
            assert torch.equal(weight, before)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    torch.testing.assert_close(weight.detach(), before + 1.0)


def test_an_average_goes_on_from_its_state() -> None:
    torch.manual_seed(0)
    model = make_normalised()
    first = AveragedWeights(model, decay=0.9)
    model(torch.randn(8, 2))  # moves the running statistics and their counter
    first.update(model, 3)
    second = AveragedWeights(make_normalised(), decay=0.9)
    second.restore(first.state())
    for average in (first, second):
        average.update(model, 4)
    for name, value in first.state().items():
        assert torch.equal(value, second.state()[name])
    assert int(first.state()["1.num_batches_tracked"]) == 1


def test_an_average_of_another_model_is_refused() -> None:
    other = AveragedWeights(nn.Linear(2, 3), decay=0.9).state()
    with pytest.raises(ConfigError, match="found unlike"):
        AveragedWeights(make_normalised(), decay=0.9).restore(other)
