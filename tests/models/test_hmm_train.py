"""Training: EM climbs, a flat start finds synthetic phones again, alignments round-trip."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_models.errors import DataError
from steno_models.hmm.align import align, load_labels, save_labels
from steno_models.hmm.gmm import DiagonalGmm
from steno_models.hmm.model import PhoneModel, load_phone_model
from steno_models.hmm.topology import NUM_STATES, SILENCE, shortest_path, utterance_graph
from steno_models.hmm.train import Example, Stage, baum_welch_round, flat_path, train
from steno_models.types import IntArray

D = 6


def _spoken(rng: np.random.Generator, centres: np.ndarray) -> tuple[Example, IntArray]:
    """Return an utterance of random words and the true phone of each frame."""
    words = [rng.integers(1, len(centres), size=rng.integers(1, 4)).tolist() for _ in range(4)]
    phones = [SILENCE]
    for word in words:
        phones += [*word, SILENCE] if rng.random() < 0.3 else word
    labels = np.repeat(phones, rng.integers(4, 12, size=len(phones))).astype(np.int32)
    frames = centres[labels] + rng.normal(size=(len(labels), D))
    return Example(frames.astype(np.float32), utterance_graph([[w] for w in words])), labels


def _centres(rng: np.random.Generator, phones: int) -> np.ndarray:
    """Return (P, D) the mean of each phone; silence is quiet, which is the first feature."""
    centres = rng.normal(size=(phones, D)) * 3.0
    centres[:, 0] = 4.0
    centres[SILENCE, 0] = -4.0
    return centres


def test_a_flat_start_finds_the_phones_of_synthetic_speech_again() -> None:
    rng = np.random.default_rng(0)
    centres = _centres(rng, phones=9)
    spoken = [_spoken(rng, centres) for _ in range(80)]
    model = train([u for u, _ in spoken], (Stage(splits=0, rounds=12), Stage(splits=1, rounds=2)))
    right = [np.mean(align(model, u.frames, u.graph).labels() == truth) for u, truth in spoken]
    assert np.mean(right) > 0.97


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**16), mixtures=st.integers(1, 3))
def test_em_never_lowers_the_likelihood(seed: int, mixtures: int) -> None:
    rng = np.random.default_rng(seed)
    spoken = [_spoken(rng, _centres(rng, phones=5))[0] for _ in range(5)]
    shape = (NUM_STATES, mixtures, D)
    gmm = DiagonalGmm.uniform(
        np.full((NUM_STATES, mixtures), -np.log(mixtures)),
        rng.normal(size=shape),
        np.full(shape, 10.0),
    )
    model, previous = PhoneModel(gmm, np.full(NUM_STATES, 0.5)), -np.inf
    for _ in range(6):
        model, log_likelihood = baum_welch_round(model, spoken, np.full(D, 1e-3))
        assert log_likelihood >= previous - 1e-5 * abs(log_likelihood)
        previous = log_likelihood


def test_a_flat_path_meets_every_state_in_order() -> None:
    utterance, _ = _spoken(np.random.default_rng(1), _centres(np.random.default_rng(1), phones=4))
    path = flat_path(utterance)
    words = path[(path >= 3) & (path < len(utterance.graph.states) - 3)]
    assert len(path) == len(utterance.frames)
    assert (np.diff(path) >= 0).all()
    assert np.unique(words).tolist() == shortest_path(utterance.graph)


def test_training_without_long_enough_recordings_is_an_error() -> None:
    short = Example(np.zeros((2, D), np.float32), utterance_graph([[[1]]]))
    with pytest.raises(DataError, match="long enough"):
        train([short])


@pytest.mark.parametrize("T", [0, 5])
def test_aligning_too_few_frames_is_an_error(T: int) -> None:
    shape = (NUM_STATES, 1, D)
    gmm = DiagonalGmm.uniform(np.zeros(shape[:2]), np.zeros(shape), np.ones(shape))
    model, frames = PhoneModel(gmm, np.full(NUM_STATES, 0.5)), np.zeros((T, D), np.float32)
    graph = utterance_graph([[[1, 2]]])
    with pytest.raises(DataError, match="frames"):
        align(model, frames, graph)
    with pytest.raises(DataError, match="frames"):
        model.posteriors(frames, graph)


def test_an_alignment_covers_all_frames_and_names_the_words_in_order() -> None:
    rng = np.random.default_rng(2)
    spoken = [_spoken(rng, _centres(rng, phones=6))[0] for _ in range(10)]
    model = train(spoken, (Stage(splits=0, rounds=3),))
    for utterance in spoken:
        alignment = align(model, utterance.frames, utterance.graph)
        borders = [(span.start, span.end) for span in alignment.phones]
        assert [end for _, end in borders[:-1]] == [start for start, _ in borders[1:]]
        assert len(alignment.labels()) == len(utterance.frames)
        assert [span.word for span in alignment.words()] == [0, 1, 2, 3]


def test_labels_and_models_come_back_from_their_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    labels = {"a/b.opus": rng.integers(40, size=50).astype(np.int8), "c": np.zeros(3, np.int8)}
    save_labels(tmp_path / "new" / "phones.npz", labels)
    found = load_labels(tmp_path / "new" / "phones.npz")
    assert found.keys() == labels.keys()
    assert all(np.array_equal(found[key], labels[key]) for key in labels)
    assert load_labels(tmp_path / "new" / "phones.npz", ["c"]).keys() == {"c"}
    shape = (NUM_STATES, 2, D)
    gmm = DiagonalGmm.uniform(
        np.full(shape[:2], -np.log(2.0)), rng.normal(size=shape), np.ones(shape)
    )
    model = PhoneModel(gmm, rng.uniform(0.1, 0.9, NUM_STATES))
    model.save(tmp_path / "model.npz")
    again = load_phone_model(tmp_path / "model.npz")
    np.testing.assert_array_equal(again.gmm.means, model.gmm.means)
    np.testing.assert_array_equal(again.stay_probs, model.stay_probs)


def test_a_file_that_lacks_labels_is_an_error(tmp_path: Path) -> None:
    save_labels(tmp_path / "phones.npz", {"a": np.zeros(3, np.int8)})
    with pytest.raises(DataError, match="phone labels"):
        load_labels(tmp_path / "phones.npz", ["b"])
    with pytest.raises(DataError, match="phone model"):
        load_phone_model(tmp_path / "phones.npz")
