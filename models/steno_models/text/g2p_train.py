"""Training and measuring the grapheme-to-phoneme model: `steno-models g2p train | evaluate | say`.

A tenth of the dictionary, chosen by a hash of the word's stem, is never trained on.
"""

import argparse
import logging
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steno_models.errors import ConfigError, DataError
from steno_models.text import graphone_ngram, graphones
from steno_models.text.g2p import G2P, SHIPPED
from steno_models.text.lexicon import Lexicon, Pronouncer, Pronunciation
from steno_models.text.wer import Alignment, ErrorRate, align, error_rate

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Score:
    """How well words are pronounced, the nearest of each word's pronunciations being its reference.

    Attributes:
        words: share of words that are not exactly right.
        phones: errors for each reference phone.
    """

    words: ErrorRate
    phones: ErrorRate


def is_held_out(word: str) -> bool:
    """Return whether `word` is for measurement alone; a possessive goes with its noun."""
    stem = word.removesuffix("'s").rstrip("'")
    return zlib.crc32(stem.encode()) % 10 == 0


def train(lexicon: Lexicon, *, order: int = 7, iterations: int = 10, min_count: int = 3) -> G2P:
    """Return a model of the words of `lexicon`.

    Args:
        lexicon: words and pronunciations, all of which are trained on.
        order: length of the longest graphone n-grams.
        iterations: steps of EM for the alignment of letters and phones.
        min_count: graphones used less often than this are given up.
    """
    if order < 2:
        raise ConfigError(f"expected an n-gram order of 2 or more, found {order}")
    entries = [(word, sound) for word in lexicon for sound in lexicon[word]]
    if not entries:
        raise DataError("expected a lexicon to train on, found no words in it")
    pairs = graphones.Pairs.of(entries)
    prob = graphones.estimate(
        pairs,
        iterations,
        lambda step, score: _log.info("alignment step %d: ln p = %.0f", step, score),
    )
    sequence, begin = graphones.segment(pairs, prob, min_count=min_count)
    _log.info("%d of %d pronunciations are aligned", begin.size - 1, len(entries))
    codes, tokens = np.unique(sequence, return_inverse=True)
    lm = graphone_ngram.estimate(
        (tokens + graphones.FIRST).astype(np.int32),
        begin,
        vocabulary=graphones.FIRST + codes.size,
        order=order,
    )
    _log.info("%d graphones, %d n-grams up to length %d", codes.size, lm.token.size, order)
    return G2P(codes, lm)


def evaluate(model: Pronouncer, lexicon: Lexicon) -> Score:
    """Return how well `model` pronounces the words of `lexicon`."""
    nearest = [_nearest(lexicon[word], model.pronounce(word)[0][0]) for word in lexicon]
    return Score(
        words=error_rate([align(["right"], ["wrong" if a.errors else "right"]) for a in nearest]),
        phones=error_rate(nearest),
    )


def _nearest(references: Sequence[Pronunciation], guess: Pronunciation) -> Alignment:
    alignments = [align(reference, guess) for reference in references]
    return min(alignments, key=lambda a: a.errors / a.reference_length)


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models g2p` with `arguments`; return the exit status."""
    options = _parser().parse_args(arguments)
    if options.command == "say":
        model = G2P.load(options.model)
        for word in options.words:
            for sound, log_prob in model.pronounce(word, options.n_best):
                sys.stdout.write(f"{word} {' '.join(sound)}  # p = {np.exp(log_prob):.3f}\n")
        return 0
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    lexicon = Lexicon.from_cmudict(options.dictionary)
    if options.command == "train":
        model = train(
            lexicon.restrict(word for word in lexicon if not is_held_out(word)),
            order=options.order,
            iterations=options.iterations,
        )
        model.write(options.model or SHIPPED)
    # what is measured is what was written, quantised
    _report(G2P.load(options.model), lexicon)
    return 0


def _report(model: G2P, lexicon: Lexicon) -> None:
    held_out = lexicon.restrict(word for word in lexicon if is_held_out(word))
    bare = held_out.restrict(word for word in held_out if "'" not in word)
    for name, words in (("all held-out words", held_out), ("without apostrophes", bare)):
        score = evaluate(model, words)
        sys.stdout.write(f"{name} ({len(words)})\n  WER {score.words}\n  PER {score.phones}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models g2p",
        description=__doc__,
        epilog="example: steno-models g2p say --n-best 3 dashwood zorblat",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("train", "train on nine tenths of the CMU dictionary, then evaluate"),
        ("evaluate", "measure on the held-out tenth"),
        ("say", "print how words sound"),
    ):
        command = commands.add_parser(name, help=what, description=what)
        command.add_argument("--model", type=Path, help="model file (default: the shipped one)")
        if name == "say":
            command.add_argument("--n-best", type=int, default=1, help="pronunciations of each (1)")
            command.add_argument("words", nargs="+", metavar="WORD")
            continue
        command.add_argument("--dictionary", type=Path, help="default: that of pocketsphinx")
        if name == "train":
            command.add_argument("--order", type=int, default=7, help="longest graphone n-gram (7)")
            command.add_argument("--iterations", type=int, default=10, help="alignment steps (10)")
    return parser
