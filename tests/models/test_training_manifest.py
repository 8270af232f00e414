import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from steno_models.errors import DataError
from steno_models.training.manifest import (
    Utterance,
    check_manifest,
    read_manifest,
    write_manifest,
)
from steno_models.training.recordings import read_samples, recording_duration_s


def write_tone(path: Path, *, seconds: float = 1.0, rate: int = 16_000, hertz: float = 440) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    times_s = np.arange(int(seconds * rate)) / rate
    soundfile.write(str(path), 0.5 * np.sin(2 * np.pi * hertz * times_s), rate)
    return path


def write_lines(path: Path, *lines: object) -> Path:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


def utterance(audio: Path, *, offset_s: float = 0.0, duration_s: float = 1.0) -> Utterance:
    return Utterance(audio.stem, audio, offset_s, duration_s, "a text", "somebody")


def test_a_manifest_names_recordings_relative_to_itself(tmp_path: Path) -> None:
    line = {"audio_filepath": "audio/x.wav", "duration": 1.5, "text": "hello", "age": 6}
    manifest = write_lines(tmp_path / "m.jsonl", line)
    assert read_manifest(manifest) == [
        Utterance("audio/x", tmp_path / "audio/x.wav", 0.0, 1.5, "hello", "")
    ]


def test_an_absolute_path_stays_and_an_offset_is_part_of_the_key(tmp_path: Path) -> None:
    lines = [
        {"audio_filepath": "/a/x.wav", "duration": 1, "text": "", "offset": at, "speaker": 7}
        for at in (0, 1, 2.5)
    ]
    found = read_manifest(write_lines(tmp_path / "m.jsonl", *lines))
    assert [each.key for each in found] == ["/a/x", "/a/x@1.0", "/a/x@2.5"]
    assert {each.audio for each in found} == {Path("/a/x.wav")}
    assert {each.speaker for each in found} == {"7"}


def test_every_bad_line_is_named_with_what_was_expected_and_found(tmp_path: Path) -> None:
    good = {"audio_filepath": "x.wav", "duration": 1.0, "text": "hello"}
    manifest = write_lines(
        tmp_path / "m.jsonl",
        good,
        {**good, "duration": "long"},
        {**good, "duration": 0},
        {**good, "offset": -1},
        {"duration": 1.0, "text": "hello"},
        {**good, "audio_filepath": ""},
    )
    with manifest.open("a") as file:
        file.write("\nnot json\n" + '{"audio_filepath": "y", "duration": NaN, "text": ""}\n')
    with pytest.raises(DataError) as caught:
        read_manifest(manifest)
    complaints = str(caught.value).splitlines()
    numbers = [int(line.removeprefix(f"{manifest}:").split(":")[0]) for line in complaints]
    assert numbers == [2, 3, 4, 5, 6, 8, 9]
    assert all("expected" in line and "found" in line for line in complaints)
    assert "Expected `float`, got `str` - at `$.duration`" in complaints[0]
    assert "expected a duration above 0 s, found 0.0" in complaints[1]


def test_a_long_list_of_bad_lines_is_cut(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="and 80 more bad lines"):
        read_manifest(write_lines(tmp_path / "m.jsonl", *range(100)))


def test_the_same_key_twice_is_refused(tmp_path: Path) -> None:
    line = {"audio_filepath": "x.wav", "duration": 1.0, "text": "hello"}
    with pytest.raises(DataError, match="expected each key once, found again: x"):
        read_manifest(write_lines(tmp_path / "m.jsonl", line, line))


