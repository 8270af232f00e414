"""`steno-models force-align`: where the phones of corpora are in time."""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from steno_models.errors import DataError
from steno_models.hmm.align import Alignment, PhoneLabels, save_labels
from steno_models.hmm.corpus import easiest, examples, force_align
from steno_models.hmm.model import PhoneModel, load_phone_model
from steno_models.hmm.topology import SILENCE
from steno_models.hmm.train import train
from steno_models.text.g2p import G2P
from steno_models.text.lexicon import Lexicon
from steno_models.training.manifest import read_manifest
from steno_models.training.utterance import Utterance

MODEL = "phone-model.npz"

_DESCRIPTION = """Align words and phones with recordings by a monophone GMM-HMM.

For every manifest FOLDER/NAME.jsonl the output folder gets two files, arrays by utterance key:
FOLDER-NAME.phones.npz, the phone of each 10 ms frame (0 is silence), and FOLDER-NAME.tokens.npz,
the phones that were said. The model is trained on the manifests themselves, from a flat start,
and written beside them. What cannot be aligned is left out with a warning.
"""

_EXAMPLE = """example:

  steno-models force-align --manifest an4/train.jsonl ljspeech/train.jsonl --out align
  steno-models force-align --manifest an4/test.jsonl --model align/phone-model.npz --out align
"""

_Item = TypeVar("_Item")
_Aligned = tuple[Utterance, Alignment]


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models force-align`."""
    asked = _parser().parse_args(arguments)
    console = Console(stderr=True, soft_wrap=True)
    corpora = {_name(path): read_manifest(path) for path in asked.manifest}
    if len(corpora) < len(asked.manifest):
        raise DataError("expected manifests that differ in folder or name, found two alike")
    lexicon, fallback = Lexicon.from_cmudict(), G2P.load()
    if asked.model is None:
        everything = [utterance for corpus in corpora.values() for utterance in corpus]
        model = _trained(everything, lexicon, fallback, hours=asked.hours)
        asked.out.mkdir(parents=True, exist_ok=True)
        model.save(asked.out / MODEL)
    else:
        model = load_phone_model(asked.model)
    for name, corpus in corpora.items():
        found = force_align(model, corpus, lexicon, fallback)
        with _progress(console) as progress:
            aligned = _write(_counted(found, name, len(corpus), progress), asked.out, name)
        console.print(f"{name}: {aligned} of {len(corpus)} utterances aligned", highlight=False)
    return 0


def phones_said(alignment: Alignment) -> PhoneLabels:
    """Return the phones of `alignment` in order, (U,), without silence."""
    return np.array([s.phone for s in alignment.phones if s.phone != SILENCE], np.int8)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models force-align",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--manifest", type=Path, nargs="+", required=True, metavar="FILE.jsonl")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the output folder")
    parser.add_argument("--model", type=Path, metavar="FILE.npz", help="a model trained before")
    parser.add_argument(
        "--hours", type=float, default=4.0, help="how much of the easiest speech to train on (4)"
    )
    return parser


def _name(manifest: Path) -> str:
    return f"{manifest.resolve().parent.name}-{manifest.stem}"


def _trained(
    utterances: Sequence[Utterance], lexicon: Lexicon, fallback: G2P, *, hours: float
) -> PhoneModel:
    """Return a model of the phones trained on the easiest `hours` of `utterances`."""
    chosen = easiest([u for u in utterances if u.text.strip()], hours)
    with _progress(Console(stderr=True)) as progress:
        found = _counted(examples(chosen, lexicon, fallback), "reading", len(chosen), progress)
        usable = [example for _, example in found]
    return train(sorted(usable, key=lambda example: len(example.frames)))


def _write(aligned: Iterable[_Aligned], folder: Path, name: str) -> int:
    """Write the labels and phones of all utterances; return how many there are."""
    labels: dict[str, PhoneLabels] = {}
    tokens: dict[str, PhoneLabels] = {}
    for utterance, alignment in aligned:
        labels[utterance.key] = alignment.labels()
        tokens[utterance.key] = phones_said(alignment)
    save_labels(folder / f"{name}.phones.npz", labels)
    save_labels(folder / f"{name}.tokens.npz", tokens)
    return len(labels)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeRemainingColumn(), console=console)


def _counted(items: Iterable[_Item], what: str, total: int, progress: Progress) -> Iterator[_Item]:
    task = progress.add_task(what, total=total)
    for item in items:
        yield item
        progress.advance(task)
