"""From speech to answers, as a user calls it: segment, score, cluster, classify, encodes."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile
from tests.models.crossmodal.spoken import tones

from steno_models.__main__ import main
from steno_models.audio import SAMPLE_RATE
from steno_models.crossmodal.cluster_command import Summary
from steno_models.crossmodal.encodes_command import Row as Encodes
from steno_models.crossmodal.segment_score_command import Row as Scored
from steno_models.crossmodal.segmentation.segments import read_segments
from steno_models.crossmodal.space import Space
from steno_models.crossmodal.synthesis.espeak import Voice
from steno_models.crossmodal.synthesis.shards import Recipe, make_shard
from steno_models.crossmodal.tasks.command import Row as Answered

WORDS = ("their", "there", "won", "one", "sun", "son", "cat", "dog", "house", "tree", "bird",
         "stone", "river", "cloud", "hill", "field")  # fmt: skip
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write speech of words that are used unlike each other, its true words and a text's space."""
    folder = tmp_path_factory.mktemp("spoken")
    random = np.random.default_rng(0)
    chain = random.dirichlet(np.full(len(WORDS), 0.2), size=len(WORDS))
    sentences = []
    for _ in range(60):
        own = [int(random.integers(len(WORDS)))]
        while len(own) < 6:
            own.append(int(random.choice(len(WORDS), p=chain[own[-1]])))
        sentences.append(" ".join(WORDS[n] for n in own))
    make_shard(folder, 0, sentences, Recipe(texts=("t",), sentences=60, voices=2), tones)
    assert main(["crossmodal", "segment", str(folder), "--method", "forced",
                 "--out", str(folder / "words.jsonl")]) == 0  # fmt: skip
    vectors = random.normal(size=(len(WORDS), 6)).astype(np.float32)
    Space(WORDS, vectors, np.arange(len(WORDS), 0, -1)).save(folder / "text")
    return folder


def cluster(spoken: Path, out: Path, *more: str) -> list[str]:
    call = ["crossmodal", "cluster", str(spoken), "--segments", str(spoken / "words.jsonl")]
    return [*call, "--out", str(out), "--min-count", "1", *more]


@pytest.mark.parametrize("method", ["es-kmeans", "bes-gmm", "syllables", "equal"])
def test_speech_is_cut_and_the_pieces_are_measured(
    spoken: Path, tmp_path: Path, capsys: Capture, method: str
) -> None:
    out = tmp_path / "pieces.jsonl"
    call = ["crossmodal", "segment", str(spoken), "--method", method, "--out", str(out)]
    assert main([*call, "--clusters", "20", "--rounds", "3", "--most", "2"]) == 0
    capsys.readouterr()
    score = ["crossmodal", "segment-score", "--truth", str(spoken / "words.jsonl"), str(out)]
    assert main([*score, "--json"]) == 0
    at_20, at_30 = msgspec.json.decode(capsys.readouterr().out, type=list[Scored])
    assert at_20.score.words == 360
    assert at_20.score.boundary.f <= at_30.score.boundary.f
    if method != "equal":
        assert at_30.score.boundary.f > 40  # the tones fall where words end
    assert main(score) == 0
    assert "boundary P/R/F" in capsys.readouterr().out


def test_words_are_clustered_classified_and_drawn(
    spoken: Path, tmp_path: Path, capsys: Capture
) -> None:
    own, found = tmp_path / "own", tmp_path / "found"
    learnt = ["--vectors", "word2vec", "--dimensions", "6", "--epochs", "2"]
    assert main(cluster(spoken, own, "--own-names", *learnt)) == 0
    capsys.readouterr()
    assert main(cluster(spoken, found, "--clusters", "24", *learnt, "--json")) == 0
    summary = msgspec.json.decode(capsys.readouterr().out, type=Summary)
    assert (summary.pieces, summary.words, summary.tokens) == (360, 24, 360)
    assert Space.load(own).words[0] in WORDS
    call = ["crossmodal", "classify", str(spoken / "text"), "--truth", str(spoken / "words.jsonl")]
    systems = ["--system", f"own={own}", "--system", f"found={found}"]
    start = ["--start", "gromov-wasserstein"]
    assert main([*call, *systems, *start, "--json"]) == 0
    rows = msgspec.json.decode(capsys.readouterr().out, type=list[Answered])
    assert [row.system for row in rows] == ["own"] * 4 + ["found"] * 4
    assert rows[0].map == "same answer to all"
    assert rows[0].purity == 100
    assert 50 < rows[4].purity < 100
    assert all(0 <= share <= 100 for row in rows for share in row.csls.pieces)
    assert main([*call, *systems[:2], *start, "--closed", "--plot", str(tmp_path / "map.png")]) == 0
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    assert "CSLS P@1/5/10" in capsys.readouterr().out


