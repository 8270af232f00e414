"""Fusion of language models in a few minutes: speech of tones, letters that sound alike.

    python -m tests.models.las.fusion_experiment FOLDER --data DATA

Each letter is a chord in noise, and letters of a group share theirs, so that only their neighbours
tell them apart: who knows the language hears more. A speller learns from phrases of novels; one
language model knows novels, the other what people ask physicians. DATA/text has both. What is
made: recordings, manifests, recipes, and `table.toml` for `steno-models fusion-table`.
"""

import argparse
import lzma
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import numpy as np
import soundfile

from steno_models.text.normalise import sentences
from steno_models.training.manifest import Utterance, write_manifest
from steno_models.types import FloatArray

GROUPS = ("bp", "dt", "gkcq", "fv", "szx", "mn", "iey", "ouw", "lr", "a", "hj", "'")
DOMAINS = {"novels": "novels.txt.xz", "medical": "medical_qa.txt.xz"}
WORDS = 2
_RATE = 16_000

_LM = """kind = "recurrent"
folder = "lm-{name}"
text = ["{name}.txt"]
dev = ["{name}-dev.txt"]
context = "sentence"
units = {{ kind = "characters" }}
network = {{ width = 64, cells = 192 }}
run = {{ rows = 64, length = 32, bf16 = false, evaluate_every = 200, checkpoint_every = 400 }}
optim = {{ total_steps = {lm_steps}, learning_rate = 5e-3, warmup_steps = 40 }}
"""
_SPELLER = """family = "las"
folder = "{kind}"
cache = "features"
units = {{ kind = "characters" }}
encoder = {{ width = 64, layers = 2, heads = 2, feed_forward = 128, kernel = 7, {channels} }}
chunks = {{ unlimited_share = 1.0, dev_chunk = 1000, dev_left = 1 }}
augment = {{ mask_share = 0.0 }}
loss = {{ ctc = 0.5, smoothing = 0.05 }}
search = {{ beam = 1, labels_per_step = 0.7 }}
{fusion}
[speller]
width = 96
attention = {{ width = 48, channels = 4, kernel = 7 }}
[[corpora]]
manifest = "train.jsonl"
[[dev]]
manifest = "dev.jsonl"
[run]
frames_per_batch = 4800
evaluate_every = {every}
checkpoint_every = 1000
bf16 = false
[optim]
total_steps = {steps}
learning_rate = {rate}
warmup_steps = 50
ema_decay = 0.98
"""
_FUSIONS = {
    "plain": "",
    "cold": 'fusion = { kind = "cold", language_model = "lm-novels/lm", width = 64 }',
    "deep": 'fusion = { kind = "deep", language_model = "lm-novels/lm", after = "plain" }',
}
_TABLE = """folder = "table"
plain = "plain.toml"
deep = "deep.toml"
cold = "cold.toml"
search = { beam = 6, ctc_weight = 0.2, lm_weight = 0.4, subtracted_weight = 0.2 }

[[domains]]
name = "novels"
language_model = "lm-novels.toml"
manifest = "novels-test.jsonl"

[[domains]]
name = "medical"
language_model = "lm-medical.toml"
manifest = "medical-test.jsonl"
"""


def phrases(path: Path, skip: int) -> Iterator[str]:
    """Pieces of two words from a text, after so many of its characters."""
    with lzma.open(path, "rt", encoding="utf-8") as text:
        text.read(skip)
        for line in text:
            for sentence in sentences(line):
                words = sentence.split()
                for begin in range(0, len(words) - WORDS + 1, WORDS):
                    yield " ".join(words[begin : begin + WORDS])


def sound(text: str, rng: np.random.Generator) -> FloatArray:
    """What a phrase sounds like: a chord for each letter, a pause for each space."""
    group = {letter: i for i, letters in enumerate(GROUPS) for letter in letters}
    pitch = rng.uniform(0.97, 1.03)
    parts = [np.zeros(1600)]
    for letter in text:
        t = np.arange(int(_RATE * rng.uniform(0.08, 0.12))) / _RATE
        if letter == " ":
            parts.append(0 * t)
            continue
        low, high = divmod(group[letter], 4)
        chord = (500 * 1.35**low, 1500 * 1.28**high)
        waves = sum(np.sin(2 * np.pi * pitch * f * t) for f in chord)
        parts.append(np.hanning(len(t)) * waves)
    clean = np.concatenate([*parts, np.zeros(1600)])
    noisy: FloatArray = (0.1 * clean + rng.normal(0, 0.03, len(clean))).astype(np.float32)
    return noisy


def record(folder: Path, name: str, texts: Sequence[str], seed: int) -> None:
    """Write recordings of `texts` and their manifest NAME.jsonl."""
    rng = np.random.default_rng(seed)
    (folder / name).mkdir(parents=True, exist_ok=True)
    utterances = []
    for number, text in enumerate(texts):
        audio, samples = folder / name / f"{number:05d}.wav", sound(text, rng)
        soundfile.write(audio, samples, _RATE)
        duration = len(samples) / _RATE
        utterances.append(Utterance(f"{name}-{number}", audio, 0.0, duration, text, "tones"))
    write_manifest(folder / f"{name}.jsonl", utterances)


def write_recipes(folder: Path, *, steps: int, lm_steps: int) -> None:
    """Write the recipes of both language models and all spellers, and of their table."""
    for name in DOMAINS:
        recipe = _LM.format(name=name, lm_steps=lm_steps)
        (folder / f"lm-{name}.toml").write_text(recipe, encoding="utf-8")
    for kind, fusion in _FUSIONS.items():
        deep = kind == "deep"
        recipe = _SPELLER.format(
            kind=kind,
            fusion=fusion,
            channels="subsampling_channels = 8",
            steps=max(60, steps // 3) if deep else steps,
            every=max(1, steps // 12),
            rate="2e-3" if deep else "3e-3",
        )
        (folder / f"{kind}.toml").write_text(recipe, encoding="utf-8")
    (folder / "table.toml").write_text(_TABLE, encoding="utf-8")


def prepare(folder: Path, data: Path, *, train: int, test: int, text: int) -> None:
    """Write texts and recordings; no phrase of a text is in a recording of its domain."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, file) in enumerate(DOMAINS.items()):
        source = phrases(data / "text" / file, 1_000_000)
        spoken = list(dict.fromkeys(islice(source, 3 * (train + test))))
        held_out = set(spoken)
        learnt = (one for one in chain(source) if one not in held_out)
        lines = list(islice(learnt, text + 500))
        (folder / f"{name}.txt").write_text("\n".join(lines[:-500]) + "\n", encoding="utf-8")
        (folder / f"{name}-dev.txt").write_text("\n".join(lines[-500:]) + "\n", encoding="utf-8")
        drawn = np.random.default_rng(seed).permutation(len(spoken))
        chosen = [spoken[i] for i in drawn]
        record(folder, f"{name}-test", chosen[:test], seed)
        if name == "novels":
            record(folder, "dev", chosen[test : test + 100], 10)
            record(folder, "train", chosen[test + 100 : test + 100 + train], 11)


def main() -> None:
    """Make everything that the table is made of."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="the folder above text/")
    parser.add_argument("--steps", type=int, default=600, help="of the spellers' trainings")
    asked = parser.parse_args()
    prepare(asked.folder, asked.data, train=3000, test=150, text=50_000)
    write_recipes(asked.folder, steps=asked.steps, lm_steps=400)
    print(f"steno-models fusion-table {asked.folder / 'table.toml'}")  # noqa: T201 - the next step


if __name__ == "__main__":
    main()
