"""From recordings to alignments: noise with words, and real speech beside another aligner."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile

from steno_models.audio import read_file
from steno_models.features.fbank import fbank
from steno_models.hmm.corpus import easiest, examples, force_align, word_graph
from steno_models.hmm.topology import PHONE_IDS
from steno_models.hmm.train import Stage, train
from steno_models.text.lexicon import Lexicon, Pronunciation
from steno_models.training.manifest import read_manifest
from steno_models.training.utterance import Utterance

LEXICON = Lexicon({"yes": (("Y", "EH", "S"),), "a": (("AH",), ("EY",))})


class _Speller:
    """Says every word as one B, then as one D."""

    def pronounce(self, word: str, n_best: int = 1) -> list[tuple[Pronunciation, float]]:
        assert word
        guesses: list[tuple[Pronunciation, float]] = [(("B",), -1.0), (("D",), -2.0)]
        return guesses[:n_best]


def _utterance(folder: Path, name: str, text: str, *, speaker: str = "a") -> Utterance:
    return Utterance(name, folder / f"{name}.wav", 0.0, 1.0, text, speaker)


def _record(folder: Path, name: str, seed: int, level: float = 0.1) -> None:
    samples = np.random.default_rng(seed).normal(size=16_000) * level
    soundfile.write(folder / f"{name}.wav", samples.clip(-1.0, 1.0), 16_000)


def test_a_word_may_be_said_in_each_of_its_ways() -> None:
    graph = word_graph(["a", "new"], LEXICON, _Speller())
    phones = {(int(w), int(s) // 3) for w, s in zip(graph.words, graph.states, strict=True)}
    of_words = {(w, p) for w, p in phones if w >= 0}
    ids = [(0, "AH"), (0, "EY"), (1, "B"), (1, "D")]
    assert of_words == {(word, PHONE_IDS[phone]) for word, phone in ids}


def test_what_has_no_pronunciation_is_left_out(tmp_path: Path) -> None:
    for i, name in enumerate(["one", "two"]):
        _record(tmp_path, name, seed=i)
    spoken = [_utterance(tmp_path, "one", "Yes, a yes!"), _utterance(tmp_path, "two", "yes new")]
    assert [u.key for u, _ in examples(spoken, LEXICON)] == ["one"]
    assert [u.key for u, _ in examples(spoken, LEXICON, _Speller())] == ["one", "two"]


def test_frames_are_normalised_over_each_speaker(tmp_path: Path) -> None:
    names = [("one", "a", 0.2), ("two", "a", 0.02), ("three", "b", 0.1)]
    for i, (name, _, level) in enumerate(names):
        _record(tmp_path, name, seed=i, level=level)
    spoken = [_utterance(tmp_path, name, "yes", speaker=s) for name, s, _ in names]
    frames = {u.key: example.frames for u, example in examples(spoken, LEXICON)}
    both = np.concatenate([frames["one"], frames["two"]])
    for pooled in (both, frames["three"]):
        np.testing.assert_allclose(pooled.mean(axis=0), 0.0, atol=1e-4)
        np.testing.assert_allclose(pooled.std(axis=0), 1.0, atol=1e-2)
    assert frames["one"][:, 0].mean() > 0.5 > frames["two"][:, 0].mean()


def test_the_easiest_are_the_shortest_of_every_speaker() -> None:
    lengths = {"a": [5.0, 1.0, 2.0], "b": [9.0, 8.0]}
    spoken = [
        Utterance(f"{speaker}{s}", Path("x") / f"{speaker}{s}", 0.0, s, "yes", speaker)
        for speaker, durations in lengths.items()
        for s in durations
    ]
    assert [u.key for u in easiest(spoken, hours=11.0 / 3600.0)] == ["a1.0", "a2.0", "b8.0"]


def _other_words(utterance: Utterance, words: list[str]) -> list[tuple[int, int]]:
    """Return [start, end) frames of the words, as PocketSphinx aligns them."""
    sphinx = pytest.importorskip("pocketsphinx")
    decoder = sphinx.Decoder(lm=None, loglevel="FATAL")
    decoder.set_align_text(" ".join(words))
    decoder.start_utt()
    samples = read_file(utterance.audio)
    decoder.process_raw((samples * 32767.0).astype(np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
    inner = (s for s in decoder.seg() if not s.word.startswith(("<", "[")))
    return [(s.start_frame, s.end_frame + 1) for s in inner]


@pytest.mark.data
def test_a_quarter_of_an_hour_gives_the_word_borders_of_pocketsphinx(data_root: Path) -> None:
    spoken = easiest(read_manifest(data_root / "librispeech_mini" / "train.jsonl"), hours=0.25)
    lexicon = Lexicon.from_cmudict()
    schedule = (Stage(splits=0, rounds=6), Stage(splits=1, rounds=3), Stage(splits=1, rounds=2))
    model = train([example for _, example in examples(spoken, lexicon)], schedule)
    differences: list[int] = []
    for utterance, alignment in islice(force_align(model, spoken[::10], lexicon), 12):
        assert len(alignment.labels()) == len(fbank(read_file(utterance.audio)))
        mine = [(span.start, span.end) for span in alignment.words()]
        other = _other_words(utterance, utterance.text.split())
        differences += np.abs(np.array(mine) - np.array(other)).ravel().tolist()
    assert np.median(differences) <= 2.0
    assert np.mean(np.array(differences) <= 10) > 0.9
