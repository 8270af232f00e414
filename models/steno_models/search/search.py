"""The search's calls: start, step, best, stable words, finish."""

from collections import deque
from collections.abc import Sequence
from copy import copy
from dataclasses import KW_ONLY, dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from steno_models.errors import ConfigError, DataError
from steno_models.lm.ngram.kernels import NgramArrays, read_only, score_sentences
from steno_models.search import nbest
from steno_models.search.added import Rootstock, Ways, scion_of
from steno_models.search.ahead.kernels import (
    Model,
    end_log_probs,
    unigram_ahead,
    unigrams,
)
from steno_models.search.beam.kernels import CONTROL, TABLE, Scratch
from steno_models.search.best.kernels import best_words, posteriors_of
from steno_models.search.hypothesis import Hypothesis, SearchWord
from steno_models.search.kernels import run
from steno_models.search.links import kernels as link_kernels
from steno_models.search.mixture.mixing import Mixing
from steno_models.search.options import SearchOptions
from steno_models.search.phrases.automaton import Phrases, build, none
from steno_models.search.phrases.kernels import PhraseArrays
from steno_models.search.remembering.kernels import AHEAD, Cache
from steno_models.search.state import (
    LINK,
    NO_ALTERNATIVE,
    NO_HISTORIES,
    NO_LINK,
    TOKEN,
    LinkArray,
    SearchState,
    TokenArray,
)
from steno_models.search.topology import Topology
from steno_models.search.tree import LexiconTree
from steno_models.types import FloatArray, IntArray

DoubleArray = NDArray[np.float64]
_Array = TypeVar("_Array", bound=NDArray[np.generic])

# Steps between two looks at what can be settled; part of the result, so not for tuning.
_SETTLE_STEPS = 64
_CACHE_SIZE = 1 << 19
_MAX_ORDER = 16


