import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from steno_models.errors import DataError
from steno_models.features.fbank import fbank
from steno_models.training.feature_cache import JoinedFeatures, Recipe, Variant, cached_features
from steno_models.training.recordings import read_samples
from steno_models.training.utterance import Utterance
from steno_models.types import FloatArray


def write_utterances(folder: Path, *, count: int = 3, first: int = 0) -> list[Utterance]:
    utterances = []
    for number in range(first, first + count):
        path = folder / f"{number}.wav"
        noise = np.random.default_rng(number).normal(0, 0.1, 8_000 + 800 * number)
        soundfile.write(str(path), noise, 16_000)
        utterances.append(Utterance(str(number), path, 0.0, len(noise) / 16_000, "", ""))
    return utterances


def loudness(samples: FloatArray) -> FloatArray:
    means: FloatArray = np.abs(samples[: len(samples) // 160 * 160]).reshape(-1, 160).mean(axis=1)
    return means[:, None]


def hiss(samples: FloatArray, rng: np.random.Generator, *, by: float) -> FloatArray:
    return samples + rng.normal(0, by, len(samples)).astype(np.float32)


def too_large(samples: FloatArray) -> FloatArray:
    return np.full((max(1, len(samples) // 7_999), 2), 1e6, np.float32)


def test_a_cache_gives_the_extractors_features_to_half_precision(tmp_path: Path) -> None:
    utterances = write_utterances(tmp_path)
    cache = cached_features(utterances, tmp_path / "cache", processes=1)
    assert list(cache.keys) == ["0", "1", "2"]
    for number, utterance in enumerate(utterances):
        expected = fbank(read_samples(utterance))
        found = cache.read(number, 0)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected.astype(np.float16).astype(np.float32))
        assert cache.lengths[number, 0] == len(expected)


def test_speeds_change_length_and_pitch(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    times_s = np.arange(32_000) / 16_000
    soundfile.write(str(path), 0.5 * np.sin(2 * np.pi * 1000 * times_s), 16_000)
    recipe = Recipe(variants=(Variant(), Variant(0.8), Variant(1.25)))
    cache = cached_features(
        [Utterance("t", path, 0.0, 2.0, "", "")], tmp_path / "cache", recipe=recipe, processes=1
    )
    assert cache.lengths[0].tolist() == pytest.approx([198, 248, 158], abs=1)
    loudest = [int(cache.read(0, variant).mean(axis=0).argmax()) for variant in range(3)]
    assert loudest[1] < loudest[0] < loudest[2]


def test_changes_draw_other_numbers_for_each_utterance_and_the_same_ones_again(
    tmp_path: Path,
) -> None:
    first, second = write_utterances(tmp_path, count=2)
    second.audio.write_bytes(first.audio.read_bytes())
    utterances = [first, replace(second, duration_s=first.duration_s)]
    recipe = Recipe(
        variants=(Variant(), *(Variant(change=partial(hiss, by=x)) for x in (0.1, 0.2)))
    )
    caches = [
        cached_features(utterances, tmp_path / name, recipe=recipe, processes=1) for name in "ab"
    ]
    for variant in range(3):
        read = [[cache.read(number, variant) for number in range(2)] for cache in caches]
        np.testing.assert_array_equal(read[0][0], read[1][0])
        assert np.array_equal(read[0][0], read[0][1]) == (variant == 0)


def test_several_processes_build_what_one_builds(tmp_path: Path) -> None:
    utterances = write_utterances(tmp_path, count=20)
    recipe = Recipe(variants=(Variant(), Variant(1.1)))
    for name, processes in (("one", 1), ("two", 2)):
        cached_features(utterances, tmp_path / name, recipe=recipe, processes=processes)
    one, two = (next((tmp_path / name).glob("*/features.f16")) for name in ("one", "two"))
    assert one.parent.name == two.parent.name
    assert one.read_bytes() == two.read_bytes()


def test_a_finished_cache_is_not_built_again(tmp_path: Path) -> None:
    utterances = write_utterances(tmp_path)
    root = tmp_path / "cache"
    cached_features(utterances, root, processes=1)
    (file,) = root.glob("*/features.f16")
    built_at = file.stat().st_mtime_ns
    cached_features([replace(each, text="other") for each in utterances], root, processes=1)
    (again,) = root.glob("*/features.f16")
    assert again.stat().st_mtime_ns == built_at


def test_other_recordings_speeds_or_extractors_are_another_cache(tmp_path: Path) -> None:
    utterances = write_utterances(tmp_path)
    root = tmp_path / "cache"
    noisy, quiet = (Recipe(variants=(Variant(change=partial(hiss, by=x)),)) for x in (0.1, 0.2))
    slow = Recipe(variants=(Variant(0.9),))
    for recipe in (Recipe(), slow, Recipe(extract=loudness), noisy, quiet):
        cached_features(utterances, root, recipe=recipe, processes=1)
    cached_features(utterances[:2], root, processes=1)
    os.utime(utterances[0].audio, ns=(1, 1))
    cached_features(utterances, root, processes=1)
    assert len(list(root.glob("*/features.f16"))) == 7
    settings = [json.loads(path.read_text()) for path in root.glob("*/settings.json")]
    assert sorted(each["num_bins"] for each in settings) == [1, 80, 80, 80, 80, 80, 80]


def test_all_bad_recordings_are_named_and_no_cache_is_left(tmp_path: Path) -> None:
    utterances = write_utterances(tmp_path)
    utterances[0].audio.write_bytes(b"nothing that sounds")
    utterances[1] = replace(utterances[1], duration_s=0.01)
    with pytest.raises(DataError) as caught:
        cached_features(utterances, tmp_path / "cache", processes=1)
    first, second = str(caught.value).splitlines()
    assert first.startswith("0: ")
    assert second == "1: expected at least one frame of features, found none: too short"
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]
    fixed = write_utterances(tmp_path)
    assert len(cached_features(fixed, tmp_path / "cache", processes=1).keys) == 3


def test_missing_recordings_are_named_before_anything_is_computed(tmp_path: Path) -> None:
    utterances = write_utterances(tmp_path)
    for each in utterances[1:]:
        each.audio.unlink()
    with pytest.raises(DataError, match=r"(?s)1: .*expected an audio file, found none\n2: "):
        cached_features(utterances, tmp_path / "cache", processes=1)
    assert not (tmp_path / "cache").exists()


def test_features_beyond_half_precision_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected features within ±65504, found 1e[+]06"):
        cached_features(
            write_utterances(tmp_path),
            tmp_path / "cache",
            recipe=Recipe(extract=too_large),
            processes=1,
        )


def test_no_utterances_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected utterances"):
        cached_features([], tmp_path)


def test_a_truncated_cache_says_so(tmp_path: Path) -> None:
    utterances = write_utterances(tmp_path)
    cached_features(utterances, tmp_path / "cache", processes=1)
    (file,) = (tmp_path / "cache").glob("*/features.f16")
    file.write_bytes(file.read_bytes()[:-160])
    with pytest.raises(DataError, match=r"bytes, found .* delete its folder"):
        cached_features(utterances, tmp_path / "cache", processes=1)


def test_joined_caches_read_as_one(tmp_path: Path) -> None:
    utterances = write_utterances(tmp_path, count=5)
    root = tmp_path / "cache"
    parts = [cached_features(part, root, processes=1) for part in (utterances[:2], utterances[2:])]
    whole = cached_features(utterances, root, processes=1)
    joined = JoinedFeatures(parts)
    assert list(joined.keys) == list(whole.keys)
    np.testing.assert_array_equal(joined.lengths, whole.lengths)
    for number in range(5):
        np.testing.assert_array_equal(joined.read(number, 0), whole.read(number, 0))


def test_caches_with_unlike_variants_do_not_join(tmp_path: Path) -> None:
    utterances = write_utterances(tmp_path)
    root = tmp_path / "cache"
    recipes = (Recipe(), Recipe(variants=(Variant(), Variant(1.1))))
    parts = [cached_features(utterances, root, recipe=each, processes=1) for each in recipes]
    with pytest.raises(DataError, match=r"equally many variants, found \[1, 2\]"):
        JoinedFeatures(parts)
