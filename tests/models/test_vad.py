"""Starts and ends of speech: exact rules on hand-written votes, and real sound in any chunking."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_models.audio import read_file
from steno_models.errors import ConfigError
from steno_models.types import FloatArray
from steno_models.vad.decision import Decision, SpeechEnd, SpeechStart, VadEvent, VadOptions
from steno_models.vad.kernels import frame_level_db
from steno_models.vad.levels import LevelMeter, Levels
from steno_models.vad.webrtc import VoiceActivityDetector

FRAME = 160
RULES = VadOptions(start_ms=30, window_ms=100, hangover_ms=50, lead_ms=0)


def events_of(votes: str, options: VadOptions = RULES) -> list[tuple[int, VadEvent]]:
    """Return (frame, event) for `votes`: `#` loud speech, `+` quiet speech, `.` neither."""
    decision, events = Decision(options), []
    for frame, vote in enumerate(votes):
        event = decision.hear(candidate=vote != ".", loud=vote == "#")
        if event is not None:
            events.append((frame, event))
    return events


def detect(
    samples: FloatArray, options: VadOptions | None = None, cuts: list[int] | None = None
) -> list[VadEvent]:
    """Return all events of a recording heard in chunks of the sizes `cuts`, then the rest."""
    detector = VoiceActivityDetector(options)
    edges = np.minimum(np.cumsum(cuts or [], dtype=int), len(samples))
    events = [e for chunk in np.split(samples, edges) for e in detector.accept(chunk)]
    return events + detector.finish()


def heard(samples: FloatArray, options: VadOptions | None = None) -> np.ndarray:
    """Return for each 10 ms frame, (T,), whether it lies between a start and the end's report."""
    detector = VoiceActivityDetector(options)
    inside = np.zeros(len(samples) // FRAME, bool)
    start = 0
    for frame in range(len(inside)):
        was_speaking = detector.speaking
        for event in detector.accept(samples[frame * FRAME : (frame + 1) * FRAME]):
            start = event.sample // FRAME if isinstance(event, SpeechStart) else start
        if detector.speaking or was_speaking:
            inside[start : frame + 1] = True
    return inside


def clip(clips: Path, number: str, gain_db: float = 0.0) -> FloatArray:
    """Return one of the repository's recordings, (N,), at another level."""
    path = clips / "librivox" / f"sense_and_sensibility_01_austen_64kb-{number}.flac"
    return np.asarray(read_file(path) * 10 ** (gain_db / 20), np.float32)


def white(seconds: float, level_db: float, seed: int = 0) -> FloatArray:
    """Return white noise, (N,), of `level_db` dB of full scale."""
    noise = np.random.default_rng(seed).standard_normal(round(seconds * 16_000))
    return np.asarray(noise * 10 ** (level_db / 20), np.float32)


def pink(seconds: float, level_db: float) -> FloatArray:
    """Return noise, (N,), whose power falls by 3 dB an octave."""
    spectrum = np.fft.rfft(white(seconds, 0.0))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    noise = np.fft.irfft(spectrum)
    return np.asarray(noise / noise.std() * 10 ** (level_db / 20), np.float32)


def test_speech_starts_when_the_window_holds_enough_of_it() -> None:
    assert events_of("..#.#...") == []
    assert events_of("..#.#..#") == [(7, SpeechStart(2 * FRAME))]
    assert events_of("#.........#.........#") == []  # never three within 100 ms


def test_a_start_goes_back_to_where_it_first_sounded_like_speech() -> None:
    assert events_of(".+++###") == [(6, SpeechStart(1 * FRAME))]
    assert events_of("++.+###") == [(6, SpeechStart(3 * FRAME))]
    assert events_of("+" * 30 + "###") == [(32, SpeechStart(20 * FRAME))]  # a window at most


def test_speech_ends_after_the_hangover_where_it_was_last_heard() -> None:
    assert events_of("###....") == [(2, SpeechStart(0))]
    assert events_of("###.....") == [(2, SpeechStart(0)), (7, SpeechEnd(3 * FRAME))]
    assert events_of("###....#....") == [(2, SpeechStart(0))]


def test_the_lead_reaches_back_but_never_into_the_speech_before() -> None:
    options = VadOptions(start_ms=30, window_ms=100, hangover_ms=50, lead_ms=45)
    assert events_of("." * 20 + "###", options) == [(22, SpeechStart(20 * FRAME - 720))]
    assert events_of("###", options) == [(2, SpeechStart(0))]
    assert events_of("###.....###", options)[2] == (10, SpeechStart(8 * FRAME - 720))
    late = events_of("###....." + "+" * 2 + "###", options)
    assert late[2] == (12, SpeechStart(8 * FRAME - 720))
    assert events_of("###" + "+" * 8 + "###", options)[2] == (13, SpeechStart(3 * FRAME))


def test_a_start_never_lies_further_back_than_the_options_say() -> None:
    options = VadOptions(start_ms=20, window_ms=60, lead_ms=35, hangover_ms=30)
    events = events_of("." * 40 + "+" * 10 + "#....#", options)
    assert [type(event) for _, event in events] == [SpeechStart]
    frame, start = events[0]
    assert (frame + 1) * FRAME - start.sample <= options.lookback_samples


def test_the_end_of_the_stream_ends_speech_and_only_speech() -> None:
    decision = Decision(RULES)
    assert decision.end() is None
    for _ in range(4):
        decision.hear(candidate=True, loud=True)
    spoken, event = decision.speaking, decision.end()
    assert (spoken, event, decision.speaking) == (True, SpeechEnd(4 * FRAME), False)
    assert decision.speech_fraction == 0


def test_the_share_of_speech_counts_the_window_alone() -> None:
    decision = Decision(RULES)
    for vote in "##" + "." * 6 + "#...":
        decision.hear(candidate=vote == "#", loud=True)
    assert decision.speech_fraction == pytest.approx(1 / 10)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"aggressiveness": 4}, "aggressiveness of 0 to 3, found 4"),
        ({"frame_ms": 25}, "10, 20 or 30 ms, found 25"),
        ({"start_ms": 400}, "frame_ms <= start_ms <= window_ms, found 10, 400, 300"),
        ({"hangover_ms": 0}, "hangover of a frame or more"),
    ],
)
def test_impossible_options_are_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        VadOptions(**values)


