"""From files of text to a model, and the choice of its words."""

import gzip
import lzma
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from steno_models.errors import ConfigError, DataError
from steno_models.lm.ngram import convert
from steno_models.lm.ngram.build import main
from steno_models.lm.ngram.corpus import (
    SPECIAL_WORDS,
    CorpusReader,
    read_sentences,
    text_blocks,
    transcripts,
)
from steno_models.lm.ngram.model import NgramModel
from steno_models.lm.ngram.vocabulary import (
    order_by_pronunciation,
    read_vocabulary,
    select_words,
    write_vocabulary,
)
from steno_models.text.lexicon import Lexicon, Pronunciation

LEXICON = Lexicon(
    {
        "ate": (("EY", "T"),),
        "bee": (("B", "IY"),),
        "bean": (("B", "IY", "N"),),
        "cat": (("K", "AE", "T"),),
        "eight": (("EY", "T"),),
        "the": (("DH", "AH"), ("DH", "IY")),
    }
)


class _Speller:
    """Guesses that every word sounds like "ah"."""

    def pronounce(self, word: str, n_best: int = 1) -> list[tuple[Pronunciation, float]]:
        return [(("AH",) * len(word), 0.0)][:n_best]


def _split(text: str) -> Iterator[str]:
    return (s for part in text.split(".") if (s := " ".join(re.findall("[a-z']+", part.lower()))))


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
def test_text_is_read_packed_or_plain(tmp_path: Path, suffix: str) -> None:
    packers: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".xz": lzma.compress}
    text = b"The cat\nate. Bee."
    path = tmp_path / f"text.txt{suffix}"
    path.write_bytes(packers[suffix](text) if suffix else text)
    assert [*read_sentences(path, _split)] == ["the cat ate", "bee"]


