"""Time-synchronous beam search of a transducer (Saon et al. 2020), many streams at once.

At each encoder step hypotheses may emit up to k labels; what emits the blank waits for the next
step. Hypotheses with the same labels are one, their probabilities added, so with a beam that drops
nothing scores are sums over all alignments of at most k labels a step. Predictor and joiner are run
for the hypotheses of all streams together, and only for texts that are new.

A stream's state is a value; splitting its steps over calls makes no difference.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steno_models.errors import ConfigError, DataError
from steno_models.rnnt.fusion import Fusion
from steno_models.rnnt.hypothesis import Hypothesis, Token
from steno_models.rnnt.memory import Rows, first_row, following_rows, joined
from steno_models.rnnt.model import TransducerModel
from steno_models.search.fusion import ScorerState

_DoubleArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """How wide to search.

    Attributes:
        beam: hypotheses kept from step to step.
        max_symbols: k, most labels at one encoder step.
        max_drop: hypotheses so many nats below the best are dropped.
        candidates: next labels of a hypothesis that the language model is asked about: the best
            ones without it.
        fusion: the language models.
    """

    beam: int = 6
    max_symbols: int = 3
    max_drop: float = 12.0
    candidates: int = 16
    fusion: Fusion = field(default_factory=Fusion)

    def __post_init__(self) -> None:
        for name in ("beam", "max_symbols", "max_drop", "candidates"):
            value = getattr(self, name)
            if not value > 0:
                raise ConfigError(f"expected {name} above 0, found {value}")


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """A hypothesis on its way: its labels are those that all have in common, and `labels`.

    Attributes:
        labels: ids, those of `tokens`.
        tokens: with their times on the likeliest alignment.
        log_prob: of the transducer, over all alignments.
        added: what language models and label scores add to it.
        language: the scorer's state.
        row: of the predictor's side.
    """

    labels: tuple[int, ...]
    tokens: tuple[Token, ...]
    log_prob: float
    added: float
    language: ScorerState
    row: int

    @property
    def score(self) -> float:
        """What paths are ranked by."""
        return self.log_prob + self.added


@dataclass(frozen=True, slots=True, eq=False)
class SearchState:
    """Where a search stands.

    Attributes:
        step: how many encoder steps it has seen.
        settled: the labels that all hypotheses begin with: nothing can change them.
        paths: the hypotheses, best first.
        rows: the predictor's side of each.
    """

    step: int
    settled: tuple[Token, ...]
    paths: tuple[Path, ...]
    rows: Rows


class TransducerSearch:
    """A beam search with one transducer and one language model.

    Args:
        model: the transducer.
        options: how wide to search and how to weigh.
    """

    def __init__(self, model: TransducerModel, options: SearchOptions | None = None) -> None:
        self._model = model
        self._options = options or SearchOptions()
        self._fusion = self._options.fusion
        self._internal = self._fusion.internal_weight > 0

    @torch.inference_mode()
    def start(self) -> SearchState:
        """Return the state before the first step."""
        scorer = self._fusion.scorer
        language = None if scorer is None else scorer.start()
        path = Path((), (), 0.0, 0.0, language, 0)
        return SearchState(0, (), (path,), first_row(self._model, internal=self._internal))

    @torch.inference_mode()
    def step(self, work: Sequence[tuple[Tensor, SearchState]]) -> list[SearchState]:
        """Return each stream's state after its new encoder steps, (S, D), any S.

        Raises:
            DataError: the steps are not numbers.
        """
        if not work:
            return []
        encoded = [self._model.joiner.encoder(steps) for steps, _ in work]
        if not all(bool(x.isfinite().all()) for x in encoded):
            raise DataError("expected encoder steps of finite numbers, found others")
        beams, rows = _together([state for _, state in work])
        for t in range(max(map(len, encoded))):
            streams = [i for i, x in enumerate(encoded) if t < len(x)]
            at = [work[i][1].step + t for i in streams]
            now = torch.stack([encoded[i][t] for i in streams])
            after, rows = self._one_step(now, at, [beams[i] for i in streams], rows)
            for i, beam in zip(streams, after, strict=True):
                beams[i] = beam
            beams, rows = _compacted(beams, rows)
        return [
            _settled(state, beam, rows, len(x))
            for (_, state), beam, x in zip(work, beams, encoded, strict=True)
        ]

    def best(self, state: SearchState) -> Hypothesis:
        """Return the likeliest labels so far."""
        return _hypothesis(state, state.paths[0], 0.0)

    def stable_tokens(self, state: SearchState) -> int:
        """Return how many leading labels of `best` no later step can change."""
        return len(state.settled)

    def finish(self, state: SearchState, n_best: int = 1) -> list[Hypothesis]:
        """Return up to `n_best` different label sequences, best first, the sentence ending here."""
        found = [_hypothesis(state, path, self._end_score(path)) for path in state.paths]
        return sorted(found, key=lambda each: -each.log_score)[:n_best]

    def _end_score(self, path: Path) -> float:
        scorer = self._fusion.scorer
        return 0.0 if scorer is None else self._fusion.weight * scorer.end(path.language)

    def _one_step(
        self, encoded: Tensor, at: Sequence[int], beams: list[list[Path]], rows: Rows
    ) -> tuple[list[list[Path]], Rows]:
        """Return the beams of some streams after one encoder step of each, (streams, J)."""
        waiting: list[dict[tuple[int, ...], Path]] = [{} for _ in beams]
        current = beams
        for emitted in range(self._options.max_symbols + 1):
            flat = [(i, path) for i, paths in enumerate(current) for path in paths]
            if not flat:
                break
            log_probs = self._log_probs(encoded, flat, rows)
            for (i, path), row in zip(flat, log_probs, strict=True):
                _merge(waiting[i], replace(path, log_prob=path.log_prob + float(row[0])))
            if emitted == self._options.max_symbols:
                break
            current = _split(
                [
                    (i, found)
                    for i, paths, first in _firsts(current)
                    for found in self._expanded(
                        paths, log_probs[first : first + len(paths)], rows, at[i], waiting[i]
                    )
                ],
                len(beams),
            )
            current, rows = self._with_rows(current, rows)
        return [self._pruned(list(each.values())) for each in waiting], rows

    def _log_probs(
        self, encoded: Tensor, flat: Sequence[tuple[int, Path]], rows: Rows
    ) -> _DoubleArray:
        """Return (paths, V) ln p(token) for paths with their streams."""
        logits = self._model.joiner(
            encoded[[i for i, _ in flat]], rows.outputs[[path.row for _, path in flat]]
        )
        found: _DoubleArray = torch.log_softmax(logits.double(), dim=-1).cpu().numpy()
        return found

    def _expanded(
        self,
        paths: Sequence[Path],
        log_probs: _DoubleArray,
        rows: Rows,
        step: int,
        waiting: dict[tuple[int, ...], Path],
    ) -> list[Path]:
        """Return the best paths with one more label, still with their parents' rows.

        Args:
            paths: of one stream.
            log_probs: (paths, V) ln p(token) of each.
            rows: the predictor's side.
            step: the encoder step.
            waiting: paths that are done with it; what falls behind them is dropped.
        """
        gains = log_probs[:, 1:] + self._fusion.label_score
        if self._internal:
            known = rows.internal[[path.row for path in paths]].double().cpu().numpy()[:, 1:]
            gains = gains - self._fusion.internal_weight * known
        scores = gains + np.array([[path.score] for path in paths])
        floor = self._floor(list(waiting.values()))
        found = []
        for k, label in self._chosen(scores, floor):
            path, log_prob = paths[k], float(log_probs[k, label + 1])
            language, added = self._asked(path, label + 1)
            found.append(
                Path(
                    (*path.labels, label + 1),
                    (*path.tokens, Token(label + 1, step, log_prob)),
                    path.log_prob + log_prob,
                    path.added + float(gains[k, label]) - log_prob + added,
                    language,
                    path.row,
                )
            )
        return [path for path in self._pruned(found) if path.score >= floor]

    def _chosen(self, scores: _DoubleArray, floor: float) -> list[tuple[int, int]]:
        """Return (path, label) of what is worth a look at, given (paths, labels) scores."""
        if self._fusion.scorer is None:
            kept = min(self._options.beam, scores.size)
            flat = np.argpartition(-scores, kept - 1, axis=None)[:kept]
            pairs = np.stack(np.unravel_index(flat, scores.shape), 1)
        else:
            kept = min(self._options.candidates, scores.shape[1])
            best = np.argpartition(-scores, kept - 1, axis=1)[:, :kept]
            pairs = np.stack((np.repeat(np.arange(len(scores)), kept), best.reshape(-1)), 1)
        return [(int(k), int(label)) for k, label in pairs if scores[k, label] >= floor]

    def _asked(self, path: Path, label: int) -> tuple[ScorerState, float]:
        """Return the scorer's state after `label` and what it adds to the score."""
        if self._fusion.scorer is None:
            return None, 0.0
        language, log_prob = self._fusion.scorer.advance(path.language, label)
        return language, self._fusion.weight * log_prob

    def _floor(self, paths: Sequence[Path]) -> float:
        """Return the score below which a path would not be kept beside `paths`."""
        scores = sorted((path.score for path in paths), reverse=True)
        worst = scores[self._options.beam - 1] if len(scores) >= self._options.beam else -np.inf
        return max(worst, scores[0] - self._options.max_drop)

    def _pruned(self, paths: list[Path]) -> list[Path]:
        """Return the best of `paths`, best first."""
        if not paths:
            return []
        best = sorted(paths, key=lambda path: -path.score)[: self._options.beam]
        return [path for path in best if path.score >= best[0].score - self._options.max_drop]

    def _with_rows(self, current: list[list[Path]], rows: Rows) -> tuple[list[list[Path]], Rows]:
        """Return the paths with rows of their own, made in one go from those of their parents."""
        flat = [path for paths in current for path in paths]
        if not flat:
            return current, rows
        parents = rows.states[[path.row for path in flat]]
        tokens = torch.tensor([path.labels[-1] for path in flat], device=parents.device)
        fresh = following_rows(self._model, parents, tokens, internal=self._internal)
        number = iter(range(len(rows), len(rows) + len(flat)))
        renamed = [[replace(path, row=next(number)) for path in paths] for paths in current]
        return renamed, joined([rows, fresh])


