"""Compiled loops of the text room: edit distance, graphone alignment, pronunciation search."""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from steno_models.types import ByteArray, FloatArray, IntArray, LongArray

DoubleArray = NDArray[np.float64]
HashArray = NDArray[np.uint64]

HIT, SUBSTITUTION, DELETION, INSERTION = 0, 1, 2, 3
# One error outweighs every hit of an utterance, so that among the alignments with the fewest
# errors the one with most hits wins.
_ERROR = 1 << 32
NUM_PHONES = 39
# A letter stands with no phone, with one, or with two: so many graphones it can make.
PARTS = 1 + NUM_PHONES + NUM_PHONES * NUM_PHONES
# An odd multiplier (Knuth's golden ratio) keeps phone strings apart in 64 bits.
_MIX = np.uint64(0x9E3779B97F4A7C15)


@numba.njit(nogil=True, cache=True)
def edits(reference: IntArray, hypothesis: IntArray) -> ByteArray:
    """Return the edits, in order, that turn `reference`, (N,), into `hypothesis`, (M,)."""
    N, M = reference.size, hypothesis.size
    cost = np.zeros((N + 1, M + 1), np.int64)
    for i in range(1, N + 1):
        cost[i, 0] = i * _ERROR
    for j in range(1, M + 1):
        cost[0, j] = j * _ERROR
    for i in range(1, N + 1):
        for j in range(1, M + 1):
            step = -1 if reference[i - 1] == hypothesis[j - 1] else _ERROR
            best = cost[i - 1, j - 1] + step
            best = min(best, cost[i - 1, j] + _ERROR)
            cost[i, j] = min(best, cost[i, j - 1] + _ERROR)
    path = np.empty(N + M, np.uint8)
    length, i, j = 0, N, M
    while i > 0 or j > 0:
        same = i > 0 and j > 0 and reference[i - 1] == hypothesis[j - 1]
        step = -1 if same else _ERROR
        if i > 0 and j > 0 and cost[i, j] == cost[i - 1, j - 1] + step:
            path[length] = HIT if same else SUBSTITUTION
            i -= 1
            j -= 1
        elif i > 0 and cost[i, j] == cost[i - 1, j] + _ERROR:
            path[length] = DELETION
            i -= 1
        else:
            path[length] = INSERTION
            j -= 1
        length += 1
    return path[:length][::-1].copy()


class Automaton(NamedTuple):
    """A back-off n-gram over graphones, one node for each history and each n-gram (one trie).

    Nodes lie in breadth-first order; the first V are the unigrams, so a token is its own node.

    Attributes:
        token: (N,) the last token of the node's n-gram.
        log_prob: (N,) ln p(last token | the tokens before it).
        backoff: (N,) ln of what shorter histories share, when the node is the history.
        first_child: (N + 1,) where the node's continuations begin, in order of token.
        shorter: (N,) the node without its first token, -1 for unigrams.
    """

    token: IntArray
    log_prob: FloatArray
    backoff: FloatArray
    first_child: IntArray
    shorter: IntArray


class Graphones(NamedTuple):
    """Which tokens write a letter and which phones they sound; phones count from 1, 0 is none.

    Attributes:
        begin: (LETTERS + 1,) the tokens of letter l are begin[l] up to begin[l + 1].
        first: (V,) first phone of each token.
        second: (V,) second phone.
    """

    begin: IntArray
    first: IntArray
    second: IntArray


@numba.njit(nogil=True, cache=True)
def graphone_code(letter: int, phones: IntArray, count: int) -> int:
    """Return the number of the pair of `letter` and the first `count` (0, 1, 2) of `phones`."""
    if count == 0:
        part = 0
    elif count == 1:
        part = 1 + phones[0]
    else:
        part = 1 + NUM_PHONES + phones[0] * NUM_PHONES + phones[1]
    return letter * PARTS + part