@dataclass(frozen=True, slots=True, eq=False)
class BeamSearch:
    """A beam search over one lexicon and one language model, shared by any number of streams.

    Calls from several threads at once are fine: each takes its own memory to work in.

    Attributes:
        tree: the lexicon.
        lm: the language model; it numbers its words as the tree does.
        topology: how tokens follow each other; it has as many tokens as the posteriors.
        start_state: the language model's state at the start of a sentence.
        end_word: its word at the end of a sentence.
        unknown_word: its word for those of the tree whose ids are beyond its own, such as words
            added since; None where there are none.
        options: how wide to search and how to weigh.
        mixing: several language models instead of `lm`, if there are.
    """

    tree: LexiconTree
    lm: NgramArrays
    _: KW_ONLY
    topology: Topology
    start_state: int
    end_word: int
    unknown_word: int | None = None
    options: SearchOptions = field(default_factory=SearchOptions)
    mixing: Mixing | None = None
    _model: Model = field(init=False, repr=False)
    _rootstock: list[Rootstock] = field(init=False, repr=False)
    _scratches: deque[Scratch] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        lm_words = self.known_words
        if self.tree.num_words > lm_words and self.unknown_word is None:
            raise ConfigError(
                f"expected a language model of the lexicon's {self.tree.num_words} words, found "
                f"one of {lm_words}"
            )
        if self.tree.num_tokens > self.num_tokens:
            raise ConfigError(
                f"expected a lexicon of token ids below {self.num_tokens}, found "
                f"{self.tree.num_tokens - 1}"
            )
        lm = read_only(self.lm)
        unknown = self.end_word if self.unknown_word is None else self.unknown_word
        model = Model(
            self.tree.arrays,
            self.topology,
            lm,
            _read_only(np.zeros(0, np.float32)),
            int(unknown),
            float(self.options.new_word_bonus),
            none(),
            self.mixing.rooted() if self.mixing else None,
        )
        ahead = self.mixing.unigram() if self.mixing else unigram_ahead(model)
        model = model._replace(unigram=_read_only(ahead))
        object.__setattr__(self, "_model", model)
        object.__setattr__(self, "_rootstock", [])
        object.__setattr__(self, "_scratches", deque())
        # Compiles, or loads what was compiled, now rather than with the first audio.
        self._run(_read_only(np.zeros((0, self.num_tokens), np.float32)), self.start(), 1.0)

    def extended(self, ways: Ways, num_words: int, phrases: Phrases) -> "BeamSearch":
        """Return a search that knows more words, and expects phrases.

        It shares the language model, nearly all of the tree and the memory to work in, so that it
        is there in a moment. What was added to this one before is not in it.

        Args:
            ways: pronunciations to add: of new words, or further ones.
            num_words: of the lexicon with them.
            phrases: of words of either.

        Raises:
            DataError: a word is not below `num_words`, has an empty pronunciation, or is in a
                phrase and has none.
            ConfigError: there is no unknown word, or a phrase is not as it should be.
        """
        known = self.known_words
        if self.unknown_word is None:
            raise ConfigError("expected a language model with an unknown word, found none")
        if not self._rootstock:
            self._rootstock.append(Rootstock.of(self.tree, self._model.unigram))
        root = self._rootstock[0]
        tree, model = root.tree, self._model._replace(tree=root.tree.arrays, unigram=root.ahead)
        if ways:
            scion = scion_of(ways, num_words, known, self.unknown_word)
            sizes = unigram_ahead(model._replace(tree=scion.arrays))
            tree, unigram = root.grafted(scion, sizes)
            model = model._replace(tree=tree.arrays, unigram=_read_only(unigram))
        if tree.num_tokens > self.num_tokens:
            raise DataError(
                f"expected token ids below {self.num_tokens}, found {tree.num_tokens - 1}"
            )
        expected = none()
        if phrases:
            words = np.unique(np.array([word for one in phrases for word in one], np.int64))
            scores = self.options.lm_weight * unigrams(model, words)
            expected = build(phrases, tree, dict(zip(words.tolist(), scores.tolist(), strict=True)))
        other = copy(self)
        object.__setattr__(other, "tree", tree)
        object.__setattr__(other, "_model", model._replace(phrases=expected))
        return other

    def remixed(self, mixing: Mixing) -> "BeamSearch":
        """Return this search of several language models with others, or other weights.

        The first ones must be the same: what was looked up of them is shared.
        """
        other = copy(self)
        object.__setattr__(other, "mixing", mixing)
        object.__setattr__(other, "_model", self._model._replace(mixture=mixing.rooted()))
        return other

    @property
    def known_words(self) -> int:
        """How many words the language model has; those with further ids are unknown to it."""
        return self.mixing.num_words if self.mixing else int(self.lm.level_begin[2]) - 1

    @property
    def num_tokens(self) -> int:
        """V, the number of tokens with the blank."""
        return len(self.topology.leave) - 1

    def start(self) -> SearchState:
        """Return the state before the first step."""
        tokens = np.zeros(1, TOKEN)
        histories = self.mixing.start if self.mixing else NO_HISTORIES
        tokens["lm"] = tokens["ahead_lm"] = len(histories) - 1 if self.mixing else self.start_state
        tokens["place"] = 2 * len(self.tree) + self.num_tokens
        tokens["link"] = NO_LINK
        tokens["alternative_link"] = NO_ALTERNATIVE
        return SearchState(0, _read_only(tokens), _read_only(np.zeros(0, LINK)), (), histories)

    def step(
        self, log_probs: FloatArray, state: SearchState, *, beam_scale: float = 1.0
    ) -> SearchState:
        """Return the state after the steps of `log_probs`, (S, V) ln p(token), any S.

        Splitting the steps over several calls makes no difference. A `beam_scale` below 1 narrows
        the beam: faster, and less likely to find the best.
        """
        if log_probs.ndim != 2 or log_probs.shape[1] != self.num_tokens:
            raise DataError(
                f"expected log probabilities of shape (S, {self.num_tokens}), found "
                f"{log_probs.shape}"
            )
        if np.isnan(log_probs).any():
            raise DataError("expected log probabilities, found NaN")
        rows = _read_only(np.ascontiguousarray(log_probs, np.float32))
        begin = 0
        while begin < len(rows):
            end = min(len(rows), begin + _SETTLE_STEPS - state.step % _SETTLE_STEPS)
            if self.mixing:
                end = min(end, begin + self.mixing.most_steps)
            state = self._run(rows[begin:end], state, beam_scale)
            if state.step % _SETTLE_STEPS == 0:
                state = _settled(self.tree, state, self.options, self._model.phrases)
            begin = end
        return state

    def best(self, state: SearchState) -> Hypothesis:
        """Return the likeliest words so far; a word counts from its last token on."""
        score, chain, posterior = best_words(
            state.tokens,
            state.links,
            2 * len(self.tree),
            float(self.options.posterior_scale),
            self._model.phrases.lent,
        )
        return Hypothesis(state.settled + _words(state.links, chain, posterior), float(score))

    def stable_words(self, state: SearchState) -> int:
        """Return how many leading words of `best` no later step can change."""
        texts = _read_only(np.ascontiguousarray(state.links["text"]))
        shared = link_kernels.shared_words(state.tokens, state.links, texts)
        return len(state.settled) + int(shared)

    def finish(self, state: SearchState, n_best: int = 1) -> list[Hypothesis]:
        """Return up to `n_best` different word sequences, best first, the sentence ending here.

        A word still going on is left out, unless nothing else survived. Settled words are the same
        in all.
        """
        final_scores = self._final_scores(state)
        share = self._posteriors(state, final_scores)
        found = nbest.best_texts(state.tokens, final_scores, state.links, n_best)
        if not found:
            return []
        # Most links are shared by many sequences.
        passed = np.unique(np.concatenate([chain for _, chain in found]))
        words = _words(state.links, passed, posteriors_of(passed, state.links, share))
        known = dict(zip(passed.tolist(), words, strict=True))
        return [
            Hypothesis(state.settled + tuple(known[link] for link in chain.tolist()), score)
            for score, chain in found
        ]

    def log_probs(self, sentences: Sequence[Sequence[int]]) -> list[DoubleArray]:
        """Return of each sentence (U + 1,) ln p of its U words and of its end."""
        words = np.array([w for words in sentences for w in (*words, self.end_word)], np.int64)
        bounds = np.cumsum([0, *(len(words) + 1 for words in sentences)])
        is_new = (words >= self.known_words) & (self.unknown_word is not None)
        if self.mixing:
            tokens = np.where(is_new, self.mixing.unknown_word, words)
            parts = [self.mixing.log_probs(each) for each in np.split(tokens, bounds[1:-1])]
            found = np.concatenate([np.zeros(0), *parts])
        else:
            tokens = np.where(is_new, self.unknown_word or 0, words).astype(np.int32)
            found = np.empty(len(tokens))
            score_sentences(self._model.lm, self.start_state, tokens, bounds, found)
        found += np.where(is_new, self.options.new_word_bonus, 0.0)
        return np.split(found, bounds[1:-1])

    def has_ended(self, state: SearchState) -> bool:
        """Return whether a sentence can end here: `finish` then counts how likely that is."""
        return bool(_between_words(self.tree, state.tokens).any())

    def _posteriors(self, state: SearchState, final_scores: DoubleArray) -> DoubleArray:
        """Return (links,) the posterior of each, the ways ending with such scores."""
        scale = float(self.options.posterior_scale)
        share: DoubleArray = link_kernels.posteriors(state.tokens, final_scores, state.links, scale)
        return share

    def _final_scores(self, state: SearchState) -> DoubleArray:
        """Return (tokens,) log scores of ending at each token, -inf within words."""
        tokens = state.tokens
        lent = self._model.phrases.lent[tokens["phrase"]]
        scores: DoubleArray = tokens["score"] - tokens["ahead"] - lent
        between = _between_words(self.tree, tokens)
        if not between.any():
            return scores
        states = _read_only(np.ascontiguousarray(tokens["lm"]))
        model = self._model
        if self.mixing:
            model = model._replace(mixture=self.mixing.at(state.histories))
        ends = self.options.lm_weight * end_log_probs(model, states, self.end_word)
        return np.where(between, scores + ends, -np.inf)

    def _run(self, log_probs: FloatArray, state: SearchState, beam_scale: float) -> SearchState:
        limits = self.options.limits()
        limits = limits._replace(beam=limits.beam * beam_scale)
        if len(state.tokens) > limits.max_tokens:
            raise ConfigError(
                f"expected a state of at most {limits.max_tokens} tokens, found one of a wider "
                f"search with {len(state.tokens)}"
            )
        try:
            scratch = self._scratches.pop()
        except IndexError:
            scratch = _new_scratch(limits.max_tokens)
        model, memory = self._model, None
        if self.mixing:
            memory = self.mixing.memory(state.histories)
            model = model._replace(mixture=memory)
        tokens, links = run(
            model, limits, scratch, state.tokens, state.links, state.step, log_probs
        )
        self._scratches.append(scratch)
        histories = state.histories
        if self.mixing and memory is not None:
            histories = self.mixing.kept(memory, tokens)
        if not len(tokens):
            raise DataError(
                "expected log probabilities with some token possible at each step, found none in "
                f"steps {state.step} to {state.step + len(log_probs)}"
            )
        return SearchState(
            state.step + len(log_probs), _read_only(tokens), _read_only(links), state.settled,
            histories,
        )  # fmt: skip


