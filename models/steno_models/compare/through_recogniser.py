"""Runs a system as a daemon does: as a bundle, through its recogniser."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from steno_models import bundle
from steno_models.compare.bundles import as_bundle, with_language_model, without_language_model
from steno_models.compare.measurement import Decoded, Measurement, Request, Tick
from steno_models.compare.parameters import forget_memory, memory_mb, parameters
from steno_models.evaluate import hear_whole
from steno_models.features.fbank import SAMPLE_RATE
from steno_models.recogniser import DecodeOptions, Recogniser, Work
from steno_models.text.normalise import normalise
from steno_models.training.manifest import read_manifest
from steno_models.training.recordings import read_samples
from steno_models.training.utterance import Utterance
from steno_models.types import FloatArray

_FRAME_MS = 10
_WEIGHTS = ("model.safetensors", "model.npz", "network.safetensors")


def recognise(asked: Request, tick: Tick) -> Measurement:
    """Return what is measured of a system through the recogniser of its bundle.

    Raises:
        StenoModelsError: a part of it cannot be read, or does not fit.
    """
    utterances = read_manifest(asked.manifest)[: asked.limit]
    with TemporaryDirectory(prefix="steno-compare-") as scratch:
        folder = Path(scratch)
        made = as_bundle(asked, folder)
        changed = asked.system.search
        alone = without_language_model(made, changed, asked.word_score_without, folder / "without")
        full = with_language_model(made, changed, folder / "with")
        passes = len(utterances) * (1 if full is None else 2)
        first, delay_ms = _heard(alone, utterances, lambda done: tick(done, passes))
        second = None
        if full is not None:
            second, _ = _heard(full, utterances, lambda done: tick(len(utterances) + done, passes))
        count = parameters([made / name for name in _WEIGHTS if (made / name).is_file()])
    return Measurement(
        references=[normalise(utterance.text) for utterance in utterances],
        audio_s=sum(utterance.duration_s for utterance in utterances),
        alone=first,
        with_lm=second,
        parameters=count,
        memory_mb=memory_mb(),
        hears="utterance" if delay_ms is None else "chunks",
        delay_ms=delay_ms,
    )


def _heard(
    path: Path, utterances: Sequence[Utterance], tick: Callable[[int], None]
) -> tuple[Decoded, int | None]:
    """Return what the bundle at `path` finds, and what a stream waits for, in ms."""
    forget_memory()
    loaded = bundle.load(path)
    recogniser, options = loaded.recogniser, DecodeOptions(language_model=loaded.language_models[0])
    hear_whole(recogniser, _noise(1), options)  # what compiles, compiles
    texts, compute_s = [], 0.0
    for number, utterance in enumerate(utterances, start=1):
        heard = hear_whole(recogniser, read_samples(utterance), options)
        texts.append(heard.text)
        compute_s += heard.compute_s
        tick(number)
    return Decoded(texts=texts, compute_s=compute_s), _delay_ms(recogniser, options)


def _delay_ms(recogniser: Recogniser, options: DecodeOptions) -> int | None:
    """Return how much a stream must have heard before anything is known of its first frame.

    None where it does not go on from there: what hears all anew, waits longer and longer for that.
    """
    extractor, state, waits = recogniser.features(), recogniser.start(options), []
    for samples in (_noise(0), _noise(4)):
        [(update, state)] = recogniser.step([Work(extractor.accept(samples), state)])
        waits.append(update.missing_frames)
    first, later = waits
    return None if later > first else _FRAME_MS * first


def _noise(seconds: int) -> FloatArray:
    rng = np.random.default_rng(0)
    return rng.normal(0, 1e-3, seconds * SAMPLE_RATE).astype(np.float32)
