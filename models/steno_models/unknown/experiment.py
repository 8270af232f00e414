"""The trial as a whole: words are taken away, weights fitted on one half, figures of the other."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from steno_models.lexicon_recogniser import LexiconRecogniser
from steno_models.recogniser import LanguageModel
from steno_models.search.hypothesis import SearchWord
from steno_models.search.pronunciations import Pronunciations
from steno_models.text.g2p import G2P
from steno_models.text.lexicon import Lexicon
from steno_models.text.tokens import TokenTable
from steno_models.unknown.boosting import Boosted, Forest
from steno_models.unknown.candidates import Candidate
from steno_models.unknown.confirming import is_among, ways_of, with_words
from steno_models.unknown.detection import fit_detection
from steno_models.unknown.embedding import SegmentScorer, aligner
from steno_models.unknown.figures import (
    Heard,
    Named,
    Truth,
    best_by,
    best_stretch,
    events,
    figures,
    fit_parts,
    matched,
)
from steno_models.unknown.proposer import UnknownWords
from steno_models.unknown.stretches import Stretch
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
from steno_models.unknown.weights import PARTS, Weights, confusions

DoubleArray = NDArray[np.float64]
GENERAL = "general"
_WAYS = 3
_BOOSTS = (0.0, 3.0, 5.0)
_START = (0.6, 0.45, 1.4, 0.0, 0.0)
_SHORTLIST = 200
_EVERY = 4
_EMBEDDING = "embedding"


class Confirmed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of words that somebody confirmed, said again later."""

    boost: float
    said: int
    right: int

    @property
    def share(self) -> float:
        """Share of later occurrences that were recognised."""
        return self.right / max(1, self.said)


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds of processor time that segments cost once their words stand.

    Attributes:
        segment: of a segment: half cost no more, 95 in 100, all.
        quiet: of a segment in which there is no event, likewise.
        event: of an event: a segment's, shared by its events, likewise.
    """

    segment: tuple[float, ...]
    quiet: tuple[float, ...]
    event: tuple[float, ...]

    @classmethod
    def of(cls, costs: Sequence[tuple[float, int]]) -> "Costs":
        """Return the figures of segments' costs and their numbers of events."""
        return cls(
            segment=_quantiles([ms for ms, _ in costs]),
            quiet=_quantiles([ms for ms, told in costs if not told]),
            event=_quantiles([ms / told for ms, told in costs for _ in range(told)]),
        )


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
    never: tuple[int, int]
    costs: Costs
    alone: tuple[tuple[str, float, float], ...]
    confirmed: tuple[Confirmed, ...]


