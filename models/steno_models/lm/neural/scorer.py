"""A network as a scorer of hypotheses: of words, or of the subwords that spell them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from steno_models.lm.neural.prefixes import PrefixTree, prefix_tree
from steno_models.lm.neural.softmax import TwoStepSoftmax
from steno_models.lm.neural.units import END, SubwordUnits, WordUnits
from steno_models.lm.scorer import END as END_WORD
from steno_models.lm.scorer import LogProbs, Scored, Sentence, score_by_prefixes

# The first step of the softmax for so many histories stays in the cache of a core.
_AT_ONCE = 256


class Network(Protocol):
    """What a scorer asks of a network.

    What it remembers is a tensor whose first axis is that of the hypotheses.
    """

    embedding: nn.Embedding
    softmax: TwoStepSoftmax

    def begin(self) -> Tensor:
        """Return (1, …) what is remembered before anything was read."""

    def read(self, units: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return (K, D) of the histories after one more of `units`, (K,), each, and the memory."""


@dataclass(frozen=True, slots=True, eq=False)
class NeuralState:
    """What one hypothesis has read.

    Attributes:
        memory: (1, …) of all units but the last, or of all of them where `hidden` is there.
        last: the last unit.
        hidden: (1, D) once the last unit was read.
    """

    memory: Tensor
    last: int
    hidden: Tensor | None = None


class _Reader:
    """Reads the last units of hypotheses, each state once, all in one batch."""

    def __init__(self, network: Network, *, carries: bool) -> None:
        self.network = network
        self.carries = carries

    def start(self) -> NeuralState:
        return NeuralState(self.network.begin(), END)

    def read(self, states: Sequence[NeuralState]) -> list[NeuralState]:
        """Return `states` with their last units read."""
        waiting = {id(state): state for state in states if state.hidden is None}
        if not waiting:
            return list(states)
        fresh = list(waiting.values())
        units = torch.tensor([state.last for state in fresh])
        hidden, memory = self.network.read(units, torch.cat([state.memory for state in fresh]))
        done = {
            id(state): NeuralState(memory[i : i + 1], state.last, hidden[i : i + 1])
            for i, state in enumerate(fresh)
        }
        return [done.get(id(state), state) for state in states]

    def after_end(self, state: NeuralState) -> NeuralState:
        """Return the state at the start of the sentence that follows `state`."""
        return NeuralState(state.memory, END) if self.carries else self.start()


def _hidden(states: Sequence[NeuralState]) -> Tensor:
    return torch.cat([state.hidden for state in states if state.hidden is not None])


class WordScorer:
    """A network of whole words in the role of `scorer.Scorer`.

    Args:
        network: its weights.
        units: its words.
        carries: whether a sentence is read after those before it.
    """

    def __init__(self, network: Network, units: WordUnits, *, carries: bool) -> None:
        self._reader = _Reader(network, carries=carries)
        self._units = units

    def start(self) -> NeuralState:
        """Return the state at the start of a first sentence."""
        return self._reader.start()

    def knows(self, word: str) -> bool:
        """Return whether `word` is in the vocabulary."""
        return self._units.knows(word)

    @torch.inference_mode()
    def score(
        self, states: Sequence[NeuralState], words: Sentence
    ) -> tuple[LogProbs, list[NeuralState]]:
        """Return (K,) ln p(word | state) and the states after, for K hypotheses at once."""
        states = self._reader.read(states)
        ends = [word == END_WORD for word in words]
        units = [
            END if end else self._units.spell(w)[0] for w, end in zip(words, ends, strict=True)
        ]
        network = self._reader.network
        found = network.softmax(_hidden(states), torch.tensor(units), network.embedding.weight)
        shares = [
            0.0 if end else self._units.log_share(w) for w, end in zip(words, ends, strict=True)
        ]
        after = [
            self._reader.after_end(state) if end else NeuralState(state.memory, unit)
            for state, unit, end in zip(states, units, ends, strict=True)
        ]
        return found.double().numpy() + np.array(shares), after

    @torch.inference_mode()
    def score_sentences(
        self,
        sentences: Sequence[Sentence],
        carried: NeuralState | None = None,
        *,
        alike: int | None = None,
    ) -> Scored:
        """Return what each of `sentences` is worth after `carried`, default the start.

        Every distinct prefix is read once, and the softmax asked for all of them together.
        """
        words = {word for sentence in sentences for word in sentence}
        spelled = {word: self._units.spell(word)[0] for word in words}
        shares = {word: self._units.log_share(word) for word in words}
        tree = prefix_tree([[spelled[word] for word in sentence] for sentence in sentences], alike)
        [root] = self._reader.read([self.start() if carried is None else carried])
        hidden, memories = self._walked(tree, root)
        ends = dict.fromkeys(tree.ends)
        after = {node: self._reader.after_end(NeuralState(memories[node], END)) for node in ends}
        # Node i + 1 is question i; the ends come behind.
        histories = torch.from_numpy(np.concatenate([tree.parents[1:], list(ends)]).astype(int))
        units = torch.from_numpy(np.concatenate([tree.units[1:], [END] * len(ends)]).astype(int))
        found = self._log_probs(hidden, histories, units)
        ended = dict(zip(ends, found[len(tree) - 1 :].tolist(), strict=True))
        log_probs = [
            np.append(
                found[np.array(path, int) - 1] + [shares[word] for word in sentence], ended[end]
            )
            for path, sentence, end in zip(tree.paths, sentences, tree.ends, strict=True)
        ]
        return Scored(log_probs, [after[end] for end in tree.ends])

    def _walked(self, tree: PrefixTree, root: NeuralState) -> tuple[Tensor, dict[int, Tensor]]:
        """Return (N, D) of all nodes, and (1, …) what is remembered where a text ends.

        Args:
            tree: of texts.
            root: what was read before them, its last unit too.
        """
        root_hidden = _hidden([root])
        hidden = root_hidden.new_empty(len(tree), *root_hidden.shape[1:])
        memory = root.memory.new_empty(len(tree), *root.memory.shape[1:])
        hidden[:1], memory[:1] = root_hidden, root.memory
        for level in tree.levels:
            before = memory[torch.from_numpy(tree.parents[level])]
            units = torch.from_numpy(tree.units[level])
            hidden[level], memory[level] = self._reader.network.read(units, before)
        return hidden, {node: memory[node : node + 1].clone() for node in set(tree.ends)}

    def _log_probs(self, hidden: Tensor, histories: Tensor, units: Tensor) -> LogProbs:
        """Return (E,) ln p of `units` after `histories`, which are rows of `hidden`, (N, D)."""
        network, found = self._reader.network, []
        for first in range(0, len(units), _AT_ONCE):
            asked = slice(first, first + _AT_ONCE)
            vectors = network.embedding.weight
            found.append(network.softmax(hidden[histories[asked]], units[asked], vectors))
        return torch.cat(found).double().numpy() if found else np.zeros(0)


