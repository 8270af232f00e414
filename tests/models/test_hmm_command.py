"""Alignments by command: files that the training of other models reads."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from steno_models.errors import DataError
from steno_models.features.fbank import fbank
from steno_models.hmm import command
from steno_models.hmm.align import Alignment, PhoneSpan, load_labels
from steno_models.hmm.command import ensure_alignments, main, phones_said
from steno_models.text.tokens import TokenTable
from steno_models.training.manifest import Utterance, read_manifest, write_manifest


def _corpus(folder: Path, names: dict[str, str]) -> Path:
    folder.mkdir()
    utterances = []
    for seed, (name, text) in enumerate(names.items()):
        samples = np.random.default_rng(seed).normal(0, 0.1, 16_000).clip(-1, 1)
        soundfile.write(folder / f"{name}.wav", samples, 16_000)
        utterances.append(Utterance(name, folder / f"{name}.wav", 0.0, 1.0, text, "a"))
    write_manifest(folder / "train.jsonl", utterances)
    return folder / "train.jsonl"


def test_the_phones_said_are_those_of_the_path_repeats_included() -> None:
    spans = [PhoneSpan(*s) for s in ((0, -1, 0, 3), (31, 0, 3, 6), (31, 1, 6, 9), (0, -1, 9, 12))]
    assert phones_said(Alignment(tuple(spans))).tolist() == [31, 31]


def test_every_corpus_gets_its_labels_and_its_phones(tmp_path: Path) -> None:
    one = _corpus(tmp_path / "one", {"a": "red", "b": "a zorblat", "c": ""})
    two = _corpus(tmp_path / "two", {"a": "bed"})
    out = tmp_path / "out"
    assert main(["--manifest", str(one), str(two), "--out", str(out)]) == 0
    labels = load_labels(out / "one-train.phones.npz")
    tokens = load_labels(out / "one-train.tokens.npz")
    assert set(labels) == set(tokens) == {"a", "b"}
    assert tokens["a"].tolist() == TokenTable.phones().ids(["R", "EH", "D"])
    sound = fbank(soundfile.read(tmp_path / "one" / "a.wav", dtype="float32")[0])
    assert len(labels["a"]) == len(sound)
    runs = labels["a"][np.flatnonzero(np.diff(labels["a"], prepend=-1))]
    assert [p for p in runs.tolist() if p] == tokens["a"].tolist()
    again = tmp_path / "again"
    model = str(out / "phone-model.npz")
    assert main(["--manifest", str(two), "--out", str(again), "--model", model]) == 0
    first, second = (load_labels(p / "two-train.phones.npz")["a"] for p in (out, again))
    np.testing.assert_array_equal(first, second)


def test_two_manifests_of_one_name_are_refused(tmp_path: Path) -> None:
    manifest = _corpus(tmp_path / "one", {"a": "red"})
    assert len(read_manifest(manifest)) == 1
    with pytest.raises(DataError, match="expected manifests that differ in folder or name"):
        main(["--manifest", str(manifest), str(manifest), "--out", str(tmp_path)])


def test_alignments_that_are_there_are_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = _corpus(tmp_path / "one", {"a": "red", "b": "a bed"})
    dev = _corpus(tmp_path / "dev", {"c": "bed"})
    out = tmp_path / "out"
    ensure_alignments([one], out, held_out=[dev])
    made = {path.name: path.read_bytes() for path in out.iterdir()}
    assert set(made) == {
        "phone-model.npz",
        *(f"{name}-train.{what}.npz" for name in ("one", "dev") for what in ("phones", "tokens")),
    }
    assert set(load_labels(out / "dev-train.phones.npz")) == {"c"}
    monkeypatch.setattr(command, "train", None)  # the model is kept
    (out / "dev-train.tokens.npz").unlink()
    unchanged = out / "one-train.phones.npz"
    before_ns = unchanged.stat().st_mtime_ns
    ensure_alignments([one], out, held_out=[dev])
    assert {path.name: path.read_bytes() for path in out.iterdir()} == made
    assert unchanged.stat().st_mtime_ns == before_ns


def test_an_interrupted_alignment_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = _corpus(tmp_path / "one", {"a": "red"})

    def half(path: Path, _labels: object) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(command, "save_labels", half)
        with pytest.raises(KeyboardInterrupt):
            ensure_alignments([one], tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["phone-model.npz"]
    ensure_alignments([one], tmp_path / "out")
    assert set(load_labels(tmp_path / "out" / "one-train.phones.npz")) == {"a"}
