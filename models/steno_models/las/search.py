"""Beam search of a speller, many utterances at once, with CTC and language models beside it.

    ln p(y) = (1 − λ) ln p_speller(y | x) + λ ln p_CTC(y … | x) + γ ln p_LM(y) + ρ |y|

Label by label: all hypotheses of a beam are equally long, CTC counts what may follow (Hori et al.
2017, §3.2; Watanabe et al. 2017) until a text has ended, and an end is one more label that is
among the best or is not. Ended texts are ranked by `ranking.py`; a beam goes on until none of its
hypotheses can come before those that have ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from steno_models.errors import ConfigError, DataError
from steno_models.las.model import Encoded, LasModel
from steno_models.las.prefix import Prefix, PrefixScorer
from steno_models.las.ranking import Ranking
from steno_models.las.speller import END
from steno_models.search.fusion import ScorerState, ShallowFusion

_DoubleArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """How wide to search, and by what.

    Attributes:
        beam: hypotheses kept from label to label.
        ctc_weight: λ; with 0 CTC is not asked, with 1 the speller only looks.
        fusion: the language model.
        ranking: of ended texts.
        candidates: next labels of a hypothesis that the language model is asked about: the best
            ones without it.
        max_drop: hypotheses so many nats below the best of their length, or of the ended ones, are
            dropped.
        labels_per_step: no text has more labels than that for each encoder step.
    """

    beam: int = 8
    ctc_weight: float = 0.3
    fusion: ShallowFusion = field(default_factory=ShallowFusion)
    ranking: Ranking = field(default_factory=Ranking)
    candidates: int = 16
    max_drop: float = 20.0
    labels_per_step: float = 1.0

    def __post_init__(self) -> None:
        for name in ("beam", "candidates", "max_drop", "labels_per_step"):
            value = getattr(self, name)
            if not value > 0:
                raise ConfigError(f"expected {name} above 0, found {value}")
        if not 0 <= self.ctc_weight <= 1:
            raise ConfigError(f"expected 0 <= ctc_weight <= 1, found {self.ctc_weight}")


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A text that has ended.

    Attributes:
        tokens: ids, without the end.
        spelling_log_prob: ln p(text | sound) by the speller.
        ctc_log_prob: likewise by CTC; 0 where it was not asked.
        log_score: of all models together.
        score: what hypotheses are ranked by.
    """

    tokens: tuple[int, ...]
    spelling_log_prob: float
    ctc_log_prob: float
    log_score: float
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class _Path:
    """A text that has not ended.

    Attributes:
        tokens: its labels.
        spelling: ln p by the speller.
        added: by language model and label scores.
        score: of all together.
        prefix: CTC's side, None where it is not asked.
        language: the language model's side.
    """

    tokens: tuple[int, ...]
    spelling: float
    added: float
    score: float
    prefix: Prefix | None
    language: ScorerState


@dataclass(frozen=True, slots=True)
class _Candidate:
    """The label `token` after path number `row`, with its scores."""

    row: int
    token: int
    spelling: float
    ctc: float
    added: float
    score: float
    language: ScorerState


@dataclass(slots=True, eq=False)
class _Beam:
    """The hypotheses of one utterance.

    Attributes:
        paths: those that go on.
        ended: the best of those that have ended, best first.
        most: labels that a text may have.
        scorer: CTC's side.
    """

    paths: list[_Path]
    ended: list[Hypothesis]
    most: int
    scorer: PrefixScorer | None


