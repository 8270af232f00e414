"""A corpus in which every word is a tone in noise, and what of a bundle it takes to decode it."""

from pathlib import Path

import numpy as np
import soundfile

from steno_models.lm.ngram.counts import count
from steno_models.lm.ngram.kneser_ney import estimate
from steno_models.lm.ngram.model import NgramModel
from steno_models.training.manifest import Utterance, write_manifest

WORDS = {"bed": "B EH D", "red": "R EH D", "see": "S IY"}
PITCHES = {"bed": 300.0, "red": 900.0, "see": 2_700.0}


def tones(folder: Path) -> Path:
    """Write recordings in which every word is a tone in noise, and return their manifest."""
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
    return folder / "train.jsonl"


def words_bundle(folder: Path) -> Path:
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
