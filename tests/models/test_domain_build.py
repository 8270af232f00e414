"""From plain text to a domain's folder, and the folder as a language model of a bundle."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from tests.models.domains import SOUNDS, write_domain

from steno_models import bundle
from steno_models.domain import Loader
from steno_models.errors import ConfigError, DataError
from steno_models.lm.command import main as lm
from steno_models.lm.domain.command import main
from steno_models.lm.domain.description import describe
from steno_models.lm.domain.general import under_vocabulary
from steno_models.lm.domain.words import read_pronunciations
from steno_models.lm.ngram.corpus import SPECIAL_WORDS, CorpusReader
from steno_models.lm.ngram.counts import count
from steno_models.lm.ngram.kneser_ney import estimate
from steno_models.lm.ngram.model import NgramModel
from steno_models.lm.ngram.prune import prune
from steno_models.text.lexicon import Lexicon, Pronunciation

TEXT = "\n\n".join(
    ["The court heard the writ.", "The writ was void.", "A tort is no zqorple."] * 10
)
SAID = [f"{one}{other}" for one in "bdglm" for other in ("at", "in", "on", "um")]
GENERAL = ["see the cat", "the cat was a cat", "a tea is a tea", "see the tea", "no cat heard"]
GENERAL_SOUNDS = {
    "a": "AH", "cat": "K AE T", "heard": "HH ER D", "is": "IH Z", "no": "N OW", "see": "S IY",
    "tea": "T IY", "the": "DH AH", "was": "W AA Z",
}  # fmt: skip


class Guesser:
    """Hears every unknown word alike."""

    def pronounce(self, word: str, n_best: int = 1) -> list[tuple[Pronunciation, float]]:
        del word, n_best
        return [(("Z", "AO", "R"), 0.0)]


def model_of(sentences: list[str], sounds: dict[str, str], *, order: int = 3) -> NgramModel:
    vocabulary = (*sorted(sounds, key=lambda word: sounds[word].split()), *SPECIAL_WORDS)
    reader = CorpusReader()
    reader.add(sentences)
    counts = count(reader.corpus().encode(vocabulary), vocabulary=vocabulary, order=order)
    return NgramModel.from_backoff(prune(estimate(counts), threshold=0.01))


@pytest.fixture
def general(tmp_path: Path) -> Path:
    folder = tmp_path / "general"
    (folder / "lm").mkdir(parents=True)
    model_of(GENERAL, GENERAL_SOUNDS).write(folder / "lm" / "general.bin")
    entries = {word: (tuple(sound.split()),) for word, sound in GENERAL_SOUNDS.items()}
    Lexicon(entries).write(folder / "lm" / "general.lexicon.txt")
    return folder


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "legal.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def build(text: Path, *more: str | Path, out: str = "legal") -> Path:
    place = text.with_name(out)
    arguments = ["--text", text, "--name", "legal", "--out", place, *more]
    main([str(one) for one in arguments], pronouncer=Guesser)
    return place


def test_a_text_becomes_a_domain(text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = build(text)
    made = describe(place)
    assert (made.name, made.words) == ("legal", 11)
    assert made.held_out is not None
    assert made.held_out.words == 14
    lexicon = Lexicon.read(place / "legal.lexicon.txt")
    assert lexicon["zqorple"] == (("Z", "AO", "R"),)
    assert lexicon["writ"] == (("R", "IH", "T"),)
    assert NgramModel.open(place / "legal.bin").vocabulary[:-3] == tuple(lexicon)
    said = capsys.readouterr().out
    assert "1 words sound as the G2P model guesses" in said
    assert "zqorple  Z AO R" in said
    assert not [one for one in text.parent.iterdir() if one.name.startswith(".")]


def test_the_users_pronunciations_win_and_bring_their_words(text: Path, tmp_path: Path) -> None:
    said = tmp_path / "names.txt"
    said.write_text("# names\nzqorple S AO1 R P AH0 L\nZqorple Z AO R P\n\nestoppel EH S T # new\n")
    lexicon = Lexicon.read(build(text, "--pronunciations", said) / "legal.lexicon.txt")
    assert lexicon["zqorple"] == (("S", "AO", "R", "P", "AH", "L"), ("Z", "AO", "R", "P"))
    assert lexicon["estoppel"] == (("EH", "S", "T"),)


def test_the_general_model_is_mixed_by_what_held_out_text_says(text: Path, general: Path) -> None:
    place = build(text, "--with-general", general)
    made = describe(place)
    assert [share.source for share in made.shares] == ["text", str(general)]
    assert sum(share.weight for share in made.shares) == pytest.approx(1, abs=1e-5)
    assert made.shares[0].weight > made.shares[1].weight
    model = NgramModel.open(place / "legal.bin")
    assert {"cat", "writ"} <= set(model.vocabulary)
    assert model.order == 3


def test_a_text_that_repeats_itself_does_not_seem_to_predict_itself(text: Path) -> None:
    rng = np.random.default_rng(0)
    once = [" ".join(rng.choice(SAID, 8)) + "." for _ in range(300)]
    perplexities = []
    for copies in (1, 5):
        text.write_text("\n\n".join(once * copies), encoding="utf-8")
        held_out = describe(build(text, out=str(copies))).held_out
        assert held_out is not None
        assert 150 < held_out.words < 450  # each sentence once, and its end
        perplexities.append(held_out.perplexity)
    assert perplexities[1] >= perplexities[0]


def test_a_short_text_has_something_held_out_too(text: Path) -> None:
    for number in range(12):
        said = (f"The {word} heard the writ of the court {number * 'a '}today." for word in SAID)
        text.write_text("\n\n".join(said), encoding="utf-8")
        assert describe(build(text, out=str(number))).held_out is not None


def test_a_weight_is_the_share_of_the_general_model(text: Path, general: Path) -> None:
    probabilities = []
    for weight in ("0", "0.25", "1"):
        place = build(text, "--with-general", f"{general}:{weight}", "--bits", "16", out=weight)
        model = NgramModel.open(place / "legal.bin")
        probabilities.append(np.exp(model.score("the")[0]))
    alone, mixed, other = probabilities
    assert mixed == pytest.approx(0.75 * alone + 0.25 * other, rel=1e-3)
    assert alone != pytest.approx(other, rel=0.01)


def test_a_pruned_model_says_the_same_under_a_larger_vocabulary() -> None:
    stored = model_of(GENERAL, GENERAL_SOUNDS)
    words = (*sorted([*GENERAL_SOUNDS, "aardvark", "zoo"]), *SPECIAL_WORDS)
    grown = under_vocabulary(stored, words)
    model = NgramModel.from_backoff(grown)
    for sentence in [*GENERAL, "tea cat the a", "was was no", "heard no tea"]:
        np.testing.assert_allclose(model.score(sentence), stored.score(sentence), atol=1e-3)
    trie = grown.trie
    for k in range(2, trie.order + 1):
        shorter = trie.suffix[trie.level(k)]
        assert (shorter >= trie.level(k - 1).start).all()


def test_texts_without_words_are_named(tmp_path: Path) -> None:
    path = tmp_path / "dots.txt"
    path.write_text("... !!! ---\n")
    with pytest.raises(DataError, match=r"expected words in .*dots\.txt, found none"):
        build(path)
    assert not (tmp_path / "legal").exists()


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ("ok OW K EY\nfoo F QQ\n", r"p\.txt:2: expected phones of AA .* found 'QQ'"),
        ("foo\n", r"p\.txt:1: expected phones behind foo, found none"),
        ("f00 F\n", r"p\.txt:1: expected a word of a-z and ', found 'f00'"),
    ],
)
def test_wrong_pronunciations_are_told_where(lines: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_text(lines)
    with pytest.raises(DataError, match=complaint):
        read_pronunciations(path)


@pytest.mark.parametrize(
    ("shares", "complaint"),
    [
        (["{}:1.5"], "expected a weight of 0 to 1, found 1.5"),
        (["{}:-0.1"], "expected a weight of 0 to 1, found -0.1"),
        (["{}:nan"], "expected a weight of 0 to 1, found nan"),
        (["{}:0.6", "{}:0.6"], "expected weights of at most 1 together, found 1.2"),
        (["{}:0.6", "{}"], "expected a weight for each or for none, found 1 for 2"),
        (["{}:much"], "expected BUNDLE or BUNDLE:WEIGHT"),
    ],
)
def test_impossible_weights_are_refused(
    shares: list[str], complaint: str, text: Path, general: Path
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        build(text, "--with-general", *(share.format(general) for share in shares))


def test_other_mistakes_are_named_and_touch_nothing(text: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected a bundle with .*, found nowhere"):
        build(text, "--with-general", "nowhere")
    with pytest.raises(DataError, match="expected a name of 1 to 64"):
        main(["--text", str(text), "--name", "../x", "--out", str(tmp_path / "x")])
    with pytest.raises(ConfigError, match=r"found other files in .*"):
        main(["--text", str(text), "--name", "x", "--out", str(tmp_path)])
    assert [one.name for one in tmp_path.iterdir()] == ["legal.txt"]


def test_a_full_disk_leaves_the_old_domain(text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (build(text) / "domain.toml").read_text()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(NgramModel, "write", full)
    with pytest.raises(DataError, match="No space left on device: everything there is as it was"):
        build(text)
    assert (text.with_name("legal") / "domain.toml").read_text() == before
    assert sorted(one.name for one in text.parent.iterdir()) == ["legal", "legal.txt"]


def test_a_domain_is_replaced_as_a_whole(text: Path) -> None:
    place = build(text)
    (place / "left over").write_text("x")
    build(text, "--order", "2")
    assert sorted(one.name for one in place.iterdir()) == [
        "domain.toml", "legal.bin", "legal.lexicon.txt", "legal.tree",
    ]  # fmt: skip
    assert len(describe(place).ngrams) == 2


def test_the_command_leads_here_where_a_name_is_given(
    text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        lm(["build", "--name", "legal", "--help"])
    assert left.value.code == 0
    assert "--with-general en:0.4" in capsys.readouterr().out
    assert text.exists()


@pytest.fixture
def loader(tiny_bundle: Path) -> Loader:
    return Loader(bundle.load(tiny_bundle))


@pytest.fixture
def legal(tmp_path: Path) -> Path:
    return write_domain(tmp_path / "legal", "legal", ["tort writ", "writ"])


def maps() -> set[str]:
    """Where n-gram models of the domain are mapped into this process."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return {line for line in lines if "legal.bin" in line}