def _merge(waiting: dict[tuple[int, ...], Path], path: Path) -> None:
    """Put `path` among those that wait, as one with any of the same labels."""
    other = waiting.get(path.labels)
    if other is not None:
        likelier = max(path, other, key=lambda each: each.log_prob)
        both = float(np.logaddexp(path.log_prob, other.log_prob))
        path = replace(likelier, log_prob=both)
    waiting[path.labels] = path


def _firsts(current: Sequence[Sequence[Path]]) -> list[tuple[int, Sequence[Path], int]]:
    """Return streams that have paths, with these and where they begin among all."""
    begins = np.cumsum([0, *map(len, current)])
    return [(i, paths, int(begins[i])) for i, paths in enumerate(current) if paths]


def _split(found: Sequence[tuple[int, Path]], streams: int) -> list[list[Path]]:
    """Return the paths of each stream."""
    return [[path for i, path in found if i == stream] for stream in range(streams)]


def _together(states: Sequence[SearchState]) -> tuple[list[list[Path]], Rows]:
    """Return the paths of all `states`, with rows among those of all."""
    rows = joined([state.rows for state in states])
    begins = np.cumsum([0, *(len(state.rows) for state in states)])
    return [
        [replace(path, row=path.row + int(begin)) for path in state.paths]
        for state, begin in zip(states, begins, strict=False)
    ], rows


