"""`steno-models crossmodal cluster`: from pieces of speech to a space of words that were heard."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from steno_models.crossmodal.clusters import Clusters, KmeansOptions, cluster_names, kmeans
from steno_models.crossmodal.heard import (
    MEANS,
    PIECES,
    SEGMENTS,
    averages,
    keep,
    named_sentences,
    relabelled,
)
from steno_models.crossmodal.posteriors import read_sounds
from steno_models.crossmodal.segmentation.embedding import embedded
from steno_models.crossmodal.segmentation.segments import (
    Segment,
    Span,
    read_segments,
    spans,
    write_segments,
)
from steno_models.crossmodal.sounds import Sounds
from steno_models.crossmodal.space import Space
from steno_models.crossmodal.speech import Speech
from steno_models.crossmodal.speech2vec.embed import embed
from steno_models.crossmodal.speech2vec.model import Speech2Vec
from steno_models.crossmodal.word2vec.train import (
    OPEN_EPOCHS,
    OPEN_SAMPLE,
    Word2VecOptions,
    train,
)
from steno_models.crossmodal.word2vec.vocabulary import numbered
from steno_models.errors import ConfigError
from steno_models.types import FloatArray

_log = logging.getLogger(__name__)

_DESCRIPTION = """Make a space of words from pieces of speech.

Each piece becomes a vector: that of a Speech2Vec model (--model), or evenly spaced frames; where
SPEECH are posteriors (`crossmodal synthesize --bundle`), the phones that are heard in it. Pieces
that are near become one word by k-means (--clusters), or keep the names that they have
(--own-names: true words, or the clusters of es-kmeans and bes-gmm).

The vector of a word is the mean of its pieces' (--vectors averages), or is learnt by skip-gram
from the sequences of names alone (--vectors word2vec). --out gets vectors.safetensors, words.txt
and segments.jsonl, the pieces by these names.
"""
_EXAMPLE = """examples:
  steno-models crossmodal cluster dev.jsonl --segments pieces.jsonl --clusters 500 --out heard
  steno-models crossmodal cluster spoken --segments words.jsonl --own-names \\
      --model run/speech2vec --out heard
  steno-models crossmodal cluster spoken --segments pieces.jsonl --clusters 2000 \\
      --vectors word2vec --out heard
