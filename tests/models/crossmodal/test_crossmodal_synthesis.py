"""Synthesised speech: shards that are whole or not there, and eSpeak NG where it is installed."""

import ctypes.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.models.crossmodal.spoken import tones

from steno_models import bundle
from steno_models.__main__ import main
from steno_models.crossmodal.posteriors import Posteriors, read_sounds
from steno_models.crossmodal.segmentation.segments import Segment
from steno_models.crossmodal.speech import SHARDS, WIDTH, read_speech
from steno_models.crossmodal.synthesis.espeak import Spoken, Voice, say
from steno_models.crossmodal.synthesis.shards import (
    Recipe,
    claim,
    heard_by,
    make_shard,
    read_words,
)
from steno_models.crossmodal.synthesis.voices import voices
from steno_models.errors import ConfigError, DataError
from steno_models.text.tokens import TokenTable

RECIPE = Recipe(texts=("text",), sentences=4, voices=3, most_words=4)
SENTENCES = ["the cat saw the dog and ran", "a bee", "no", "the bee saw a cat"]
needs_espeak = pytest.mark.skipif(
    ctypes.util.find_library("espeak-ng") is None, reason="needs the library of eSpeak NG"
)
PLAIN = Voice("en-us", "", 165, 50, 50)


def test_a_shard_has_frames_speakers_and_the_times_of_all_words(tmp_path: Path) -> None:
    hours = make_shard(tmp_path, 0, SENTENCES, RECIPE, tones)
    words = read_words(tmp_path)
    assert [len(each.segments) for each in words] == [4, 3, 2, 1, 2, 3]
    assert [s.name for s in words[0].segments] == ["the", "cat", "saw", "the"]
    assert words[0].segments[1] == Segment(0.25, 0.5, "cat")
    speech = read_speech([tmp_path], tmp_path / "cache")
    assert speech.keys == tuple(each.key for each in words)
    assert hours == pytest.approx(sum(map(speech.frames, range(len(speech)))) / 360_000)
    assert speech.cepstra(0).shape == (speech.frames(0), WIDTH - 1)
    assert abs(float(np.concatenate([speech.cepstra(n) for n in range(6)]).mean())) < 0.1


def test_a_shard_is_made_once_and_always_the_same(tmp_path: Path) -> None:
    make_shard(tmp_path / "one", 3, SENTENCES, RECIPE, tones)
    make_shard(tmp_path / "other", 3, SENTENCES, RECIPE, tones)
    frames = [tmp_path / n / SHARDS / "00003" / "features.f16" for n in ("one", "other")]
    assert frames[0].read_bytes() == frames[1].read_bytes()
    written_at = frames[0].stat().st_mtime_ns
    make_shard(tmp_path / "one", 3, SENTENCES, RECIPE, tones)
    assert frames[0].stat().st_mtime_ns == written_at


def test_who_speaks_does_not_depend_on_how_long_it_took_others(tmp_path: Path) -> None:
    def slowly(words: Sequence[str], voice: Voice) -> Spoken:
        spoken = tones(words, voice)
        return spoken._replace(samples=np.append(spoken.samples, np.zeros(7, np.float32)))

    for name, speak in (("one", tones), ("other", slowly)):
        make_shard(tmp_path / name, 3, SENTENCES, RECIPE, speak)
    voices_of = [tmp_path / n / SHARDS / "00003" / "keys.txt" for n in ("one", "other")]
    assert voices_of[0].read_text() == voices_of[1].read_text()
    assert len(set(voices_of[0].read_text().split()[1::2])) > 1


def test_half_a_shard_does_not_count(tmp_path: Path) -> None:
    (tmp_path / SHARDS / "00000.draft").mkdir(parents=True)
    with pytest.raises(DataError, match="found none that is whole"):
        read_speech([tmp_path], tmp_path)
    with pytest.raises(DataError, match="expected shards with words, found none"):
        read_words(tmp_path)
    (tmp_path / SHARDS / "00001").mkdir()
    with pytest.raises(DataError, match="expected a shard of speech"):
        read_speech([tmp_path], tmp_path)


def test_another_recipe_needs_another_folder(tmp_path: Path) -> None:
    claim(tmp_path, RECIPE)
    claim(tmp_path, RECIPE)
    with pytest.raises(ConfigError, match="expected speech of"):
        claim(tmp_path, Recipe(texts=("text",), sentences=5))


