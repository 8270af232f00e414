"""What a CTC model is trained on: labels of frames, features with changes, targets of phones."""

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tests.models.remembered import UNTOUCHED, Memory

from steno_models import recogniser
from steno_models.ctc import variation
from steno_models.ctc.data import (
    SILENT,
    UNKNOWN,
    LabelledFeatures,
    Sounds,
    read_arrays,
    silent,
    split_labels,
    spoken,
)
from steno_models.ctc.loss import NO_LABEL
from steno_models.ctc.variation import Changes, Plain, Varied
from steno_models.encoders.conformer import Conformer
from steno_models.encoders.subsampling import steps_of, steps_of_all
from steno_models.errors import DataError
from steno_models.text.g2p import G2P
from steno_models.text.lexicon import Lexicon
from steno_models.text.tokens import TokenTable
from steno_models.training.manifest import Utterance
from steno_models.types import FloatArray


def counting(frames: int) -> FloatArray:
    """(frames, 80), each frame its number."""
    return np.repeat(np.arange(frames, dtype=np.float32)[:, None], 80, axis=1)


# --- labels of frames


def test_the_label_of_a_faster_frame_is_that_of_the_frame_it_was() -> None:
    labels = np.arange(20, dtype=np.int8)
    features = LabelledFeatures(
        Memory([counting(20), counting(22), counting(18)]), [labels], (1.0, 0.9, 1.1)
    )
    for variant, speed in enumerate((1.0, 0.9, 1.1)):
        read = features.read(0, variant)
        assert read.dtype == np.float32
        np.testing.assert_array_equal(read[:, :80], counting(len(read)))
        expected = [
            min(math.floor(f * round(10 * speed) / 10 + 1e-9), 19) for f in range(len(read))
        ]
        np.testing.assert_array_equal(read[:, 80], expected)


def test_labels_survive_silence_warping_and_masks() -> None:
    labels = (np.arange(40) % 40).astype(np.int8)
    read = LabelledFeatures(Memory([counting(40) / np.float32(20) - 1]), [labels], (1.0,)).read(
        0, 0
    )
    varied = Varied(UNTOUCHED, Changes(volume=0.1, tempo_share=0.0, warp_share=0.5))
    for seed in range(20):
        column = varied(read, np.random.default_rng(seed), 1000)[:, 80]
        before = int(np.flatnonzero(column)[0]) - 1
        np.testing.assert_array_equal(column[before : before + 40], labels)
        assert not column[:before].any()
        assert not column[before + 40 :].any()
        assert 6 <= len(column) - before - 40 < 60
        assert 0 <= before < 30


def test_silence_around_an_unlabelled_utterance_has_no_label() -> None:
    read = LabelledFeatures(Memory([counting(9)]), [UNKNOWN], (1.0,)).read(0, 0)
    column = Varied(UNTOUCHED, Changes())(read, np.random.default_rng(0), 0)[:, 80]
    assert len(column) > 9
    assert (column == NO_LABEL).all()


def test_noise_is_silence_throughout() -> None:
    read = LabelledFeatures(Memory([counting(9)]), [SILENT], (1.1,)).read(0, 0)
    assert not read[:, 80].any()


def test_a_step_has_the_label_of_its_middle_frame_and_none_after_the_end() -> None:
    frames = torch.tensor([31, 18])
    batch = torch.zeros(2, 31, 3)
    batch[0, :, 2] = torch.arange(31)
    batch[1, :18, 2] = torch.arange(18)
    features, labels = split_labels(batch, steps_of_all(frames), Conformer.grid)
    assert features.shape == (2, 31, 2)
    assert labels.tolist() == [[3, 7, 11, 15, 19, 23, 27], [3, 7, 11, *[NO_LABEL] * 4]]


def test_a_batch_longer_than_its_utterances_has_labels_for_all_its_steps() -> None:
    batch = torch.ones(1, 40, 3)
    features, labels = split_labels(batch, steps_of_all(torch.tensor([20])), Conformer.grid)
    assert features.shape == (1, 40, 2)
    assert labels.tolist() == [[1] * 4 + [NO_LABEL] * 5]


