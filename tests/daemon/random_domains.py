"""Domains of any size, of words that follow each other at random."""

import random
from collections.abc import Sequence
from pathlib import Path

from tests.models.domains import write_domain

from steno_models import bundle
from steno_models.text.lexicon import Lexicon

LEXICON = bundle.BUNDLES / "en" / "lm" / "general.lexicon.txt"
SENTENCE_WORDS = 12


def random_sentences(words: Sequence[str], ngrams: int, seed: int) -> list[str]:
    """Sentences with about so many different n-grams in them."""
    rng = random.Random(seed)
    # A sentence of n random words brings about 2 n n-grams of two and three words that are new.
    count = ngrams // (2 * SENTENCE_WORDS)
    return [" ".join(rng.choices(words, k=SENTENCE_WORDS)) for _ in range(count)]


def write_random(folder: Path, name: str, *, words: int, ngrams: int, seed: int = 0) -> Path:
    """A domain of words of the shipped lexicon that follow each other at random."""
    lexicon = Lexicon.read(LEXICON)
    known = sorted(lexicon)
    chosen = random.Random(seed).sample(known, min(words, len(known)))
    sounds = {word: " ".join(lexicon[word][0]) for word in chosen}
    sentences = random_sentences(chosen, ngrams, seed)
    return write_domain(folder, name, sentences, sounds, order=3, with_tree=True)
