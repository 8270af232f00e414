"""Which word it could be: a shortlist by sound, then every part's opinion, weighed.

    score(w) = a · distance(phones heard, w) + b · ln p(sound | w) + c · ln p(w in texts)
               + d · (how w's ending goes with the words beside) + e · (nearness in meaning)

The weights are those of a conditional logistic regression over shortlists (McFadden 1974).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steno_models.types import ByteArray, FloatArray, IntArray
from steno_models.unknown.embedding import SegmentScorer
from steno_models.unknown.kernels import forced_all, gathered, shortlist
from steno_models.unknown.vocabulary import CandidateVocabulary
from steno_models.unknown.weights import PARTS, Weights

DoubleArray = NDArray[np.float64]
SHORTLIST = 150
_WIDTH = 300
_BEAM = 10.0
_CAP = 8.0
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known of a stretch before anybody proposes a word.

    Attributes:
        sound: (S, V) nats of each token behind the likeliest of its step.
        phones: (U,) token ids that the phone loop hears.
        steps: (U,) where each begins.
        before: the word before, None at the start.
        after: the word after, None at the end.
    """

    sound: FloatArray
    phones: IntArray
    steps: IntArray
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A word that it could be.

    Attributes:
        text: its spelling.
        tokens: its pronunciation that fits best.
        probability: among the shortlist.
        parts: what each of `PARTS` says, unweighed; a part that is not there says None.
        word: its number in the vocabulary.
    """

    text: str
    tokens: tuple[int, ...]
    probability: float
    parts: tuple[float | None, ...]
    word: int


@dataclass(frozen=True, slots=True)
class Shortlist:
    """Words and what the parts say of them.

    Attributes:
        words: (R,) numbers.
        rows: (R,) the pronunciation of each that fits best.
        parts: (R, parts) values; 0 where a part has no opinion.
        has_embedding: (R,) whether the last part has one.
    """

    words: IntArray
    rows: IntArray
    parts: DoubleArray
    has_embedding: NDArray[np.bool_]


class Candidates:
    """Ranks the words of a vocabulary for what was heard.

    Args:
        vocabulary: of candidates.
        weights: of the parts.
        scorer: of meaning; None where there is none.
    """

    def __init__(
        self, vocabulary: CandidateVocabulary, weights: Weights, scorer: SegmentScorer | None
    ) -> None:
        self._vocabulary = vocabulary
        self._weights = weights
        self._scorer = scorer
        self._costs = weights.costs
        self._parts = np.array(weights.parts)
        self._neighbours = {
            word: number for number, word in enumerate(vocabulary.description.neighbours)
        }

    def __call__(self, heard: Heard, known: ByteArray, most: int = 5) -> tuple[Candidate, ...]:
        """Return up to `most` candidates, the likeliest first.

        Args:
            heard: the stretch.
            known: (W,) 1 for words that are no candidates.
            most: how many.
        """
        short = self._shortlist(heard, self._near(heard), known, SHORTLIST)
        if not len(short.words):
            return ()
        scores = short.parts @ self._parts
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        return tuple(
            self._candidate(short, i, float(shares[i]))
            for i in np.argsort(-scores, kind="stable")[:most].tolist()
        )

    def _shortlist(
        self, heard: Heard, nodes: tuple[IntArray, FloatArray], left_out: ByteArray, most: int
    ) -> Shortlist:
        """Return the words that sound most like what was heard, with the parts of each."""
        book = self._vocabulary
        rows, distances = gathered(*nodes, book.ends, book.way_words, left_out, most)
        behind = forced_all(heard.sound, book.way_begins, book.ways, rows)
        fits = np.isfinite(behind)
        rows, distances, behind = rows[fits], distances[fits], behind[fits]
        words = book.way_words[rows]
        order = np.lexsort((-behind, words))  # each word once, by the way that fits best
        first = np.concatenate([[True], words[order][1:] != words[order][:-1]])
        kept = order[first] if len(order) else order
        rows, words, distances, behind = rows[kept], words[kept], distances[kept], behind[kept]
        counts = book.counts[words]
        parts = np.zeros((len(words), len(PARTS)))
        parts[:, 0] = -distances
        parts[:, 1] = behind
        parts[:, 2] = np.log((counts + _HALF) / (book.description.tokens + 1))
        parts[:, 3] = self._context(heard, book.kinds[words])
        has_embedding = np.zeros(len(words), bool)
        if self._scorer is not None and len(words):
            opinions = self._scorer(heard.sound, [book.spelling(word) for word in words.tolist()])
            has_embedding = np.array([one is not None for one in opinions])
            parts[:, 4] = [0.0 if one is None else one for one in opinions]
        return Shortlist(words, rows, parts, has_embedding)

    def _near(self, heard: Heard) -> tuple[IntArray, FloatArray]:
        """Return nodes of the prefix tree and their distances from the phones heard."""
        book = self._vocabulary
        found: tuple[IntArray, FloatArray] = shortlist(
            substitutions(heard, self._costs),
            self._weights.insertion,
            self._weights.deletion,
            book.children,
            book.token,
            _WIDTH,
            _BEAM,
        )
        return found

    def _context(self, heard: Heard, kinds: IntArray) -> FloatArray:
        """Return (R,) how well endings go with the words beside the stretch."""
        book = self._vocabulary
        before, after = self.neighbour(heard.before), self.neighbour(heard.after)
        return np.asarray(book.before[kinds, before] + book.after[kinds, after])

    def neighbour(self, word: str | None) -> int:
        """Return the number of a word beside a stretch, in the tables of the vocabulary."""
        others = self._vocabulary.before.shape[1] - 1
        return 0 if word is None else self._neighbours.get(word, others)

    def _candidate(self, short: Shortlist, i: int, probability: float) -> Candidate:
        parts: list[float | None] = [float(part) for part in short.parts[i]]
        if not short.has_embedding[i]:
            parts[-1] = None
        word = int(short.words[i])
        way = self._vocabulary.way(int(short.rows[i]))
        return Candidate(self._vocabulary.spelling(word), way, probability, tuple(parts), word)


def substitutions(heard: Heard, costs: FloatArray) -> FloatArray:
    """Return (U, V) what each token costs in the place of each phone heard.

    Half of it is how far the token lies behind while the phone lasts, half how often the model
    confuses the two.
    """
    if not len(heard.phones):
        return np.zeros((0, heard.sound.shape[1]), np.float32)
    behind = np.minimum(-np.maximum.reduceat(heard.sound, heard.steps, axis=0), _CAP)
    found = _HALF * behind + _HALF * costs[heard.phones]
    found[np.arange(len(found)), heard.phones] = 0.0
    return np.asarray(found, np.float32)
