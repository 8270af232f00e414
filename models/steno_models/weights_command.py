r"""How the weight of the language model, or of a domain beside it, changes the word error rate.

    steno-models weights --bundle en --manifest dev.jsonl [--lm-weights 0.6 0.8 1 1.2] [--plot PNG]
    steno-models weights --bundle en --manifest dev.jsonl --domain domains/legal \\
        [--shares 0 0.25 0.5 0.75 1] [--plot PNG]

The encoder hears every recording once; what it heard is searched anew for each weight. Measure on
speech that is for tuning, never on what is kept to tell how good the result is.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from steno_models import bundle
from steno_models.domain import loader_of
from steno_models.errors import ConfigError
from steno_models.features.fbank import fbank
from steno_models.lexicon_recogniser import LexiconRecogniser
from steno_models.mixture import Mixer
from steno_models.recogniser import LanguageModel
from steno_models.rewriting_recogniser import unwrapped
from steno_models.text.normalise import normalise
from steno_models.text.wer import word_error_rate
from steno_models.training.manifest import read_manifest
from steno_models.training.recordings import read_samples
from steno_models.types import FloatArray

LM_WEIGHTS = (0.4, 0.6, 0.8, 1.0, 1.2, 1.4)
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Row:
    """What one weight came to: fractions, and seconds of search."""

    weight: float
    wer: float
    low: float
    high: float
    search_s: float


@dataclass(frozen=True, slots=True)
class Heard:
    """What the encoder made of recordings, (S, V) each, and what was said in them."""

    log_probs: tuple[FloatArray, ...]
    texts: tuple[str, ...]


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models weights`."""
    import torch  # noqa: PLC0415

    asked = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    loaded = bundle.load(asked.bundle)
    recogniser = unwrapped(loaded.first_pass)
    if not isinstance(recogniser, LexiconRecogniser):
        raise ConfigError(
            f"--bundle: expected one of the family ctc, found {loaded.description.family}"
        )
    several = list(_models(asked, loaded, recogniser))
    heard = _heard(asked.manifest, recogniser)
    rows = []
    for weight, model in several:
        rows.append(measured(heard, model, weight))
        Console(stderr=True).print(f"{weight:g}: {rows[-1].wer:.2%}")
    label = "share of the domain" if asked.domain else "weight of the language model"
    if asked.plot:
        draw(asked.plot, rows, label)
    if asked.json:
        json.dump([asdict(row) for row in rows], sys.stdout, indent=2)
        sys.stdout.write("\n")
        return 0
    table = Table(label, "word error rate", "95 % interval", "search", box=None)
    for row in rows:
        interval = f"{row.low:.2%} to {row.high:.2%}"
        table.add_row(f"{row.weight:g}", f"{row.wer:.2%}", interval, f"{row.search_s:.1f} s")
    Console().print(table)
    return 0


def measured(heard: Heard, model: LanguageModel, weight: float) -> Row:
    """Return how well a language model of such a weight does."""
    began_s, found = time.process_time(), []
    for log_probs in heard.log_probs:
        state = model.search.step(log_probs, model.search.start())
        [best] = model.search.finish(state)
        found.append(" ".join(model.words[word.word] for word in best.words))
    search_s = time.process_time() - began_s
    wer = word_error_rate(heard.texts, tuple(found))
    return Row(weight, wer.rate, wer.low, wer.high, search_s)


def draw(file: Path, rows: Sequence[Row], label: str) -> None:
    """Draw the word error rate against the weight, with its interval."""
    import matplotlib as mpl  # noqa: PLC0415 — slow to import, and only wanted here

    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    weights = [row.weight for row in rows]
    axes.fill_between(
        weights, [100 * row.low for row in rows], [100 * row.high for row in rows], alpha=0.2
    )
    axes.plot(weights, [100 * row.wer for row in rows], "o-")
    axes.set(xlabel=label, ylabel="word error rate in %")
    axes.grid(alpha=0.3)
    figure.savefig(file)
    plt.close(figure)


def _models(
    asked: argparse.Namespace, loaded: bundle.Bundle, recogniser: LexiconRecogniser
) -> Iterator[tuple[float, LanguageModel]]:
    """Yield each weight and the language model that it makes."""
    general = recogniser.language_models[loaded.language_models[0]]
    if asked.domain is None:
        for weight in asked.lm_weights or LM_WEIGHTS:
            options = replace(general.search.options, lm_weight=weight)
            yield weight, replace(general, search=replace(general.search, options=options))
        return
    if asked.lm_weights:
        raise ConfigError("--lm-weights: expected them or --domain, found both")
    load = loader_of(loaded)
    assert load is not None  # noqa: S101 — of this family there is one
    domain, mix = load(asked.domain).model, Mixer()
    for share in asked.shares:
        if not 0 <= share <= 1:
            raise ConfigError(f"--shares: expected shares of 0 to 1, found {share:g}")
        yield share, mix([(general, 1 - share), (domain, share)])


def _heard(manifest: Path, recogniser: LexiconRecogniser) -> Heard:
    utterances = read_manifest(manifest)
    console = Console(stderr=True)
    log_probs = [
        recogniser.log_probs(fbank(read_samples(one)))
        for one in track(utterances, "listening", console=console)
    ]
    return Heard(tuple(log_probs), tuple(normalise(one.text) for one in utterances))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models weights",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--bundle", default="en", help="a bundle's name or directory (%(default)s)")
    add("--manifest", type=Path, required=True, metavar="FILE.jsonl", help="speech for tuning")
    add("--lm-weights", type=float, nargs="+", metavar="W", help=f"{LM_WEIGHTS}")
    add("--domain", type=Path, metavar="FOLDER", help="mix a domain of `lm build --name` in")
    add("--shares", type=float, nargs="+", default=SHARES, metavar="W", help="of it (%(default)s)")
    add("--plot", type=Path, metavar="PNG", help="draw the word error rate against the weight")
    add("--json", action="store_true", help="instead of a table")
    return parser
