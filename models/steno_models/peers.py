"""Other recognisers on the same recordings, to be measured in the same run."""

import time
from collections.abc import Callable

import numpy as np

from steno_models.errors import ConfigError
from steno_models.text.normalise import normalise
from steno_models.types import FloatArray

Transcribe = Callable[[FloatArray], tuple[str, float]]


def pocketsphinx() -> Transcribe:
    """Return PocketSphinx with its own English model: samples at 16 kHz to words and CPU seconds.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        from pocketsphinx import Decoder  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError("expected PocketSphinx: pip install 'steno-asr[train]'") from error
    decoder = Decoder(samprate=16_000, loglevel="FATAL")

    def transcribe(samples: FloatArray) -> tuple[str, float]:
        began = time.process_time()
        pcm = (np.clip(samples, -1.0, 1.0) * 32_767).astype("<i2").tobytes()
        decoder.start_utt()
        decoder.process_raw(pcm, full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        text = normalise(found.hypstr) if found else ""
        return text, time.process_time() - began

    return transcribe