"""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the pieces, for programs.

    Attributes:
        pieces: that were read.
        words: with a vector.
        tokens: pieces that are such words.
        inertia: of k-means at the end; None without.
        out: where the space is.
    """

    pieces: int
    words: int
    tokens: int
    inertia: float | None
    out: str


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models crossmodal cluster`."""
    asked = _parser().parse_args(arguments)
    if asked.own_names == (asked.clusters is not None):
        raise ConfigError("expected either --clusters or --own-names")
    if asked.keep_pieces and asked.vectors != "averages":
        raise ConfigError("expected --vectors averages with --keep-pieces: word2vec has none")
    learnt = _options(asked)  # first: its mistakes need no speech to be seen
    recordings = [each for path in asked.segments for each in read_segments(path)]
    speech = read_sounds(asked.speech, asked.cache)
    missing: list[str] = []
    found, kept = spans(recordings, speech, left_out=missing.append)
    if missing:
        _log.warning("left out %d pieces and recordings, the first: %s", len(missing), missing[0])
    vectors = None
    if not asked.own_names or asked.vectors == "averages":
        vectors = _vectors(asked, speech, found)
    clusters = None if asked.own_names or vectors is None else _clustered(asked, vectors)
    names = _own_names(kept) if clusters is None else cluster_names(clusters.labels)
    labelled = relabelled(speech, found, kept, names)
    if asked.vectors == "averages" and vectors is not None:
        space = averages(names, vectors, min_count=asked.min_count)
    else:
        text = numbered(named_sentences(labelled), min_count=asked.min_count)
        space = train(text, learnt)
    space.save(asked.out)
    write_segments(asked.out / SEGMENTS, labelled)
    if asked.keep_pieces and vectors is not None:
        keep(asked.out, PIECES, vectors)
    if clusters is not None:
        keep(asked.out, MEANS, clusters.means)
    _tell(asked, len(found), space, None if clusters is None else clusters.inertia[-1])
    return 0


def _options(asked: argparse.Namespace) -> Word2VecOptions:
    return Word2VecOptions(
        dimensions=asked.dimensions, window=asked.window, epochs=asked.epochs,
        sample=asked.sample, seed=asked.seed,
    )  # fmt: skip


def _vectors(asked: argparse.Namespace, speech: Sounds, found: Sequence[Span]) -> FloatArray:
    """Return (P, D) vectors of the pieces."""
    if asked.model is None:
        return embedded(speech, found)
    if not isinstance(speech, Speech):
        raise ConfigError("expected frames for --model, found posteriors")
    kind = "cuda" if asked.device == "auto" and torch.cuda.is_available() else asked.device
    model = Speech2Vec.load(asked.model).to("cpu" if kind == "auto" else kind)
    with _bar("embedding") as bar:
        task = bar.add_task("", total=len(found))
        return embed(model, speech, found, lambda many: bar.update(task, advance=many))


def _own_names(kept: Sequence[Segment]) -> list[str]:
    if any(not each.name for each in kept):
        raise ConfigError("expected pieces with names for --own-names, found some without")
    return [each.name for each in kept]


def _clustered(asked: argparse.Namespace, vectors: FloatArray) -> Clusters:
    options = KmeansOptions(
        clusters=asked.clusters, rounds=asked.rounds, batch=asked.batch, seed=asked.seed
    )
    with _bar("k-means") as bar:
        task = bar.add_task("", total=asked.rounds)
        return kmeans(vectors, options, report=lambda _: bar.update(task, advance=1))


def _tell(asked: argparse.Namespace, pieces: int, space: Space, inertia: float | None) -> None:
    tokens = int(np.sum(space.counts))
    if asked.json:
        summary = Summary(
            pieces=pieces, words=len(space), tokens=tokens, inertia=inertia, out=str(asked.out)
        )
        sys.stdout.write(msgspec.json.encode(summary).decode() + "\n")
        return
    Console().print(
        f"{len(space)} words of {tokens} of {pieces} pieces, {space.dimensions} dimensions: "
        f"{asked.out}",
        highlight=False,
    )


def _bar(name: str) -> Progress:
    return Progress(
        TextColumn(name), BarColumn(), TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(), console=Console(stderr=True),
    )  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models crossmodal cluster",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = Word2VecOptions()
    add = parser.add_argument
    add("speech", type=Path, nargs="+", metavar="SPEECH",
        help="manifests and folders of `crossmodal synthesize`")  # fmt: skip
    add("--segments", type=Path, nargs="+", required=True, metavar="FILE", help="pieces of it")
    add("--out", type=Path, required=True, metavar="DIR", help="of the space")
    add("--clusters", type=int, metavar="K", help="how many words there shall be")
    add("--own-names", action="store_true", help="words are the pieces' names")
    add("--model", type=Path, metavar="DIR", help="of `steno-models train` for speech2vec")
    add("--vectors", choices=("averages", "word2vec"), default="averages")
    add("--keep-pieces", action="store_true", help="keep each piece's own vector, too")
    add("--min-count", type=int, default=5, help="of each word (%(default)s)")
    add("--rounds", type=int, default=30, help="of k-means, at most (%(default)s)")
    add("--batch", type=int, help="pieces of a mini-batch; all, unless given")
    add("--dimensions", type=int, default=default.dimensions, help="of word2vec (%(default)s)")
    add("--window", type=int, default=default.window, help="of word2vec (%(default)s)")
    add("--epochs", type=int, help=f"of word2vec ({OPEN_EPOCHS})")
    add("--sample", type=float, help=f"of word2vec ({OPEN_SAMPLE})")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="of the model")
    add("--seed", type=int, default=0)
    add("--cache", type=Path, default=Path("runs/crossmodal-frames"), metavar="DIR",
        help="where frames are kept (%(default)s)")  # fmt: skip
    add("--json", action="store_true", help="print JSON")
    return parser
