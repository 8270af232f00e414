"""Runs hidden Markov models that hear all of a speaker before the first word.

As they are trained: features are normalised over all recordings of a speaker, and a model that is
adapted to speakers listens twice (Gales 1998).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from msgspec import structs

from steno_models.bundle_acoustic import LEXICON_SEARCH
from steno_models.compare.bundles import changed_search
from steno_models.compare.measurement import Decoded, Measurement, Request, Tick
from steno_models.compare.parameters import forget_memory, memory_mb, parameters
from steno_models.hmm.corpus import by_speaker
from steno_models.hmm.hybrid.system import STATES
from steno_models.hmm.speech import Recording
from steno_models.hmm.system import Acoustics, System
from steno_models.hmm.tandem.command import PROJECTION
from steno_models.hmm_decoder import Dictionary, HmmDecoder
from steno_models.hmm_evaluate import Setting, Subject, decode_adapted, decode_once, find_subject
from steno_models.search.options import SearchOptions
from steno_models.text.normalise import normalise
from steno_models.training.manifest import read_manifest
from steno_models.training.recordings import read_samples
from steno_models.training.utterance import Utterance

_SEARCH = structs.replace(LEXICON_SEARCH, max_tokens=5000)
"""As bundles of hidden Markov models have it."""
_WARM_FRAMES = 50  # of the first recording, before the clock starts: what compiles, compiles


@dataclass(frozen=True, slots=True)
class _Prepared(Setting):
    """A setting whose decoders are made once, before the clock starts."""

    made: dict[int, HmmDecoder] = field(default_factory=dict)

    def decoder(self, system: Acoustics) -> HmmDecoder:
        """Return the decoder with `system`."""
        if id(system) not in self.made:
            # Not super(): a dataclass with slots is another class than the one it was written as.
            self.made[id(system)] = Setting.decoder(self, system)
        return self.made[id(system)]


def decode(asked: Request, tick: Tick) -> Measurement:
    """Return what is measured of hidden Markov models that know their speaker.

    Raises:
        StenoModelsError: a part of it cannot be read, or does not fit.
    """
    system = asked.system
    subject = find_subject(system.training(), system.stage)
    utterances = read_manifest(asked.manifest)[: asked.limit]
    speech, features_s = _recordings(subject, utterances)
    dictionary = Dictionary.open(asked.lm, asked.lm_name)
    with_lm = changed_search(_SEARCH, system.search)
    alone = structs.replace(with_lm, lm_weight=0.0, word_score=asked.word_score_without)
    numbers = count(1)
    passes = 2 * len(speech) * (1 if subject.before is None else 2)
    found = []
    for search in (alone, with_lm):
        forget_memory()
        options = SearchOptions(**structs.asdict(search))
        setting = _Prepared(dictionary, options, system.acoustic_scale or subject.acoustic_scale)
        texts, seconds = _decoded(subject, speech, setting, lambda: tick(next(numbers), passes))
        in_order = [texts[utterance.key] for utterance in utterances]
        found.append(Decoded(texts=in_order, compute_s=features_s + seconds))
    return Measurement(
        references=[normalise(utterance.text) for utterance in utterances],
        audio_s=sum(utterance.duration_s for utterance in utterances),
        alone=found[0],
        with_lm=found[1],
        parameters=parameters(path for path in asked.files if _is_weights(path)),
        memory_mb=memory_mb(),
        hears="speaker",
    )


def _recordings(subject: Subject, utterances: Sequence[Utterance]) -> tuple[list[Recording], float]:
    """Return what `subject` hears, speaker by speaker, and how long its features took."""
    found, seconds = [], 0.0
    for speaker, group in enumerate(by_speaker(utterances)):
        samples = [read_samples(utterance) for utterance in group]
        began = time.process_time()
        heard = subject.features(samples)
        seconds += time.process_time() - began
        pairs = zip(group, heard, strict=True)
        found += [Recording(utterance.key, speaker, features) for utterance, features in pairs]
    return found, seconds


def _decoded(
    subject: Subject, speech: Sequence[Recording], setting: _Prepared, tick: Callable[[], None]
) -> tuple[dict[str, str], float]:
    """Return the text of each recording by its key, and how long decoding took."""
    first, second = subject.before, subject.system
    for system in (second,) if first is None else (first, second):
        setting.decoder(system).decode(system.front_end(speech[0].cepstra[:_WARM_FRAMES]))
    began = time.process_time()
    if first is not None and isinstance(second, System):
        found = decode_adapted((first, second), speech, setting, tick)
    else:
        found = decode_once(second, speech, setting, tick)
    seconds = time.process_time() - began
    spelling = setting.dictionary.words
    pairs = zip(speech, found, strict=True)
    return {each.key: " ".join(spelling[word] for word in words) for each, words in pairs}, seconds


def _is_weights(path: Path) -> bool:
    return path.suffix in {".npz", ".safetensors"} and path.name not in {STATES, PROJECTION}
