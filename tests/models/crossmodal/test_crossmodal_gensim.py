"""Our Word2Vec beside gensim's, where that is installed."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from steno_models.crossmodal.word2vec.train import Word2VecOptions


def against_gensim() -> ModuleType:
    """Return the benchmark beside this file as a module."""
    path = Path(__file__).with_name("against_gensim.py")
    found = importlib.util.spec_from_file_location("against_gensim", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def sentences_of_topics() -> list[str]:
    """Return 3,000 sentences over 200 words, each mostly of one of 20 topics."""
    random = np.random.default_rng(0)

    def word(topic: int) -> int:
        own = topic + 20 * random.integers(10)
        return int(random.integers(200) if random.random() < 0.3 else own)

    topics = random.integers(20, size=3000)
    return [" ".join(f"w{word(topic)}" for _ in range(12)) for topic in topics]


def test_ours_is_as_like_gensims_as_two_of_gensims_are() -> None:
    pytest.importorskip("gensim")
    bench = against_gensim()
    text = sentences_of_topics()
    options, other = (
        Word2VecOptions(dimensions=20, epochs=5, sample=0.0, seed=seed) for seed in (1, 2)
    )
    theirs = bench.gensim_space(text, options, 5)
    again = bench.gensim_space(text, other, 5)
    ours = bench.our_space(text, options, 5)
    expected, found = bench.likeness(again, theirs), bench.likeness(ours, theirs)
    assert found[0] > 0.95 * expected[0]
    assert found[1] > 0.95 * expected[1]
