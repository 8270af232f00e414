"""What remembering a speaker's finals is worth, utterance by utterance of each chapter.

    python -m tests.models.personal_benchmark MANIFEST [--bundle en] [--posteriors FILE.npz]
        [--weights 0 0.05 0.1 0.15 0.3] [--plot PNG]

The manifest has an utterance a line, {"audio_filepath", "text", "speaker"}; those of one speaker
and one chapter, "SPEAKER-CHAPTER-NUMBER.…", follow each other. Each is decoded with a language
model that knows what the recogniser itself wrote of those before, never the truth. The perplexity
is that of the true words under the same model. With --posteriors the encoder's work is kept.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from steno_models import bundle
from steno_models.audio import read_file
from steno_models.features.fbank import fbank
from steno_models.lexicon_recogniser import LexiconRecogniser
from steno_models.lm.cache.counts import Counts
from steno_models.mixture import Mixer
from steno_models.recogniser import LanguageModel
from steno_models.text.normalise import normalise
from steno_models.text.wer import align
from steno_models.types import FloatArray


@dataclass(frozen=True, slots=True)
class Said:
    """One utterance: who said it where, its text, and what the encoder heard."""

    chapter: str
    text: str
    log_probs: FloatArray


@dataclass(slots=True)
class Tally:
    """What one weight came to."""

    errors: int = 0
    words: int = 0
    log_prob: float = 0.0
    scored: int = 0
    search_s: float = 0.0


def utterances(manifest: Path, recogniser: LexiconRecogniser, kept: Path | None) -> list[Said]:
    """The utterances of a manifest in order, with their posteriors."""
    rows = [json.loads(line) for line in manifest.read_text().splitlines() if line.strip()]
    rows.sort(key=lambda row: str(row["audio_filepath"]))
    heard: dict[str, FloatArray] = {}
    if kept is not None and kept.exists():
        with np.load(kept) as stored:
            heard = {name: np.asarray(stored[name], np.float32) for name in stored.files}
    for row in rows:
        name = row["audio_filepath"]
        if name not in heard:
            heard[name] = recogniser.log_probs(fbank(read_file(manifest.parent / name)))
    if kept is not None and not kept.exists():
        with kept.open("wb") as file:
            halves: dict[str, Any] = {name: one.astype(np.float16) for name, one in heard.items()}
            np.savez(file, **halves)
    return [
        Said(Path(row["audio_filepath"]).stem.rpartition("-")[0], normalise(row["text"]),
             heard[row["audio_filepath"]])
        for row in rows
    ]  # fmt: skip


def measured(base: LanguageModel, several: Sequence[Said], weight: float) -> Tally:
    """Decode everything with a personal model of such a weight."""
    tally = Tally()
    assert base.personal is not None
    numbers = base.personal.numbers
    for _, chapter in groupby(several, key=lambda one: one.chapter):
        counts = Counts()
        for one in chapter:
            personal = replace(base.personal, counts=counts, most_weight=weight)
            began_s = time.thread_time()
            model = replace(base, personal=personal if weight else None).after(())
            state = model.search.step(one.log_probs, model.search.start())
            [best] = model.search.finish(state)
            tally.search_s += time.thread_time() - began_s
            found = [model.words[word.word] for word in best.words]
            truth = one.text.split()
            tally.errors += align(truth, found).errors
            tally.words += len(truth)
            known = [numbers[word] for word in truth if word in numbers]
            [log_probs] = model.search.log_probs([known])
            tally.log_prob += float(log_probs.sum())
            tally.scored += len(known) + 1
            counts = counts.after([found])
    return tally


def lines(given: argparse.Namespace) -> Iterator[str]:
    """The table, row by row."""
    recogniser = bundle.load(given.bundle).first_pass
    assert isinstance(recogniser, LexiconRecogniser)
    general = recogniser.language_models[bundle.GENERAL]
    base = Mixer()([(general, 1.0)], Counts())
    several = utterances(given.manifest, recogniser, given.posteriors)
    yield f"{len(several)} utterances of {len({one.chapter for one in several})} chapters"
    yield "weight     WER  perplexity  search"
    rates, perplexities = [], []
    for weight in given.weights:
        tally = measured(base, several, weight)
        perplexity = float(np.exp(-tally.log_prob / tally.scored))
        rates.append(100 * tally.errors / tally.words)
        perplexities.append(perplexity)
        yield f"{weight:6.2f}  {rates[-1]:5.2f} %  {perplexity:9.1f}  {tally.search_s:.1f} s"
    if given.plot:
        draw(given.plot, given.weights, rates, perplexities)
        yield f"drawn in {given.plot}"


def draw(
    file: Path, weights: Sequence[float], rates: Sequence[float], perplexities: Sequence[float]
) -> None:
    """Draw the word error rate and the perplexity against the weight."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.plot(weights, rates, "o-", label="word error rate")
    axes.set(xlabel="most weight of the personal model", ylabel="word error rate in %")
    other = axes.twinx()
    other.plot(weights, perplexities, "s--", color="tab:orange", label="perplexity")
    other.set_ylabel("perplexity")
    figure.legend(loc="outside upper center", ncols=2)
    figure.savefig(file)
    plt.close(figure)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--bundle", default="en")
    parser.add_argument("--posteriors", type=Path, help="file to keep them in, or to take them of")
    parser.add_argument("--weights", type=float, nargs="+", default=[0.0, 0.05, 0.1, 0.15, 0.3])
    parser.add_argument("--plot", type=Path, metavar="PNG")
    for line in lines(parser.parse_args()):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
