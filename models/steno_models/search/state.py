"""What a search knows after some steps, as a value."""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from steno_models.search.hypothesis import SearchWord
from steno_models.types import IntArray

# How many other histories a token or a link remembers beside the best one.
NUM_ALTERNATIVES = 4
# The link of a token before its first word.
NO_LINK = -1
# Where a token or a link remembers fewer alternatives than it could.
NO_ALTERNATIVE = -2

# One way of being somewhere in the product of tree, topology and language model.
#   score    ln score of the best way here, the words ahead of it included
#   lm       state of the language model
#   place    see `Place` in kernels: 2 node + 1 after emitting the node's token, 2 node when resting
#   link     the last word, NO_LINK before the first
#   start    step at which the word begun started
#   end      step after the last emission
#   ahead    the part of `score` that is only looked ahead
#   ahead_lm, ahead_cost   the ending of `lm` that says as much about the words below, and the
#            back-off weight to it
#   phrase   state of the automaton of expected phrases
#   margin   sum over the word's steps of ln p(token) - max ln p
#   alternative_link   links of other ways here that lost by `alternative_delta` <= 0, best first
TOKEN = np.dtype(
    [
        ("score", np.float64),
        ("lm", np.int32),
        ("place", np.int32),
        ("link", np.int32),
        ("start", np.int32),
        ("end", np.int32),
        ("ahead", np.float32),
        ("ahead_lm", np.int32),
        ("ahead_cost", np.float32),
        ("phrase", np.int32),
        ("margin", np.float32),
        ("alternative_link", np.int32, (NUM_ALTERNATIVES,)),
        ("alternative_delta", np.float32, (NUM_ALTERNATIVES,)),
    ],
    align=True,
)

# A word that ended; links are in the order in which they were made, so `previous` is smaller.
#   text       a hash of the word and all before it: equal texts have equal ones
#   previous   the word before, NO_LINK at the start
#   depth      how many words there are up to here, from the start of `links` on
#   log_prob   ln p(word | words before)
LINK = np.dtype(
    [
        ("text", np.int64),
        ("previous", np.int32),
        ("word", np.int32),
        ("start", np.int32),
        ("end", np.int32),
        ("depth", np.int32),
        ("log_prob", np.float32),
        ("margin", np.float32),
        ("alternative_link", np.int32, (NUM_ALTERNATIVES,)),
        ("alternative_delta", np.float32, (NUM_ALTERNATIVES,)),
    ],
    align=True,
)

# One-dimensional, of dtype TOKEN or LINK.
TokenArray: TypeAlias = NDArray[np.void]
LinkArray: TypeAlias = NDArray[np.void]
NO_HISTORIES: IntArray = np.zeros((0, 0), np.int32)
"""Those of a search through one language model."""


@dataclass(frozen=True, slots=True, eq=False)
class SearchState:
    """Where a search stands.

    Attributes:
        step: how many steps it has seen.
        tokens: the surviving tokens, read-only.
        links: the words that any of them or of their alternatives came by, read-only.
        settled: the words before `links`: nothing can change them.
        histories: (H, K) where several language models are mixed: what the tokens' `lm` stands for.
    """

    step: int
    tokens: TokenArray
    links: LinkArray
    settled: tuple[SearchWord, ...] = ()
    histories: IntArray = field(default_factory=lambda: NO_HISTORIES)
