from pathlib import Path

import numpy as np
import pytest
import soundfile

from steno_models.errors import DataError
from steno_models.training.manifest import Utterance, read_manifest


def make_folder(tmp_path: Path, **files: str) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for stem in ("r1", "r2"):
        soundfile.write(str(folder / f"{stem}.wav"), np.zeros(32_000), 16_000)
    for name, content in files.items():
        (folder / name.replace("wav_scp", "wav.scp")).write_text(content, encoding="utf-8")
    return folder


def test_without_segments_a_recording_is_an_utterance(tmp_path: Path) -> None:
    folder = make_folder(
        tmp_path, wav_scp="r1 r1.wav\nr2 r2.wav\n", text="r1 one two\nr2\n", utt2spk="r1 anna\n"
    )
    assert read_manifest(folder) == [
        Utterance("r1", folder / "r1.wav", 0.0, 2.0, "one two", "anna"),
        Utterance("r2", folder / "r2.wav", 0.0, 2.0, "", ""),
    ]


def test_known_durations_are_not_measured_again(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, wav_scp="r1 gone.wav\n", text="r1 a\n", utt2dur="r1 1.25\n")
    assert read_manifest(folder)[0].duration_s == 1.25


def test_segments_cut_recordings(tmp_path: Path) -> None:
    folder = make_folder(
        tmp_path,
        wav_scp="r1 r1.wav\n",
        text="b second\na first\n",
        segments="a r1 0.5 1.25\nb r1 1.5 -1\n",
    )
    assert read_manifest(folder) == [
        Utterance("a", folder / "r1.wav", 0.5, 0.75, "first", ""),
        Utterance("b", folder / "r1.wav", 1.5, 0.5, "second", ""),
    ]


@pytest.mark.parametrize(
    "command",
    [
        "flac -c -d -s {} |",
        "/usr/bin/flac -cds {}|",
        "sph2pipe -f wav -p {} |",
        "sox {} -t wav -r 16000 -b 16 - |",
        "cat '{}' |",
    ],
)
def test_a_command_that_only_unpacks_a_file_is_read_as_that_file(
    tmp_path: Path, command: str
) -> None:
    folder = make_folder(tmp_path, text="r1 a\n")
    (folder / "wav.scp").write_text("r1 " + command.format(folder / "r1.wav"))
    assert read_manifest(folder)[0].audio == folder / "r1.wav"


@pytest.mark.parametrize(
    "command",
    [
        "touch {mark} |",
        "sox r1.wav -t wav - speed 0.9 |",
        "sox r1.wav r2.wav -t wav - |",
        "sph2pipe -f wav -p -c 2 r1.wav |",
        "flac -c -d r1.wav | sox - -t wav - |",
        "cat r1.wav ; touch {mark} |",
        "cat 'r1.wav |",
        "|",
    ],
)
def test_any_other_command_is_refused_and_never_run(tmp_path: Path, command: str) -> None:
    mark = tmp_path / "ran"
    folder = make_folder(tmp_path, text="r1 a\n")
    (folder / "wav.scp").write_text("r1 " + command.format(mark=mark))
    with pytest.raises(DataError, match=r"wav\.scp:1: expected a file, .*found"):
        read_manifest(folder)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("segments", "a r1 1.0"),
        ("segments", "a r1 1.0 0.5"),
        ("segments", "a r1 now later"),
        ("segments", "a r1 nan 2"),
        ("segments", "a r1 0 inf"),
        ("utt2spk", "a anna berta"),
        ("wav.scp", "r1"),
    ],
)
def test_a_bad_line_is_named_with_its_file(tmp_path: Path, name: str, line: str) -> None:
    folder = make_folder(tmp_path, wav_scp="r1 r1.wav\n", text="a x\n", segments="a r1 0 1\n")
    (folder / name).write_text(f"\n{line}\n")
    with pytest.raises(DataError, match=f"{name}:2: expected .* found"):
        read_manifest(folder)


@pytest.mark.parametrize("line", ["r1 soon", "r1 -1", "r1 nan"])
def test_a_bad_duration_is_named(tmp_path: Path, line: str) -> None:
    folder = make_folder(tmp_path, wav_scp="r1 r1.wav\n", text="r1 x\n", utt2dur=line)
    with pytest.raises(DataError, match=r"utt2dur:1: expected a duration .* found: r1"):
        read_manifest(folder)


def test_segments_without_text_or_recording_are_all_named(tmp_path: Path) -> None:
    folder = make_folder(
        tmp_path,
        wav_scp="r1 r1.wav\n",
        text="a x\n",
        segments="a r1 0 1\nb r1 1 2\nc r7 0 1\nd r8 0 -1\n",
    )
    with pytest.raises(DataError) as caught:
        read_manifest(folder)
    message = str(caught.value)
    assert "expected a line for b, found none" in message
    assert "expected recording r7 of c, found none" in message
    assert "expected recording r8 of d, found none" in message


def test_all_missing_recordings_are_named_at_once(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, wav_scp="r1 x.wav\nr2 y.wav\n", text="r1 a\nr2 b\n")
    with pytest.raises(DataError, match=r"(?s)x\.wav: expected an audio file.*y\.wav"):
        read_manifest(folder)


def test_the_same_recording_twice_is_refused(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, wav_scp="r1 r1.wav\nr1 r2.wav\n", text="r1 a\n")
    with pytest.raises(DataError, match="expected each key once, found again: r1"):
        read_manifest(folder)
