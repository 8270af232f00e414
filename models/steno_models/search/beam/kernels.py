"""What a step makes is kept here: equal tokens are merged, those below the beam are dropped.

The beam follows the best score so far; a hash table finds the token that is at the same place.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steno_models.compiled import kernel, leaf
from steno_models.search.links.kernels import inherit
from steno_models.search.remembering.kernels import Cache, mixed
from steno_models.search.state import LinkArray, TokenArray

# Parts the states of phrases in the hash table, as far as those of the language model differ less.
_SPREAD = 40_503

# What changes while a step runs.
#   best    the best score so far
#   floor   the score below which tokens are dropped
#   beam    how far below `best` the floor is at least
#   most    how many tokens may survive
#   size    how many following tokens there are
#   epoch   the number of the present use of the table
CONTROL = np.dtype(
    [
        ("best", np.float64),
        ("floor", np.float64),
        ("beam", np.float64),
        ("most", np.int64),
        ("size", np.int64),
        ("epoch", np.int64),
    ],
    align=True,
)
# A place of the hash table: in which epoch it was filled, and the index of the token in it.
TABLE = np.dtype([("epoch", np.int64), ("index", np.int64)], align=True)
ControlArray = NDArray[np.void]
TableArray = NDArray[np.void]


class Scratch(NamedTuple):
    """Memory that a step works in; what is in it between calls is only what was looked up.

    Attributes:
        current: the tokens of the step before, then those of this one.
        following: the tokens that this step makes, in the order in which they came up.
        arrival: (1,) the token that is being offered to `following`.
        table: (H,) of dtype TABLE, where the following tokens are; H is a power of two.
        control: (1,) of dtype CONTROL.
        links: the word graph.
        cache: look-ahead values.
    """

    current: TokenArray
    following: TokenArray
    arrival: TokenArray
    table: TableArray
    control: ControlArray
    links: LinkArray
    cache: Cache


@leaf
def _find(following: TokenArray, table: TableArray, epoch: int, token: np.void) -> np.int64:
    """Return the index of the following token that is where `token` is.

    Where there is none it is ~h, with h its free place in the table.
    """
    mask = table.shape[0] - 1
    state, place, phrase = token["lm"], token["place"], token["phrase"]
    h = mixed(((np.int64(state) + np.int64(phrase) * _SPREAD) << 32) | np.int64(place)) & mask
    while table[h]["epoch"] == epoch:
        index = np.int64(table[h]["index"])
        there = following[index]
        if there["lm"] == state and there["place"] == place and there["phrase"] == phrase:
            return index
        h = (h + 1) & mask
    return np.int64(~h)


@leaf
def offer(
    following: TokenArray, table: TableArray, control: np.void, links: LinkArray, new: np.void
) -> None:
    """Put `new` among the following tokens, unless it is too bad; merge it with its equal."""
    score = new["score"]
    if not score >= control["floor"]:
        return
    if score > control["best"]:
        control["best"] = score
        control["floor"] = max(control["floor"], score - control["beam"])
    found = _find(following, table, control["epoch"], new)
    if found >= 0:
        old = following[found]
        if score > old["score"]:
            inherit(links, new, old)
            following[found] = new
        else:
            inherit(links, old, new)
        return
    if control["size"] == following.shape[0]:
        _narrow(following, table, control)
        found = _find(following, table, control["epoch"], new)
    size = control["size"]
    following[size] = new
    table[~found]["epoch"] = control["epoch"]
    table[~found]["index"] = size
    control["size"] = size + 1


@leaf
def _narrow(following: TokenArray, table: TableArray, control: np.void) -> None:
    """Make room among the following tokens: keep the best only, as many as may survive.

    What goes could not have survived: scores only rise while a step runs.
    """
    control["size"] = keep_best(following, control["size"], control)
    control["epoch"] += 1
    for i in range(control["size"]):
        free = ~_find(following, table, control["epoch"], following[i])
        table[free]["epoch"] = control["epoch"]
        table[free]["index"] = i


@kernel
def keep_best(tokens: TokenArray, count: int, control: np.void) -> np.int64:
    """Keep the tokens above the floor, the best if too many, in their order; return how many.

    Where their number decides, the floor rises to the last score kept.
    """
    floor, most = control["floor"], control["most"]
    scores = np.empty(count)
    above = np.int64(0)
    for i in range(count):
        if tokens[i]["score"] >= floor:
            scores[above] = tokens[i]["score"]
            above += 1
    equal = above  # how many may stay whose score is the floor
    if above > most:
        floor = np.partition(scores[:above], above - most)[above - most]
        control["floor"] = floor
        equal = most - (scores[:above] > floor).sum()
    kept = np.int64(0)
    for i in range(count):
        score = tokens[i]["score"]
        if score > floor or (score == floor and equal > 0):
            if score == floor:
                equal -= 1
            if kept != i:
                tokens[kept] = tokens[i]
            kept += 1
    return kept