class LasSearch:
    """Searches with `model`; it has no state of its own."""

    def __init__(self, model: LasModel, options: SearchOptions | None = None) -> None:
        self._model = model
        self._options = options or SearchOptions()

    @torch.inference_mode()
    def search(self, encoded: Encoded, n_best: int = 1) -> list[list[Hypothesis]]:
        """Return up to `n_best` texts of each utterance, best first.

        An utterance without encoder steps has one: without labels, and certain.

        Raises:
            DataError: the steps are not numbers.
        """
        if not bool(encoded.steps.isfinite().all()):
            raise DataError("expected encoder steps of finite numbers, found others")
        beams = self._beams(encoded)
        memory = self._model.memory(encoded)
        device = encoded.steps.device
        state = self._model.speller.start(memory)
        looked = torch.zeros_like(state.weights)
        while any(beam.paths for beam in beams):
            tokens = torch.tensor(_last_tokens(beams), device=device)
            logits, state = self._model.speller.step(tokens, state, memory)
            looked = looked + state.weights
            log_probs = logits.double().log_softmax(dim=-1).cpu().numpy()
            weights = looked.double().cpu().numpy()
            kept = [
                self._advance(beam, log_probs[i], weights[i, :, : int(S)], n_best)
                for i, (beam, S) in enumerate(zip(beams, encoded.lengths, strict=True))
            ]
            width = max(1, *map(len, kept))
            rows = torch.tensor([[*row, *([0] * (width - len(row)))] for row in kept])
            state = state.take(rows.to(device))
            looked = looked[torch.arange(len(rows), device=device).unsqueeze(1), rows.to(device)]
        return [beam.ended[:n_best] for beam in beams]

    def _beams(self, encoded: Encoded) -> list[_Beam]:
        """Return the beams before the first label."""
        options, fusion = self._options, self._options.fusion
        language = fusion.scorer.start() if fusion.scorer else None
        ctc = options.ctc_weight > 0
        log_probs = self._model.ctc_log_probs(encoded.steps).double().cpu().numpy() if ctc else None
        beams = []
        for i, length in enumerate(encoded.lengths):
            S = int(length)
            if S == 0:
                beams.append(_Beam([], [Hypothesis((), 0.0, 0.0, 0.0, 0.0)], 0, None))
                continue
            scorer = None if log_probs is None else PrefixScorer(log_probs[i, :S])
            prefix = scorer.start() if scorer else None
            most = max(1, round(options.labels_per_step * S))
            beams.append(_Beam([_Path((), 0.0, 0.0, 0.0, prefix, language)], [], most, scorer))
        return beams

    def _advance(
        self, beam: _Beam, log_probs: _DoubleArray, looked: _DoubleArray, n_best: int
    ) -> list[int]:
        """Take `beam` one label further; return the number of the path that each came from.

        Args:
            beam: its K paths are replaced.
            log_probs: (K or more, V) by the speller.
            looked: (K or more, S) the sums of each path's weights.
            n_best: how many texts are asked for.
        """
        if not beam.paths:
            return []
        candidates = self._candidates(beam, log_probs)
        for one in candidates:
            if one.token == END:
                beam.ended.append(self._ended(beam.paths[one.row], one, looked[one.row]))
        beam.ended.sort(key=lambda each: -each.score)
        del beam.ended[max(n_best, self._options.beam) :]
        going = [one for one in candidates if one.token != END]
        if len(beam.paths[0].tokens) >= beam.most:
            going = []
        going = self._promising(beam, going, n_best)
        beam.paths = [self._followed(beam, one) for one in going]
        return [one.row for one in going]

    def _candidates(self, beam: _Beam, log_probs: _DoubleArray) -> list[_Candidate]:
        """Return the best labels and ends that follow, best first."""
        options, K = self._options, len(beam.paths)
        spelling = log_probs[:K] + np.array([[path.spelling] for path in beam.paths])
        ctc = self._ctc(beam, spelling.shape[1])
        added = np.array([[path.added] for path in beam.paths]) + np.where(
            np.arange(spelling.shape[1]) == END, 0.0, options.fusion.label_score
        )
        scores = _mixed(spelling, ctc, options.ctc_weight) + added
        if len(beam.paths[0].tokens) >= beam.most:
            scores[:, END + 1 :] = -np.inf  # only ends are left
        found = []
        for row, token in self._worth_asking(scores):
            language, known = self._asked(beam.paths[row], token)
            found.append(
                _Candidate(
                    row,
                    token,
                    float(spelling[row, token]),
                    float(ctc[row, token]),
                    float(added[row, token]) + known,
                    float(scores[row, token]) + known,
                    language,
                )
            )
        found.sort(key=lambda each: -each.score)
        return found[: options.beam]

    def _ctc(self, beam: _Beam, tokens: int) -> _DoubleArray:
        """Return (K, V) ln p of each path with each label more, and of each path that ends."""
        found = np.zeros((len(beam.paths), tokens))
        if beam.scorer is None:
            return found
        for row, path in zip(found, beam.paths, strict=True):
            if path.prefix is None:
                raise AssertionError("a beam with a scorer has prefixes")
            row[:] = beam.scorer.following(path.prefix)
            row[END] = beam.scorer.end(path.prefix)
        return found

    def _worth_asking(self, scores: _DoubleArray) -> list[tuple[int, int]]:
        """Return (path, token) of what is worth a look at, given (K, V) scores."""
        if self._options.fusion.scorer is None:
            kept = min(self._options.beam, scores.size)
            flat = np.argpartition(-scores, kept - 1, axis=None)[:kept]
            pairs = np.stack(np.unravel_index(flat, scores.shape), 1)
        else:
            kept = min(self._options.candidates, scores.shape[1])
            best = np.argpartition(-scores, kept - 1, axis=1)[:, :kept]
            pairs = np.stack((np.repeat(np.arange(len(scores)), kept), best.reshape(-1)), 1)
        return [(int(row), int(token)) for row, token in pairs if scores[row, token] > -np.inf]

    def _asked(self, path: _Path, token: int) -> tuple[ScorerState, float]:
        """Return the language model's state after `token` and what it adds to the score."""
        fusion = self._options.fusion
        if fusion.scorer is None:
            return None, 0.0
        if token == END:
            return path.language, fusion.weight * fusion.scorer.end(path.language)
        language, log_prob = fusion.scorer.advance(path.language, token)
        return language, fusion.weight * log_prob

    def _ended(self, path: _Path, end: _Candidate, looked: _DoubleArray) -> Hypothesis:
        score = self._options.ranking.score(end.score, len(path.tokens) + 1, looked)
        return Hypothesis(path.tokens, end.spelling, end.ctc, end.score, score)

    def _promising(self, beam: _Beam, going: list[_Candidate], n_best: int) -> list[_Candidate]:
        """Return those that can still come before what has ended, and are not far behind."""
        options = self._options
        if not going:
            return []
        best = max([going[0].score, *(one.log_score for one in beam.ended)])
        near = [one for one in going if one.score >= best - options.max_drop]
        if len(beam.ended) < n_best:
            return near
        length = len(beam.paths[0].tokens) + 2  # with this label and the end
        longest = beam.most + 1
        gain = max(0.0, options.fusion.label_score) * (longest - length)
        to_beat = beam.ended[n_best - 1].score
        return [
            one
            for one in near
            if options.ranking.highest(one.score + gain, (length, longest)) > to_beat
        ]

    def _followed(self, beam: _Beam, one: _Candidate) -> _Path:
        path = beam.paths[one.row]
        prefix = None
        if beam.scorer is not None and path.prefix is not None:
            prefix = beam.scorer.extend(path.prefix, one.token)
        return _Path(
            (*path.tokens, one.token), one.spelling, one.added, one.score, prefix, one.language
        )


def _mixed(spelling: _DoubleArray, ctc: _DoubleArray, weight: float) -> _DoubleArray:
    """Return both under `weight`; one without any is not asked, even where it says -inf."""
    if weight == 0:
        return spelling
    if weight == 1:
        return ctc
    return (1 - weight) * spelling + weight * ctc


def _last_tokens(beams: Sequence[_Beam]) -> list[list[int]]:
    """Return the last token of each path, as many for each beam as the widest one has."""
    width = max(len(beam.paths) for beam in beams)
    found = []
    for beam in beams:
        tokens = [path.tokens[-1] if path.tokens else END for path in beam.paths]
        found.append(tokens + [END] * (width - len(tokens)))
    return found
