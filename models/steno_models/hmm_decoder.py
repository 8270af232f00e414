"""Words from GMM-HMMs: emissions of tied states, the prefix tree of a lexicon, an n-gram.

The tree is spelled in states: the tokens of the beam search are the tied states, each with its self
loop, and the rest is silence. As in training, a phone's neighbours are those inside its word and
EDGE beyond it, so the states of a word are the same whatever word comes before or behind. What is
lost is how sounds change across words; nothing is approximated in the search itself. (Words are
numbered by their phones, so those below a node of this tree are not all neighbours, and looking
ahead in the language model is now and then more hopeful than it need be.)

The log-likelihoods of single frames, which are far from independent of each other, are scaled down
before they meet the language model.
"""

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np

from steno_models.errors import DataError
from steno_models.hmm.system import Acoustics
from steno_models.hmm.topology import EDGE, NUM_PHONES, PHONE_IDS, SILENCE, Units
from steno_models.lm.ngram.model import NgramModel
from steno_models.search.options import SearchOptions
from steno_models.search.pronunciations import Pronunciations
from steno_models.search.search import BeamSearch
from steno_models.search.topology import hmm
from steno_models.search.tree import LexiconTree
from steno_models.types import FloatArray

ACOUSTIC_SCALE = 1 / 10
BLOCK_FRAMES = 256  # emissions of so many frames are computed at a time


@dataclass(frozen=True, slots=True)
class Dictionary:
    """A language model and how its words sound.

    Attributes:
        model: the language model.
        pronunciations: of its words, in phone ids.
    """

    model: NgramModel
    pronunciations: Pronunciations

    @classmethod
    def open(cls, folder: Path, name: str) -> Self:
        """Return NAME.bin of `folder` with the words of NAME.lexicon.txt.

        Raises:
            DataError: a file cannot be read.
        """
        model = NgramModel.open(folder / f"{name}.bin")
        lexicon = folder / f"{name}.lexicon.txt"
        return cls(model, Pronunciations.read(lexicon, model.vocabulary[:-3], tuple(PHONE_IDS)))

    @property
    def words(self) -> tuple[str, ...]:
        """The spelling of each word id."""
        return self.model.vocabulary[:-3]


def spelled_in_states(known: Pronunciations, units: Units) -> Pronunciations:
    """Return `known`, whose tokens are phone ids, as the states that `units` run through."""
    phones, lengths = known.tokens.astype(np.int64), known.lengths
    ends = np.cumsum(lengths)
    inside = np.ones(len(phones) + 1, bool)
    inside[0] = inside[ends] = False  # between which two phones of a word there is no edge
    left = np.where(inside[:-1], np.roll(phones, 1), EDGE)
    right = np.where(inside[1:], np.roll(phones, -1), EDGE)
    names = np.ravel_multi_index((left, phones, right), (NUM_PHONES,) * 3)
    contexts, which = np.unique(names, return_inverse=True)
    runs = [units.states(*map(int, np.unravel_index(name, (NUM_PHONES,) * 3))) for name in contexts]
    # The states of all contexts in a row; then those of each phone, from where they are in it.
    states = np.fromiter(chain.from_iterable(runs), np.int32)
    widths = np.fromiter(map(len, runs), np.int64, len(runs))
    begins, sizes = (np.cumsum(widths) - widths)[which], widths[which]
    after = np.cumsum(sizes)
    places = np.arange(after[-1] if len(after) else 0) + np.repeat(begins - after + sizes, sizes)
    after = np.concatenate([[0], after])
    return Pronunciations(
        known.num_words, known.words, after[ends] - after[ends - lengths], states[places]
    )


@dataclass(frozen=True, slots=True)
class HmmDecoder:
    """Finds the words of recordings.

    Attributes:
        system: the acoustic model.
        search: over the lexicon in its states and a language model.
        acoustic_scale: factor on log-likelihoods.
    """

    system: Acoustics
    search: BeamSearch
    acoustic_scale: float = ACOUSTIC_SCALE

    @classmethod
    def build(
        cls,
        system: Acoustics,
        dictionary: Dictionary,
        options: SearchOptions,
        acoustic_scale: float = ACOUSTIC_SCALE,
    ) -> Self:
        """Return the decoder of `system` with the words and the language model of `dictionary`.

        Raises:
            DataError: the silence of `system` is more than one state, which the search cannot do.
        """
        units = system.units
        silence = list(units.states(EDGE, SILENCE, EDGE))
        if silence != [SILENCE]:
            raise DataError(f"expected silence to be the state 0, found states {silence}")
        search = BeamSearch(
            LexiconTree.build(spelled_in_states(dictionary.pronunciations, units)),
            dictionary.model.arrays,
            topology=hmm(system.stay_probs.astype(np.float32), silence=SILENCE),
            start_state=dictionary.model.start_state,
            end_word=dictionary.model.end_word,
            unknown_word=dictionary.model.unknown_word,
            options=options,
        )
        return cls(system, search, acoustic_scale)

    def log_likelihoods(self, frames: FloatArray) -> FloatArray:
        """Return (T, S) scaled log-likelihoods of all states for `frames`, (T, D)."""
        blocks = [
            self.system.log_likelihoods(frames[begin : begin + BLOCK_FRAMES])
            for begin in range(0, len(frames), BLOCK_FRAMES)
        ]
        return np.asarray(np.concatenate(blocks) * np.float32(self.acoustic_scale))

    def decode(self, frames: FloatArray) -> list[int]:
        """Return the ids of the likeliest words of `frames`, (T, D); none where there are none."""
        if not len(frames):
            return []
        search = self.search
        state = search.step(self.log_likelihoods(frames), search.start())
        found = search.finish(state)
        return [word.word for word in found[0].words] if found else []
