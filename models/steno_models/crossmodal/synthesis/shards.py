"""Synthesised speech on disk: frames in shards, and the true words, kept for scoring alone.

    FOLDER/recipe.json      what was asked for: another recipe needs another folder
    FOLDER/shards/00000/    features.f16, lengths.npy, settings.json, as the cache of manifests
                            has them; keys.txt with the voice of each; words.jsonl

A shard is a stretch of sentences. Its numbers depend on the recipe and on its own number alone, so
shards can be made in any order, by several processes, and again.
"""

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from steno_models.crossmodal.segmentation.segments import (
    Recording,
    Segment,
    read_segments,
    write_segments,
)
from steno_models.crossmodal.speech import KEYS, SHARDS, SHIFT_S, cepstra_and_sonority
from steno_models.crossmodal.synthesis.espeak import Spoken, Voice, say
from steno_models.crossmodal.synthesis.voices import voices
from steno_models.errors import ConfigError, DataError
from steno_models.training.folders import finished_folder
from steno_models.types import FloatArray

WORDS = "words.jsonl"
_RECIPE = "recipe.json"


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """What the speech is made of.

    Attributes:
        texts: names of the texts, in order.
        sentences: of all of them; with these the numbers of the shards mean the same.
        voices: so many.
        shard_sentences: of each shard.
        most_words: longer sentences are cut.
        noise_db: of white noise below the speech; None adds none.
        seed: of voices and noise.
        part: "k/n", the stretch of the texts that is spoken.
        shuffled: whether the sentences are in an order of chance.
        heard_by: the bundle, name and version, whose posteriors are kept in the place of frames.
    """

    texts: tuple[str, ...]
    sentences: int
    voices: int = 40
    shard_sentences: int = 500
    most_words: int = 25
    noise_db: float | None = 40.0
    seed: int = 0
    part: str = "1/1"
    shuffled: bool = False
    heard_by: str | None = None


class Ear(NamedTuple):
    """What is kept of samples.

    Attributes:
        listen: from (N,) float32 samples at 16 kHz to (T, F) float32; other processes find it.
        shift_s: from row to row.
        bundle: whose posteriors they are, name and version; None where they are frames.
    """

    listen: Callable[[FloatArray], FloatArray] = cepstra_and_sonority
    shift_s: float = SHIFT_S
    bundle: str | None = None


Speaker = Callable[[Sequence[str], Voice], Spoken]


def claim(folder: Path, recipe: Recipe) -> None:
    """Write `recipe` into `folder`, or check that it is the one there.

    Raises:
        ConfigError: there is another.
    """
    path = folder / _RECIPE
    if path.is_file():
        found = msgspec.json.decode(path.read_bytes(), type=Recipe)
        if found != recipe:
            raise ConfigError(f"{folder}: expected speech of {recipe}, found {found}")
        return
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode(recipe))


def heard_by(folder: Path) -> str | None:
    """Return the bundle, name and version, whose posteriors `folder` holds; None for frames.

    Raises:
        DataError: its recipe cannot be read.
    """
    path = folder / _RECIPE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Recipe).heard_by
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise DataError(f"{path}: expected a recipe of speech, found: {error}") from error


def make_shard(
    folder: Path,
    number: int,
    sentences: Sequence[str],
    recipe: Recipe,
    speak: Speaker = say,
    ear: Ear = Ear(),  # noqa: B008 - it cannot be changed
) -> float:
    """Return the hours of shard `number`, made if it is not there.

    Args:
        folder: of all shards.
        number: of this one.
        sentences: of this one, normalised.
        recipe: of all.
        speak: turns words into sound.
        ear: what is kept of it.
    """
    shard = folder / SHARDS / f"{number:05d}"
    with finished_folder(shard) as draft:
        if draft is not None:
            _fill(draft, number, sentences, recipe, speak, ear.listen)
    return float(np.load(shard / "lengths.npy", allow_pickle=False).sum()) * ear.shift_s / 3600


def read_words(folder: Path) -> list[Recording]:
    """Return the true words of all shards in `folder`.

    Raises:
        DataError: there is no shard, or one is damaged.
    """
    files = sorted((folder / SHARDS).glob(f"[0-9]*/{WORDS}"))
    found = [each for file in files if not file.parent.suffix for each in read_segments(file)]
    if not found:
        raise DataError(f"{folder}: expected shards with words, found none")
    return found


def _fill(
    draft: Path, number: int, sentences: Sequence[str], recipe: Recipe, speak: Speaker,
    listen: Callable[[FloatArray], FloatArray],
) -> None:  # fmt: skip
    cast = voices(recipe.voices, recipe.seed)
    lengths: list[int] = []
    recordings: list[Recording] = []
    names: list[str] = []
    width = 0
    with (draft / "features.f16").open("wb") as file:
        for place, words in enumerate(_breaths(sentences, recipe.most_words)):
            # One for each: eSpeak NG does not always speak alike, and noise is as long as speech.
            random = np.random.default_rng([recipe.seed, number, place])
            voice = cast[int(random.integers(len(cast)))]
            try:
                spoken = speak(words, voice)
            except DataError:
                continue  # a sentence whose words run together has no times to score by
            samples = _noisy(spoken.samples, recipe.noise_db, random)
            frames = listen(samples).astype(np.float16)
            if len(frames) == 0:
                continue
            width = frames.shape[1]
            file.write(frames.tobytes())
            lengths.append(len(frames))
            key = f"{number:05d}-{place:05d}"
            names.append(f"{key}\t{voice.name}")
            times = zip(spoken.starts_s, spoken.ends_s, words, strict=True)
            recordings.append(Recording(key=key, segments=tuple(Segment(*t) for t in times)))
    if not lengths:
        raise DataError(f"expected sentences that can be spoken, found none in shard {number}")
    np.save(draft / "lengths.npy", np.array(lengths, np.int32)[:, None])
    (draft / "settings.json").write_text(json.dumps({"num_bins": width}), "utf-8")
    (draft / KEYS).write_text("".join(f"{name}\n" for name in names), "utf-8")
    write_segments(draft / WORDS, recordings)


def _breaths(sentences: Sequence[str], most: int) -> list[list[str]]:
    """Return the words of `sentences`, longer ones in parts of nearly equal length."""
    found: list[list[str]] = []
    for sentence in sentences:
        words = sentence.split()
        parts = -(-len(words) // most)
        cuts = np.linspace(0, len(words), parts + 1).round().astype(int).tolist()
        found += [words[a:b] for a, b in pairwise(cuts) if b > a]
    return found


def _noisy(samples: FloatArray, below_db: float | None, random: np.random.Generator) -> FloatArray:
    """Return `samples` with white noise so many dB below their power: silence is never nothing."""
    if below_db is None:
        return samples
    power = float(np.mean(samples.astype(np.float64) ** 2))
    scale = np.sqrt(power * 10 ** (-below_db / 10))
    noisy: FloatArray = (samples + scale * random.standard_normal(len(samples))).astype(np.float32)
    return noisy
