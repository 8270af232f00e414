"""What a training reads: recordings as cepstra, words as phones, speaker by speaker."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from steno_models.errors import DataError
from steno_models.features.mfcc import mfcc
from steno_models.hmm.corpus import by_speaker, pronunciations, spoken_words
from steno_models.hmm.frames import normalised
from steno_models.hmm.topology import Graph, Pronunciation, Units, utterance_graph
from steno_models.text.lexicon import Lexicon, Pronouncer
from steno_models.training.recordings import read_samples
from steno_models.training.utterance import Utterance
from steno_models.types import FloatArray

_log = logging.getLogger(__name__)

SpeakerFeatures = Callable[[Sequence[FloatArray]], list[FloatArray]]
"""From the samples of all of a speaker's recordings, (N,) each, to their features, (T, F) each."""


def speaker_cepstra(recordings: Sequence[FloatArray]) -> list[FloatArray]:
    """Return (T, 13) float32 cepstra of `recordings`, (N,) samples each, all of one speaker.

    Their mean is 0 and their variance 1 over all of them together.
    """
    return normalised([mfcc(samples) for samples in recordings])


@dataclass(frozen=True, slots=True)
class Recording:
    """One utterance.

    Attributes:
        key: its name.
        speaker: number of the speaker among those read together.
        cepstra: (T, 13) float32, mean 0 and variance 1 over all of the speaker's recordings; for
            models of other features those, (T, F).
        words: for each word its pronunciations as phone ids; empty where the text is not known.
    """

    key: str
    speaker: int
    cepstra: FloatArray
    words: Sequence[Sequence[Pronunciation]] = ()

    def graph(self, units: Units) -> Graph:
        """Return the graph of its words in the states of `units`."""
        return utterance_graph(self.words, units=units)


def read_recordings(
    utterances: Iterable[Utterance], features: SpeakerFeatures = speaker_cepstra
) -> Iterator[tuple[Utterance, Recording]]:
    """Yield `utterances` with their recordings, speaker by speaker, words aside."""
    for speaker, group in enumerate(by_speaker(utterances)):
        cepstra = features([read_samples(utterance) for utterance in group])
        for utterance, each in zip(group, cepstra, strict=True):
            yield utterance, Recording(utterance.key, speaker, each)


def read_speech(
    utterances: Iterable[Utterance],
    lexicon: Lexicon,
    fallback: Pronouncer | None = None,
    features: SpeakerFeatures = speaker_cepstra,
) -> Iterator[Recording]:
    """Yield the utterances with words that can all be pronounced, speaker by speaker."""
    for utterance, recording in read_recordings(utterances, features):
        try:
            words = pronunciations(spoken_words(utterance), lexicon, fallback)
        except DataError as error:
            _log.warning("%s is left out: %s", utterance.key, error)
            continue
        if words:
            yield replace(recording, words=words)


def of_speakers(speech: Sequence[Recording]) -> list[list[int]]:
    """Return the places in `speech` of each speaker's recordings."""
    places: dict[int, list[int]] = defaultdict(list)
    for place, recording in enumerate(speech):
        places[recording.speaker].append(place)
    return list(places.values())