@numba.njit(nogil=True, cache=True)
def expect(
    letters: IntArray,
    letter_begin: LongArray,
    phones: IntArray,
    phone_begin: LongArray,
    prob: DoubleArray,
    counts: DoubleArray,
) -> float:
    """Add the expected count of each graphone to `counts`; return the log-likelihood.

    The forward-backward algorithm over the segmentations of each word, a graphone taking one
    letter and up to two phones. Words without any segmentation count nothing.

    Args:
        letters: letters of all words end to end; word n has letter_begin[n] to letter_begin[n+1].
        letter_begin: (words + 1,).
        phones: phones of all words, likewise.
        phone_begin: (words + 1,).
        prob: (codes,) probability of each graphone.
        counts: (codes,) what is added to.
    """
    log_likelihood = 0.0
    for n in range(letter_begin.size - 1):
        word = letters[letter_begin[n] : letter_begin[n + 1]]
        sound = phones[phone_begin[n] : phone_begin[n + 1]]
        L, P = word.size, sound.size
        alpha = np.zeros((L + 1, P + 1))
        beta = np.zeros((L + 1, P + 1))
        alpha[0, 0] = 1.0
        beta[L, P] = 1.0
        for i in range(L):
            for j in range(P + 1):
                if alpha[i, j] == 0.0:
                    continue
                for size in range(min(2, P - j) + 1):
                    code = graphone_code(word[i], sound[j:], size)
                    alpha[i + 1, j + size] += alpha[i, j] * prob[code]
        if alpha[L, P] == 0.0:
            continue
        log_likelihood += np.log(alpha[L, P])
        for i in range(L - 1, -1, -1):
            for j in range(P, -1, -1):
                for size in range(min(2, P - j) + 1):
                    code = graphone_code(word[i], sound[j:], size)
                    rest = prob[code] * beta[i + 1, j + size]
                    beta[i, j] += rest
                    counts[code] += alpha[i, j] * rest / alpha[L, P]
    return log_likelihood


@numba.njit(nogil=True, cache=True)
def segment(
    letters: IntArray,
    letter_begin: LongArray,
    phones: IntArray,
    phone_begin: LongArray,
    prob: DoubleArray,
) -> IntArray:
    """Return the graphone of each letter, like `letters`, in each word's likeliest segmentation.

    A word without any segmentation gets -1 throughout. Arguments as in `expect`.
    """
    codes = np.full(letters.size, -1, np.int32)
    for n in range(letter_begin.size - 1):
        begin = letter_begin[n]
        word = letters[begin : letter_begin[n + 1]]
        sound = phones[phone_begin[n] : phone_begin[n + 1]]
        L, P = word.size, sound.size
        best = np.zeros((L + 1, P + 1))
        sizes = np.zeros((L + 1, P + 1), np.int64)
        best[0, 0] = 1.0
        for i in range(L):
            for j in range(P + 1):
                if best[i, j] == 0.0:
                    continue
                for size in range(min(2, P - j) + 1):
                    score = best[i, j] * prob[graphone_code(word[i], sound[j:], size)]
                    if score > best[i + 1, j + size]:
                        best[i + 1, j + size] = score
                        sizes[i + 1, j + size] = size
        if best[L, P] == 0.0:
            continue
        j = P
        for i in range(L, 0, -1):
            size = sizes[i, j]
            j -= size
            codes[begin + i - 1] = graphone_code(word[i - 1], sound[j:], size)
    return codes


@numba.njit(nogil=True, cache=True)
def advance(lm: Automaton, node: int, token: int, floor: float) -> tuple[float, int]:
    """Return ln p(token | history of `node`) and the node after it; -inf once below `floor`."""
    log_prob = 0.0
    while node >= 0:
        low, end = lm.first_child[node], lm.first_child[node + 1]
        high = end
        while low < high:
            middle = (low + high) >> 1
            if lm.token[middle] < token:
                low = middle + 1
            else:
                high = middle
        if low < end and lm.token[low] == token:
            return log_prob + lm.log_prob[low], low
        log_prob += lm.backoff[node]
        if log_prob < floor:
            return -np.inf, token
        node = lm.shorter[node]
    return log_prob + lm.log_prob[token], token


@numba.njit(nogil=True, cache=True)
def _keep(
    node: IntArray, sound: HashArray, score: DoubleArray, width: int, floor: float
) -> LongArray:
    """Return which hypotheses stay: the best `width`, those that are alike summed into one."""
    order = np.argsort(-score)
    kept = np.empty(min(width, score.size), np.int64)
    count = 0
    for at in order:
        if score[at] < floor:
            break
        twin = -1
        for k in range(count):
            if node[kept[k]] == node[at] and sound[kept[k]] == sound[at]:
                twin = kept[k]
                break
        if twin >= 0:
            score[twin] = np.logaddexp(score[twin], score[at])
        elif count < width:
            kept[count] = at
            count += 1
    return kept[:count]


