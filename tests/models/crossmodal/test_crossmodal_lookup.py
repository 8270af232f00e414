"""From what a recogniser hears to the written words that it is used like."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.models.crossmodal.spoken import WORD_S, tones

from steno_models.__main__ import main
from steno_models.audio import SAMPLE_RATE
from steno_models.crossmodal.lookup import Lookup, named_clusters
from steno_models.crossmodal.phones_heard import phones_heard
from steno_models.crossmodal.posteriors import STEP_S, Posteriors, read_sounds
from steno_models.crossmodal.segmentation.embedding import embedded
from steno_models.crossmodal.segmentation.segments import read_segments, spans
from steno_models.crossmodal.synthesis.shards import Ear, Recipe, claim, heard_by, make_shard
from steno_models.errors import ConfigError, DataError
from steno_models.types import FloatArray, LongArray
from steno_models.unknown.embedding import ALIGNER, aligner, aligner_if_whole

WORDS = ("cat", "dog", "house", "tree", "bird", "stone", "river", "cloud")
TOKENS = 80
HEARD = Recipe(texts=("t",), sentences=80, voices=1, heard_by="tones")


def listen(samples: FloatArray) -> FloatArray:
    """Return posteriors of tones: the token of a step is what its pitch says."""
    step = round(STEP_S * SAMPLE_RATE)
    steps = len(samples) // step
    spectra = np.abs(np.fft.rfft(samples[: steps * step].reshape(steps, step), axis=1))
    tokens: LongArray = 1 + spectra[:, : TOKENS - 1].argmax(axis=1)
    return _certain(tokens.tolist())


def _certain(tokens: Sequence[int]) -> FloatArray:
    """Return ln p(token) of steps that are nearly certain."""
    found = np.full((len(tokens), TOKENS), np.log(0.1 / (TOKENS - 1)), np.float32)
    found[np.arange(len(found)), np.array(tokens)] = np.log(0.9)
    return found


def _speak(folder: Path, *, ear: Ear, recipe: Recipe) -> None:
    """Write speech in which each word is followed by its partner or by itself."""
    random = np.random.default_rng(0)
    said = [WORDS[n ^ int(random.integers(2))] for n in random.integers(len(WORDS), size=960)]
    sentences = [" ".join(said[n : n + 12]) for n in range(0, 960, 12)]
    make_shard(folder, 0, sentences, recipe, tones, ear)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the posteriors of tones, and their words."""
    folder = tmp_path_factory.mktemp("posteriors")
    claim(folder, HEARD)
    _speak(folder, ear=Ear(listen, STEP_S), recipe=HEARD)
    call = ["crossmodal", "segment", str(folder), "--method", "forced"]
    assert main([*call, "--out", str(folder / "words.jsonl")]) == 0
    return folder


def test_pieces_are_the_phones_in_them_however_long_they_last() -> None:
    slow = _certain([0, 3, 3, 3, 0, 0, 7, 7, 2, 2, 2, 2, 0])
    quick = _certain([3, 7, 2])
    one = phones_heard(slow, np.array([0]), np.array([13]))
    assert one == pytest.approx(phones_heard(quick, np.array([0]), np.array([3])), abs=1e-5)
    # less the largest of each step is the same sound
    behind = slow - slow.max(axis=1, keepdims=True)
    assert phones_heard(behind, np.array([0]), np.array([13])) == pytest.approx(one, abs=1e-5)
    twice = _certain([3, 0, 3])  # the blank parts them
    assert phones_heard(twice, np.array([0]), np.array([3]))[0, -1] == pytest.approx(0.5 * 2**0.5)


