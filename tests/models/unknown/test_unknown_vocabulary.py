"""A vocabulary of candidates: written, opened, asked; and what is said of damaged ones."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from steno_models.errors import ConfigError, DataError
from steno_models.lm.ngram.corpus import Corpus, CorpusReader
from steno_models.recogniser import AddedWord
from steno_models.text.lexicon import Lexicon
from steno_models.text.tokens import TokenTable
from steno_models.unknown.boosting import Boosted, Tree
from steno_models.unknown.build import vocabulary_of, write
from steno_models.unknown.candidates import Candidates, Heard
from steno_models.unknown.fit import ranking
from steno_models.unknown.proposer import UnknownWords
from steno_models.unknown.vocabulary import DESCRIPTION, CandidateVocabulary
from steno_models.unknown.weights import DETECTION, Weights
from steno_models.vocabulary import AS_SPELLED, Guesser, Source, _Book

TABLE = TokenTable.phones()
WAYS = {
    "cat": (("K", "AE", "T"),),
    "cats": (("K", "AE", "T", "S"),),
    "dog": (("D", "AO", "G"), ("D", "AA", "G")),
    "kat": (("K", "AE", "T"),),
}


def _corpus() -> Corpus:
    reader = CorpusReader()
    reader.add(["the cat sat", "the dog sat", "a cat", "cats sat", "the cat", "kat"])
    return reader.corpus()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    counts = {"cat": 4, "cats": 1, "dog": 1, "kat": 1}
    write(tmp_path / "words", counts, WAYS, _corpus(), TABLE)
    _weights().write(tmp_path / "words")
    return tmp_path / "words"


def _weights(symbols: tuple[str, ...] = TABLE.symbols) -> Weights:
    V = len(symbols)
    confusion = np.full((V, V), 4.0) - 4.0 * np.eye(V)
    return Weights(
        symbols=symbols,
        detection=Boosted(),
        threshold=0.0,
        parts=(0.5, 1.0, 1.0, 0.0, 0.0),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def _heard(phones: tuple[str, ...]) -> Heard:
    """A sound in which each phone lasts two steps, and all others are 6 nats behind."""
    tokens = np.array(TABLE.ids(phones), np.int32)
    sound = np.full((2 * len(tokens), len(TABLE)), -6.0, np.float32)
    sound[np.arange(len(sound)), np.repeat(tokens, 2)] = 0.0
    return Heard(sound, tokens, np.arange(0, len(sound), 2, dtype=np.int32), "the", None)


def test_a_vocabulary_is_read_as_it_was_written(folder: Path) -> None:
    book = CandidateVocabulary.open(folder)
    assert book.spellings() == ["cat", "cats", "dog", "kat"]
    assert [book.number_of(word) for word in ("cat", "kat", "cow", "", "zebra")] == [
        0, 3, None, None, None,
    ]  # fmt: skip
    pairs = {(book.spelling(int(word)), book.way(row)) for row, word in enumerate(book.way_words)}
    assert pairs == {(word, tuple(TABLE.ids(way))) for word in WAYS for way in WAYS[word]}
    assert book.counts.tolist() == [4, 1, 1, 1]


def test_the_word_that_sounds_so_and_is_written_often_comes_first(folder: Path) -> None:
    rank = Candidates(CandidateVocabulary.open(folder), _weights(), None)
    known = np.zeros(4, np.uint8)
    found = rank(_heard(("K", "AE", "T")), known)
    assert [one.text for one in found][:2] == ["cat", "kat"]
    assert found[0].parts[0] == found[1].parts[0] == 0.0
    assert found[0].parts[-1] is None
    assert sum(one.probability for one in found) <= 1.0 + 1e-6
    known[0] = 1
    assert rank(_heard(("K", "AE", "T")), known)[0].text == "kat"


def test_a_part_of_meaning_is_heard_where_it_has_an_opinion(folder: Path) -> None:
    def nearer(_sound: np.ndarray, words: list[str]) -> list[float | None]:
        return [9.0 if word == "kat" else None for word in words]

    weights = Weights(
        **{name: getattr(_weights(), name) for name in ("symbols", "detection", "threshold")},
        parts=(*_weights().parts[:-1], 1.0),
        confusion=_weights().confusion,
    )
    rank = Candidates(CandidateVocabulary.open(folder), weights, nearer)  # type: ignore[arg-type]
    found = rank(_heard(("K", "AE", "T")), np.zeros(4, np.uint8))
    assert (found[0].text, found[0].parts[-1]) == ("kat", 9.0)
    assert found[1].parts[-1] is None


def test_without_a_word_left_nobody_is_proposed(folder: Path) -> None:
    rank = Candidates(CandidateVocabulary.open(folder), _weights(), None)
    assert rank(_heard(("K", "AE", "T")), np.ones(4, np.uint8)) == ()


def test_a_vocabulary_takes_the_dictionary_and_possessives_and_leaves_out_noise() -> None:
    reader = CorpusReader()
    reader.add(["cat cat cat aaargh ' dog"])
    words = vocabulary_of(reader.corpus(), Lexicon({"eel": (("IY", "L"),)}))
    assert words == {"cat": 3, "cat's": 0, "dog": 1, "eel": 0}


def test_a_damaged_vocabulary_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected a vocabulary of candidates at .*nowhere"):
        CandidateVocabulary.open(tmp_path / "nowhere")
    (folder / "ways.npy").write_bytes(b"short")
    with pytest.raises(DataError, match=r"expected \d+ bytes of ways.npy"):
        CandidateVocabulary.open(folder)
    (folder / DESCRIPTION).write_text("{}")
    with pytest.raises(DataError, match="expected a vocabulary of candidates"):
        CandidateVocabulary.open(folder)


def test_weights_for_other_phones_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="expected candidates of the bundle's 2 tokens"):
        UnknownWords.open(folder, ("<blk>", "AA"))
    (folder / "weights.json").write_text('{"symbols": []}')
    with pytest.raises(DataError, match="expected the weights of an unknown-word detector"):
        UnknownWords.open(folder, TABLE.symbols)


def test_trees_that_ask_for_a_feature_that_is_not_there_are_refused() -> None:
    n = len(DETECTION)
    tree = Tree(feature=(n, -1, -1), bound=(0.0,) * 3, lower=(1, 0, 0), value=(0.0,) * 3)
    with pytest.raises(ValueError, match=f"expected trees of {n} features, found .* feature {n}"):
        msgspec.structs.replace(_weights(), detection=Boosted(trees=(tree,)))


def test_ranking_learns_which_part_tells() -> None:
    rng = np.random.default_rng(0)
    lists, right = [], []
    for _ in range(60):
        x = rng.normal(size=(10, 3))
        lists.append(x)
        right.append(int(np.argmax(2.0 * x[:, 1] + rng.gumbel(size=10))))
    weights = ranking(lists, right, [True, True, False])
    assert weights[1] == pytest.approx(2.0, abs=0.6)
    assert abs(weights[0]) < 0.5
    assert weights[2] == 0.0
    with pytest.raises(DataError, match="found none"):
        ranking([], [], [True])


def test_a_mark_among_pronunciations_stands_for_the_guesses() -> None:
    symbols = {symbol: number for number, symbol in enumerate(TABLE.symbols) if number}
    guess = Guesser()
    book = _Book({}, 10, symbols, guess, listen=lambda samples: samples)
    book.add(AddedWord("zorblat", (AS_SPELLED, "Z AO R B")))
    assert book.taken["zorblat"].pronunciations == (*guess("zorblat"), "Z AO R B")
    assert book.taken["zorblat"].source is Source.GIVEN