def test_each_piece_answers_by_its_own_vector(
    spoken: Path, tmp_path: Path, capsys: Capture
) -> None:
    own, text = tmp_path / "own", tmp_path / "text"
    assert main(cluster(spoken, own, "--own-names", "--keep-pieces")) == 0
    Space.load(own).save(text)  # the words' own means: each piece is nearest to its word
    call = ["crossmodal", "classify", str(text), "--truth", str(spoken / "words.jsonl")]
    options = ["--start", "gromov-wasserstein", "--pieces", "--json"]
    capsys.readouterr()
    assert main([*call, "--system", f"own={own}", *options]) == 0
    rows = msgspec.json.decode(capsys.readouterr().out, type=list[Answered])
    [by_word, by_piece] = [row for row in rows if row.map.startswith("unsupervised")]
    assert by_word.csls.pieces[0] > 50
    assert by_piece.nearest is not None
    assert by_piece.tested == by_word.tested
    assert 40 < by_piece.nearest.pieces[0] <= 100
    (own / "pieces.safetensors").unlink()
    assert main([*call, "--system", f"own={own}", *options]) == 1
    assert "expected the vectors of its pieces" in capsys.readouterr().err


def test_synonyms_and_translations_need_pairs(
    spoken: Path, tmp_path: Path, capsys: Capture
) -> None:
    own, pairs = tmp_path / "own", tmp_path / "pairs.txt"
    assert main(cluster(spoken, own, "--own-names", "--vectors", "word2vec", "--dimensions", "6",
                        "--epochs", "1")) == 0  # fmt: skip
    rest = [str(spoken / "text"), "--truth", str(spoken / "words.jsonl"), "--system", f"own={own}"]
    assert main(["crossmodal", "translate", *rest]) == 1
    assert "expected --pairs, found none" in capsys.readouterr().err
    pairs.write_text("".join(f"{word} {WORDS[n - 1]}\n" for n, word in enumerate(WORDS)))
    for task in ("synonyms", "translate"):
        assert main(["crossmodal", task, *rest, "--pairs", str(pairs), "--json"]) == 0
        rows = msgspec.json.decode(capsys.readouterr().out, type=list[Answered])
        assert rows[0].answerable == 100
    pairs.write_text("house maison\n")
    assert main(["crossmodal", "translate", *rest, "--pairs", str(pairs)]) == 1
    assert "expected spoken words with answers in the text" in capsys.readouterr().err


def test_vectors_of_sounds_are_known_by_their_homophones(tmp_path: Path, capsys: Capture) -> None:
    def same_sounds(words: object, voice: Voice) -> object:
        twins = {"there": "their", "one": "won", "son": "sun"}
        return tones([twins.get(word, word) for word in words], voice)  # type: ignore[attr-defined]

    folder, sounds = tmp_path / "said", tmp_path / "sounds"
    recipe = Recipe(texts=("t",), sentences=60, voices=1)
    make_shard(folder, 0, [" ".join(WORDS)] * 20, recipe, same_sounds)  # type: ignore[arg-type]
    call = ["crossmodal", "segment", str(folder), "--method", "forced"]
    assert main([*call, "--out", str(folder / "words.jsonl")]) == 0
    assert main(cluster(folder, sounds, "--own-names")) == 0
    capsys.readouterr()
    assert main(["crossmodal", "encodes", str(sounds), "--text", str(sounds), "--json"]) == 0
    heard, _ = msgspec.json.decode(capsys.readouterr().out, type=list[Encodes])
    assert heard.homophones is not None
    assert heard.homophones.pairs == 3
    assert heard.homophones.apart > 95
    assert main(["crossmodal", "encodes", str(sounds), "--truth", str(folder / "words.jsonl")]) == 0
    assert "homophones" in capsys.readouterr().out


def test_recordings_of_a_manifest_are_cut(tmp_path: Path, capsys: Capture) -> None:
    spoken = tones(WORDS[:6], Voice("en-us", "", 165, 50, 50))
    soundfile.write(tmp_path / "a.wav", spoken.samples, SAMPLE_RATE)
    line = {"audio_filepath": "a.wav", "duration": 1.5, "text": " ".join(WORDS[:6])}
    (tmp_path / "speech.jsonl").write_text(json.dumps(line) + "\n")
    call = ["crossmodal", "segment", str(tmp_path / "speech.jsonl"), "--cache",
            str(tmp_path / "cache"), "--out", str(tmp_path / "out.jsonl")]  # fmt: skip
    assert main([*call, "--method", "syllables"]) == 0
    [found] = read_segments(tmp_path / "out.jsonl")
    assert abs(len(found.segments) - 6) <= 1
    assert main([*call, "--method", "forced"]) == 1
    assert "expected --times with --method forced" in capsys.readouterr().err


def test_calls_that_contradict_themselves_are_named(
    spoken: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert main(cluster(spoken, tmp_path)) == 1
    assert "expected either --clusters or --own-names" in capsys.readouterr().err
    assert main(cluster(spoken, tmp_path, "--clusters", "999")) == 1
    assert "expected a point for each of 999 clusters, found 360" in capsys.readouterr().err
    assert main(cluster(spoken, tmp_path / "flat", "--own-names")) == 0
    call = ["crossmodal", "classify", str(spoken / "text"), "--truth", str(spoken / "words.jsonl")]
    assert main([*call, "--system", str(tmp_path / "flat")]) == 1
    assert "expected --system NAME=FOLDER" in capsys.readouterr().err
    assert main([*call, "--system", f"flat={tmp_path / 'flat'}"]) == 1
    assert "expected a space of 6 dimensions like the text, found 130" in capsys.readouterr().err
