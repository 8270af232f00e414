"""Every kind of encoder under CTC and the training's own steps."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import torch
from tests.models.encoders.shapes import BINS, CONTEXT, SHAPES
from torch import Tensor

from steno_models.ctc.loss import TrainingCtc, ctc_loss
from steno_models.ctc.model import CtcModel
from steno_models.encoders.tdnn import TdnnfLayer
from steno_models.training.data import Batch
from steno_models.training.distributed import Ranks
from steno_models.training.optim import OptimOptions
from steno_models.training.stepper import Stepper, StepResult

OPTIM = OptimOptions(learning_rate=1e-2, warmup_steps=2, total_steps=40)
ALONE = Ranks(0, 1, torch.device("cpu"))


@dataclass
class TinyTask:
    """CTC of the last and of the middle layer."""

    model: TrainingCtc

    def loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
        steps = self.model.model.encoder.grid.steps_of_all(batch.feature_lengths)
        logits = self.model(batch.features, steps, CONTEXT)
        targets = (batch.targets, batch.target_lengths)
        losses = [ctc_loss(logits[name], steps, *targets) for name in ("ctc", "middle_ctc")]
        return torch.stack(losses).sum(), {}

    def evaluate(self) -> Mapping[str, float]:
        return {"error": 0.0}


def speech() -> Batch:
    torch.manual_seed(8)
    lengths = torch.tensor([48, 37], dtype=torch.int32)
    features = torch.randn(2, 48, BINS)
    features[1, 37:] = 0
    targets = torch.tensor([[1, 2, 3], [3, 1, 0]], dtype=torch.int32)
    return Batch(features, lengths, targets, torch.tensor([3, 2], dtype=torch.int32), ("a", "b"))


def trained(name: str, *, bf16: bool, steps: int) -> tuple[TrainingCtc, list[StepResult]]:
    torch.manual_seed(9)
    model = TrainingCtc(CtcModel(SHAPES[name], 4))
    stepper = Stepper(TinyTask(model), OPTIM, ALONE, bf16=bf16, seed=1)
    return model, [stepper.step(number, [speech()]) for number in range(1, steps + 1)]


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("name", SHAPES)
def test_each_kind_learns(name: str, bf16: bool) -> None:  # noqa: FBT001 - parametrised
    _, found = trained(name, bf16=bf16, steps=12)
    assert all(result.taken for result in found)
    assert found[-1].tally.loss < 0.9 * found[0].tally.loss


def test_a_training_keeps_the_factors_semi_orthogonal_and_drops_by_its_schedule() -> None:
    model, _ = trained("tdnnf", bf16=False, steps=11)
    layers = [layer for layer in model.modules() if isinstance(layer, TdnnfLayer)]
    assert len(layers) == 3
    for layer in layers:
        P = layer.first.weight.detach() @ layer.first.weight.detach().t()
        scale = P.square().sum() / P.trace()
        torch.testing.assert_close(P / scale, torch.eye(len(P)), atol=2e-2, rtol=0)
        # Step 11 of 40 is taken after a quarter: of the way from 0 at 0.2 to 0.15 at 0.5, a sixth.
        assert layer.dropout.rate == pytest.approx(0.15 / 6)
