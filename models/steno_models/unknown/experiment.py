"""The trial as a whole: words are taken away, weights fitted on one half, figures of the other."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from steno_models.lexicon_recogniser import LexiconRecogniser
from steno_models.recogniser import LanguageModel
from steno_models.search.hypothesis import SearchWord
from steno_models.search.pronunciations import Pronunciations
from steno_models.text.g2p import G2P
from steno_models.text.lexicon import Lexicon
from steno_models.text.tokens import TokenTable
from steno_models.unknown.confirming import is_among, ways_of, with_words
from steno_models.unknown.figures import (
    Heard,
    Named,
    Truth,
    best_by,
    best_stretch,
    chosen,
    figures,
    fit_detection,
    fit_parts,
)
from steno_models.unknown.proposer import Found, UnknownWords
from steno_models.unknown.trial import (
    Said,
    Utterance,
    is_hit,
    located,
    recognised,
    without,
)
from steno_models.unknown.trial import chosen as words_to_remove
from steno_models.unknown.vocabulary import CandidateVocabulary
from steno_models.unknown.weights import DETECTION, PARTS, Weights, confusions

GENERAL = "general"
_WAYS = 3
_BOOSTS = (0.0, 3.0, 5.0)
_START = (0.6, 0.45, 1.4, 0.0, 0.0)
_SHORTLIST = 200
_EVERY = 4


class Confirmed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of words that somebody confirmed, said again later."""

    boost: float
    said: int
    right: int

    @property
    def share(self) -> float:
        """Share of later occurrences that were recognised."""
        return self.right / max(1, self.said)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a trial."""

    removed: int
    counted: int
    candidates: int
    unknown: int
    hits: int
    precision: float
    recall: float
    f1: float
    false_alarms_per_hundred: float
    first: float
    five: float
    cost_p50_ms: float
    cost_p95_ms: float
    alone: tuple[tuple[str, float, float], ...]
    confirmed: tuple[Confirmed, ...]


@dataclass(slots=True)
class Experiment:
    """One trial.

    Attributes:
        vocabulary: of candidates.
        folder: where it is.
        utterances: speech.
        model: the language model without the words.
        lexicon: the words that are left.
        tune: words taken away to fit on.
        test: words taken away to report on.
        symbols: of the acoustic model.
        said: where the words of each utterance are.
        words: that are recognised in each.
    """

    vocabulary: CandidateVocabulary
    folder: Path
    utterances: list[Utterance]
    model: LanguageModel
    lexicon: frozenset[str]
    tune: frozenset[str]
    test: frozenset[str]
    symbols: tuple[str, ...]
    said: list[list[Said]]
    words: list[tuple[SearchWord, ...]]
    costs_ms: list[float] = field(default_factory=list)
    """Of each stretch, in milliseconds of processor time, when it was last heard."""

    @classmethod
    def of(
        cls,
        path: Path,
        first: LexiconRecogniser,
        utterances: list[Utterance],
        folder: Path,
        *,
        number: int,
        seed: int,
    ) -> "Experiment":
        """Take words away and recognise.

        Args:
            path: of the bundle.
            first: its first pass.
            utterances: speech.
            folder: of candidates.
            number: of words to take away.
            seed: of their choice.

        Raises:
            DataError: there are too few words.
        """
        vocabulary = CandidateVocabulary.open(folder)
        table, full = TokenTable.read(path / "tokens.txt"), first.language_models[GENERAL]
        order = np.argsort(-vocabulary.counts, kind="stable")[:1_000]
        common = [vocabulary.spelling(word) for word in order.tolist()]
        tune, test = words_to_remove(utterances, set(full.words), common, number, seed)
        lexicon = Pronunciations.read(path / "lm" / f"{GENERAL}.lexicon.txt", full.words,
                                      table.symbols)  # fmt: skip
        removed = {*tune, *test}
        model = without(full, lexicon, removed)
        ways = _ways(utterances, table)
        return cls(
            vocabulary, folder, utterances, model, frozenset(full.words) - removed,
            frozenset(tune), frozenset(test), table.symbols,
            [located(one, ways) for one in utterances],
            [recognised(model, one.log_probs) for one in utterances],
        )  # fmt: skip

    def fitted(self) -> Weights:
        """Return weights fitted on the words to tune on.

        Raises:
            DataError: hardly any of them are found.
        """
        costs = confusions([one.log_probs for one in self.utterances[::_EVERY]])
        weights = Weights(
            symbols=self.symbols,
            detection=(0.0,) * len(DETECTION),
            threshold=0.0,
            parts=_START,
            confusion=tuple(tuple(row) for row in costs.tolist()),
        )
        truth = Truth(self.lexicon, self.tune)
        parts = fit_parts(self.named(weights, self.heard(weights), truth), _used(PARTS[:-1]))
        weights = msgspec.structs.replace(weights, parts=tuple(parts.tolist()))
        best = fit_detection(self.heard(weights), truth)
        return msgspec.structs.replace(
            weights,
            detection=tuple(best.detection.tolist()),
            threshold=best.threshold,
            screen=tuple(best.screen.tolist()),
            screen_threshold=best.screen_threshold,
        )

    def heard(self, weights: Weights) -> list[Heard]:
        """Return what is found in the utterances."""
        finder = self._finder(weights)
        found: list[Heard] = []
        self.costs_ms.clear()
        for one, said, words in zip(self.utterances, self.said, self.words, strict=True):
            began_s = time.thread_time()
            stretches = finder.measured(one.log_probs, words, self.model)
            took_ms = 1e3 * (time.thread_time() - began_s)
            self.costs_ms += [took_ms / max(1, len(stretches))] * len(stretches)
            found.append(Heard(said, stretches))
        return found

    def named(self, weights: Weights, heard: Sequence[Heard], truth: Truth) -> list[Named]:
        """Return the words that count, each with all candidates for where it was said."""
        finder = self._finder(weights)
        best = [
            (said.word, best_stretch(one, said))
            for one in heard
            for said in one.said
            if truth.is_counted(said)
        ]
        return [
            Named(word, finder.candidates(one.heard, self.model, _SHORTLIST))
            for word, one in best
            if one is not None
        ]

    def _finder(self, weights: Weights) -> UnknownWords:
        finder = UnknownWords(self.vocabulary, weights)
        finder.known(self.model)
        return finder

    def report(self, *, confirm: bool) -> Report:
        """Return the figures of the words to report on, by the weights beside the vocabulary.

        Args:
            confirm: whether to let somebody say what the words are, and to look whether they are
                recognised from then on; recognises much again.

        Raises:
            DataError: nobody fitted weights.
        """
        weights = Weights.read(self.folder)
        heard = self.heard(weights)
        costs = list(self.costs_ms)
        truth = Truth(self.lexicon, self.test)
        detection = np.array(weights.detection)
        found = figures(heard, truth, detection, weights.threshold)
        named = self.named(weights, heard, truth)
        events = [chosen(one.found, detection, weights.threshold) for one in heard]
        return Report(
            removed=len(self.tune) + len(self.test),
            counted=len(self.test),
            candidates=len(self.vocabulary),
            unknown=found.unknown,
            hits=found.hits,
            precision=found.precision,
            recall=found.recall,
            f1=found.f1,
            false_alarms_per_hundred=found.false_alarms_per_hundred,
            first=found.first / max(1, found.hits),
            five=found.five / max(1, found.hits),
            cost_p50_ms=float(np.percentile(costs, 50)) if costs else 0.0,
            cost_p95_ms=float(np.percentile(costs, 95)) if costs else 0.0,
            alone=tuple((PARTS[part], *best_by(named, part)) for part in range(len(PARTS) - 1)),
            confirmed=tuple(self._confirmed(events, boost) for boost in _BOOSTS if confirm),
        )

    def _confirmed(self, events: Sequence[Sequence[Found]], boost: float) -> Confirmed:
        """Let somebody say what each word is where it is first told of; count it from then on."""
        ways: dict[str, list[tuple[int, ...]]] = {}
        since: dict[str, int] = {}
        for number, (told, said) in enumerate(zip(events, self.said, strict=True)):
            for one in said:
                event = _event_of(told, one)
                if one.word in self.test and one.word not in ways and event is not None:
                    ways[one.word] = ways_of(event, one.word, self.symbols)
                    since[one.word] = number
        model = with_words(self.model, ways, boost)
        total = right = 0
        for number, (utterance, said) in enumerate(zip(self.utterances, self.said, strict=True)):
            later = [one for one in said if since.get(one.word, number) < number]
            if later:
                words = recognised(model, utterance.log_probs)
                total += len(later)
                right += sum(is_among(one, words, model) for one in later)
        return Confirmed(boost=boost, said=total, right=right)


def _event_of(told: Sequence[Found], said: Said) -> Found | None:
    """Return the event that stands where a word was said, None where there is none."""
    there = (one for one in told if is_hit(one.stretch.start, one.stretch.end, said))
    return next(there, None)


def _used(parts: Sequence[str]) -> list[bool]:
    """Return which of `PARTS` are among these."""
    return [part in parts for part in PARTS]


def _ways(utterances: Sequence[Utterance], table: TokenTable) -> dict[str, list[list[int]]]:
    """Return the token ids of the pronunciations of all words that are said."""
    lexicon, g2p = Lexicon.from_cmudict(), G2P.load()
    return {
        word: [table.ids(way) for way in lexicon.pronounce(word, g2p, n_best=_WAYS)]
        for word in {word for one in utterances for word in one.text}
    }
