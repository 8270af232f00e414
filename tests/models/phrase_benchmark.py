"""How expected phrases change the word error rate of a bundle, by their number.

    python -m tests.models.phrase_benchmark MANIFEST [--bundle en] [--utterances 50] [--boost 3]

The manifest has an utterance a line, {"audio_filepath", "text"}. Phrases are sequences of one to
three words with a rare word among them: relevant ones are said in the utterances, irrelevant ones
stand in texts of the manifest's other utterances, whose words none of those that are heard has.
Each row tells the errors of all words, those of the words that are in relevant phrases and were
missed, and what the search took beside that without phrases.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from steno_models import bundle
from steno_models.audio import read_file
from steno_models.features.fbank import fbank
from steno_models.lexicon_recogniser import LexiconRecogniser
from steno_models.recogniser import LanguageModel, Phrase, Wishes
from steno_models.text.normalise import normalise
from steno_models.text.wer import align
from steno_models.types import FloatArray
from steno_models.vocabulary import Extender

NUMBERS = (10, 100, 1000)


def rows(manifest: Path) -> list[tuple[Path, str]]:
    """The files and texts of a manifest."""
    found = [json.loads(line) for line in manifest.read_text().splitlines() if line.strip()]
    return [(manifest.parent / one["audio_filepath"], normalise(one["text"])) for one in found]


def phrases_in(texts: Sequence[str], rare: set[str], seed: int) -> list[str]:
    """Phrases with a rare word in them, each once, in random order."""
    rng = np.random.default_rng(seed)
    found: dict[str, None] = {}
    for text in texts:
        words = text.split()
        for place in [i for i, word in enumerate(words) if word in rare]:
            begin = max(0, place - int(rng.integers(0, 3)))
            end = min(len(words), place + 1 + int(rng.integers(0, 2)))
            found[" ".join(words[begin:end])] = None
    several = list(found)
    rng.shuffle(several)
    return several


def heard(model: LanguageModel, log_probs: FloatArray) -> tuple[str, float]:
    """The words of one utterance, and the processor time of the search."""
    began_s = time.thread_time()
    state = model.search.step(log_probs, model.search.start())
    [best] = model.search.finish(state)
    took_s = time.thread_time() - began_s
    return " ".join(model.words[word.word] for word in best.words), took_s


def measured(
    model: LanguageModel,
    utterances: Sequence[tuple[FloatArray, str]],
    watched: set[str],
) -> tuple[float, float, float]:
    """The word error rate, the share of watched words that were missed, and seconds of search."""
    errors = words = missed = there = 0
    seconds = 0.0
    for log_probs, text in utterances:
        found, took_s = heard(model, log_probs)
        seconds += took_s
        errors += align(text.split(), found.split()).errors
        words += len(text.split())
        said, got = Counter(text.split()), Counter(found.split())
        there += sum(count for word, count in said.items() if word in watched)
        missed += sum(max(0, count - got[word]) for word, count in said.items() if word in watched)
    return errors / max(1, words), missed / max(1, there), seconds


def lines(given: argparse.Namespace) -> Iterator[str]:
    """The table, row by row."""
    loaded = bundle.load(given.bundle)
    recogniser, extend = loaded.first_pass, Extender.of(loaded)
    assert isinstance(recogniser, LexiconRecogniser)
    assert extend is not None
    general = recogniser.language_models[bundle.GENERAL]
    everything = rows(given.manifest)
    chosen, others = everything[: given.utterances], everything[given.utterances :]
    utterances = [(recogniser.log_probs(fbank(read_file(file))), text) for file, text in chosen]
    counts = Counter(word for _, text in everything for word in text.split())
    common = {word for word, _ in counts.most_common(given.common)}
    rare = set(counts) - common
    said = {word for _, text in chosen for word in text.split()}
    relevant = phrases_in([text for _, text in chosen], rare, 0)
    irrelevant = phrases_in([text for _, text in others], rare - said, 1) or [
        f"{a} {b}" for a, b in zip(general.words[::211], general.words[100::211], strict=False)
        if not {a, b} & said
    ]  # fmt: skip
    watched = {word for phrase in relevant for word in phrase.split()} & rare
    yield f"{len(chosen)} utterances, {len(relevant)} relevant phrases, boost {given.boost:g}"
    yield "phrases                 WER  missed  search"
    base = measured(general, utterances, watched)
    yield f"{'none':<20} {base[0]:6.2%}  {base[1]:6.2%}  1.00"
    for kind, several in (("relevant", relevant), ("irrelevant", irrelevant)):
        for number in NUMBERS:
            taken = several[:number]
            padding = irrelevant[: number - len(taken)] if kind == "relevant" else []
            wishes = Wishes(phrases=tuple(Phrase(one, given.boost) for one in (*taken, *padding)))
            model = extend(general, wishes).model
            wer, missed, seconds = measured(model, utterances, watched)
            name = f"{len(taken)} {kind}" + (f" + {len(padding)}" if padding else "")
            yield f"{name:<20} {wer:6.2%}  {missed:6.2%}  {seconds / base[2]:.2f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--bundle", default="en")
    parser.add_argument("--utterances", type=int, default=50)
    parser.add_argument("--boost", type=float, default=3.0)
    parser.add_argument("--common", type=int, default=500, help="commonest words that are not rare")
    for line in lines(parser.parse_args()):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