class Hypotheses(NamedTuple):
    """What a word's letters so far may sound like.

    Attributes:
        node: (K,) the history of each in the n-gram.
        sound: (K,) a hash of its phones.
        score: (K,) its ln p(g, p).
    """

    node: IntArray
    sound: HashArray
    score: DoubleArray


@numba.njit(nogil=True, cache=True)
def _extend(
    lm: Automaton, graphones: Graphones, letter: int, live: Hypotheses, beam: float
) -> tuple[Hypotheses, IntArray, IntArray, float]:
    """Return all hypotheses with one letter more, the parent and the token of each, and a floor.

    Whatever scores below the floor, `beam` under the best, need not be kept.
    """
    begin, end = graphones.begin[letter], graphones.begin[letter + 1]
    space = live.node.size * (end - begin)
    longer = Hypotheses(np.empty(space, np.int32), np.empty(space, np.uint64), np.empty(space))
    parent = np.empty(space, np.int32)
    made = np.empty(space, np.int32)
    count = 0
    best = -np.inf
    for k in range(live.node.size):
        if live.score[k] < best - beam:
            break
        for token in range(begin, end):
            log_prob, after = advance(lm, live.node[k], token, best - beam - live.score[k])
            total = live.score[k] + log_prob
            if total < best - beam or total == -np.inf:
                continue
            best = max(best, total)
            mixed = live.sound[k]
            if graphones.first[token]:
                mixed = mixed * _MIX + np.uint64(graphones.first[token])
            if graphones.second[token]:
                mixed = mixed * _MIX + np.uint64(graphones.second[token])
            longer.node[count] = after
            longer.sound[count] = mixed
            longer.score[count] = total
            parent[count] = k
            made[count] = token
            count += 1
    found = Hypotheses(longer.node[:count], longer.sound[:count], longer.score[:count])
    return found, parent[:count], made[:count], best - beam


@numba.njit(nogil=True, cache=True)
def _spell(graphones: Graphones, back: IntArray, made: IntArray, at: int) -> IntArray:
    """Return the phones of hypothesis `at` after the last letter, (2 L,) filled up with 0.

    Args:
        graphones: what the tokens sound.
        back: (L + 1, K) the parent of each hypothesis after so many letters.
        made: (L + 1, K) its last token.
        at: its row.
    """
    L = back.shape[0] - 1
    phones = np.zeros(2 * L, np.int32)
    length = 2 * L
    for i in range(L, 0, -1):
        token = made[i, at]
        if graphones.second[token]:
            length -= 1
            phones[length] = graphones.second[token]
        if graphones.first[token]:
            length -= 1
            phones[length] = graphones.first[token]
        at = back[i, at]
    return np.roll(phones, -length)


@numba.njit(nogil=True, cache=True)
def decode(
    letters: IntArray, lm: Automaton, graphones: Graphones, width: int, beam: float
) -> tuple[IntArray, DoubleArray]:
    """Return the likeliest phones of a word, (K, 2 L) filled up with 0, and their ln p(g, p), (K,).

    A beam search, letter by letter. Hypotheses with the same phones and the same history are one:
    their probabilities add up, for p(g, p) is a sum over segmentations (Bisani & Ney 2008,
    section 2). Two rows can still spell the same phones where their histories differ.

    Args:
        letters: (L,) the word.
        lm: the n-gram; token 0 ends a word, token 1 begins it.
        graphones: what the tokens write and sound.
        width: how many hypotheses are kept after each letter.
        beam: how far below the best one, in ln p, a hypothesis may be.
    """
    L = letters.size
    back = np.zeros((L + 1, width), np.int32)
    made = np.zeros((L + 1, width), np.int32)
    live = Hypotheses(np.ones(1, np.int32), np.ones(1, np.uint64), np.zeros(1))
    for i in range(L):
        longer, parent, token, floor = _extend(lm, graphones, letters[i], live, beam)
        kept = _keep(longer.node, longer.sound, longer.score, width, floor)
        # sums may have changed the order
        kept = kept[np.argsort(-longer.score[kept])]
        live = Hypotheses(longer.node[kept], longer.sound[kept], longer.score[kept])
        back[i + 1, : kept.size] = parent[kept]
        made[i + 1, : kept.size] = token[kept]
    out = np.zeros((live.node.size, 2 * L), np.int32)
    for k in range(live.node.size):
        live.score[k] += advance(lm, live.node[k], 0, -np.inf)[0]
        out[k] = _spell(graphones, back, made, k)
    return out, live.score
