"""What a network hears as a feature: principal components, and Gaussians that it helps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.models.hmm.toy import knowing, timed

from steno_models.encoders.protocol import Grid
from steno_models.errors import ConfigError, DataError
from steno_models.hmm.config import Mono
from steno_models.hmm.frames import normalised
from steno_models.hmm.hybrid.states import phone_of_states
from steno_models.hmm.speech import Recording
from steno_models.hmm.stages import train_mono, usable
from steno_models.hmm.tandem.features import (
    Heard,
    load_projection,
    principal_components,
)
from steno_models.hmm.topology import NUM_PHONES, Monophones, utterance_graph
from steno_models.types import FloatArray

torch.set_num_threads(1)

PHONES = 6
UNITS = Monophones(1, silence_states=1)


def _oracle(grid: Grid | None = None) -> tuple[Heard, FloatArray]:
    """Return a network that tells all states apart, and what each sounds like to it."""
    A = UNITS.num_states
    means = np.eye(A, dtype=np.float32) * 3
    system = knowing(UNITS, means, np.full(A, 1 / A), np.full(A, 0.8), grid)
    return Heard(system), means


def test_components_are_the_directions_of_greatest_variance(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(500, 4)) * [5.0, 0.1, 2.0, 0.5]
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    features = (mixed @ turn.T + 7.0).astype(np.float32)
    found = principal_components([features[:300], features[300:]], 2)
    # The right singular vectors of the centred frames, an independent way there.
    _, _, expected = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs((found.matrix * expected[:2]).sum(axis=1)), 1.0, atol=1e-4)
    projected = found(features)
    assert abs(np.cov(projected.T)[0, 1]) < 1e-2
    np.testing.assert_allclose(projected.mean(axis=0), 0.0, atol=1e-4)
    found.save(tmp_path / "new" / "projection.npz")
    np.testing.assert_array_equal(
        load_projection(tmp_path / "new" / "projection.npz").matrix, found.matrix
    )
    with pytest.raises(DataError, match="expected principal components"):
        load_projection(tmp_path / "none.npz")
    with pytest.raises(ConfigError, match="expected a width of 1 to 4 components, found 5"):
        principal_components([features], 5)
    with pytest.raises(DataError, match="found none"):
        principal_components([], 2)


@pytest.mark.parametrize("grid", [Grid(1, 1), Grid(4, 7)])
def test_every_frame_hears_the_phones_of_the_nearest_step(grid: Grid) -> None:
    heard, means = _oracle(grid)
    states = np.repeat(np.arange(8), 12)
    found = heard(means[states])
    assert found.shape == (len(states), NUM_PHONES)
    phones = phone_of_states(UNITS)[states]
    inside = np.tile(np.arange(12), 8) % 11 > 3  # away from where one sound becomes the next
    np.testing.assert_array_equal(found.argmax(axis=1)[inside[: len(found)]], phones[inside])
    exact = np.exp(found[grid.middle_frame])
    assert exact.sum() == pytest.approx(1.0, abs=1e-3)


def _spoken(rng: np.random.Generator, key: str) -> tuple[Recording, FloatArray, list[int]]:
    """Return cepstra in much noise, clearer energies of the same words, and the true phones."""
    words = [rng.integers(1, PHONES, size=rng.integers(1, 4)).tolist() for _ in range(4)]
    graph = utterance_graph([[word] for word in words], units=UNITS)
    phones = graph.phones[timed(rng, words, UNITS, 6)]
    _, means = _oracle()
    centres = np.random.default_rng(99).normal(size=(PHONES, 5))
    centres[:, 0] = 1.0
    centres[0, 0] = -3.0
    cepstra = centres[phones] + 1.6 * rng.normal(size=(len(phones), 5))
    energies = means[phones] + rng.normal(size=(len(phones), means.shape[1]))
    recording = Recording(key, 0, cepstra.astype(np.float32), [[word] for word in words])
    return recording, energies.astype(np.float32), phones.tolist()


def _wrong(speech: list[Recording], truth: dict[str, list[int]]) -> float:
    """Return the share of frames that phones trained on `speech` put into another phone."""
    ordered = usable(speech, 3)
    trained = train_mono(ordered, 3, Mono(doublings=0, flat_rounds=6))
    wrong = [
        recording.graph(trained.system.units).phones[path] != truth[recording.key]
        for recording, path in zip(ordered, trained.paths, strict=True)
    ]
    return float(np.concatenate(wrong).mean())


def test_gaussians_that_hear_an_oracle_align_better_than_on_cepstra_alone() -> None:
    rng = np.random.default_rng(0)
    spoken = [_spoken(rng, f"u{i}") for i in range(20)]
    truth = {recording.key: phones for recording, _, phones in spoken}
    heard, _ = _oracle()
    said = [heard(energies) for _, energies, _ in spoken]
    projection = principal_components(said, 4)
    added = normalised([projection(each) for each in said])
    alone = [recording for recording, _, _ in spoken]
    together = [
        replace(recording, cepstra=np.concatenate([recording.cepstra, more], axis=1))
        for recording, more in zip(alone, added, strict=True)
    ]
    assert _wrong(together, truth) < 0.7 * _wrong(alone, truth)
