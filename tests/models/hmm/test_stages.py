"""The stages of a training on synthetic speech: sounds that depend on their neighbours, speakers
that differ by a map of all features."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from steno_models.errors import ConfigError, DataError
from steno_models.hmm.config import Lda, Mono, Sat, Sgmm, Tri, read_config
from steno_models.hmm.course import Course
from steno_models.hmm.frames import FrontEnd
from steno_models.hmm.speakers import speaker_frames
from steno_models.hmm.speech import Recording
from steno_models.hmm.stages import (
    Trained,
    train_mono,
    train_tri1,
    train_tri2,
    train_tri3,
    usable,
)
from steno_models.hmm.subspace import train_subspace
from steno_models.hmm.subspace_system import load_subspace_system
from steno_models.hmm.system import load_system
from steno_models.hmm.topology import SILENCE, Monophones
from steno_models.hmm.tree import TiedStates
from steno_models.types import FloatArray

F, PHONES = 6, 6
TRI = Tri(leaves=140, min_gain=20.0, min_frames=20.0, gaussians=260, rounds=6, align_at=(3, 5))


def _silent(number: int, found: dict[str, float]) -> None:
    assert number >= 1
    assert found["gaussians"] > 0


def _spoken(rng: np.random.Generator, speaker: int, key: str) -> Recording:
    """Return random words; a phone's mean moves towards that of the next one in its word."""
    centres = 3.0 * np.random.default_rng(99).normal(size=(PHONES, F))
    centres[:, 0], centres[SILENCE, 0] = 4.0, -4.0
    words = [rng.integers(1, PHONES, size=rng.integers(1, 4)).tolist() for _ in range(4)]
    frames = [np.tile(centres[SILENCE], (6, 1))]
    for word in words:
        for phone, following in zip(word, [*word[1:], SILENCE], strict=True):
            mean = centres[phone] + (0.5 * centres[following] if following else 0.0)
            frames.append(np.tile(mean, (int(rng.integers(4, 9)), 1)))
    frames.append(np.tile(centres[SILENCE], (6, 1)))
    cepstra = np.concatenate(frames)
    cepstra += 0.7 * rng.normal(size=cepstra.shape)
    voice = np.random.default_rng(speaker)
    cepstra[:, 1:] = cepstra[:, 1:] @ (np.eye(F - 1) + 0.2 * voice.normal(size=(F - 1, F - 1)))
    return Recording(key, speaker, cepstra.astype(np.float32), [[word] for word in words])


@pytest.fixture(scope="module")
def speech() -> list[Recording]:
    rng = np.random.default_rng(0)
    return usable([_spoken(rng, i % 3, f"u{i}") for i in range(45)], 3)


@pytest.fixture(scope="module")
def mono(speech: Sequence[Recording]) -> Trained:
    return train_mono(speech, 3, Mono(doublings=1, flat_rounds=5, rounds=2))


@pytest.fixture(scope="module")
def tri1(speech: Sequence[Recording], mono: Trained) -> Trained:
    return train_tri1(speech, mono, TRI, _silent)


@pytest.fixture(scope="module")
def tri2(speech: Sequence[Recording], tri1: Trained) -> Trained:
    options = Lda(
        leaves=140, min_gain=20.0, min_frames=20.0, gaussians=260, rounds=6, align_at=(3, 5),
        context=1, width=8, rotate_at=(2, 4),
    )  # fmt: skip
    return train_tri2(speech, tri1, options, _silent)


def _fit(trained: Trained, speech: Sequence[Recording], frames: Sequence[FloatArray]) -> float:
    """Return the log-likelihood of a frame on the best paths."""
    scores = [
        trained.system.model.viterbi(each, recording.graph(trained.system.units))[1]
        for recording, each in zip(speech, frames, strict=True)
    ]
    return sum(scores) / sum(map(len, frames))


def test_states_in_context_fit_better_than_phones_alone(
    speech: Sequence[Recording], mono: Trained, tri1: Trained
) -> None:
    frames = [FrontEnd()(recording.cepstra) for recording in speech]
    assert isinstance(tri1.system.units, TiedStates)
    assert tri1.system.units.num_states > mono.system.units.num_states
    assert _fit(tri1, speech, frames) > _fit(mono, speech, frames) + 1.0


def test_discriminants_are_rotated_and_the_file_says_so(
    speech: Sequence[Recording], tri2: Trained, tmp_path: Path
) -> None:
    matrix = tri2.system.front_end.matrix
    assert matrix is not None
    assert matrix.shape == (8, 3 * F)
    tri2.system.save(tmp_path / "new" / "tri2.npz")
    again = load_system(tmp_path / "new" / "tri2.npz")
    for recording, path in list(zip(speech, tri2.paths, strict=True))[:5]:
        frames = again.front_end(recording.cepstra)
        found = again.model.best_path(frames, recording.graph(again.units))
        assert np.mean(found == path) > 0.95


