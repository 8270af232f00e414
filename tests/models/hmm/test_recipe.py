"""`steno-models hmm`: from a manifest to models of every stage, and to words."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from steno_models.errors import DataError
from steno_models.hmm.recipe import STAGES, model_path, paths_path
from steno_models.hmm_command import main
from steno_models.lm.ngram.counts import count
from steno_models.lm.ngram.kneser_ney import estimate
from steno_models.lm.ngram.model import NgramModel
from steno_models.training.manifest import Utterance, write_manifest

WORDS = {"bed": "B EH D", "red": "R EH D", "see": "S IY"}
PITCHES = {"bed": 300.0, "red": 900.0, "see": 2_700.0}

_CONFIG = """
folder = "run"
manifests = ["train.jsonl"]
mono = {doublings = 0, flat_rounds = 2}
tri1 = {leaves = 120, gaussians = 130, rounds = 1, align_at = []}

[tri2]
leaves = 120
gaussians = 130
rounds = 2
align_at = [2]
rotate_at = [2]
context = 1
width = 8

[tri3]
leaves = 120
gaussians = 130
rounds = 1
align_at = []
adapt_at = [1]

[sgmm]
gaussians = 4
width = 3
passes = 1
"""


def _corpus(folder: Path) -> Path:
    """Write recordings in which every word is a tone in noise."""
    rng = np.random.default_rng(0)
    utterances = []
    for i in range(8):
        said = rng.choice(list(WORDS), 3).tolist()
        time = np.arange(4_800) / 16_000
        parts = [np.zeros(3_200)]
        for word in said:
            parts += [0.3 * np.sin(2 * np.pi * PITCHES[word] * time), np.zeros(1_600)]
        samples = np.concatenate(parts)
        samples += 0.003 * rng.normal(size=len(samples))
        soundfile.write(folder / f"{i}.wav", samples, 16_000)
        duration_s, text = len(samples) / 16_000, " ".join(said)
        utterances.append(
            Utterance(f"{i}", folder / f"{i}.wav", 0.0, duration_s, text, f"s{i % 2}")
        )
    write_manifest(folder / "train.jsonl", utterances)
    (folder / "small.toml").write_text(_CONFIG)
    return folder / "small.toml"


def _bundle(folder: Path) -> Path:
    """Write what of a bundle is needed: words and a language model."""
    vocabulary = (*WORDS, "<s>", "</s>", "<unk>")
    text = [
        "<s>",
        "bed",
        "red",
        "see",
        "</s>",
        "<s>",
        "see",
        "bed",
        "red",
        "</s>",
        "<s>",
        "red",
        "see",
        "bed",
        "</s>",
    ]
    tokens = np.array([vocabulary.index(word) for word in text], np.int32)
    (folder / "lm").mkdir(parents=True)
    model = estimate(count(tokens, vocabulary=vocabulary, order=2))
    NgramModel.from_backoff(model).write(folder / "lm" / "general.bin")
    lexicon = "".join(f"{word} {phones}\n" for word, phones in WORDS.items())
    (folder / "lm" / "general.lexicon.txt").write_text(lexicon)
    (folder / "bundle.toml").write_text("")
    return folder


def test_a_training_leaves_every_stage_goes_on_and_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(_corpus(tmp_path))
    run = tmp_path / "run"
    assert main(["train", config, "--until", "tri2"]) == 0
    assert paths_path(run, "tri2").is_file()
    assert not model_path(run, "tri3").exists()
    first = model_path(run, "tri1").read_bytes()
    assert main(["train", config]) == 0
    assert all(model_path(run, stage).is_file() for stage in STAGES)
    assert model_path(run, "tri1").read_bytes() == first
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["round"]) for line in log][:4] == [
        ("tri1", 1), ("tri2", 1), ("tri2", 2), ("tri3", 1),
    ]  # fmt: skip
    bundle = str(_bundle(tmp_path / "words"))
    measured = ["evaluate", config, "--manifest", str(tmp_path / "train.jsonl")]
    measured += ["--bundle", bundle, "--acoustic-scale", "0.1"]
    out = tmp_path / "heard.txt"
    for stage in STAGES:
        assert main([*measured, "--stage", stage, "--hypotheses", str(out), "--limit", "4"]) == 0
        assert stage in capsys.readouterr().out
        assert out.read_text().count("HYP") == 4


def test_alignments_of_other_speech_are_refused(tmp_path: Path) -> None:
    config = str(_corpus(tmp_path))
    run = tmp_path / "run"
    run.mkdir()
    with paths_path(run, "mono").open("wb") as file:
        np.savez(file, other=np.zeros(3, np.int32))
    with pytest.raises(DataError, match="expected the alignments of this speech"):
        main(["train", config, "--until", "tri1"])
