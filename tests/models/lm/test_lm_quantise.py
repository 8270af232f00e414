"""Networks at eight bits a weight: smaller, and of nearly the same opinion."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.models import second_passes as second

from steno_models.errors import DataError
from steno_models.lm import command
from steno_models.lm.neural import stored
from steno_models.lm.open_model import open_model

TEXTS = [["see", "tea"], ["at", "cat", "see"], ["zebra"]]


def test_a_quantised_network_is_of_nearly_the_same_opinion(tmp_path: Path) -> None:
    whole, out = second.recurrent(tmp_path / "lm"), tmp_path / "small"
    assert command.main(["quantise", str(whole), str(out)]) == 0
    assert sorted(file.name for file in out.iterdir()) == sorted(
        file.name for file in whole.iterdir()
    )
    expected = open_model(whole).score_sentences(TEXTS).log_probs
    found = open_model(out).score_sentences(TEXTS).log_probs
    differences = np.abs(np.concatenate(found) - np.concatenate(expected))
    assert 0 < differences.max() < 0.1


def test_a_weight_is_rounded_to_a_step_of_its_row(tmp_path: Path) -> None:
    matrix = torch.tensor([[0.5, -1.0, 0.3], [0.0, 0.0, 0.0], [200.0, 1.0, -7.0]])
    written = {"matrix": matrix, "bias": torch.tensor([0.25, -3.0])}
    stored.write_weights(tmp_path, written, bits=8)
    found = stored.load_weights(tmp_path)
    assert found.keys() == written.keys()
    assert found["bias"].tolist() == [0.25, -3.0]
    steps = matrix.abs().amax(dim=1, keepdim=True) / 127
    assert bool(((found["matrix"] - matrix).abs() <= steps / 2 + 1e-6).all())
    assert found["matrix"][0, 1] == pytest.approx(-1.0)
    assert found["matrix"][1].tolist() == [0.0, 0.0, 0.0]


def test_a_matrix_without_its_scale_is_told_of(tmp_path: Path) -> None:
    save_file({"matrix": torch.zeros(2, 2, dtype=torch.int8)}, tmp_path / stored.WEIGHTS)
    with pytest.raises(DataError, match=r"expected the model's weights, found: 'matrix\.scale'"):
        stored.load_weights(tmp_path)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    whole = second.recurrent(tmp_path / "lm")
    with pytest.raises(DataError, match="expected a new or empty folder, found"):
        command.main(["quantise", str(whole), str(whole)])
