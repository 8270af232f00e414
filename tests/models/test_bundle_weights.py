"""Weights are kept at half precision; what full precision has is used where it can be."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from steno_models import bundle, bundle_command
from steno_models.lexicon_recogniser import LexiconRecogniser

pytestmark = pytest.mark.usefixtures("in_float32")


def _weights(path: Path) -> dict[str, torch.Tensor]:
    recogniser = bundle.load(path).recogniser
    assert isinstance(recogniser, LexiconRecogniser)
    return recogniser.acoustic.state_dict()


def test_half_and_full_precision_files_of_equal_numbers_load_alike(tiny_bundle: Path) -> None:
    file = tiny_bundle / "model.safetensors"
    kept = load_file(file)
    assert {weight.dtype for weight in kept.values()} == {torch.float16}
    halves, half_bytes = _weights(tiny_bundle), file.stat().st_size
    save_file({name: weight.float() for name, weight in kept.items()}, file)
    bundle_command.seal(tiny_bundle)
    fulls = _weights(tiny_bundle)
    assert file.stat().st_size > 1.5 * half_bytes
    assert {weight.dtype for weight in halves.values()} == {torch.float32}
    assert halves.keys() == fulls.keys()
    assert all(torch.equal(halves[name], fulls[name]) for name in halves)


def test_weights_of_full_precision_lose_nothing(tiny_bundle: Path) -> None:
    file = tiny_bundle / "model.safetensors"
    finer = {name: weight.float() * 1.0001 for name, weight in load_file(file).items()}
    save_file(finer, file)
    bundle_command.seal(tiny_bundle)
    loaded = _weights(tiny_bundle)
    assert all(torch.equal(loaded[name], weight) for name, weight in finer.items())
