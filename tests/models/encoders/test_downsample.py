"""Several steps made into one."""

import pytest
import torch

from steno_models.encoders.downsample import Downsampling, check_factors, downsample, width_after

X = torch.tensor([[[1.0, 8.0], [2.0, 6.0], [6.0, 1.0], [3.0, 0.0], [9.0, 9.0]]])


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("pyramid", [[1.0, 8.0, 2.0, 6.0], [6.0, 1.0, 3.0, 0.0]]),
        ("max", [[2.0, 8.0], [6.0, 1.0]]),
        ("average", [[1.5, 7.0], [4.5, 0.5]]),
        ("stride", [[1.0, 8.0], [6.0, 1.0]]),
    ],
)
def test_pairs_become_one_and_what_is_left_over_is_dropped(
    how: Downsampling, expected: list[list[float]]
) -> None:
    found = downsample(X, 2, how)
    assert found.tolist() == [expected]
    assert found.shape[2] == width_after(2, 2, how)


def test_a_factor_of_one_changes_nothing() -> None:
    assert downsample(X, 1, "pyramid") is X


@pytest.mark.parametrize("factors", [(2,), (2, 0), ()])
def test_factors_that_are_not_one_for_each_layer_are_refused(factors: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected factors of 1 or more for each of 2 layers"):
        check_factors(factors, 2)
