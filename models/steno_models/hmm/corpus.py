"""From manifests to examples, and from a model back to aligned corpora."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from steno_models.errors import DataError
from steno_models.features.mfcc import mfcc
from steno_models.hmm.align import Alignment, align
from steno_models.hmm.frames import observations
from steno_models.hmm.model import PhoneModel
from steno_models.hmm.topology import PHONE_IDS, Graph, utterance_graph
from steno_models.hmm.train import Example
from steno_models.text.lexicon import Lexicon, Pronouncer
from steno_models.text.normalise import normalise
from steno_models.training.recordings import read_samples
from steno_models.training.utterance import Utterance

_log = logging.getLogger(__name__)

GUESSES = 3  # ways to say a word that no dictionary holds: the sound decides between them


def spoken_words(utterance: Utterance) -> list[str]:
    """Return the words of the transcript, as the lexicon spells them."""
    return normalise(utterance.text).split()


def word_graph(words: Sequence[str], lexicon: Lexicon, fallback: Pronouncer | None = None) -> Graph:
    """Return the graph of `words` in all their pronunciations.

    Raises:
        DataError: there are no words, or one has no known pronunciation.
    """
    return utterance_graph(pronunciations(words, lexicon, fallback))


def pronunciations(
    words: Sequence[str], lexicon: Lexicon, fallback: Pronouncer | None = None
) -> list[list[list[int]]]:
    """Return for each of `words` the ways to say it, as phone ids.

    Raises:
        DataError: one has no known pronunciation.
    """
    ways = [lexicon.pronounce(word, fallback, n_best=GUESSES) for word in words]
    return [[[PHONE_IDS[p] for p in way] for way in each] for each in ways]


def examples(
    utterances: Iterable[Utterance], lexicon: Lexicon, fallback: Pronouncer | None = None
) -> Iterator[tuple[Utterance, Example]]:
    """Yield the utterances with their frames and graphs, speaker by speaker.

    What has a word without a known pronunciation is left out, but still tells of its speaker's
    voice: the frames are normalised over all recordings of a speaker.
    """
    for group in by_speaker(utterances):
        frames = observations([mfcc(read_samples(utterance)) for utterance in group])
        for utterance, each in zip(group, frames, strict=True):
            try:
                graph = word_graph(spoken_words(utterance), lexicon, fallback)
            except DataError as error:
                _log.warning("%s is left out: %s", utterance.key, error)
                continue
            yield utterance, Example(each, graph)


def easiest(utterances: Sequence[Utterance], hours: float) -> list[Utterance]:
    """Return the shortest utterances of every speaker in turn, shortest first, `hours` in all."""
    ranked: list[tuple[int, float, Utterance]] = []
    for group in by_speaker(utterances):
        short_first = sorted(group, key=lambda utterance: utterance.duration_s)
        ranked += [(rank, u.duration_s, u) for rank, u in enumerate(short_first)]
    chosen, left_s = [], 3600.0 * hours
    for _, duration_s, utterance in sorted(ranked, key=lambda entry: entry[:2]):
        if duration_s > left_s:
            break
        chosen.append(utterance)
        left_s -= duration_s
    return sorted(chosen, key=lambda utterance: utterance.duration_s)


def force_align(
    model: PhoneModel,
    utterances: Iterable[Utterance],
    lexicon: Lexicon,
    fallback: Pronouncer | None = None,
) -> Iterator[tuple[Utterance, Alignment]]:
    """Yield the utterances that can be aligned, with their alignments, speaker by speaker."""
    for utterance, example in examples(utterances, lexicon, fallback):
        try:
            alignment = align(model, example.frames, example.graph)
        except DataError as error:
            _log.warning("%s is left out: %s", utterance.key, error)
            continue
        yield utterance, alignment


def by_speaker(utterances: Iterable[Utterance]) -> Iterable[list[Utterance]]:
    """Return the utterances of each speaker; without a name each is a speaker of its own.

    Corpora number their speakers without asking each other: a folder has its own.
    """
    groups: dict[tuple[str, str], list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        place = utterance.audio.parent if utterance.speaker else utterance.audio
        groups[str(place), utterance.speaker or utterance.key].append(utterance)
    return groups.values()