def test_blocks_end_where_sentences_do_and_report_all_bytes(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    line = "the cat ate a bee and\nthen the bean of the bee.\n"
    path.write_text(line * 60_000)
    read: list[int] = []
    blocks = [*text_blocks(path, read.append)]
    assert len(blocks) > 1
    assert all(block.endswith("bee.\n") for block in blocks)
    assert "".join(blocks) == path.read_text()
    assert sum(read) == path.stat().st_size


def test_each_transcript_of_a_manifest_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text('{"text": "The cat. Ate", "duration": 1.5}\n{"text": "bee"}\n')
    assert [*read_sentences(path, _split)] == ["the cat ate", "bee"]


def test_a_manifest_without_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text('{"text": "a"}\n{"txt": "a"}\n')
    with pytest.raises(DataError, match=r"train.jsonl:2: expected \{\"text\": …\}, found"):
        list(transcripts(path))


@pytest.mark.parametrize("name", ["none.txt", "broken.xz", "broken.gz", "latin.txt"])
def test_unreadable_text_is_refused(tmp_path: Path, name: str) -> None:
    if not name.startswith("none"):
        (tmp_path / name).write_bytes(b"caf\xe9 " * 100)
    with pytest.raises(DataError, match=r"expected UTF-8 text in .*, found none readable"):
        list(text_blocks(tmp_path / name))


def test_words_are_ordered_by_sound_and_then_by_spelling() -> None:
    ordered = order_by_pronunciation(["the", "eight", "cat", "bean", "ate", "bee"], LEXICON)
    assert ordered == ("bee", "bean", "the", "ate", "eight", "cat")


def test_a_word_without_a_sound_cannot_be_ordered() -> None:
    with pytest.raises(DataError, match="expected a pronunciation of every word, found none"):
        order_by_pronunciation(["cat", "dog"], LEXICON)


def test_words_are_chosen_required_listed_frequent_then_unseen() -> None:
    frequencies = {"cat": 1, "the": 5, "dog": 7, "fox": 9, "once": 1, "the's": 1, "xiv": 50}
    frequencies |= {"brr": 30, "aaah": 9, "of": 40, "beans": 3}
    chosen = select_words(frequencies, lexicon=LEXICON, size=99, required={"zebra"})
    assert chosen[:4] == ["zebra", "the", "cat", "the's"]
    assert chosen[4:7] == ["fox", "dog", "beans"]
    assert chosen[7:] == ["ate", "bean", "bee", "eight"]
    assert select_words(frequencies, lexicon=LEXICON, size=2) == ["the", "cat"]


def test_a_vocabulary_file_keeps_the_order(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    write_vocabulary(path, ("b", "a", "c", *SPECIAL_WORDS))
    assert path.read_text() == "b\na\nc\n"
    assert read_vocabulary(path) == ("b", "a", "c", *SPECIAL_WORDS)


def test_an_empty_vocabulary_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("<s>\n")
    with pytest.raises(DataError, match="expected one word a line"):
        read_vocabulary(path)


def test_a_corpus_encodes_under_any_vocabulary() -> None:
    reader = CorpusReader()
    reader.add(["the cat", "", "cat ate"])
    corpus = reader.corpus()
    assert corpus.num_sentences == 2
    assert corpus.frequencies().tolist() == [1, 2, 1]
    assert corpus.encode(("cat", "ate", *SPECIAL_WORDS)).tolist() == [2, 4, 0, 3, 2, 0, 1, 3]


@pytest.fixture
def texts(tmp_path: Path) -> tuple[Path, Path]:
    book = tmp_path / "book.txt"
    book.write_text("The cat ate the bean. The bee ate the cat. Dog the dog. " * 5)
    talk = tmp_path / "talk.jsonl"
    talk.write_text('{"text": "the zebra ate"}\n{"text": "eight cat"}\n')
    return book, talk


def test_a_model_is_built_from_one_text(
    tmp_path: Path, texts: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out, lexicon = tmp_path / "lm.bin", tmp_path / "lexicon.txt"
    LEXICON.write(lexicon)
    main(
        ["--text", str(texts[0]), "--vocabulary", "4", "--lexicon", str(lexicon), "--prune", "1e-3",
         "--arpa", str(tmp_path / "lm.arpa"), "--out", str(out)],
        splitter=_split,
        pronouncer=_Speller(),
    )  # fmt: skip
    model = NgramModel.open(out)
    assert model.vocabulary == ("bean", "the", "ate", "cat", *SPECIAL_WORDS)
    assert read_vocabulary(tmp_path / "lm.vocabulary.txt") == model.vocabulary
    assert set(Lexicon.read(tmp_path / "lm.lexicon.txt")) == set(model.vocabulary[:-3])
    assert (tmp_path / "lm.arpa").read_text().startswith("\\data\\\nngram 1=7\n")
    assert "4-grams" not in capsys.readouterr().out


def test_texts_are_mixed_and_their_transcripts_words_are_known(
    tmp_path: Path, texts: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out, lexicon = tmp_path / "lm.bin", tmp_path / "lexicon.txt"
    LEXICON.write(lexicon)
    main(
        ["--text", str(texts[0]), "--text", str(texts[1]), "--vocabulary", "3", "--order", "2",
         "--lexicon", str(lexicon), "--tune", str(texts[1]), "--out", str(out)],
        splitter=_split,
        pronouncer=_Speller(),
    )  # fmt: skip
    model = NgramModel.open(out)
    assert set(model.vocabulary) > {"zebra", "ate", "cat"}
    assert model.order == 2
    assert "perplexity" in capsys.readouterr().out


def test_a_given_vocabulary_is_taken_as_it_is(tmp_path: Path, texts: tuple[Path, Path]) -> None:
    words = tmp_path / "words.txt"
    words.write_text("dog\ncat\nunseen\n")
    out = tmp_path / "lm.bin"
    main(
        ["--text", str(texts[0]), "--text", str(texts[1]), "--weights", "3", "1",
         "--vocabulary-file", str(words), "--out", str(out)],
        splitter=_split,
    )  # fmt: skip
    assert NgramModel.open(out).vocabulary == ("dog", "cat", "unseen", *SPECIAL_WORDS)
    assert not (tmp_path / "lm.lexicon.txt").exists()


def test_an_arpa_file_is_converted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words, arpa, text = tmp_path / "words.txt", tmp_path / "lm.arpa", tmp_path / "text.txt"
    words.write_text("cat\nbee\nthe\n")
    text.write_text("The cat. The bee. The the cat.")
    build = ["--text", str(text), "--vocabulary-file", str(words), "--arpa", str(arpa)]
    main([*build, "--out", str(tmp_path / "built.bin")], splitter=_split)
    out = tmp_path / "converted.bin"
    convert.main([str(arpa), str(out), "--vocabulary-file", str(words)])
    built, converted = NgramModel.open(tmp_path / "built.bin"), NgramModel.open(out)
    assert converted.vocabulary == built.vocabulary
    assert converted.score("the cat bee") == pytest.approx(built.score("the cat bee"), abs=1e-4)
    convert.main([str(arpa), str(out), "--prune", "1"])
    assert NgramModel.open(out).arrays.level_begin[-1] == 7
    assert "3 orders, 6 n-grams" in capsys.readouterr().out


def test_a_model_file_is_converted_to_fewer_bits(tmp_path: Path, texts: tuple[Path, Path]) -> None:
    words = tmp_path / "words.txt"
    words.write_text("cat\nbee\nthe\nate\n")
    fine, built, coarse = (tmp_path / f"{name}.bin" for name in ("fine", "built", "coarse"))
    arguments = ["--text", str(texts[0]), "--vocabulary-file", str(words), "--out"]
    main([*arguments, str(fine)], splitter=_split)
    main([*arguments, str(built), "--bits", "8"], splitter=_split)
    convert.main([str(fine), str(coarse), "--bits", "8"])
    models = [NgramModel.open(path) for path in (fine, built, coarse)]
    assert [model.arrays.log_prob.bits for model in models] == [16, 8, 8]
    # So few n-grams that their books hold every value.
    scores = [model.score("the cat ate a bee") for model in models]
    assert scores[1] == pytest.approx(scores[0], abs=1e-3)
    assert scores[2] == pytest.approx(scores[0])


def test_a_model_file_keeps_the_order_of_its_words(
    tmp_path: Path, texts: tuple[Path, Path]
) -> None:
    words, out = tmp_path / "words.txt", tmp_path / "lm.bin"
    words.write_text("cat\n")
    main(["--text", str(texts[0]), "--vocabulary-file", str(words), "--out", str(out)])
    with pytest.raises(ConfigError, match=r"expected no --vocabulary-file for .*lm\.bin"):
        convert.main([str(out), str(out), "--vocabulary-file", str(words)])


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ([], "expected --tune or --weights for 2 texts"),
        (["--weights", "1"], r"expected 2 weights, found \[1.0\]"),
    ],
)
def test_a_mixture_needs_weights(
    tmp_path: Path, texts: tuple[Path, Path], extra: list[str], message: str
) -> None:
    words = tmp_path / "words.txt"
    words.write_text("dog\ncat\n")
    arguments = ["--text", str(texts[0]), "--text", str(texts[1]), "--vocabulary-file", str(words)]
    with pytest.raises(ConfigError, match=message):
        main([*arguments, *extra, "--out", str(tmp_path / "lm.bin")], splitter=_split)