@pytest.fixture
def mapped() -> Callable[[], set[str]]:
    """What has been mapped since; what other tests left until garbage is collected is not."""
    before = maps()
    return lambda: maps() - before


def test_a_domain_is_mapped_as_long_as_somebody_has_it(
    loader: Loader, legal: Path, mapped: Callable[[], set[str]]
) -> None:
    domain = loader(legal)
    assert domain.model.words == ("writ", "tort")
    assert domain.size_bytes == (legal / "legal.bin").stat().st_size
    assert mapped()
    shutil.rmtree(legal)
    assert domain.model.search.start().tokens.size
    del domain
    assert not mapped()


@pytest.mark.parametrize("keep", [0, 7, 300, -1])
def test_a_truncated_model_is_refused(
    loader: Loader, legal: Path, mapped: Callable[[], set[str]], keep: int
) -> None:
    file = legal / "legal.bin"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"legal\.bin is damaged or half written: expected sha256"):
        loader(legal)
    assert not mapped()


def test_a_model_that_is_none_is_refused_though_its_hash_is_right(
    loader: Loader, legal: Path
) -> None:
    from steno_models.lm.domain.folder import write_description

    made = describe(legal)
    (legal / "domain.toml").unlink()
    for text in (b"", b"STENO-NG", b"\0" * 1000):
        (legal / "legal.bin").write_bytes(text)
        write_description(legal, made)
        with pytest.raises(DataError):
            loader(legal)
        (legal / "domain.toml").unlink()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"name": "../legal"}, "expected a name of"),
        ({"files": {"../legal.bin": "0", "legal.lexicon.txt": "0"}}, "expected the hashes of"),
        ({"files": {"legal.bin": "0" * 64, "legal.lexicon.txt": "0" * 64}}, "damaged or half"),
        ({"color": "red"}, "expected a domain's description"),
    ],
)
def test_a_description_that_cannot_be_is_refused(
    change: dict[str, object], complaint: str, loader: Loader, legal: Path
) -> None:
    made: dict[str, object] = {"name": "legal", "words": 2, "ngrams": [2], "files": {}}
    (legal / "domain.toml").write_text(tomli_w.dumps(made | change))
    with pytest.raises(DataError, match=complaint):
        loader(legal)


def test_phones_that_the_bundle_lacks_are_named(loader: Loader, tmp_path: Path) -> None:
    folder = write_domain(tmp_path / "odd", "odd", ["tort"], SOUNDS | {"tort": "T QQ T"})
    with pytest.raises(DataError, match="QQ"):
        loader(folder)


def test_a_missing_folder_is_named(loader: Loader, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected a domain's .*nowhere"):
        loader(tmp_path / "nowhere")
