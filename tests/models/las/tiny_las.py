"""Small random models, and what they say written out."""

from functools import cache
from itertools import groupby, product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steno_models.encoders.conformer import ConformerOptions
from steno_models.las.attention import AttentionKind, AttentionOptions
from steno_models.las.model import Encoded, LasModel, LasOptions
from steno_models.las.speller import ContextFeeds, SpellerOptions

WIDTH = 8
ENCODER = ConformerOptions(
    width=WIDTH, layers=1, heads=2, feed_forward=8, kernel=3, subsampling_channels=2, dropout=0.0
)
Text = tuple[int, ...]


def options(
    kind: AttentionKind = AttentionKind.LOCATION,
    feeds: ContextFeeds = ContextFeeds.BOTH,
    layers: int = 1,
) -> LasOptions:
    attention = AttentionOptions(kind=kind, width=5, channels=2, kernel=3)
    speller = SpellerOptions(width=6, layers=layers, feeds=feeds, attention=attention, dropout=0.0)
    return LasOptions(encoder=ENCODER, speller=speller)


@cache
def las(
    kind: AttentionKind = AttentionKind.LOCATION,
    feeds: ContextFeeds = ContextFeeds.BOTH,
    layers: int = 1,
    tokens: int = 3,
) -> LasModel:
    """A model that is as sure of things as a trained one."""
    torch.manual_seed(len(kind) + 7 * len(feeds) + layers)
    model = LasModel(options(kind, feeds, layers), tokens).eval()
    model.requires_grad_(requires_grad=False)
    model.speller.output.weight *= 6
    model.speller.attention.query.weight *= 4
    model.ctc_output.weight *= 3
    return model


def random_steps(*lengths: int, seed: int = 0) -> Encoded:
    """Utterances of so many encoder steps, with noise after their ends."""
    generator = torch.Generator().manual_seed(seed)
    steps = torch.randn(len(lengths), max(lengths), WIDTH, generator=generator)
    return Encoded(steps, torch.tensor(lengths))


def spelled(model: LasModel, encoded: Encoded, text: Text) -> tuple[float, Tensor]:
    """ln p(text, end) of one utterance, token by token, and the weights, (U + 1, S)."""
    memory = model.memory(encoded)
    state = model.speller.start(memory)
    total, looks = 0.0, []
    for told, wanted in zip((0, *text), (*text, 0), strict=True):
        logits, state = model.speller.step(torch.tensor([[told]]), state, memory)
        total += float(logits[0, 0].double().log_softmax(-1)[wanted])
        looks.append(state.weights[0, 0])
    return total, torch.stack(looks)


def ctc_texts(log_probs: NDArray[np.float64]) -> dict[Text, float]:
    """p of every text by the sum over all paths, (S, V)."""
    S, V = log_probs.shape
    found: dict[Text, float] = {}
    for path in product(range(V), repeat=S):
        text = tuple(label for label, _ in groupby(path) if label)
        p = float(np.exp(log_probs[range(S), path].sum()))
        found[text] = found.get(text, 0.0) + p
    return found


def ctc_log_probs(model: LasModel, encoded: Encoded) -> NDArray[np.float64]:
    """(S, V) of one utterance."""
    found: NDArray[np.float64] = model.ctc_log_probs(encoded.steps)[0].double().numpy()
    return found


def all_texts(tokens: int, longest: int) -> list[Text]:
    """Every sequence of up to `longest` labels."""
    return [
        text for length in range(longest + 1) for text in product(range(1, tokens), repeat=length)
    ]
