"""Pieces of speech as the vectors of a trained model."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from steno_models.crossmodal.segmentation.segments import Span
from steno_models.crossmodal.speech import Speech
from steno_models.crossmodal.speech2vec.data import cut, padded
from steno_models.crossmodal.speech2vec.model import Speech2Vec
from steno_models.types import FloatArray

_BATCH = 512
_READ = 20_000  # pieces whose frames are in memory at once


def embed(
    model: Speech2Vec,
    speech: Speech,
    spans: Sequence[Span],
    report: Callable[[int], None] = lambda _: None,
) -> FloatArray:
    """Return (P, D) vectors of `spans`, which stand recording by recording.

    Args:
        model: on the device that computes.
        speech: that the pieces are of.
        spans: the pieces.
        report: is told after each batch how many it had.
    """
    device = next(model.parameters()).device
    found = np.empty((len(spans), model.options.dimensions), np.float32)
    for begin in range(0, len(spans), _READ):
        frames = _frames(speech, spans[begin : begin + _READ], model.options.longest_frames)
        order = np.argsort([len(each) for each in frames], kind="stable")
        for first in range(0, len(order), _BATCH):
            own = order[first : first + _BATCH]
            features, lengths = padded([frames[place] for place in own])
            with torch.no_grad():
                vectors = model.encode(features.to(device), lengths)
            found[begin + own] = vectors.cpu().numpy()
            report(len(own))
    return found


def _frames(speech: Speech, spans: Sequence[Span], longest: int) -> list[FloatArray]:
    found: list[FloatArray] = []
    place, cepstra = -1, np.zeros((0, 13), np.float32)
    for span in spans:
        if span.place != place:
            place, cepstra = span.place, speech.cepstra(span.place)
        found.append(cut(cepstra, span, longest))
    return found
