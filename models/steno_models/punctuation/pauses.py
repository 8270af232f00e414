"""What silence tells of marks: ln p(pause | mark), counted in read speech and in its prompts.

Where finals end is counted in prompts, each of which was cut out of speech at a silence; how long
the pauses within are, in speech whose words have times. Counts are smoothed towards what all marks
have in common, so that what was hardly seen tells little.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from steno_models.punctuation.labelled import Bytes, Mark, label
from steno_models.punctuation.model import END
from steno_models.text.wer import align

_SMOOTHING = 20.0
_TEMPER = 0.7
"""Power of the likelihoods within: people who talk freely pause in more places than readers do."""


def ends(prompts: Sequence[str]) -> NDArray[np.float64]:
    """Return (len(Mark), 2): how many marks stand within prompts, and at their ends."""
    counts = np.zeros((len(Mark), 2))
    for prompt in prompts:
        marks = _marks(prompt)[1]
        if len(marks):
            counts[:, 0] += np.bincount(marks[:-1], minlength=len(Mark))
            counts[marks[-1], 1] += 1
    return counts


def within(spoken: Iterable[tuple[str, Sequence[str], Sequence[int]]]) -> NDArray[np.float64]:
    """Return (len(Mark), END): how many pauses of each class follow words with each mark.

    Args:
        spoken: written text, the words recognised of it, and the class of the pause behind each of
            them but the last.
    """
    counts = np.zeros((len(Mark), END))
    for prompt, words, pauses in spoken:
        reference, marks = _marks(prompt)
        said = heard = 0
        for true, found in align(reference, words).pairs:
            if true is not None and true == found and heard < len(pauses):
                counts[marks[said], pauses[heard]] += 1
            said += true is not None
            heard += found is not None
    return counts


def table(ended: NDArray[np.float64], paused: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (WITHIN + 1, len(Mark)) ln p(pause | mark), tempered but at ends, from the counts."""
    p_end = _smoothed(ended)[:, 1:]
    p_pause = (1 - p_end) * _smoothed(paused)
    return np.concatenate([_TEMPER * np.log(p_pause), np.log(p_end), np.log(1 - p_end)], axis=1).T


def _smoothed(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (marks, classes) probabilities; each row is drawn to that of all marks together."""
    common = (counts.sum(axis=0) + 1) / (counts.sum() + counts.shape[1])
    added = counts + _SMOOTHING * common
    return np.asarray(added / added.sum(axis=1, keepdims=True))


def _marks(prompt: str) -> tuple[tuple[str, ...], Bytes]:
    """Return the words of a prompt and the marks behind them, also of one that ends without."""
    has_mark = prompt.rstrip("\"') ").endswith(tuple(".,;:?!-"))
    labelled = label([prompt if has_mark else f"{prompt}."])
    if not has_mark and len(labelled):
        labelled.marks[-1] = Mark.NONE
    return labelled.words, labelled.marks
