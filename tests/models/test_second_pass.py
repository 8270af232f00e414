"""The second pass: sums as by hand, words as sure as they are, bundles that fit together."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.daemon.fakes import speak
from tests.models import second_passes as second
from tests.models import tiny_bundles as tiny
from tests.models.second_passes import candidate
from tests.models.test_recogniser import decode, sound

from steno_models import bundle
from steno_models.bundle_second_pass import FOLDER, LANGUAGE, SPELLER, read_speller
from steno_models.errors import BundleError, ConfigError
from steno_models.lm.neural import stored
from steno_models.lm.neural.units import WordUnits
from steno_models.lm.ngram.model import NgramModel
from steno_models.lm.open_model import open_model
from steno_models.lm.recurrent.model import RecurrentLm
from steno_models.lm.scorer import LogProbs
from steno_models.recogniser import (
    DecodeOptions,
    LanguageModel,
    State,
    Word,
    Work,
)
from steno_models.rescoring.candidate import Ranked, sureness
from steno_models.rescoring.combination import Opinion, Weights, combined, mixture
from steno_models.rescoring.language import LanguageReader
from steno_models.two_pass_recogniser import FirstPass, TwoPassRecogniser
from steno_models.types import FloatArray

SOUND = speak("do mi so", lead_s=0.2, tail_s=0.3)
SHARE, LANGUAGE_WEIGHT, WORD = 0.6, 0.9, -0.7
FAMILIES: dict[str, Callable[[Path], Path]] = {
    "ctc": second.ctc_of_subwords,
    "rnnt": tiny.transducer,
    "rnnt of phones": lambda path: tiny.transducer(path, units="phones"),
    "rnnt, n-gram of tokens": lambda path: tiny.transducer(path, lm="tokens"),
    "hmm": tiny.hmm,
    "hybrid": tiny.hybrid,
}


def two_pass(path: Path) -> TwoPassRecogniser:
    found = bundle.load(path).recogniser
    assert isinstance(found, TwoPassRecogniser)
    return found


def texts(words: Sequence[Word]) -> tuple[str, ...]:
    return tuple(word.text for word in words)


def ended(recogniser: FirstPass | TwoPassRecogniser, features: FloatArray, **wishes: int) -> State:
    work = Work(features, recogniser.start(DecodeOptions(**wishes)), is_last=True)  # type: ignore[arg-type]
    [(_, state)] = recogniser.step([work])
    return state


def read_whole(folder: Path, sentences: Sequence[Sequence[str]]) -> LogProbs:
    """ln p of the words and the end of the last sentence by the network, all read at once."""
    description = stored.read_description(folder)
    units = stored.read_units(folder, description)
    assert isinstance(units, WordUnits)
    network = RecurrentLm(units.size, second.SHAPE)
    stored.read_weights(folder, network)
    ids = [
        0,
        *(unit for text in sentences for word in [*text, None] for unit in _unit(units, word)),
    ]
    log_probs, _ = network(torch.tensor([ids[:-1]]), torch.tensor([ids[1:]]))
    shares = [0.0 if word is None else units.log_share(word) for word in [*sentences[-1], None]]
    found: LogProbs = log_probs[0, -len(shares) :].double().numpy() + np.array(shares)
    return found


def _unit(units: WordUnits, word: str | None) -> tuple[int, ...]:
    return (0,) if word is None else units.spell(word)


# What the score is made of.


@pytest.mark.usefixtures("in_float32")
@pytest.mark.parametrize("finals", [(), (("see", "tea"),), (("at",), ("tea", "cat", "see"))])
def test_the_order_is_that_of_sums_worked_out_apart(
    tiny_bundle: Path, finals: tuple[tuple[str, ...], ...]
) -> None:
    recogniser = two_pass(
        second.give(
            tiny_bundle,
            language_weight=LANGUAGE_WEIGHT,
            neural_share=SHARE,
            word_score=WORD,
            context_words=20,
            n_best=12,
        )
    )
    features = sound(200, seed=1)
    first = ended(recogniser.first, features)
    ngrams = NgramModel.open(tiny_bundle / "lm" / "general.bin")
    expected: dict[tuple[str, ...], float] = {}
    for found in recogniser.first.candidates(first, 12):
        by_ngrams = np.array(ngrams.score(found.texts))
        by_network = read_whole(tiny_bundle / FOLDER / LANGUAGE, [*finals, found.texts])
        mixed = np.log((1 - SHARE) * np.exp(by_ngrams) + SHARE * np.exp(by_network)).sum()
        acoustic = found.log_score - tiny.SEARCH.lm_weight * by_ngrams.sum()
        expected[found.texts] = acoustic + LANGUAGE_WEIGHT * mixed + WORD * len(found.texts)
    update = decode(recogniser, features, [50], DecodeOptions(n_best=12, finals=finals))
    order = sorted(expected, key=lambda text: -expected[text])
    assert len(order) > 4
    assert [texts(one.words) for one in update.alternatives] == order
    assert [one.log_score for one in update.alternatives] == pytest.approx(
        sorted(expected.values(), reverse=True), abs=1e-3
    )
    assert order != [one.texts for one in recogniser.first.candidates(first, 12)]
    assert update.words == update.alternatives[0].words
    assert update.unscored == 0


def test_a_speller_hears_the_steps_of_the_first_passs_encoder(tmp_path: Path) -> None:
    path = second.give_speller(second.ctc_of_subwords(tmp_path / "ctc"), attention_weight=0.8)
    recogniser, features = two_pass(path), sound(160, seed=2)
    bpe = tiny.subwords()
    speller = read_speller(path / FOLDER / SPELLER, len(bpe.table), 16)
    state = ended(recogniser, features)
    steps = torch.from_numpy(recogniser.first.encoded(state))
    assert len(steps) == state.search.step
    memory = speller.attention.memory(steps[None], torch.tensor([len(steps)]))
    expected = []
    for one in recogniser.first.candidates(state, 8):
        tokens = bpe.encode(" ".join(one.texts))
        speller_state, total = speller.start(memory), 0.0
        for told, wanted in pairwise([0, *tokens, 0]):
            logits, speller_state = speller.step(torch.tensor([[told]]), speller_state, memory)
            total += float(logits[0, 0].log_softmax(0)[wanted])
        expected.append(one.log_score + 0.8 * total)
    update = decode(recogniser, features, [33, 70], DecodeOptions(n_best=8))
    assert len(expected) > 3
    assert [one.log_score for one in update.alternatives] == pytest.approx(
        sorted(expected, reverse=True), abs=2e-3
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_of_the_first_pass_change_nothing(family: str, tmp_path: Path) -> None:
    path = second.give(FAMILIES[family](tmp_path / "tiny"))
    recogniser = two_pass(path)
    features = recogniser.features().accept(SOUND)
    plain = decode(recogniser, features, [], DecodeOptions(n_best=4, second_pass=False))
    both = decode(recogniser, features, [], DecodeOptions(n_best=4))
    assert plain.words
    assert plain.unscored is None
    assert both.unscored == 0
    assert [texts(one.words) for one in both.alternatives] == [
        texts(one.words) for one in plain.alternatives
    ]
    assert [one.log_score for one in both.alternatives] == pytest.approx(
        [one.log_score for one in plain.alternatives], abs=1e-3
    )
    assert [(w.start_step, w.end_step) for w in both.words] == [
        (w.start_step, w.end_step) for w in plain.words
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_language_model_part_is_what_the_ngrams_say(family: str, tmp_path: Path) -> None:
    path = second.give(FAMILIES[family](tmp_path / "tiny"))
    first = two_pass(path).first
    found = first.candidates(ended(first, first.features().accept(SOUND)), 5)
    assert found
    for one in found:
        if "tokens" in family:
            assert len(one.language) == 0
        else:
            expected = NgramModel.open(path / "lm" / "general.bin").score(one.texts)
            assert one.language.tolist() == pytest.approx(expected, abs=1e-4)


def test_words_that_the_network_does_not_know_are_worth_what_the_ngrams_say() -> None:
    ngram, neural = np.log([0.5, 0.2, 0.1]), np.log([0.25, np.nan, 0.3])
    expected = np.log(0.5 * 0.5 + 0.5 * 0.25) + np.log(0.2) + np.log(0.5 * 0.1 + 0.5 * 0.3)
    assert mixture(ngram, neural, 0.5) == pytest.approx(expected)
    assert mixture(ngram[:2], neural, 0.5) == pytest.approx(expected - np.log(0.2))
    assert mixture(np.zeros(0), neural, 1.0) == pytest.approx(np.log(0.25) + np.log(0.3))
    assert mixture(ngram, np.zeros(0), 0.5) == pytest.approx(ngram.sum())
    assert mixture(ngram, neural, 1.0) == pytest.approx(np.log(0.25) + np.log(0.2) + np.log(0.3))


def test_a_domain_may_leave_the_network_out(tiny_bundle: Path) -> None:
    path = second.give(tiny_bundle, neural_share=SHARE, language_weight=LANGUAGE_WEIGHT)
    recogniser, features = two_pass(path), sound(200, seed=1)
    own = bundle.load(path).recogniser.first.language_models["general"]  # type: ignore[attr-defined]
    assert isinstance(own, LanguageModel)

    def scores(language_model: LanguageModel) -> list[float]:
        options = DecodeOptions(n_best=8, language_model=language_model)
        return [one.log_score for one in decode(recogniser, features, [], options).alternatives]

    without = replace(
        recogniser,
        rescorer=replace(recogniser.rescorer, weights=Weights(language=LANGUAGE_WEIGHT)),  # type: ignore[type-var]
    )
    plain = decode(without, features, [], DecodeOptions(n_best=8))
    assert scores(own) != scores(replace(own, neural_share=0.0))
    assert scores(replace(own, neural_share=0.0)) == [one.log_score for one in plain.alternatives]
    assert scores(replace(own, neural_share=SHARE)) == scores(own)


def test_only_so_many_words_of_finals_are_read(tmp_path: Path) -> None:

    scorer = open_model(second.recurrent(tmp_path / "lm"))
    one = [candidate("tea at", 0.0)]
    finals = (("see", "cat", "cat"), ("at",), ("tea", "see"))

    def read(words: int, finals: tuple[tuple[str, ...], ...]) -> list[float]:
        reader = LanguageReader(scorer, words)
        found: list[float] = reader.log_probs(one, reader.begin(finals))[0].tolist()
        return found

    assert read(5, finals) == read(3, finals) == read(3, finals[1:])
    assert read(6, finals) != read(5, finals)
    assert read(2, finals) == read(2, finals[2:])
    assert read(1, finals) == read(0, finals) == read(6, ())


def test_words_read_ahead_are_worth_what_they_are_in_the_end(tmp_path: Path) -> None:
    reader = LanguageReader(open_model(second.recurrent(tmp_path / "lm")), 9)
    ahead = ("see", "zebra", "tea")
    listed = [
        candidate(text, 0.0)
        for text in ("see zebra tea", "see zebra tea at", "see zebra tea tea cat")
    ]
    begun = reader.begin((("tea", "cat"),))
    read = reader.read_on(reader.read_on(begun, ahead[:1]), ahead[1:])
    assert read.words == ahead
    for now, then in zip(
        reader.log_probs(listed, read), reader.log_probs(listed, begun), strict=True
    ):
        assert now == pytest.approx(then, abs=1e-4, nan_ok=True)
        assert np.isnan(now[1])


# How sure it is.


def test_the_confidence_is_that_of_the_whole_new_list() -> None:
    listed = [
        candidate("see tea", 0.0),
        candidate("see cat", 0.0),
        candidate("at tea", 0.0, shift=9),
    ]
    scores = [-1.0, -2.0, -2.5]
    order = [Ranked(one, score) for one, score in zip(listed, scores, strict=True)]
    shares = np.exp(0.5 * np.array(scores))
    shares /= shares.sum()
    known = sureness(order, 0, 0.5)
    # "tea" of the third is said nine steps later than that of the first.
    assert [word.posterior for word in known] == pytest.approx([shares[0] + shares[1], shares[0]])
    assert [word.margin for word in known] == [-0.1, -0.1]
    assert [(word.start_step, word.end_step) for word in known] == [(0, 3), (5, 8)]


def test_times_and_confidences_are_those_of_the_chosen_words(tiny_bundle: Path) -> None:
    path = second.give(tiny_bundle, language_weight=LANGUAGE_WEIGHT, neural_share=SHARE, n_best=12)
    recogniser, features = two_pass(path), sound(200, seed=1)
    state = ended(recogniser.first, features)
    by_text = {one.texts: one for one in recogniser.first.candidates(state, 12)}
    update = decode(recogniser, features, [], DecodeOptions())
    chosen = by_text[texts(update.words)]
    assert [(word.start_step, word.end_step) for word in update.words] == list(chosen.spans)
    full = decode(recogniser, features, [], DecodeOptions(n_best=12))
    scores = np.array([one.log_score for one in full.alternatives])
    shares = np.exp(tiny.SEARCH.posterior_scale * scores)
    shares /= shares.sum()
    for k, word in enumerate(update.words):
        agree = [
            any(
                w.text == word.text
                and w.start_step <= word.end_step
                and word.start_step <= w.end_step
                for w in one.words
            )
            for one in full.alternatives
        ]
        share = min(1 - 1e-9, shares[agree].sum())
        expected = 1 / (1 + np.exp(-np.clip(np.log(share) - np.log1p(-share), -6, 6)))
        assert full.words[k].confidence == pytest.approx(expected, abs=1e-6)


# Bundles.


def test_models_of_the_second_pass_are_hashed_like_the_rest(tiny_bundle: Path) -> None:
    path = second.give(tiny_bundle)
    file = path / FOLDER / LANGUAGE / stored.WEIGHTS
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match=r"second_pass/language/weights\.safetensors: expected"):
        bundle.load(path)


def test_the_first_pass_alone_is_there_too(tiny_bundle: Path) -> None:
    plain = bundle.load(tiny_bundle)
    assert plain.first_pass is plain.recogniser
    loaded = bundle.load(second.give(tiny_bundle))
    assert type(loaded.first_pass) is type(plain.recogniser)
    assert loaded.first_pass is not loaded.recogniser


def test_a_second_pass_that_does_not_fit_the_bundle_is_refused(tmp_path: Path) -> None:
    other = tiny.transducer(tmp_path / "other")
    second.speller(other / FOLDER / SPELLER, tokens=5)
    with pytest.raises(BundleError, match=r"a speller of \d+ tokens that looks at steps of"):
        bundle.load(second.give(other, kind="attention"))
    wide = tiny.transducer(tmp_path / "wide")
    second.speller(wide / FOLDER / SPELLER, tokens=len(tiny.subwords().table), values=24)
    with pytest.raises(BundleError, match="steps of width 16, found: Error"):
        bundle.load(second.give(wide, kind="attention"))
    phones = tiny.transducer(tmp_path / "phones", units="phones")
    second.speller(phones / FOLDER / SPELLER, tokens=40)
    with pytest.raises(BundleError, match="of subwords or letters for a speller, found phones"):
        bundle.load(second.give(phones, kind="attention"))
    without = tiny.hmm(tmp_path / "hmm")
    second.speller(without / FOLDER / SPELLER, tokens=5)
    with pytest.raises(BundleError, match="with an encoder for a speller to look at"):
        bundle.load(second.give(without, kind="attention"))
    spells = tiny.speller(tmp_path / "las")
    with pytest.raises(BundleError, match="a first pass of the family ctc, hmm or rnnt"):
        bundle.load(second.give(spells))


def test_a_language_model_of_other_words_is_refused(tmp_path: Path) -> None:
    path = tiny.hmm(tmp_path / "hmm")
    second.recurrent(path / FOLDER / LANGUAGE, ("le", "la", "et", "at"))
    with pytest.raises(BundleError, match="the bundle's words, found one that knows 1 of 4"):
        bundle.load(second.give(path))
    lacks = tiny.hmm(tmp_path / "lacks")
    (lacks / FOLDER).mkdir()
    with pytest.raises(BundleError, match=r"expected a language model in .*language, found none"):
        bundle.load(second.give(lacks))


def test_impossible_weights_are_refused() -> None:
    for wrong in ({"language": -1.0}, {"attention": float("nan")}, {"neural_share": 1.5}):
        with pytest.raises(ConfigError, match=r"expected a (weight|neural share)"):
            Weights(**{"language": 1.0, **wrong})


def test_the_sum_is_log_linear() -> None:
    one = candidate("see tea", -10.0)
    opinion = Opinion(np.array([-2.0, -3.0, -0.5]), attention=-7.0)
    weights = Weights(language=0.4, neural_share=1.0, attention=0.25, word=1.5)
    assert one.rest == pytest.approx(-10 + 0.5 * 3)
    assert combined(one, opinion, weights) == pytest.approx(-8.5 - 0.4 * 5.5 - 0.25 * 7 + 1.5 * 2)
