"""What features are changed into: as often, as much and as repeatably as the settings say."""

import numpy as np
import pytest

from steno_models.ctc.loss import NO_LABEL
from steno_models.ctc.variation import Changes, Varied
from steno_models.features.cmvn import GlobalCmvn
from steno_models.types import FloatArray, IntArray

UNTOUCHED = GlobalCmvn(np.zeros(80, np.float32), np.ones(80, np.float32))
LONG_AFTER = 100_000


def nothing_but(**changes: float) -> Changes:
    none = {"volume": 0.0, "noise_share": 0.0, "tempo_share": 0.0, "warp_share": 0.0}
    return Changes(**{**none, "mask_share": 0.0, **changes})  # type: ignore[arg-type]


class OneNoise:
    """A single recording of noise, as loud everywhere."""

    def __init__(self) -> None:
        self.keys = ["hiss"]
        self.lengths: IntArray = np.array([[30, 30]], np.int32)

    def read(self, utterance: int, variant: int) -> FloatArray:
        return np.full((30, 80), 5.0 + utterance + variant, np.float32)


def speech(frames: int = 60, label: int = 7) -> FloatArray:
    """(frames, 81), quiet features with a label; the label numbers the halves."""
    features = np.random.default_rng(0).uniform(-2, 2, (frames, 80)).astype(np.float32)
    labels = np.full((frames, 1), label, np.float32)
    if label > 0:
        labels[frames // 2 :] += 1
    return np.concatenate([features, labels], axis=1)


def inner(found: FloatArray) -> FloatArray:
    """Return the labelled frames without the silences around them."""
    return found[found[:, 80] > 0]


def test_noise_comes_as_often_as_asked_and_to_speech_alone() -> None:
    varied = Varied(UNTOUCHED, nothing_but(noise_share=0.25), OneNoise())
    read = speech()
    changed = [
        not np.array_equal(inner(varied(read, np.random.default_rng(seed), 0)), read)
        for seed in range(200)
    ]
    assert np.mean(changed) == pytest.approx(0.25, abs=0.08)
    wordless = speech(label=0)
    for seed in range(20):
        found = varied(wordless, np.random.default_rng(seed), 0)[:, :80]
        present = [np.array_equal(found[i : i + 60], wordless[:, :80]) for i in range(30)]
        assert any(present)


def test_speech_of_unknown_phones_is_put_in_noise_too() -> None:
    varied = Varied(UNTOUCHED, nothing_but(noise_share=1.0, volume=0.0), OneNoise())
    read = speech(label=NO_LABEL)
    found = varied(read, np.random.default_rng(0), 0)
    assert not any(np.array_equal(found[i : i + 60, :80], read[:, :80]) for i in range(30))


def test_without_noises_speech_stays_as_it_is() -> None:
    read = speech()
    found = Varied(UNTOUCHED, nothing_but(noise_share=1.0))(read, np.random.default_rng(0), 0)
    np.testing.assert_array_equal(inner(found), read)


def test_labels_keep_to_their_frames_when_the_tempo_changes() -> None:
    varied = Varied(UNTOUCHED, nothing_but(tempo_share=1.0, tempo_range=0.1))
    read = speech(200)
    read[:100, :80], read[100:, :80] = -1.0, 1.0  # what is heard changes where the label does
    lengths = set()
    for seed in range(30):
        found = inner(varied(read, np.random.default_rng(seed), 0))
        lengths.add(len(found))
        assert 200 / 1.1 - 1 <= len(found) <= 200 / 0.9
        between = np.abs(found[:, 0]) < 1  # the frames that are of both
        assert between.sum() <= 2
        np.testing.assert_array_equal(found[~between, 0] > 0, found[~between, 80] == 8)
    assert len(lengths) > 10


def test_masks_come_in_slowly() -> None:
    changes = Changes(mask_share=0.6, mask_after=100, mask_ramp=200)
    shares = [changes.mask_share_at(batch) for batch in (0, 100, 200, 300, 5000)]
    assert shares == pytest.approx([0, 0, 0.3, 0.6, 0.6])
    at_once = Changes(mask_share=0.6, mask_after=0, mask_ramp=0)
    assert at_once.mask_share_at(1) == 0.6


def test_before_the_ramp_nothing_is_masked_and_after_it_much() -> None:
    varied = Varied(UNTOUCHED, nothing_but(mask_share=1.0))
    read = speech(200)
    early = [inner(varied(read, np.random.default_rng(seed), 0)) for seed in range(5)]
    late = [inner(varied(read, np.random.default_rng(seed), LONG_AFTER)) for seed in range(5)]
    assert all(np.array_equal(found, read) for found in early)
    assert not any(np.array_equal(found, read) for found in late)


def test_a_seed_repeats_everything() -> None:
    varied = Varied(UNTOUCHED, Changes(noise_share=1.0, tempo_share=1.0), OneNoise())
    first, second = (varied(speech(), np.random.default_rng(3), LONG_AFTER) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    other = varied(speech(), np.random.default_rng(4), LONG_AFTER)
    assert first.shape != other.shape or not np.array_equal(first, other)