def _words(links: LinkArray, chain: IntArray, posteriors: DoubleArray) -> tuple[SearchWord, ...]:
    """Return the words of the links `chain`, of such posteriors."""
    names = ("word", "start", "end", "margin", "log_prob")
    columns = [links[name][chain].tolist() for name in names]
    return tuple(
        SearchWord(word, start, end, posterior, margin, log_prob)
        for word, start, end, margin, log_prob, posterior in zip(
            *columns, posteriors.tolist(), strict=True
        )
    )


def _between_words(tree: LexiconTree, tokens: TokenArray) -> NDArray[np.bool_]:
    """Return (tokens,) which of `tokens` are at the root."""
    between: NDArray[np.bool_] = (tokens["place"] == 0) | (tokens["place"] >= 2 * len(tree))
    return between


def _settled(
    tree: LexiconTree, state: SearchState, options: SearchOptions, phrases: PhraseArrays
) -> SearchState:
    """Return `state` with the words moved to `settled` that are stable and far enough back."""
    numbers = _read_only(np.arange(len(state.links)))
    shared = int(link_kernels.shared_words(state.tokens, state.links, numbers))
    _, chain, posterior = best_words(
        state.tokens, state.links, 2 * len(tree), float(options.posterior_scale), phrases.lent
    )
    chain, posterior = chain[:shared], posterior[:shared]
    depth = int((state.links["end"][chain] <= state.step - options.history_steps).sum())
    if depth == 0:
        return state
    words = _words(state.links, chain[:depth], posterior[:depth])
    tokens, links = state.tokens.copy(), state.links.copy()
    kept = link_kernels.settle(tokens, links, chain[depth - 1])
    return SearchState(
        state.step, _read_only(tokens), _read_only(links[:kept].copy()), state.settled + words,
        state.histories,
    )  # fmt: skip


def _new_scratch(max_tokens: int) -> Scratch:
    most = 4 * max_tokens + 64
    table = 1 << (2 * most - 1).bit_length()
    known = np.zeros(_CACHE_SIZE, AHEAD)
    known["key"] = -1
    return Scratch(
        current=np.zeros(max_tokens + most, TOKEN),
        following=np.zeros(most, TOKEN),
        arrival=np.zeros(1, TOKEN),
        table=np.full(table, -1, np.int64).repeat(2).view(TABLE),
        control=np.zeros(1, CONTROL),
        links=np.zeros(16 * max_tokens, LINK),
        cache=Cache(known, np.zeros(_MAX_ORDER, np.int64)),
    )


def _read_only(array: _Array) -> _Array:
    """Return a read-only view of `array`: the compiled code has one signature, for such."""
    view = array.view()
    view.setflags(write=False)
    return view