def test_the_level_of_a_loud_frame_is_its_power_after_pre_emphasis() -> None:
    times = np.arange(320) / 16_000
    sine = np.asarray(0.5 * np.sin(2 * np.pi * 1000 * times), np.float32)
    gain = abs(1 - 0.97 * np.exp(-2j * np.pi * 1000 / 16_000))
    expected = 10 * np.log10(0.5**2 / 2 * gain**2)
    before = float(0.5 * np.sin(-2 * np.pi * 1000 / 16_000))
    first, second = (frame_level_db(frame, before) for frame in (sine[:FRAME], sine[FRAME:]))
    assert first == pytest.approx(expected, abs=1e-4)
    assert second == pytest.approx(expected, abs=0.1)  # `before` is another sample's


def test_the_floor_is_the_lowest_level_of_the_last_two_seconds() -> None:
    meter = LevelMeter(Levels(frame_ms=10))
    for level_db in [-50.0] * 100 + [-20.0] * 170:
        meter.note(level_db)
    assert meter.floor_db == pytest.approx(-50)
    assert meter.above_floor_db == pytest.approx(30)
    for _ in range(60):
        meter.note(-20.0)
    assert meter.floor_db == pytest.approx(-20)
    before = meter.levels
    meter.note(-100.0)
    assert meter.levels == before  # digital silence is no noise floor


def test_a_meter_goes_on_from_what_another_remembers() -> None:
    rng = np.random.default_rng(0)
    whole, first = LevelMeter(Levels(frame_ms=20)), LevelMeter(Levels(frame_ms=20))
    levels_db = rng.uniform(-70, -20, 200).tolist()
    for level_db in levels_db:
        whole.note(level_db)
    for level_db in levels_db[:77]:
        first.note(level_db)
    second = LevelMeter(first.levels)
    assert second.floor_db == first.floor_db
    for level_db in levels_db[77:]:
        second.note(level_db)
    assert second.levels == whole.levels
    assert second.gain_db == whole.gain_db


def test_only_quiet_sound_is_raised_and_never_its_noise() -> None:
    quiet, loud, noisy = (LevelMeter(Levels(frame_ms=10)) for _ in range(3))
    for i in range(200):
        quiet.note(-60.0 if i % 100 > 50 else -88.0)
        loud.note(-20.0 if i % 100 > 50 else -80.0)
        noisy.note(-64.0)
    assert quiet.gain_db == pytest.approx(23)
    assert loud.gain_db == 0
    assert noisy.gain_db == 0