def _compacted(beams: list[list[Path]], rows: Rows) -> tuple[list[list[Path]], Rows]:
    """Return the same with only those rows that some path needs."""
    used = sorted({path.row for beam in beams for path in beam})
    if len(used) == len(rows):
        return beams, rows
    place = {row: i for i, row in enumerate(used)}
    renamed = [[replace(path, row=place[path.row]) for path in beam] for beam in beams]
    return renamed, rows.take(used)


def _settled(state: SearchState, beam: list[Path], rows: Rows, steps: int) -> SearchState:
    """Return the state with `beam` after `steps` more; what all begin with is settled."""
    depth = _shared(beam)
    kept = rows.take([path.row for path in beam])
    paths = tuple(
        replace(path, labels=path.labels[depth:], tokens=path.tokens[depth:], row=i)
        for i, path in enumerate(beam)
    )
    return SearchState(state.step + steps, state.settled + beam[0].tokens[:depth], paths, kept)


def _shared(beam: Sequence[Path]) -> int:
    """Return how many leading labels all paths share."""
    columns = zip(*(path.labels for path in beam), strict=False)
    return next(
        (i for i, labels in enumerate(columns) if len(set(labels)) > 1),
        min(len(path.labels) for path in beam),
    )


def _hypothesis(state: SearchState, path: Path, end_score: float) -> Hypothesis:
    return Hypothesis(state.settled + path.tokens, path.log_prob, path.score + end_score)
