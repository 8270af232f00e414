"""(b) and (c): minutes of transcripts teach a recogniser of letters; texts alone teach words."""

import zlib
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from steno_models.crossmodal.graphemes.alphabet import Alphabet
from steno_models.crossmodal.graphemes.steps import EncoderSteps, stacked_frames
from steno_models.crossmodal.graphemes.train import Chosen, best_model, log_probs, train
from steno_models.crossmodal.graphemes.words import Scored, Vocabulary, fitted, stretches
from steno_models.crossmodal.low_resource.config import OWN, TEXTS, LowResource
from steno_models.errors import DataError
from steno_models.text.letters import plain
from steno_models.text.wer import character_error_rate, word_alignments, word_error_rate
from steno_models.training.feature_cache import Features, JoinedFeatures, Recipe, cached_features
from steno_models.training.manifest import read_manifest
from steno_models.training.utterance import Utterance


class LettersRow(Struct, frozen=True, kw_only=True):
    """What transcripts of some minutes are worth. Rates in percent.

    Attributes:
        name: of the row.
        minutes: that were transcribed.
        steps: of the training.
        cer: of characters, as they are spelled.
        spelled: of words, as they are spelled.
        known: of words, where those of the vocabulary are preferred.
        low: end of the 95 % interval of `known`.
        high: likewise.
        vocabulary: words.
        unseen: words of the dev speech that no transcript has.
        unseen_right: of them, percent that were recognised.
    """

    name: str
    minutes: float
    steps: int
    cer: float
    spelled: float
    known: float
    low: float
    high: float
    vocabulary: int
    unseen: int
    unseen_right: float


class _Part(NamedTuple):
    """Transcribed speech: recordings to learn from and those held out."""

    utterances: list[Utterance]
    learnt: list[int]
    held: list[int]


def measure(recipe: LowResource, name: str) -> LettersRow:
    """Return the row of that name; what is trained already is not trained again.

    Raises:
        DataError: there is too little speech, or no text beyond the transcripts for (c).
    """
    minutes, kind = name.split("-")
    order = _order(read_manifest(recipe.train), recipe.seed)
    part = _transcribed(order, float(minutes), recipe)
    texts = [plain(each.text) for each in part.utterances]
    beyond = [plain(each.text) for each in order[len(texts) :]] if kind == TEXTS else []
    if kind == TEXTS and not beyond:
        raise DataError(f"{name}: expected texts beyond the transcripts, found none")
    dev = read_manifest(recipe.dev)
    extract = stacked_frames if kind == OWN else EncoderSteps(recipe.encoder)
    features, dev_features = (
        _steps(own, recipe, Recipe(extract)) for own in (part.utterances, dev)
    )
    alphabet = Alphabet.of(texts)
    run = recipe.folder / f"{minutes}-{OWN if kind == OWN else 'transfer'}"
    learnt, held_out = (
        (Chosen(features, own), [texts[n] for n in own]) for own in (part.learnt, part.held)
    )
    train(run, learnt, held_out, alphabet, recipe.letters)
    model = best_model(run, features, alphabet, recipe.letters)

    def heard(own: Features, places: Sequence[int], words: Vocabulary) -> list[list[Scored]]:
        scores = [log_probs(model, own, place) for place in places]
        return [[words.scored(each, s) for s in stretches(each, alphabet)] for each in scores]

    judged = Vocabulary([texts[n] for n in part.learnt] + beyond, alphabet)
    held = heard(features, part.held, judged)
    prior = fitted(
        {str(n): own for n, own in zip(part.held, held, strict=True)},
        {str(n): texts[n] for n in part.held},
    )
    words = Vocabulary(texts + beyond, alphabet)
    found = heard(dev_features, range(len(dev)), words)
    spelled = [" ".join(each.spelled for each in own) for own in found]
    chosen = [" ".join(each.best(prior) for each in own) for own in found]
    return _row(name, recipe, [plain(each.text) for each in dev], (spelled, chosen), (texts, words))


def _row(
    name: str,
    recipe: LowResource,
    said: list[str],
    heard: tuple[list[str], list[str]],
    known: tuple[list[str], Vocabulary],
) -> LettersRow:
    spelled, chosen = heard
    transcripts, words = known
    seen = {word for text in transcripts for word in text.split()}
    pairs = [pair for each in word_alignments(said, chosen) for pair in each.pairs]
    unseen = [(word, other) for word, other in pairs if word is not None and word not in seen]
    rate = word_error_rate(said, chosen)
    return LettersRow(
        name=name, minutes=float(name.partition("-")[0]), steps=recipe.letters.total_steps,
        cer=100 * character_error_rate(said, spelled).rate,
        spelled=100 * word_error_rate(said, spelled).rate,
        known=100 * rate.rate, low=100 * rate.low, high=100 * rate.high,
        vocabulary=len(words.words), unseen=len(unseen),
        unseen_right=100 * sum(a == b for a, b in unseen) / max(1, len(unseen)),
    )  # fmt: skip


def _order(utterances: Sequence[Utterance], seed: int) -> list[Utterance]:
    """Return `utterances` by chance; less transcripts are always part of more."""
    return sorted(utterances, key=lambda u: (zlib.crc32(f"{seed} {u.key}".encode()), u.key))


def _transcribed(order: Sequence[Utterance], minutes: float, recipe: LowResource) -> _Part:
    """Return the first `minutes` of `order`, the first recordings of which are held out."""
    seconds, found = 0.0, []
    for each in order:
        if seconds + each.duration_s > 60 * minutes + 1e-6:
            break
        found.append(each)
        seconds += each.duration_s
    held = round(recipe.held_out * len(found))
    if held < 1:
        raise DataError(
            f"expected transcripts enough to hold out a share of {recipe.held_out:g}, "
            f"found {len(found)} recordings in {minutes:g} minutes"
        )
    return _Part(found, list(range(held, len(found))), list(range(held)))


_AT_ONCE = 100  # recordings: what is computed when an interruption comes is not lost


def _steps(utterances: Sequence[Utterance], recipe: LowResource, made: Recipe) -> Features:
    parts = [utterances[n : n + _AT_ONCE] for n in range(0, len(utterances), _AT_ONCE)]
    return JoinedFeatures(
        [cached_features(each, recipe.cache, recipe=made, processes=1) for each in parts]
    )