def test_a_map_for_each_speaker_makes_the_speech_likelier(
    speech: Sequence[Recording], tri2: Trained
) -> None:
    options = Sat(
        leaves=140, min_gain=20.0, min_frames=20.0, gaussians=260, rounds=6, align_at=(3, 5),
        adapt_at=(2, 4),
    )  # fmt: skip
    tri3 = train_tri3(speech, tri2, options, _silent)
    assert tri3.system.adapted
    base = [tri3.system.front_end(recording.cepstra) for recording in speech]
    units = tri3.system.units
    pairs = zip(speech, tri3.paths, strict=True)
    states = [recording.graph(units).states[path] for recording, path in pairs]
    mapped = speaker_frames(tri3.system.model.gmm, speech, base, states)
    assert _fit(tri3, speech, mapped) > _fit(tri3, speech, base) + 0.2


def test_summing_over_all_paths_never_lowers_the_likelihood(
    speech: Sequence[Recording], tri1: Trained
) -> None:
    frames = [FrontEnd()(recording.cepstra) for recording in speech[:10]]
    units = tri1.system.units
    graphs = [recording.graph(units) for recording in speech[:10]]
    course = Course(
        speech[:10], graphs, tri1.paths[:10], FrontEnd(), frames, frames, tri1.system.model
    )
    found = []
    for _ in range(4):
        course.sum_over_paths()
        assert course.log_likelihood is not None
        found.append(course.log_likelihood)
    assert (np.diff(found) >= -1e-4).all()
    assert found[-1] > found[0]


def test_a_pool_that_all_states_share_is_trained_and_comes_back_from_its_file(
    speech: Sequence[Recording], tri2: Trained, tmp_path: Path
) -> None:
    found: list[float] = []

    def report(number: int, told: dict[str, float]) -> None:
        assert number == len(found) + 1
        found.append(told["log_likelihood"])

    system = train_subspace(speech, tri2, Sgmm(gaussians=8, width=5, passes=2), report)
    assert (np.diff(found) >= -1e-3).all()
    assert found[-1] > found[0] + 1.0
    system.save(tmp_path / "sgmm.npz")
    again = load_subspace_system(tmp_path / "sgmm.npz")
    frames = system.front_end(speech[0].cepstra)
    np.testing.assert_allclose(
        again.log_likelihoods(again.front_end(speech[0].cepstra)), system.log_likelihoods(frames)
    )
    with pytest.raises(DataError, match="expected a subspace GMM"):
        load_subspace_system(tmp_path / "none.npz")


def test_five_states_a_phone_train_as_three_do() -> None:
    rng = np.random.default_rng(1)
    speech = [_spoken(rng, 0, f"u{i}") for i in range(15)]
    long = [replace(r, cepstra=np.repeat(r.cepstra, 2, axis=0)) for r in speech]
    trained = train_mono(usable(long, 5), 5, Mono(doublings=0, flat_rounds=2))
    units = trained.system.units
    assert isinstance(units, Monophones)
    assert units.num_states == 1 + 5 * 39


def test_slopes_cannot_be_rotated(speech: Sequence[Recording], tri1: Trained) -> None:
    frames = [FrontEnd()(speech[0].cepstra)]
    graphs = [speech[0].graph(tri1.system.units)]
    course = Course(
        speech[:1], graphs, tri1.paths[:1], FrontEnd(), frames, frames, tri1.system.model
    )
    with pytest.raises(ConfigError, match="expected discriminants"):
        course.rotate()


def test_what_is_too_short_for_its_words_is_left_out() -> None:
    short = Recording("a", 0, np.zeros((2, F), np.float32), [[[1]]])
    with pytest.raises(DataError, match="long enough"):
        usable([short], 3)


def test_a_configuration_is_read_and_a_wrong_one_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STENO_RUNS", str(tmp_path))
    file = tmp_path / "a.toml"
    file.write_text('folder = "$STENO_RUNS/x"\nmanifests = ["m.jsonl"]\ntri3 = {rounds = 3}\n')
    config = read_config(file)
    assert config.folder == tmp_path / "x"
    assert config.manifests == (tmp_path / "m.jsonl",)
    assert (config.tri3.rounds, config.states_per_phone) == (3, 3)
    wrong = (
        'folder = "x"\nstates_per_phone = 4\nmanifests = ["a"]',
        'folder = "x"\ntri1 = {context = 2}\nmanifests = ["a"]',
        'folder = "$STENO_NOT/x"\nmanifests = ["a"]',
        'folder = "x"',
        "[",
    )
    for text in wrong:
        file.write_text(text)
        with pytest.raises(ConfigError, match=r"a\.toml"):
            read_config(file)


def test_a_file_that_is_no_model_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_text(json.dumps({}))
    with pytest.raises(DataError, match="expected an acoustic model"):
        load_system(tmp_path / "a.npz")
