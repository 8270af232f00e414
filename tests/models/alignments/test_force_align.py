"""`steno-models force-align` as people use it, with a bundle that knows nothing and real errors."""

import json
from ctypes.util import find_library
from pathlib import Path

import numpy as np
import pytest
import soundfile

from steno_models.__main__ import main
from steno_models.alignments import sound
from steno_models.alignments.ctc_route import CtcRoute
from steno_models.alignments.force_align_command import main as force_align
from steno_models.crossmodal.synthesis.espeak import Voice, say
from steno_models.errors import ConfigError, DataError
from steno_models.features.fbank import fbank
from steno_models.training.manifest import read_manifest, write_manifest
from steno_models.training.utterance import Utterance
from steno_models.types import FloatArray

SPOKEN = [
    "seven", "boys", "take", "good", "paper", "home", "before", "noon", "while", "five", "girls",
    "carry", "yellow", "flowers", "past", "houses", "old", "sailors", "watch", "quiet", "ships",
    "leave", "harbour", "under", "heavy", "clouds", "young", "teachers", "choose", "useful",
    "books", "about", "nature", "music", "history", "measure", "thin", "cheese", "just", "right",
]  # fmt: skip


def voice(seconds: float, seed: int = 0) -> FloatArray:
    """Sound that passes for a voice: a buzz whose colour and loudness change, between silences."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(int(16_000 * seconds)) / 16_000
    buzz = sum(np.sin(2 * np.pi * 120 * k * time_s) / k for k in range(1, 25))
    loud = 0.5 + 0.5 * np.sin(2 * np.pi * 4 * time_s)
    voice = 0.08 * buzz * loud + rng.normal(0, 1e-3, len(time_s))
    return np.concatenate([np.zeros(4800), voice, np.zeros(4800)]).astype(np.float32)


def wav(path: Path, samples: FloatArray) -> Path:
    soundfile.write(path, samples, 16_000)
    return path


def test_a_bundle_aligns_every_word_as_written(tmp_path: Path, tiny_bundle: Path) -> None:
    audio = wav(tmp_path / "talk.wav", voice(2.0))
    text = tmp_path / "talk.txt"
    text.write_text("“See” the cat,\nat $5 – tea!", encoding="utf-8")
    call = [str(audio), "--text", str(text), "--bundle", str(tiny_bundle)]
    out = tmp_path / "out"
    formats = ["json", "textgrid", "ctm", "srt", "vtt"]
    assert force_align([*call, "--format", *formats, "--out", str(out)]) == 0
    assert {path.name for path in out.iterdir()} == {
        "talk.json", "talk.TextGrid", "talk.ctm", "talk.srt", "talk.vtt",
    }  # fmt: skip
    found = json.loads((out / "talk.json").read_text())
    words = [word["word"] for word in found["words"]]
    assert words == ["“See”", "the", "cat,", "at", "$5 –", "tea!"]
    times = [t for word in found["words"] for t in (word["start_s"], word["end_s"])]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= found["duration_s"] == 2.6
    for word in found["words"]:
        assert word["start_s"] == word["phones"][0]["start_s"]
        assert word["end_s"] == word["phones"][-1]["end_s"]
        assert 0 < word["confidence"] <= 1


def test_one_format_goes_to_the_screen_or_a_file(
    tmp_path: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audio = wav(tmp_path / "talk.wav", voice(1.0))
    call = [str(audio), "--text", "see tea", "--bundle", str(tiny_bundle), "--format", "ctm"]
    assert force_align(call) == 0
    shown = capsys.readouterr().out
    assert [line.split()[4] for line in shown.splitlines()] == ["see", "tea"]
    assert force_align([*call, "--out", str(tmp_path / "here.txt")]) == 0
    assert (tmp_path / "here.txt").read_text() == shown


@pytest.mark.parametrize(
    ("text", "seconds", "message"),
    [
        (" … ", 1.0, "expected a text with at least one word to align, found '…'"),
        (
            "see tea at cat " * 40,
            1.0,
            r"expected at least .* s of sound for the 360 phones of 160",
        ),
        ("see tea", 0.0, r"expected speech, found none in 0.60 s of sound \(level -100 dB"),
    ],
)
def test_what_cannot_be_aligned_is_said(
    tmp_path: Path, tiny_bundle: Path, text: str, seconds: float, message: str
) -> None:
    audio = wav(tmp_path / "talk.wav", voice(seconds))
    with pytest.raises(DataError, match=message):
        force_align([str(audio), "--text", text, "--bundle", str(tiny_bundle)])


def test_wrong_calls_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for call, message in (
        (["a.wav"], "expected --text with a recording"),
        ([], "expected either a recording with --text or --manifest"),
        (["--manifest", "m.jsonl"], "expected --out DIR for several files"),
        (["a.wav", "--text", "see", "--phrases", "p.jsonl"], "expected --phrases with --manifest"),
    ):
        with pytest.raises(SystemExit):
            force_align(call)
        assert message in capsys.readouterr().err
    audio = wav(tmp_path / "talk.wav", voice(1.0))
    with pytest.raises(ConfigError, match="expected --manifest to train on, found one recording"):
        force_align([str(audio), "--text", "see", "--train", "x.npz"])
    assert main(["force-align", str(tmp_path / "no.wav"), "--text", "see"]) == 1
    assert "expected an audio file, found nothing" in capsys.readouterr().err


def test_a_manifest_gives_a_file_an_utterance_and_leaves_out_what_fails(
    tmp_path: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "m.jsonl"
    rows = {"a/one": ("See tea.", 1.0), "two": ("at", 0.0), "three": ("", 1.0)}
    utterances = []
    for name, (text, seconds) in rows.items():
        audio = wav(tmp_path / f"{name.replace('/', '')}.wav", voice(seconds))
        duration_s = soundfile.info(str(audio)).duration
        utterances.append(Utterance(name, audio, 0.0, duration_s, text, ""))
    write_manifest(manifest, utterances)
    call = ["--manifest", str(manifest), "--bundle", str(tiny_bundle), "--out", str(tmp_path / "o")]
    cut = tmp_path / "phrases" / "short.jsonl"
    assert force_align([*call, "--phrases", str(cut)]) == 0
    assert [(each.key, each.text) for each in read_manifest(cut)] == [("a/one-000", "See tea.")]
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["a_one.json"]
    said = capsys.readouterr().err
    assert "1 of 3 utterances aligned" in said
    assert "left out: two: expected speech" in said


@pytest.mark.usefixtures("in_float32")
def test_posteriors_of_a_long_recording_are_those_of_the_whole(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    route = CtcRoute.of_bundle(str(tiny_bundle))
    samples = voice(7.0)
    monkeypatch.setattr(sound, "BLOCK_S", 0.7)
    features = fbank(samples)
    shares: list[float] = []
    found = route.log_probs(features, lambda _what, share: shares.append(share))
    import torch

    from steno_models.encoders.subsampling import steps_of
    from steno_models.recogniser import FEATURE_LIMIT, TAIL_FRAMES

    frames = np.clip(route.cmvn.apply(features), -FEATURE_LIMIT, FEATURE_LIMIT)
    frames = np.concatenate([frames, np.full((TAIL_FRAMES, 80), -FEATURE_LIMIT, np.float32)])
    steps = torch.tensor([steps_of(len(frames))])
    with torch.inference_mode():
        [whole] = route.model(torch.from_numpy(frames)[None], steps, route.context)
    np.testing.assert_allclose(found, whole.numpy(), atol=1e-4)
    assert shares[-1] == 1.0


@pytest.mark.skipif(find_library("espeak-ng") is None, reason="needs eSpeak NG, found none")
def test_phones_trained_on_the_manifest_find_the_words_of_a_synthetic_voice(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    utterances, known = [], {}
    for i in range(60):
        said_words = rng.permutation(SPOKEN)[:10].tolist()
        said = say(said_words, Voice("en-us", "", 140 + 10 * (i % 3), pitch=50, pitch_range=50))
        noise = rng.normal(0, 3e-4, len(said.samples) + 4800)
        samples = np.concatenate([np.zeros(3200), said.samples, np.zeros(1600)]) + noise
        audio = wav(tmp_path / f"u{i}.wav", samples.astype(np.float32))
        utterances.append(
            Utterance(f"u{i}", audio, 0.0, len(samples) / 16_000, " ".join(said_words), "e")
        )
        known[f"u{i}"] = [0.2 + start_s for start_s in said.starts_s]
    write_manifest(tmp_path / "m.jsonl", utterances)
    system, out = tmp_path / "phones.npz", tmp_path / "out"
    call = ["--manifest", str(tmp_path / "m.jsonl"), "--out", str(out)]
    assert force_align([*call, "--train", str(system)]) == 0
    errors_s = []
    for name, starts_s in known.items():
        found = json.loads((out / f"{name}.json").read_text())
        errors_s += [
            abs(word["start_s"] - start_s)
            for word, start_s in zip(found["words"], starts_s, strict=True)
        ]
    assert len(errors_s) > 400
    assert np.median(errors_s) <= 0.020
    # The system that was written says the same of one recording.
    again = tmp_path / "again.json"
    first = utterances[0]
    alone = [str(first.audio), "--text", first.text, "--system", str(system), "--out", str(again)]
    assert force_align(alone) == 0
    starts_s = [word["start_s"] for word in json.loads(again.read_text())["words"]]
    assert np.median(np.abs(np.array(starts_s) - known[first.key])) <= 0.040  # of ten words