def test_steps_of_a_batch_are_those_of_each_utterance() -> None:
    frames = torch.arange(60)
    assert steps_of_all(frames).tolist() == [steps_of(int(T)) for T in frames]


# --- features


def test_features_are_limited_as_the_recogniser_limits_them() -> None:
    assert variation.FEATURE_LIMIT == recogniser.FEATURE_LIMIT
    assert variation.TAIL_FRAMES == recogniser.TAIL_FRAMES
    plain = Plain(UNTOUCHED)(counting(9) - 20, np.random.default_rng(0), 0)
    assert plain.shape == (9 + recogniser.TAIL_FRAMES, 80)
    assert (plain[9:] == -recogniser.FEATURE_LIMIT).all()
    assert plain.min() == -recogniser.FEATURE_LIMIT


def test_without_changes_only_silence_is_added() -> None:
    read = np.column_stack([np.tanh(counting(9) - 4), np.ones(9, np.float32)])
    changes = Changes(volume=0.0, tempo_share=0.0, warp_share=0.0, mask_share=0.0)
    found = Varied(UNTOUCHED, changes)(read, np.random.default_rng(1), 1000)
    before = int(np.flatnonzero(found[:, 80])[0])
    np.testing.assert_array_equal(found[before : before + 9], read)
    silence = np.concatenate([found[:before, :80], found[before + 9 :, :80]])
    assert len(np.unique(silence)) == 1
    assert -4 <= silence[0, 0] <= -1


def test_noise_comes_in_pieces(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.zeros(int(2.3 * 16_000)), 16_000)
    soundfile.write(tmp_path / "short.wav", np.zeros(8_000), 16_000)
    pieces = silent(tmp_path, piece_s=1.0, turns=0.25)
    times = [(u.audio.name, u.offset_s, u.duration_s) for u in pieces.utterances]
    assert times == [("long.wav", 0.0, 1.0), ("long.wav", 1.0, 1.0), ("short.wav", 0.0, 0.5)]
    assert {len(target) for target in pieces.targets} == {0}
    assert len({u.key for u in pieces.utterances}) == 3


# --- targets


@pytest.fixture(scope="module")
def sounds() -> Sounds:
    lexicon = Lexicon({"red": (("R", "EH", "D"), ("R", "IY", "D")), "a": (("AH",),)})
    return Sounds(lexicon, G2P.load(), TokenTable.phones())


def test_a_target_is_the_first_pronunciation_of_every_word(sounds: Sounds) -> None:
    assert sounds("A red, red").tolist() == TokenTable.phones().ids(
        ["AH", "R", "EH", "D", "R", "EH", "D"]
    )


def test_a_word_of_no_dictionary_is_guessed(sounds: Sounds) -> None:
    assert len(sounds("zorblat")) > 4


def test_what_the_aligner_heard_goes_before_the_dictionary(sounds: Sounds, tmp_path: Path) -> None:
    np.savez(tmp_path / "tokens.npz", one=np.array([28, 18, 9], np.int8))
    np.savez(tmp_path / "labels.npz", two=np.array([0, 3, 3], np.int8))
    utterances = [Utterance(key, tmp_path, 0, 1, "a", "") for key in ("one", "two")]
    found = spoken(
        utterances, sounds, tokens=tmp_path / "tokens.npz", labels=tmp_path / "labels.npz"
    )
    assert [target.tolist() for target in found.targets] == [[28, 18, 9], [3]]
    assert found.labels[0] is UNKNOWN
    assert found.labels[1].tolist() == [0, 3, 3]


@pytest.mark.parametrize("array", [[0, 40], [-1], [0.5], [[1]], []], ids=str)
def test_arrays_of_something_else_than_phones_are_refused(
    array: list[float], tmp_path: Path
) -> None:
    np.savez(tmp_path / "labels.npz", one=np.array(array))
    with pytest.raises(DataError, match="one"):
        read_arrays(tmp_path / "labels.npz")


def test_a_file_that_is_no_npz_is_named(tmp_path: Path) -> None:
    (tmp_path / "labels.npz").write_text("no")
    with pytest.raises(DataError, match=r"expected arrays of phones in .*labels\.npz"):
        read_arrays(tmp_path / "labels.npz")
