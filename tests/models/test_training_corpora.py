from pathlib import Path

import numpy as np
import pytest
import soundfile

from steno_models.errors import DataError
from steno_models.training.corpora import common_voice, librispeech, ljspeech, tedlium
from steno_models.training.manifest import Utterance, read_manifest
from steno_models.training.manifest_command import main
from steno_models.training.recordings import read_samples


def write_noise(path: Path, *, seconds: float, rate: int = 16_000, **options: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(1).normal(0, 0.1, int(seconds * rate))
    soundfile.write(str(path), noise, rate, **options)
    return path


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def make_librispeech(root: Path) -> Path:
    chapter = root / "train-clean-5" / "19" / "198"
    write_noise(chapter / "19-198-0000.flac", seconds=1)
    write_noise(chapter / "19-198-0001.flac", seconds=2)
    write_text(
        chapter / "19-198.trans.txt", "19-198-0000 NORTHANGER ABBEY\n19-198-0001 THIS LITTLE WORK\n"
    )
    return root


def make_tedlium(root: Path) -> Path:
    write_noise(root / "train" / "sph" / "Al.sph", seconds=4, format="NIST", subtype="PCM_16")
    write_text(
        root / "train" / "stm" / "Al.stm",
        ";; a comment\n"
        "Al 1 Al 0.50 1.75 <NA> ignore_time_segment_in_scoring\n"
        "Al 1 Al_Gore 1.00 2.50 <o,f0,male> i 've <unk> read(2) {COUGH} that\n"
        "Al 1 Al_Gore 2.50 3.00 <o,f0,male>\n",
    )
    return root


def test_librispeech_gives_key_text_speaker_and_length(tmp_path: Path) -> None:
    found = list(librispeech.read(make_librispeech(tmp_path)))
    chapter = tmp_path / "train-clean-5" / "19" / "198"
    assert found == [
        Utterance("19-198-0000", chapter / "19-198-0000.flac", 0, 1.0, "NORTHANGER ABBEY", "19"),
        Utterance("19-198-0001", chapter / "19-198-0001.flac", 0, 2.0, "THIS LITTLE WORK", "19"),
    ]


def test_librispeech_names_lines_without_recording_or_text(tmp_path: Path) -> None:
    make_librispeech(tmp_path)
    transcript = tmp_path / "train-clean-5" / "19" / "198" / "19-198.trans.txt"
    transcript.write_text("19-198-0000\n19-198-0007 A TEXT\n")
    with pytest.raises(DataError) as caught:
        list(librispeech.read(tmp_path))
    first, second = str(caught.value).splitlines()
    assert first == f"{transcript}:1: expected a key and its text, found: 19-198-0000"
    assert second.startswith(f"{transcript}:2: expected the recording")


def test_a_folder_of_another_corpus_is_refused(tmp_path: Path) -> None:
    for read in (librispeech.read, ljspeech.read, common_voice.read, tedlium.read):
        with pytest.raises(DataError, match=r"expected .* found"):
            list(read(tmp_path))


def test_ljspeech_prefers_the_spelled_out_text(tmp_path: Path) -> None:
    write_noise(tmp_path / "wavs" / "LJ1.wav", seconds=1, rate=22_050)
    write_noise(tmp_path / "wavs" / "LJ2.wav", seconds=1, rate=22_050)
    write_text(tmp_path / "metadata.csv", 'LJ1|In 1455, "x|In fourteen fifty-five, "x\nLJ2|Two|\n')
    first, second = ljspeech.read(tmp_path)
    assert first == Utterance(
        "LJ1", tmp_path / "wavs" / "LJ1.wav", 0.0, 1.0, 'In fourteen fifty-five, "x', "lj"
    )
    assert second.text == "Two"
    assert len(read_samples(first)) == 16_000


def test_ljspeech_names_a_line_with_too_few_fields(tmp_path: Path) -> None:
    write_text(tmp_path / "metadata.csv", "LJ1 no bars\n")
    with pytest.raises(DataError, match=r"metadata\.csv:1: expected key\|text"):
        list(ljspeech.read(tmp_path))


def make_common_voice(root: Path) -> Path:
    write_noise(root / "clips" / "c1.mp3", seconds=1, rate=48_000)
    write_noise(root / "clips" / "c2.mp3", seconds=1, rate=48_000)
    write_text(
        root / "dev.tsv",
        "client_id\tpath\tsentence_id\tsentence\tup_votes\n"
        'abc\tc1.mp3\t1\tHe said "no.\t2\n'
        "def\tc2\t2\tYes.\t2\n",
    )
    write_text(root / "clip_durations.tsv", "clip\tduration[ms]\nc1.mp3\t1250\n")
    return root


def test_common_voice_takes_listed_lengths_and_measures_the_rest(tmp_path: Path) -> None:
    first, second = common_voice.read(make_common_voice(tmp_path), split="dev")
    clips = tmp_path / "clips"
    assert first == Utterance("c1", clips / "c1.mp3", 0.0, 1.25, 'He said "no.', "abc")
    assert second.audio == clips / "c2.mp3"
    assert second.duration_s == pytest.approx(1.0, abs=0.1)


def test_common_voice_says_which_lists_there_are(tmp_path: Path) -> None:
    make_common_voice(tmp_path)
    with pytest.raises(DataError, match=r"train\.tsv: expected .* clip_durations, dev"):
        list(common_voice.read(tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("client_id\tpath\n", r"dev\.tsv:1: expected the columns sentence"),
        ("client_id\tpath\tsentence\nabc\tc1.mp3\n", r"dev\.tsv:2: expected 3 columns"),
    ],
)
def test_common_voice_names_bad_lists(tmp_path: Path, content: str, message: str) -> None:
    make_common_voice(tmp_path)
    write_text(tmp_path / "dev.tsv", content)
    with pytest.raises(DataError, match=message):
        list(common_voice.read(tmp_path, split="dev"))


def test_common_voice_names_a_bad_length(tmp_path: Path) -> None:
    make_common_voice(tmp_path)
    write_text(tmp_path / "clip_durations.tsv", "clip\tduration[ms]\nc1.mp3\tlong\n")
    with pytest.raises(DataError, match=r"clip_durations\.tsv:2: expected a clip and its mill"):
        list(common_voice.read(tmp_path, split="dev"))


def test_tedlium_gives_the_transcribed_segments_without_marks(tmp_path: Path) -> None:
    (found,) = tedlium.read(make_tedlium(tmp_path))
    sphere = tmp_path / "train" / "sph" / "Al.sph"
    key = "Al-0000100-0000250"
    assert found == Utterance(key, sphere, 1.0, 1.5, "i've read that", "Al_Gore")
    assert len(read_samples(found)) == 24_000


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Al 1 Al 0.5", "expected talk, channel"),
        ("Al 1 Al now later <NA> x", "expected times in seconds"),
        ("Al 1 Al 2.0 1.0 <NA> x", "expected 0 <= start < end"),
        ("Bo 1 Bo 0.0 1.0 <NA> x", "expected the recording"),
    ],
)
def test_tedlium_names_bad_lines(tmp_path: Path, line: str, message: str) -> None:
    make_tedlium(tmp_path)
    write_text(tmp_path / "train" / "stm" / "Al.stm", f"{line}\n")
    with pytest.raises(DataError, match=rf"Al\.stm:1: {message}"):
        list(tedlium.read(tmp_path))