def test_a_missing_or_undecodable_manifest_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a text file, found none"):
        read_manifest(tmp_path / "none.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b'\n{"text": "\xe9t\xe9"}\n')
    with pytest.raises(DataError, match=r"latin\.jsonl:2: expected UTF-8"):
        read_manifest(tmp_path / "latin.jsonl")


def test_a_written_manifest_reads_back_and_can_move_with_its_recordings(tmp_path: Path) -> None:
    near = write_tone(tmp_path / "corpus" / "audio" / "é.wav")
    far = write_tone(tmp_path / "elsewhere" / "b.wav")
    first = Utterance("k1", near, 0.25, 0.5, "l'été \u2028 “x”", "s")
    second = Utterance("k2", far, 0.0, 1.0, "", "")
    manifest = tmp_path / "corpus" / "m.jsonl"
    write_manifest(manifest, [first, second])
    assert read_manifest(manifest) == [first, second]
    moved = (tmp_path / "corpus").rename(tmp_path / "moved")
    found = read_manifest(moved / "m.jsonl")
    assert [each.audio for each in found] == [moved / "audio" / "é.wav", far]
    assert sorted(path.name for path in moved.iterdir()) == ["audio", "m.jsonl"]


def test_checking_reports_all_bad_recordings_at_once(tmp_path: Path) -> None:
    good = write_tone(tmp_path / "good.wav")
    garbage = tmp_path / "garbage.wav"
    garbage.write_bytes(b"RIFF of something else entirely" * 9)
    cut = write_tone(tmp_path / "cut.flac", seconds=3)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    listed = [
        utterance(good),
        utterance(tmp_path / "missing.wav"),
        utterance(garbage),
        utterance(cut, duration_s=3),
        utterance(good, offset_s=0.5, duration_s=1.0),
        utterance(tmp_path),
    ]
    checked: list[int] = []
    with pytest.raises(DataError) as caught:
        check_manifest(listed, on_checked=lambda: checked.append(1))
    message = str(caught.value)
    assert message.startswith("5 of 6 recordings are bad:")
    assert len(message.splitlines()) == len(checked) == 6
    assert "missing.wav: expected an audio file, found nothing" in message
    assert "expected 1.00 s of audio from 0.50 s on, found 0.50 s" in message
    assert "expected an audio file, found a folder" in message


def test_checking_good_recordings_is_silent(tmp_path: Path) -> None:
    check_manifest([utterance(write_tone(tmp_path / f"{i}.wav")) for i in range(3)])


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_a_segment_at_another_rate_is_resampled(tmp_path: Path, name: str) -> None:
    audio = write_tone(tmp_path / name, seconds=2, rate=44_100)
    samples = read_samples(utterance(audio, offset_s=0.5, duration_s=1.0))
    assert samples.dtype == np.float32
    assert abs(len(samples) - 16_000) <= 1
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert abs(int(spectrum.argmax()) - 440) <= 1  # one bin a hertz
    assert recording_duration_s(audio) == pytest.approx(2.0, abs=0.1)


def test_what_libsndfile_does_not_read_is_decoded_all_the_same(tmp_path: Path) -> None:
    import av

    audio = tmp_path / "a.m4a"
    times_s = np.arange(48_000) / 48_000
    tone = (0.5 * np.sin(2 * np.pi * 440 * times_s)).astype(np.float32)
    with av.open(str(audio), "w") as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    samples = read_samples(utterance(audio, offset_s=0.25, duration_s=0.5))
    assert len(samples) == 8_000
    assert int(np.abs(np.fft.rfft(samples * np.hanning(8_000))).argmax()) * 2 == 440
    assert recording_duration_s(audio) == pytest.approx(1.0, abs=0.1)


def test_two_channels_are_averaged(tmp_path: Path) -> None:
    both = np.stack([np.full(16_000, 0.5), np.full(16_000, -0.25)], axis=1)
    soundfile.write(str(tmp_path / "a.wav"), both, 16_000)
    samples = read_samples(utterance(tmp_path / "a.wav"))
    np.testing.assert_allclose(samples, 0.125, atol=1e-4)


def test_samples_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    broken = np.zeros(16_000)
    broken[7] = np.nan
    soundfile.write(str(tmp_path / "a.wav"), broken, 16_000, subtype="FLOAT")
    with pytest.raises(DataError, match="expected finite samples"):
        read_samples(utterance(tmp_path / "a.wav"))


@pytest.mark.data
def test_the_corpora_at_hand_are_whole(data_root: Path) -> None:
    found = read_manifest(data_root / "librispeech_mini" / "dev.jsonl")
    assert sum(each.duration_s for each in found) / 3600 == pytest.approx(0.47, abs=0.01)
    check_manifest(found[:40])
