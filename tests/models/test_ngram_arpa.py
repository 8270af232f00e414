"""ARPA files against kenlm, and the ways in which they can be broken."""

import gzip
import math
import random
import re
from pathlib import Path

import pytest

from steno_models.errors import DataError
from steno_models.lm.ngram.arpa import read_arpa, write_arpa
from steno_models.lm.ngram.backoff import LN_10, BackoffModel
from steno_models.lm.ngram.corpus import SPECIAL_WORDS, CorpusReader, read_sentences
from steno_models.lm.ngram.counts import count
from steno_models.lm.ngram.kneser_ney import estimate
from steno_models.lm.ngram.model import NgramModel
from steno_models.lm.ngram.prune import prune
from steno_models.text.normalise import sentences

# As other tools write them: no </s> last, no <unk>, a bigram's ending pruned, upper-case marks,
# a back-off weight at an n-gram that is no history.
FOREIGN = """\
made by hand

\\data\\
ngram 1=4
ngram 2=3
ngram 3=1

\\1-grams:
-99\t<S>\t-0.3
-0.7\tb\t-0.2
-0.4\t</s>
-0.5\ta\t-0.25

\\2-grams:
-0.2\t<s> a\t-0.1
-0.4\ta </s>
-0.3\ta a\t-0.15

\\3-grams:
-0.1\t<s> a b

\\end\\
"""


def _model(text: list[str], vocabulary: tuple[str, ...], order: int) -> BackoffModel:
    reader = CorpusReader()
    reader.add(text)
    tokens = reader.corpus().encode(vocabulary)
    return estimate(count(tokens, vocabulary=vocabulary, order=order))


def _differences(arpa: Path, model: NgramModel, text: list[str]) -> list[float]:
    """Return how far each word's log10 p is from kenlm's."""
    import kenlm

    oracle = kenlm.Model(str(arpa))
    return [
        abs(ours / LN_10 - theirs[0])
        for sentence in text
        for ours, theirs in zip(model.score(sentence), oracle.full_scores(sentence), strict=True)
    ]


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("threshold", [0.0, 3e-4])
def test_kenlm_reads_the_same_probabilities(tmp_path: Path, order: int, threshold: float) -> None:
    chance = random.Random(order)
    text = [" ".join(chance.choices("abcdef", [5, 4, 3, 2, 1, 1], k=6)) for _ in range(200)]
    whole = _model(text, ("a", "b", "c", "d", "e", "unseen", *SPECIAL_WORDS), order)
    model = prune(whole, threshold=threshold) if threshold else whole
    write_arpa(model, tmp_path / "toy.arpa")
    unseen = ["f f a", "unseen a f b", "", "e e e e e unseen unseen"]
    found = _differences(tmp_path / "toy.arpa", NgramModel.from_backoff(model), text[:40] + unseen)
    assert max(found) < 1e-4


@pytest.mark.data
def test_kenlm_reads_the_same_probabilities_of_real_text(tmp_path: Path, data_root: Path) -> None:
    text = [*read_sentences(data_root / "text" / "nonfiction_lj.txt.xz", sentences)]
    reader = CorpusReader()
    reader.add(text[:6000])
    corpus = reader.corpus()
    frequent = [w for w, f in zip(corpus.words, corpus.frequencies(), strict=True) if f > 1]
    model = prune(_model(text[:6000], (*frequent, *SPECIAL_WORDS), 3), threshold=1e-7)
    write_arpa(model, tmp_path / "real.arpa")
    found = _differences(tmp_path / "real.arpa", NgramModel.from_backoff(model), text[6000:8000])
    assert len(found) > 20_000
    assert max(found) < 1e-4


def test_a_written_model_reads_back(tmp_path: Path) -> None:
    model = _model(["a b a c", "b a", "c c a b"], ("c", "a", "b", *SPECIAL_WORDS), 3)
    path = tmp_path / "toy.arpa"
    write_arpa(model, path)
    again = read_arpa(path, model.vocabulary)
    assert again.vocabulary == model.vocabulary
    assert again.trie.word.tolist() == model.trie.word.tolist()
    assert again.trie.suffix.tolist() == model.trie.suffix.tolist()
    assert again.trie.child_begin.tolist() == model.trie.child_begin.tolist()
    assert again.log_prob == pytest.approx(model.log_prob, abs=2e-6)
    assert again.backoff == pytest.approx(model.backoff, abs=2e-6)


def test_a_model_of_another_tool_is_read_with_its_gaps(tmp_path: Path) -> None:
    path = tmp_path / "foreign.arpa"
    path.write_text(FOREIGN)
    model = NgramModel.from_backoff(read_arpa(path))
    assert model.vocabulary == ("b", "a", *SPECIAL_WORDS)
    # After "<s> a b" no bigram "a b" is left to back off from, only "b".
    wanted = [-0.2, -0.1, -0.2 - 0.4]
    assert model.score("a b") == pytest.approx([x * LN_10 for x in wanted], abs=1e-4)
    wanted = [-0.3 - 0.7, -0.2 - 0.5, -0.4]
    assert model.score("b a") == pytest.approx([x * LN_10 for x in wanted], abs=1e-4)


def test_a_back_off_weight_without_children_counts(tmp_path: Path) -> None:
    path = tmp_path / "foreign.arpa"
    path.write_text(FOREIGN)
    model = NgramModel.from_backoff(read_arpa(path))
    after_a_b = model.score("a a b")
    assert after_a_b[2] == pytest.approx((-0.15 - 0.25 - 0.7) * LN_10, abs=1e-4)


def test_a_missing_unknown_word_is_added_and_never_expected(tmp_path: Path) -> None:
    path = tmp_path / "foreign.arpa.gz"
    path.write_bytes(gzip.compress(FOREIGN.encode()))
    model = NgramModel.from_backoff(read_arpa(path))
    assert model.score("zebra")[0] < -99 * math.log(10)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\\data\\", "data", "expected an ARPA file, found no \\data\\ line"),
        ("ngram 2=3", "ngram 2=4", "expected a 2-gram with its logarithms, found ''"),
        ("-0.3\ta a\t-0.15", "-0.3\ta", "expected a 2-gram with its logarithms, found '-0.3 a'"),
        ("-0.3\ta a", "x\ta a", "expected numbers in the 2-grams"),
        ("-0.3\ta a", "-0.3\ta z", "expected words that are unigrams, found 'z'"),
        ("-0.3\ta a", "-0.3\t<s> a", "expected every n-gram once"),
        ("<s> a b", "b a b", "expected each n-gram's history"),
        ("\\3-grams:", "\\4-grams:", "expected \\3-grams:, found \\4-grams:"),
        ("</s>", "<end>", "expected unigrams </s>, found none"),
        ("ngram 1=4\n", "", "expected 'ngram 1=…'"),
    ],
)
def test_a_broken_file_is_refused_with_its_name(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "broken.arpa"
    path.write_text(FOREIGN.replace(old, new))
    with pytest.raises(DataError, match=re.escape(message)) as raised:
        read_arpa(path)
    assert str(path) in str(raised.value)


def test_a_vocabulary_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.arpa"
    path.write_text(FOREIGN)
    with pytest.raises(DataError, match="expected the vocabulary's 1 words as unigrams"):
        read_arpa(path, ["a"])
