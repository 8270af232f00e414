"""The embedded English bundle behind a session: real recordings, real weights."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_daemon import wire
from steno_daemon.replay import replay
from steno_models import bundle
from steno_models.audio import read_file
from steno_models.features.fbank import SAMPLE_RATE, fbank
from steno_models.recogniser import DecodeOptions, Recogniser, Work
from steno_models.types import FloatArray

CLIP = Path(__file__).parents[1] / "data/librivox/sense_and_sensibility_01_austen_64kb-0880.flac"
START = wire.Start(word_times=True)


@cache
def recogniser() -> Recogniser:
    return bundle.load("en").recogniser


@cache
def clip() -> FloatArray:
    return read_file(CLIP)


def finals(events: Iterable[tuple[int, wire.ServerMessage]]) -> list[wire.Final]:
    return [event for _, event in events if isinstance(event, wire.Final)]


def heard(samples: FloatArray, block_samples: int = 320) -> list[wire.Final]:
    return finals(replay(recogniser(), samples, block_samples=block_samples, start=START))


def words(found: list[wire.Final]) -> list[wire.Word]:
    return [word for final in found for word in final.words or ()]


def texts(samples: FloatArray) -> list[str]:
    return [word.text for word in words(heard(samples))]


@settings(deadline=None, max_examples=4)
@given(block_samples=st.integers(50, 50_000))
def test_any_chunking_of_a_recording_gives_the_same_finals(block_samples: int) -> None:
    found = heard(clip(), block_samples)
    assert found
    assert [final.text for final in found] == [final.text for final in heard(clip())]


def test_streamed_words_are_those_of_the_whole_file() -> None:
    state = recogniser().start(DecodeOptions())
    [(update, _)] = recogniser().step([Work(fbank(clip()), state, is_last=True)])
    whole = [word.text for word in update.words]
    streamed = texts(clip())
    same = sum(a == b for a, b in zip(whole, streamed, strict=False))
    assert same >= 0.8 * max(len(whole), len(streamed))


def _without_silence_around(samples: FloatArray) -> FloatArray:
    """Return the samples from the first to the last 10 ms that are within 20 dB of the loudest."""
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    energy = (frames**2).mean(axis=1)
    loud = np.flatnonzero(energy > energy.max() * 10**-2)
    return samples[loud[0] * 160 : (loud[-1] + 1) * 160]


def test_speech_cut_at_its_edges_keeps_its_first_and_last_word() -> None:
    whole, cut = texts(clip()), texts(_without_silence_around(clip()))
    assert len(clip()) > len(_without_silence_around(clip()))
    assert (cut[0], cut[-1]) == (whole[0], whole[-1])


def _hum(seconds: float) -> FloatArray:
    """Return a chord with overtones that comes and goes, as music does."""
    time_s = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tones = sum(
        np.sin(2 * np.pi * pitch * overtone * time_s) / overtone
        for pitch in (220.0, 277.2, 329.6)
        for overtone in range(1, 6)
    )
    return (0.05 * tones * (0.6 + 0.4 * np.sin(2 * np.pi * 0.7 * time_s))).astype(np.float32)


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(10 * SAMPLE_RATE, np.float32),
        np.random.default_rng(0).normal(0, 0.05, 10 * SAMPLE_RATE).astype(np.float32),
        _hum(10.0),
    ],
    ids=["digital silence", "white noise", "a chord"],
)
def test_what_is_no_speech_gives_no_words(sound: FloatArray) -> None:
    assert texts(sound) == []


@pytest.mark.data
def test_recordings_of_noise_give_no_words(data_root: Path) -> None:
    sounds = sorted((data_root / "noise" / "background").glob("*_noise.opus"))
    assert sounds
    assert [texts(read_file(sound)[: 20 * SAMPLE_RATE]) for sound in sounds] == [[]] * len(sounds)