def test_sentences_that_cannot_be_spoken_are_left_out(tmp_path: Path) -> None:
    def refuse(words: object, voice: Voice) -> object:
        raise DataError(f"expected sound of {words} by {voice}, found none")

    with pytest.raises(DataError, match="expected sentences that can be spoken"):
        make_shard(tmp_path, 0, SENTENCES, RECIPE, refuse)  # type: ignore[arg-type]
    assert not (tmp_path / SHARDS / "00000").exists()


def test_voices_differ_and_are_drawn_by_the_seed() -> None:
    cast = voices(40, 0)
    assert len({voice.name for voice in cast}) == 40
    assert voices(40, 0) == cast
    assert voices(40, 1) != cast


@needs_espeak
def test_every_word_has_its_time_even_where_speech_runs_words_together() -> None:
    words = ["it", "was", "of", "the", "king", "that", "i", "have", "been", "told"]
    spoken = say(words, PLAIN)
    assert len(spoken.starts_s) == len(spoken.ends_s) == len(words)
    assert spoken.starts_s[0] == 0
    assert (np.diff(spoken.starts_s) > 0).all()
    assert (np.array(spoken.ends_s) > spoken.starts_s).all()
    assert spoken.ends_s[-1] <= len(spoken.samples) / 16_000 + 1e-3


@needs_espeak
def test_a_voice_that_there_is_not_is_named() -> None:
    with pytest.raises(DataError, match="expected a voice of eSpeak NG, found nowhere"):
        say(["hello"], PLAIN._replace(language="nowhere"))


@needs_espeak
def test_one_command_speaks_a_text_and_adds_to_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("The cat sat on the mat. " * 12)
    call = ["crossmodal", "synthesize", "--text", str(text), "--shard-sentences", "4"]
    out = ["--out", str(tmp_path / "spoken"), "--voices", "2"]
    assert main([*call, *out, "--hours", "0.0005"]) == 0
    assert len(list((tmp_path / "spoken" / SHARDS).glob("0000?"))) == 1
    assert main([*call, *out, "--hours", "0.003"]) == 0
    assert len(list((tmp_path / "spoken" / SHARDS).glob("0000?"))) == 2
    assert main([*call, *out, "--hours", "9"]) == 1
    assert "expected texts for 9 hours, found that they last" in capsys.readouterr().err
    assert main([*call, *out, "--hours", "0"]) == 1
    assert "expected hours above 0" in capsys.readouterr().err


@needs_espeak
def test_what_the_english_bundle_hears_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, out = tmp_path / "text.txt", tmp_path / "spoken"
    text.write_text("The cat sat on the mat.")
    call = ["crossmodal", "synthesize", "--text", str(text), "--out", str(out), "--hours", "1e-4"]
    assert main([*call, "--bundle", "en"]) == 0
    assert (heard_by(out) or "").startswith("en ")
    sounds = read_sounds([out], tmp_path)
    assert isinstance(sounds, Posteriors)
    log_probs = sounds.log_probs(0)
    assert np.exp(log_probs).sum(axis=1) == pytest.approx(1.0, abs=0.01)
    said = read_words(out)[0].segments[-1]  # "mat"
    first, last = sounds.frame_at(0, said.start_s), sounds.frame_at(0, said.end_s)
    symbols = TokenTable.read(bundle.find("en") / "tokens.txt").symbols
    heard = {symbols[token] for token in log_probs[first:last].argmax(axis=1).tolist()}
    assert heard & {"M", "AE", "T"}
    assert main(call) == 1  # frames are another recipe
    assert "expected speech of" in capsys.readouterr().err


@needs_espeak
def test_a_part_of_the_text_is_spoken_in_an_order_of_chance(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("One cat. Two cats. Three cats. Four cats. Five dogs. Six dogs. Seven dogs.")
    out = tmp_path / "spoken"
    call = ["crossmodal", "synthesize", "--text", str(text), "--out", str(out), "--hours", "0.0001"]
    assert main([*call, "--part", "1/2", "--shuffle", "--seed", "3"]) == 0
    said = [" ".join(s.name for s in each.segments) for each in read_words(out)]
    assert sorted(said) == ["one cat", "three cats", "two cats"]
    assert said != ["one cat", "two cats", "three cats"]
    assert main([*call, "--part", "2/2", "--shuffle", "--seed", "3"]) == 1
    assert main([*call, "--part", "3/2"]) == 1