def test_pieces_are_what_the_definition_says() -> None:
    random = np.random.default_rng(3)
    log_probs = np.log(random.dirichlet(np.full(5, 0.4), size=30)).astype(np.float32)
    firsts, lasts = np.array([0, 4, 17, 29]), np.array([4, 17, 30, 30])
    found = phones_heard(log_probs, firsts, lasts, moments=4)
    for row, first, last in zip(found, firsts, lasts, strict=True):
        runs: list[list[FloatArray]] = []
        before = -1
        for step in log_probs[first:last]:
            token = int(step.argmax())
            if token and token != before:
                runs.append([])
            if token:
                runs[-1].append(np.exp(step[1:]) / np.exp(step[1:]).sum())
            before = token
        phones = [np.mean(run, axis=0) for run in runs]
        if not phones:
            phones = [np.mean([np.exp(s[1:]) / np.exp(s[1:]).sum() for s in log_probs[first:last]],
                              axis=0)]  # fmt: skip
        grid = np.linspace(0, len(phones) - 1, 4)
        read = [
            [np.interp(at, np.arange(len(phones)), [p[f] for p in phones]) for f in range(4)]
            for at in grid
        ]
        assert row[:-1] == pytest.approx(np.sqrt(np.ravel(read)), abs=1e-4)
        assert row[-1] == pytest.approx(0.5 * len(phones) ** 0.5)


def test_pieces_outside_a_recording_are_refused() -> None:
    with pytest.raises(DataError, match="expected pieces of at least one of 3 steps"):
        phones_heard(_certain([1, 2, 3]), np.array([2]), np.array([4]))
    with pytest.raises(DataError, match="expected pieces of at least one of 3 steps"):
        phones_heard(_certain([1, 2, 3]), np.array([1]), np.array([1]))


def test_posteriors_are_read_with_the_times_of_their_words(spoken: Path, tmp_path: Path) -> None:
    sounds = read_sounds([spoken], tmp_path)
    assert isinstance(sounds, Posteriors)
    assert heard_by(spoken) == "tones"
    words = read_segments(spoken / "words.jsonl")
    found, kept = spans(words, sounds)
    assert len(sounds) == len(words) == 80
    assert sounds.frame_at(0, 2 * WORD_S) == round(2 * WORD_S / STEP_S)
    assert sounds.frame_at(0, 1e9) == sounds.frames(0)
    vectors = embedded(sounds, found)
    # the same word is heard alike, whoever says it
    by_word = {name: [v for v, s in zip(vectors, kept, strict=True) if s.name == name]
               for name in WORDS}  # fmt: skip
    centres = np.array([np.mean(own, axis=0) for own in by_word.values()])
    distances = ((vectors[:, None] - centres) ** 2).sum(axis=2)
    right = [WORDS[n] == s.name for n, s in zip(distances.argmin(axis=1), kept, strict=True)]
    assert np.mean(right) > 0.7  # some steps hear two words at once; by chance: 0.125