@settings(deadline=None, max_examples=12)
@given(
    cuts=st.lists(st.integers(0, 4000), max_size=30),
    frame_ms=st.sampled_from([10, 20, 30]),
    noise_db=st.sampled_from([-90.0, -45.0]),
)
def test_any_chunking_gives_the_same_events(
    clips: Path, cuts: list[int], frame_ms: int, noise_db: float
) -> None:
    samples = np.concatenate([clip(clips, "0880")[:40_000], white(0.8, -60)])
    samples += white(len(samples) / 16_000, noise_db)
    options = VadOptions(frame_ms=frame_ms)
    expected = detect(samples, options)
    assert [type(event) for event in expected[:2]] == [SpeechStart, SpeechEnd]
    assert detect(samples, options, cuts) == expected


@pytest.mark.parametrize("number", ["0870", "0880", "0890", "0920", "0930"])
@pytest.mark.parametrize(("gain_db", "depth_db"), [(0.0, 30.0), (-30.0, 18.0)])
def test_no_loud_frame_of_a_sentence_is_missed(
    clips: Path, number: str, gain_db: float, depth_db: float
) -> None:
    lead = white(0.6, -75 + gain_db / 2, seed=1)
    samples = np.concatenate([lead, clip(clips, number, gain_db), lead])
    power = np.mean(samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME) ** 2, axis=1)
    spoken = power > np.max(power) * 10 ** (-depth_db / 10)
    inside = heard(samples)
    assert inside[spoken].all()
    assert not inside[:30].any()


def test_a_start_lies_just_before_the_first_word(clips: Path) -> None:
    sentence = clip(clips, "0930")
    power = np.mean(sentence[: len(sentence) // FRAME * FRAME].reshape(-1, FRAME) ** 2, axis=1)
    first = int(np.argmax(power > power.max() * 1e-3)) * FRAME
    lead = white(1.0, -70)
    start = detect(np.concatenate([lead, sentence]))[0]
    assert isinstance(start, SpeechStart)
    assert 0 <= len(lead) + first - start.sample <= 0.3 * 16_000


@pytest.mark.parametrize("level_db", [-60.0, -40.0, -20.0])
def test_steady_noise_is_no_speech(level_db: float) -> None:
    for noise in (white(10, level_db), pink(10, level_db)):
        assert heard(noise).mean() < 0.05


def test_noise_that_sets_in_is_noise_after_the_floor_has_risen() -> None:
    inside = heard(np.concatenate([white(2, -75), white(8, -25)]))
    assert not inside[-500:].any()


def test_silence_is_no_speech() -> None:
    assert detect(np.zeros(32_000, np.float32)) == []
    assert VoiceActivityDetector().finish() == []


def test_speech_in_noise_is_heard(clips: Path) -> None:
    sentence = clip(clips, "0920")
    level_db = float(10 * np.log10(np.mean(sentence**2)))
    noise = pink(3.0 + len(sentence) / 16_000, level_db - 10)
    samples = noise.copy()
    samples[32_000 : 32_000 + len(sentence)] += sentence
    inside = heard(samples)
    power = np.mean(sentence[: len(sentence) // FRAME * FRAME].reshape(-1, FRAME) ** 2, axis=1)
    assert inside[200 : 200 + len(power)][power > power.max() * 10**-2.0].mean() > 0.99
    assert not inside[:150].any()


def test_the_fraction_of_speech_follows_the_speech(clips: Path) -> None:
    detector = VoiceActivityDetector()
    assert detector.speech_fraction == 0
    assert detector.accept(white(1, -70)) == []
    assert len(detector.accept(clip(clips, "0870")[8000:24_000])) == 1
    assert detector.speaking
    assert detector.speech_fraction > 0.5
    assert detector.noise_floor_db < -60


@pytest.mark.data
def test_read_speech_is_kept_and_steady_noise_is_not(data_root: Path) -> None:
    manifest = data_root / "librispeech_mini" / "dev.jsonl"
    kept, spoken = 0, 0
    for line in manifest.read_text().splitlines()[::14]:
        samples = read_file(manifest.parent / json.loads(line)["audio_filepath"])
        power = np.mean(samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME) ** 2, axis=1)
        loud = power > power.max() * 10**-3.5
        kept += int(heard(samples)[loud].sum())
        spoken += int(loud.sum())
    assert kept / spoken >= 0.995
    for name in ("pink_noise", "white_noise", "running_tap"):
        noise = read_file(data_root / "noise" / "background" / f"{name}.opus")
        assert heard(noise).mean() < 0.1