class SubwordScorer:
    """A network of subwords in the role of `scorer.Scorer`.

    A unit says where a word begins, not where it ends: with B(s) the probability that a new word
    or the end comes next in state s, and s_i the states within the word,

        p(w | s) = p(u_1 | s) / B(s) · Π_{i > 1} p(u_i | s_{i-1}) · B(s_n)

    is one of whole words; over a sentence the factors B cancel but for the first, which is near 1.

    Args:
        network: its weights.
        units: its subwords.
        carries: whether a sentence is read after those before it.
    """

    def __init__(self, network: Network, units: SubwordUnits, *, carries: bool) -> None:
        self._reader = _Reader(network, carries=carries)
        self._units = units
        self._boundaries = torch.from_numpy(units.boundaries())

    def start(self) -> NeuralState:
        """Return the state at the start of a first sentence."""
        return self._reader.start()

    def knows(self, word: str) -> bool:
        """Return whether `word` can be spelled."""
        return self._units.knows(word)

    @torch.inference_mode()
    def score(
        self, states: Sequence[NeuralState], words: Sentence
    ) -> tuple[LogProbs, list[NeuralState]]:
        """Return (K,) ln p(word | state) and the states after, for K hypotheses at once."""
        spelled = [(END,) if word == END_WORD else self._units.spell(word) for word in words]
        now = self._reader.read(states)
        log_probs = self._all(now)
        total = -self._boundary(log_probs)
        for place in range(max(map(len, spelled), default=0)):
            rows = [i for i, units in enumerate(spelled) if place < len(units)]
            total[rows] += log_probs[rows, [spelled[i][place] for i in rows]]
            for i in rows:
                now[i] = NeuralState(now[i].memory, spelled[i][place])
            whole = [i for i in rows if spelled[i] != (END,)]
            for i, state in zip(whole, self._reader.read([now[i] for i in whole]), strict=True):
                now[i] = state
            if whole:
                log_probs[whole] = self._all([now[i] for i in whole])
        inside = [i for i, units in enumerate(spelled) if units != (END,)]
        total[inside] += self._boundary(log_probs[inside])
        after = [
            self._reader.after_end(state) if units == (END,) else state
            for state, units in zip(now, spelled, strict=True)
        ]
        return total.double().numpy(), after

    def score_sentences(
        self,
        sentences: Sequence[Sentence],
        carried: NeuralState | None = None,
        *,
        alike: int | None = None,
    ) -> Scored:
        """Return what each of `sentences` is worth after `carried`, default the start."""
        del alike
        return score_by_prefixes(self, sentences, carried)

    def _all(self, states: Sequence[NeuralState]) -> Tensor:
        network = self._reader.network
        return network.softmax.all(_hidden(states), network.embedding.weight)

    def _boundary(self, log_probs: Tensor) -> Tensor:
        """Return (K,) ln B."""
        return log_probs[:, self._boundaries].logsumexp(dim=1)
