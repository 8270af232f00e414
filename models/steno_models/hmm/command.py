"""`steno-models force-align --training-labels`: the phone of each frame, for other models."""

import argparse
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
from steno_models.training.manifest import manifest_name, read_manifest
from steno_models.training.utterance import Utterance

MODEL = "phone-model.npz"

_DESCRIPTION = """Align words and phones with recordings by a monophone GMM-HMM.

For every manifest FOLDER/NAME.jsonl the output folder gets two files, arrays by utterance key:
FOLDER-NAME.phones.npz, the phone of each 10 ms frame (0 is silence), and FOLDER-NAME.tokens.npz,
the phones that were said. The model is trained on the manifests themselves, from a flat start,
and written beside them. What cannot be aligned is left out with a warning.
"""

_EXAMPLE = """example:

  steno-models force-align --training-labels --manifest an4/train.jsonl --out align
  steno-models force-align --training-labels --manifest an4/test.jsonl \
      --model align/phone-model.npz --out align
"""

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class _Words:
    """How words are said: the dictionary, and who guesses what it lacks."""

    lexicon: Lexicon
    fallback: G2P


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models force-align --training-labels`."""
    asked = _parser().parse_args(arguments)
    corpora = _corpora(asked.manifest)
    words = _Words(Lexicon.from_cmudict(), G2P.load())
    if asked.model is None:
        model = _trained_and_saved(corpora, words, asked.out, hours=asked.hours)
    else:
        model = load_phone_model(asked.model)
    for name, corpus in corpora.items():
        _align_corpus(model, corpus, words, asked.out / name)
    return 0


def ensure_alignments(
    manifests: Sequence[Path], out: Path, *, held_out: Sequence[Path] = (), hours: float = 4.0
) -> None:
    """Make the files of `steno-models force-align --training-labels` that `out` lacks.

    A file is there whole or not at all, so an interrupted call is taken up by the next.

    Args:
        manifests: of the corpora that the phone model is trained on, unless `out` has one.
        out: the folder of the files.
        held_out: manifests of what else to align.
        hours: how much of the easiest speech the model is trained on.

    Raises:
        DataError: two manifests have the same folder's name and the same name, or one is bad.
    """
    corpora = _corpora((*manifests, *held_out))
    lacking = [name for name in corpora if not all(f.exists() for f in alignment_files(out / name))]
    if not lacking:
        return
    words = _Words(Lexicon.from_cmudict(), G2P.load())
    if (out / MODEL).exists():
        model = load_phone_model(out / MODEL)
    else:
        model = _trained_and_saved(_corpora(manifests), words, out, hours=hours)
    for name in lacking:
        _align_corpus(model, corpora[name], words, out / name)


def alignment_files(stem: Path) -> tuple[Path, Path]:
    """Return the files of frames' phones and of phones said for a corpus, FOLDER-NAME."""
    return stem.with_name(f"{stem.name}.phones.npz"), stem.with_name(f"{stem.name}.tokens.npz")


def phones_said(alignment: Alignment) -> PhoneLabels:
    """Return the phones of `alignment` in order, (U,), without silence."""
    return np.array([s.phone for s in alignment.phones if s.phone != SILENCE], np.int8)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models force-align --training-labels",
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


def _corpora(manifests: Sequence[Path]) -> dict[str, list[Utterance]]:
    """Return the utterances of each manifest by its name."""
    corpora = {manifest_name(path): read_manifest(path) for path in manifests}
    if len(corpora) < len(manifests):
        raise DataError("expected manifests that differ in folder or name, found two alike")
    return corpora


def _trained_and_saved(
    corpora: Mapping[str, Sequence[Utterance]], words: _Words, folder: Path, *, hours: float
) -> PhoneModel:
    """Return a model of the phones trained on the easiest `hours`, and write it to `folder`."""
    chosen = easiest([u for corpus in corpora.values() for u in corpus if u.text.strip()], hours)
    with _progress(Console(stderr=True)) as progress:
        found = _counted(
            examples(chosen, words.lexicon, words.fallback), "reading", len(chosen), progress
        )
        usable = [example for _, example in found]
    model = train(sorted(usable, key=lambda example: len(example.frames)))
    folder.mkdir(parents=True, exist_ok=True)
    with _whole(folder / MODEL) as draft:
        model.save(draft)
    return model


def _align_corpus(
    model: PhoneModel, corpus: Sequence[Utterance], words: _Words, stem: Path
) -> None:
    """Write the frames' phones and the phones said of all utterances that can be aligned."""
    labels: dict[str, PhoneLabels] = {}
    tokens: dict[str, PhoneLabels] = {}
    console = Console(stderr=True, soft_wrap=True)
    found = force_align(model, corpus, words.lexicon, words.fallback)
    with _progress(console) as progress:
        for utterance, alignment in _counted(found, stem.name, len(corpus), progress):
            labels[utterance.key] = alignment.labels()
            tokens[utterance.key] = phones_said(alignment)
    for path, arrays in zip(alignment_files(stem), (labels, tokens), strict=True):
        with _whole(path) as draft:
            save_labels(draft, arrays)
    console.print(
        f"{stem.name}: {len(labels)} of {len(corpus)} utterances aligned", highlight=False
    )


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Give a draft to write, which becomes `path` when all went well."""
    draft = path.with_name(f"draft-{os.getpid()}-{path.name}")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeRemainingColumn(), console=console)


def _counted(items: Iterable[_Item], what: str, total: int, progress: Progress) -> Iterator[_Item]:
    task = progress.add_task(what, total=total)
    for item in items:
        yield item
        progress.advance(task)
