import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from steno_models.errors import ConfigError, DataError
from steno_models.training.checkpoint import (
    Checkpoint,
    CheckpointFolder,
    average_checkpoints,
    pack_optimiser,
    read_checkpoint,
    unpack_optimiser,
    weights_to_use,
    write_checkpoint,
)
from steno_models.training.data import Position

torch.set_num_threads(1)


def make_checkpoint(step: int = 1, *, error: float | None = None, fill: float = 1.0) -> Checkpoint:
    return Checkpoint(
        step=step,
        position=Position(epoch=2, batch=step),
        model={"w": torch.full((2, 3), fill), "count": torch.tensor(step)},
        optimiser={"0/exp_avg": torch.randn(2, 3), "0/step": torch.tensor(float(step))},
        optimiser_groups=[{"lr": 0.1 + 0.2, "betas": [0.9, 0.98], "params": [0], "fused": None}],
        average={"w": torch.randn(2, 3).to(torch.bfloat16)},
        metrics={} if error is None else {"error": error},
        audio_s=12.5,
        fingerprint="abc",
    )


def assert_same_tensors(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert value.dtype == second[name].dtype
        assert torch.equal(value, second[name])


def test_a_checkpoint_reads_back_bit_for_bit(tmp_path: Path) -> None:
    written = make_checkpoint(7, error=0.25)
    write_checkpoint(tmp_path / "c.safetensors", written)
    found = read_checkpoint(tmp_path / "c.safetensors")
    for name in ("model", "optimiser", "average"):
        assert_same_tensors(getattr(found, name), getattr(written, name))
    empty: dict[str, Tensor] = {}
    plain = [
        replace(each, model=empty, optimiser=empty, average=empty) for each in (found, written)
    ]
    assert plain[0] == plain[1]
    assert [path.name for path in tmp_path.iterdir()] == ["c.safetensors"]


def test_the_averaged_weights_are_the_ones_to_use() -> None:
    checkpoint = make_checkpoint()
    assert weights_to_use(checkpoint) is checkpoint.average
    plain = replace(checkpoint, average={})
    assert weights_to_use(plain) is plain.model


def test_tied_and_transposed_weights_can_be_saved(tmp_path: Path) -> None:
    weight = torch.randn(2, 3)
    tied = replace(make_checkpoint(), model={"in": weight, "out": weight, "turned": weight.T})
    write_checkpoint(tmp_path / "c.safetensors", tied)
    assert_same_tensors(read_checkpoint(tmp_path / "c.safetensors").model, tied.model)


def test_a_measure_that_is_not_finite_is_left_out(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "c.safetensors", make_checkpoint(error=float("nan")))
    assert read_checkpoint(tmp_path / "c.safetensors").metrics == {}


def test_the_last_few_and_the_best_are_kept(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "run", keep_last=2)
    assert folder.paths() == []
    assert folder.latest() is None
    assert folder.best() is None
    for step, error in ((1, 0.5), (2, 0.2), (3, None), (4, 0.3), (5, None)):
        folder.save(make_checkpoint(step, error=error))
    assert [int(path.stem.removeprefix("step-")) for path in folder.paths()] == [2, 4, 5]
    assert folder.best() == folder.paths()[0]
    latest = folder.latest()
    assert latest is not None
    assert latest.step == 5


def test_another_measure_can_decide_about_the_best(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path, measure="loss")
    for step, loss in ((1, 2.0), (2, 3.0)):
        folder.save(replace(make_checkpoint(step), metrics={"loss": loss, "error": 1 / loss}))
    assert folder.best() == folder.paths()[0]


def test_keeping_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 1 checkpoint, found 0"):
        CheckpointFolder(tmp_path, keep_last=0)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.999])
def test_a_truncated_checkpoint_is_passed_over_for_the_one_before(
    tmp_path: Path, share: float, caplog: pytest.LogCaptureFixture
) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.save(make_checkpoint(1, error=0.5))
    path = folder.save(make_checkpoint(2, error=0.1))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataError, match=r"step-000000002.* expected a whole checkpoint, found: "):
        read_checkpoint(path)
    with caplog.at_level(logging.WARNING):
        latest = folder.latest()
    assert latest is not None
    assert latest.step == 1
    assert "passing over a damaged checkpoint" in caplog.text
    assert folder.best() == folder.paths()[0]


def test_other_files_are_no_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a checkpoint, found none"):
        read_checkpoint(tmp_path / "none.safetensors")
    save_file({"w": torch.ones(1)}, tmp_path / "weights.safetensors")
    with pytest.raises(DataError, match="expected a checkpoint of a training"):
        read_checkpoint(tmp_path / "weights.safetensors")


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / "step-000000001.safetensors.99.tmp").write_bytes(b"half")
    CheckpointFolder(tmp_path).save(make_checkpoint(2))
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000002.safetensors"]


def test_the_average_of_checkpoints_is_the_mean_of_their_weights(tmp_path: Path) -> None:
    paths = []
    for step, fill in ((1, 1.0), (2, 2.0), (3, 6.0)):
        paths.append(tmp_path / f"{step}.safetensors")
        write_checkpoint(paths[-1], make_checkpoint(step, fill=fill))
    mean = average_checkpoints(paths)
    assert torch.equal(mean["w"], torch.full((2, 3), 3.0))
    assert int(mean["count"]) == 3


def test_unlike_models_have_no_average(tmp_path: Path) -> None:
    for name, shape in (("a", 2), ("b", 3)):
        write_checkpoint(
            tmp_path / name, replace(make_checkpoint(), model={"w": torch.ones(shape)})
        )
    with pytest.raises(DataError, match="b: expected weights like those of"):
        average_checkpoints([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(DataError, match="found none"):
        average_checkpoints([])


def train(model: nn.Module, optimiser: torch.optim.Optimizer, *, seed: int) -> None:
    torch.manual_seed(seed)
    for _ in range(3):
        optimiser.zero_grad()
        model(torch.randn(4, 2)).square().sum().backward()
        optimiser.step()


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.RMSprop, torch.optim.SGD])
def test_an_optimiser_goes_on_bit_for_bit(
    tmp_path: Path, kind: type[torch.optim.Optimizer]
) -> None:
    model, other = nn.Linear(2, 2), nn.Linear(2, 2)
    optimiser = kind(model.parameters(), lr=0.01)  # type: ignore[call-arg]
    train(model, optimiser, seed=1)
    tensors, groups = pack_optimiser(optimiser)
    path = tmp_path / "c.safetensors"
    write_checkpoint(
        path,
        replace(
            make_checkpoint(), model=model.state_dict(), optimiser=tensors, optimiser_groups=groups
        ),
    )
    found = read_checkpoint(path)
    other.load_state_dict(dict(found.model))
    other_optimiser = kind(other.parameters(), lr=1.0)  # type: ignore[call-arg]
    unpack_optimiser(other_optimiser, found.optimiser, found.optimiser_groups)
    train(model, optimiser, seed=2)
    train(other, other_optimiser, seed=2)
    assert_same_tensors(model.state_dict(), other.state_dict())


def test_the_optimiser_of_another_model_is_refused() -> None:
    tensors, groups = pack_optimiser(torch.optim.AdamW(nn.Linear(2, 2).parameters()))
    fewer = torch.optim.AdamW(nn.Linear(2, 2, bias=False).parameters())
    with pytest.raises(DataError, match="expected the optimiser of the same weights"):
        unpack_optimiser(fewer, tensors, groups)