def test_posteriors_stand_alone(
    spoken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = tmp_path / "frames"
    _speak(frames, ear=Ear(), recipe=Recipe(texts=("t",), sentences=80))
    with pytest.raises(ConfigError, match="expected frames, or posteriors of one bundle"):
        read_sounds([spoken, frames], tmp_path)
    call = ["crossmodal", "segment", str(spoken), "--method", "syllables"]
    assert main([*call, "--out", str(tmp_path / "p.jsonl")]) == 1
    assert "posteriors of a bundle are for `crossmodal cluster` alone" in capsys.readouterr().err


def test_a_map_becomes_an_opinion_on_candidates(
    spoken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heard, folder = tmp_path / "heard", tmp_path / "candidates"
    words = ["--segments", str(spoken / "words.jsonl")]
    learn = ["--vectors", "word2vec", "--dimensions", "4", "--min-count", "1", "--epochs", "3"]
    call = ["crossmodal", "cluster", str(spoken), *words, "--clusters", "16", *learn]
    assert main([*call, "--out", str(heard)]) == 0
    text, found = tmp_path / "text", tmp_path / "map"
    own = ["crossmodal", "cluster", str(spoken), *words, "--own-names", *learn]
    assert main([*own, "--out", str(text)]) == 0
    start = ["--start", "gromov-wasserstein"]
    assert main(["crossmodal", "align", str(heard), str(text), *start, "--out", str(found)]) == 0
    out = str(folder / ALIGNER)
    assert main(["crossmodal", "lookup", str(heard), str(text), str(found), "--out", out]) == 0
    assert "clusters among 8 words" in capsys.readouterr().err
    scorer = aligner(folder, TOKENS)
    assert scorer is not None
    sounds = read_sounds([spoken], tmp_path)
    assert isinstance(sounds, Posteriors)
    opinions = scorer(sounds.log_probs(0)[:6], ["cat", "zebra", "dog"])
    assert opinions[1] is None
    assert all(one is not None and np.isfinite(one) for one in (opinions[0], opinions[2]))
    # the own-named space has no clusters to look a sound up in
    assert main(["crossmodal", "lookup", str(text), str(text), str(found), "--out", out]) == 1
    assert "expected the means of clusters" in capsys.readouterr().err


def test_the_word_in_whose_place_a_cluster_lies_is_the_nearest() -> None:
    random = np.random.default_rng(1)
    sounds = phones_heard(_certain([1, 2, 3, 4, 5, 6]), np.arange(0, 6, 2), np.arange(2, 8, 2))
    vectors = random.normal(size=(9, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = [f"w{n}" for n in range(9)]
    lookup = Lookup.of(sounds, vectors[[7, 0, 4]], names, vectors)
    for sound, nearest in zip(([1, 1, 2], [3, 4], [5, 6, 6, 0]), ("w7", "w0", "w4"), strict=True):
        scores = lookup(_certain(sound), names)
        assert names[int(np.argmax(np.array(scores, float)))] == nearest
        assert np.mean(np.array(scores, float)) == pytest.approx(0.0, abs=1e-5)
    with pytest.raises(DataError, match="expected posteriors of 80 tokens, found 3"):
        lookup(np.zeros((2, 3), np.float32), names)


def test_a_lookup_survives_its_file_and_damage_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sounds = phones_heard(_certain([1, 2]), np.array([0, 1]), np.array([1, 2]))
    vectors = np.eye(3, dtype=np.float32)
    lookup = Lookup.of(sounds, vectors[:2], ("a", "b", "c"), vectors)
    folder = tmp_path / ALIGNER
    lookup.save(folder)
    assert aligner(tmp_path, TOKENS) is not None
    again = Lookup.load(folder)
    both = [each(_certain([1]), ["a", "b"]) for each in (lookup, again)]
    assert both[0] == pytest.approx(both[1], abs=1e-3)
    assert aligner(tmp_path / "nowhere", TOKENS) is None
    with pytest.raises(DataError, match="expected an aligner for posteriors of 40 tokens"):
        aligner(tmp_path, 40)
    (folder / "words.txt").write_text("a\n")
    with caplog.at_level(logging.WARNING):
        assert aligner_if_whole(tmp_path, TOKENS) is None
    assert "unknown words are named without an aligner" in caplog.text
    (folder / "lookup.safetensors").write_bytes(b"no tensors")
    with pytest.raises(DataError, match="expected an aligner"):
        Lookup.load(folder)


def test_vectors_that_are_no_numbers_are_refused() -> None:
    sounds = phones_heard(_certain([1, 2]), np.array([0, 1]), np.array([1, 2]))
    vectors = np.eye(3, dtype=np.float32)
    with pytest.raises(DataError, match="expected finite vectors"):
        Lookup.of(sounds, np.full((2, 3), np.nan, np.float32), ("a", "b", "c"), vectors)
    with pytest.raises(DataError, match="expected a cluster or more and two words or more"):
        Lookup.of(sounds, vectors[:2], ("a",), vectors[:1])
    with pytest.raises(DataError, match="expected names of clusters"):
        named_clusters(["c0", "cat"])
