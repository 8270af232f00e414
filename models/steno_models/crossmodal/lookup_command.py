"""`steno-models crossmodal lookup`: what the daemon needs of a map, in one folder."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from steno_models.crossmodal.alignment.alignment import Alignment
from steno_models.crossmodal.heard import MEANS, kept_vectors
from steno_models.crossmodal.lookup import Lookup, named_clusters
from steno_models.crossmodal.space import Space

_DESCRIPTION = """Put into one folder what finds the written words that a stretch of sound is used
like: the clusters of HEARD, the map MAP and the words of TEXT.

As `aligner` in a folder of candidates (`steno-models unknown-words build`) it is weighed by
`unknown-words fit`, and the daemon asks it about every unknown word. HEARD is of `crossmodal
cluster --clusters K` over posteriors (`crossmodal synthesize --bundle`).
"""
_EXAMPLE = """example:
  steno-models crossmodal synthesize --text novels.txt --part 1/2 --shuffle --hours 100 \\
      --bundle en --out spoken
  steno-models crossmodal segment spoken --method forced --out words.jsonl
  steno-models crossmodal cluster spoken --segments words.jsonl --clusters 5000 \\
      --batch 20000 --vectors word2vec --out heard
  steno-models crossmodal word2vec novels.txt --part 2/2 --out text
  steno-models crossmodal align heard text --out map
  steno-models crossmodal lookup heard text map --out candidates/aligner
"""


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models crossmodal lookup`."""
    asked = _parser().parse_args(arguments)
    heard, text = Space.load(asked.heard), Space.load(asked.text)
    alignment = Alignment.load(asked.map)
    means = kept_vectors(asked.heard, MEANS)[named_clusters(heard.words)]
    found = Lookup.of(
        means, alignment.map(heard.vectors), text.words, alignment.among(text.vectors)
    )
    found.save(asked.out)
    Console(file=sys.stderr, soft_wrap=True).print(
        f"{len(means)} clusters among {len(text)} words: {asked.out}", highlight=False
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models crossmodal lookup",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("heard", type=Path, metavar="HEARD", help="of `crossmodal cluster`")
    add("text", type=Path, metavar="TEXT", help="of `crossmodal word2vec`")
    add("map", type=Path, metavar="MAP", help="of `crossmodal align --out`")
    add("--out", type=Path, required=True, metavar="DIR", help="where it goes")
    return parser
