"""Sentences of a text, read aloud by a synthesiser: what a domain hears of what nobody recorded.

    python -m tests.models.read_aloud --text held-out.txt --known training.txt --out FOLDER \\
        [--count 200] [--seed 1] [--voices 10]

Writes FOLDER/spoken.jsonl, a manifest, and FOLDER/said.txt, its sentences: so many of six to thirty
words, drawn by chance from those of the held-out texts that stand nowhere in the known ones, in
voices of eSpeak NG that differ in accent, timbre, pitch and rate. Then

    steno-models lm build --text training.txt --name medical --with-general en --out medical
    steno-models lm perplexity medical/model.bin --text FOLDER/said.txt
    steno-models evaluate --bundle en --manifest FOLDER/spoken.jsonl --domain medical
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from steno_models.audio import SAMPLE_RATE
from steno_models.crossmodal.synthesis.espeak import say
from steno_models.crossmodal.synthesis.voices import voices
from steno_models.errors import DataError
from steno_models.lm.ngram.corpus import read_sentences
from steno_models.text.normalise import sentences
from steno_models.training.manifest import Utterance, write_manifest

SHORTEST, LONGEST = 6, 30
"""Words of a sentence."""
SILENCE = np.zeros(SAMPLE_RATE // 4, np.float32)


def held_out(texts: Sequence[Path], known: Sequence[Path]) -> list[str]:
    """Return the sentences of `texts`, each once, that stand in none of `known`."""
    seen = {sentence for path in known for sentence in read_sentences(path, sentences)}
    found = dict.fromkeys(
        sentence
        for path in texts
        for sentence in read_sentences(path, sentences)
        if SHORTEST <= len(sentence.split()) <= LONGEST and sentence not in seen
    )
    return list(found)


def read_aloud(said: Sequence[str], folder: Path, *, speakers: int, seed: int) -> None:
    """Speak sentences, each in the next of so many voices, and list them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "said.txt").write_text("".join(f"{each}\n" for each in said), encoding="utf-8")
    speaking = voices(speakers, seed)
    utterances = []
    for number, sentence in enumerate(said):
        voice = speaking[number % speakers]
        spoken = np.concatenate((SILENCE, say(sentence.split(), voice).samples, SILENCE))
        path = folder / f"{number:04d}.flac"
        soundfile.write(path, spoken, SAMPLE_RATE)
        lasts_s = len(spoken) / SAMPLE_RATE
        utterances.append(Utterance(path.stem, path, 0.0, lasts_s, sentence, voice.name))
    write_manifest(folder / "spoken.jsonl", utterances)


def main(arguments: Sequence[str]) -> int:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--text", type=Path, nargs="+", required=True)
    parser.add_argument("--known", type=Path, nargs="*", default=[])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--voices", type=int, default=10)
    asked = parser.parse_args(arguments)
    found = held_out(asked.text, asked.known)
    if len(found) < asked.count:
        raise DataError(f"expected {asked.count} sentences that are held out, found {len(found)}")
    drawn = np.random.default_rng(asked.seed).choice(len(found), asked.count, replace=False)
    said = [found[place] for place in sorted(drawn.tolist())]
    read_aloud(said, asked.out, speakers=asked.voices, seed=asked.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