@dataclass(slots=True)
class Experiment:
    """One trial.

    Attributes:
        vocabulary: of candidates.
        folder: where it is.
        scorer: of meaning; None where there is no aligner beside the candidates.
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
    scorer: SegmentScorer | None
    utterances: list[Utterance]
    model: LanguageModel
    lexicon: frozenset[str]
    tune: frozenset[str]
    test: frozenset[str]
    symbols: tuple[str, ...]
    said: list[list[Said]]
    words: list[tuple[SearchWord, ...]]

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
            vocabulary, folder, aligner(folder, len(table)), utterances, model,
            frozenset(full.words) - removed, frozenset(tune), frozenset(test), table.symbols,
            [located(one, ways) for one in utterances],
            [recognised(model, one.log_probs) for one in utterances],
        )  # fmt: skip

    def fitted(self) -> tuple[Weights, list[DoubleArray]]:
        """Return weights fitted on the words to tune on, and margins as `Fitted` has them.

        Raises:
            DataError: hardly any of them are found.
        """
        costs = confusions([one.log_probs for one in self.utterances[::_EVERY]])
        weights = Weights(
            symbols=self.symbols,
            detection=Boosted(),
            threshold=0.0,
            parts=_START,
            confusion=tuple(tuple(row) for row in costs.tolist()),
        )
        truth = Truth(self.lexicon, self.tune)
        finder = self._finder(weights)
        parts = fit_parts(self.named(finder, self.heard(finder), truth), self._used())
        weights = msgspec.structs.replace(weights, parts=tuple(parts.tolist()))
        best = fit_detection(self.heard(self._finder(weights)), truth)
        weights = msgspec.structs.replace(
            weights, detection=best.detection, threshold=round(best.threshold, 3)
        )
        return weights, best.margins

    def heard(self, finder: UnknownWords) -> list[Heard]:
        """Return what a first look finds in the utterances."""
        return [
            Heard(said, finder.measured(one.log_probs, words, self.model))
            for one, said, words in zip(self.utterances, self.said, self.words, strict=True)
        ]

    def named(self, finder: UnknownWords, heard: Sequence[Heard], truth: Truth) -> list[Named]:
        """Return the words that count, each with all candidates for where it was said."""
        found = []
        for number, one in enumerate(heard):
            for said in filter(truth.is_counted, one.said):
                stretch = best_stretch(one, said)
                if stretch is not None:
                    candidates = self._candidates(finder, number, stretch, _SHORTLIST)
                    found.append(Named(said.word, candidates))
        return found

    def _candidates(
        self, finder: UnknownWords, number: int, stretch: Stretch, most: int = 5
    ) -> tuple[Candidate, ...]:
        log_probs, words = self.utterances[number].log_probs, self.words[number]
        heard = finder.heard(log_probs, words, self.model, stretch)
        return finder.candidates(heard, self.model, most)

    def _used(self) -> list[bool]:
        """Return which of `PARTS` there are."""
        return [part != _EMBEDDING or self.scorer is not None for part in PARTS]

    def _finder(self, weights: Weights) -> UnknownWords:
        finder = UnknownWords(self.vocabulary, weights, self.scorer)
        finder.warm_up(self.model)
        return finder

    def report(self, *, confirm: bool, margins: list[DoubleArray] | None = None) -> Report:
        """Return the figures of the words to report on, by the weights beside the vocabulary.

        Args:
            confirm: whether to let somebody say what the words are, and to look whether they are
                recognised from then on; recognises much again.
            margins: from `fitted`, where the weights were fitted on the same speech.

        Raises:
            DataError: nobody fitted weights.
        """
        weights = Weights.read(self.folder)
        finder = self._finder(weights)
        heard = self.heard(finder)
        truth = Truth(self.lexicon, self.test)
        if margins is None:
            forest = Forest.of(weights.detection)
            margins = [forest(one.looked.features) - weights.threshold for one in heard]
        found, told = figures(heard, truth, margins), events(heard, margins)
        first, five = self._ranks(finder, told, truth)
        named = self.named(finder, heard, truth)
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
            first=first / max(1, found.hits),
            five=five / max(1, found.hits),
            never=self._never(told),
            costs=Costs.of(self.costs_ms(finder)),
            alone=tuple(
                (PARTS[part], *best_by(named, part))
                for part, used in enumerate(self._used())
                if used
            ),
            confirmed=tuple(self._confirmed(finder, told, boost) for boost in _BOOSTS if confirm),
        )

    def _ranks(
        self, finder: UnknownWords, told: Sequence[Sequence[Stretch]], truth: Truth
    ) -> tuple[int, int]:
        """Return how often the first candidate is right, and how often one of five."""
        first = five = 0
        for number, said in enumerate(self.said):
            for event, word in matched(said, told[number], truth):
                if word is not None and truth.is_counted(word):
                    candidates = self._candidates(finder, number, event)
                    names = [candidate.text for candidate in candidates]
                    first += word.word in names[:1]
                    five += word.word in names
        return first, five

    def _never(self, told: Sequence[Sequence[Stretch]]) -> tuple[int, int]:
        """Return how often a word was told of that no lexicon ever held, and how often it was said.

        Those that were taken away are common words; these are as rare as unknown words are.
        """
        truth = Truth(self.lexicon, self.tune | self.test)
        found = [
            word
            for said, one in zip(self.said, told, strict=True)
            for _, word in matched(said, one, truth)
            if word is not None and not truth.is_counted(word)
        ]
        all_said = [one for said in self.said for one in said if truth.is_unknown(one)]
        return len(found), sum(not truth.is_counted(one) for one in all_said)

    def costs_ms(self, finder: UnknownWords) -> list[tuple[float, int]]:
        """Return milliseconds of processor time and the number of events of each segment."""
        found = []
        for one, words in zip(self.utterances, self.words, strict=True):
            began_s = time.thread_time()
            told = finder(one.log_probs, words, self.model)
            found.append((1e3 * (time.thread_time() - began_s), len(told)))
        return found

    def _confirmed(
        self, finder: UnknownWords, told: Sequence[Sequence[Stretch]], boost: float
    ) -> Confirmed:
        """Let somebody say what each word is where it is first told of; count it from then on."""
        ways: dict[str, list[tuple[int, ...]]] = {}
        since: dict[str, int] = {}
        for number, said in enumerate(self.said):
            for one in said:
                event = _event_of(told[number], one)
                if one.word in self.test and one.word not in ways and event is not None:
                    log_probs, words = self.utterances[number].log_probs, self.words[number]
                    heard = finder.heard(log_probs, words, self.model, event)
                    candidates = finder.candidates(heard, self.model, 5)
                    ways[one.word] = ways_of(heard, candidates, one.word, self.symbols)
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


def _event_of(told: Sequence[Stretch], said: Said) -> Stretch | None:
    """Return the event that stands where a word was said, None where there is none."""
    return next((one for one in told if is_hit(one.start, one.end, said)), None)


def _quantiles(costs: Sequence[float]) -> tuple[float, ...]:
    """Return the median, the 95th percentile and the largest."""
    return tuple(np.percentile(costs or [0.0], [50, 95, 100]).round(2).tolist())


def _ways(utterances: Sequence[Utterance], table: TokenTable) -> dict[str, list[list[int]]]:
    """Return the token ids of the pronunciations of all words that are said."""
    lexicon, g2p = Lexicon.from_cmudict(), G2P.load()
    return {
        word: [table.ids(way) for way in lexicon.pronounce(word, g2p, n_best=_WAYS)]
        for word in {word for one in utterances for word in one.text}
    }