def test_the_command_writes_a_manifest_that_reads_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tedlium(tmp_path / "ted")
    make_librispeech(tmp_path / "libri")
    for corpus, folder in (("tedlium", "ted"), ("librispeech", "libri")):
        out = tmp_path / f"{corpus}.jsonl"
        assert main([corpus, str(tmp_path / folder), "--out", str(out), "--check"]) == 0
        assert "utterances" in capsys.readouterr().err
    assert read_manifest(tmp_path / "tedlium.jsonl") == list(tedlium.read(tmp_path / "ted"))
    again = ["nemo", str(tmp_path / "librispeech.jsonl"), "--out", str(tmp_path / "again.jsonl")]
    assert main(again) == 0
    assert read_manifest(tmp_path / "again.jsonl") == list(librispeech.read(tmp_path / "libri"))


def test_the_command_chooses_the_list_of_common_voice(tmp_path: Path) -> None:
    make_common_voice(tmp_path / "cv")
    out = tmp_path / "cv.jsonl"
    assert main(["common-voice", str(tmp_path / "cv"), "--split", "dev", "--out", str(out)]) == 0
    assert [each.key for each in read_manifest(out)] == ["c1", "c2"]


def test_the_command_reports_a_bad_corpus_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "m.jsonl"
    for corpus in ("kaldi", "ljspeech"):
        assert main([corpus, str(tmp_path), "--out", str(out)]) == 1
        assert "expected a text file, found none" in capsys.readouterr().err
    make_librispeech(tmp_path / "libri")
    bad = tmp_path / "libri" / "train-clean-5" / "19" / "198" / "19-198-0001.flac"
    bad.write_bytes(bad.read_bytes()[:9000])
    assert main(["librispeech", str(tmp_path / "libri"), "--out", str(out), "--check"]) == 1
    assert "1 of 2 recordings are bad" in capsys.readouterr().err
    assert not out.exists()
