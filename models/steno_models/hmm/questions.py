"""Questions about a phone's neighbour: is it one of these?

Half of them are the classes of articulation that phoneticians use (Young, Odell & Woodland 1994),
the other half are read off the data: phones whose Gaussians lie close are merged two by two, and
every cluster on the way is a question.
"""

import numpy as np
from numpy.typing import NDArray

from steno_models.hmm.kernels import F64
from steno_models.hmm.topology import EDGE, NUM_PHONES, PHONE_IDS

BoolArray = NDArray[np.bool_]

_CLASSES: tuple[str, ...] = (
    "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW",  # vowels
    "IY IH EY EH AE",  # front
    "AH ER AA AY AW",  # central
    "UW UH OW AO OY",  # back
    "IY IH UW UH",  # high
    "EY EH AH ER OW",  # middle
    "AE AA AO AW AY OY",  # low
    "AW AY EY OW OY",  # diphthongs
    "AY EY OY IY",  # towards the front
    "AW OW UW",  # towards the back
    "AO OW OY UH UW W",  # rounded
    "IH EH AH UH",  # lax
    "IY EY UW OW AO",  # tense
    "P B T D K G",  # stops
    "P T K",
    "B D G",
    "CH JH",  # affricates
    "F V TH DH S Z SH ZH HH",  # fricatives
    "F TH S SH HH",
    "V DH Z ZH",
    "S Z SH ZH CH JH",  # sibilants
    "S Z",
    "SH ZH CH JH",
    "F V TH DH",
    "M N NG",  # nasals
    "L R W Y",  # approximants
    "L R",
    "W Y",
    "L R ER",
    "M N NG L R W Y",  # sonorants
    "P B M F V W",  # lips
    "T D N S Z L TH DH R",  # tip of the tongue
    "SH ZH CH JH Y",  # palate
    "K G NG",  # velum
    "P T K F TH S SH CH HH",  # voiceless
    "B D G V DH Z ZH JH M N NG L R W Y",  # voiced consonants
)


def articulation() -> BoolArray:
    """Return (Q, P) which phones are in each class: those of articulation, and each phone alone.

    The edge of a word counts as a phone of its own.
    """
    classes = np.zeros((len(_CLASSES), NUM_PHONES), np.bool_)
    for row, names in zip(classes, _CLASSES, strict=True):
        row[[PHONE_IDS[name] for name in names.split()]] = True
    return _distinct(np.concatenate([classes, np.eye(NUM_PHONES, dtype=np.bool_)]))


def clustered(counts: F64, sums: F64, squares: F64) -> BoolArray:
    """Return (Q, P) the clusters of phones whose frames are alike, the edge of a word left out.

    The two clusters are merged whose frames lose least likelihood by sharing one Gaussian, until
    all are one.

    Args:
        counts: (P,) frames of each phone.
        sums: (P, D) sums of its frames.
        squares: (P, D) sums of their squares.
    """
    alive = [p for p in range(NUM_PHONES) if p != EDGE and counts[p] > 0.0]
    members = {p: np.arange(NUM_PHONES) == p for p in alive}
    moments = {p: np.concatenate([counts[p : p + 1], sums[p], squares[p]]) for p in alive}
    found = [np.zeros(NUM_PHONES, np.bool_)]
    while len(members) > 2:
        names = list(members)
        stacked = np.stack([moments[name] for name in names])
        alone = log_likelihood(stacked)
        rows, columns = np.triu_indices(len(names), k=1)
        losses = alone[rows] + alone[columns] - log_likelihood(stacked[rows] + stacked[columns])
        least = int(losses.argmin())
        first, second = names[rows[least]], names[columns[least]]
        members[first] = members[first] | members.pop(second)
        moments[first] = moments[first] + moments.pop(second)
        found.append(members[first])
    return _distinct(np.stack(found))


def log_likelihood(moments: F64, floor: float = 1e-4) -> F64:
    """Return (...,) the log-likelihood of frames under the one Gaussian that fits them best.

    It is -1/2 sum_d (ln 2 pi v_d + 1) for each frame (Young, Odell & Woodland 1994, equation 1),
    and 0 where there are none.

    Args:
        moments: (..., 1 + 2D) how many frames there are, their sums, the sums of their squares.
        floor: the least variance of a feature.
    """
    D = moments.shape[-1] // 2
    counts = moments[..., 0]
    safe = np.where(counts > 0.0, counts, 1.0)[..., None]
    means = moments[..., 1 : 1 + D] / safe
    variances = np.maximum(moments[..., 1 + D :] / safe - means**2, floor)
    return np.asarray(-0.5 * counts * (np.log(2.0 * np.pi * variances) + 1.0).sum(axis=-1))


def _distinct(questions: BoolArray) -> BoolArray:
    """Return `questions` without repeats and without those that all or no phones answer alike."""
    some = questions[questions.any(axis=1) & ~questions.all(axis=1)]
    return np.unique(some, axis=0)
