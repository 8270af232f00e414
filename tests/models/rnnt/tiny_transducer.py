"""Small random transducers, and what they say written out."""

from functools import cache
from itertools import product

import torch
from torch import Tensor

from steno_models.encoders.conformer import ConformerOptions
from steno_models.rnnt.model import TransducerModel, TransducerOptions

WIDTH = 8
ENCODER = ConformerOptions(
    width=WIDTH, layers=1, heads=2, feed_forward=8, kernel=3, subsampling_channels=2, dropout=0.0
)
SHAPES = {
    "recurrent": TransducerOptions(
        encoder=ENCODER, predictor="recurrent", predictor_width=6, joiner_width=5
    ),
    "gated": TransducerOptions(
        encoder=ENCODER, predictor="recurrent", cell="gru", predictor_width=6, joiner_width=5
    ),
    "stateless": TransducerOptions(
        encoder=ENCODER, predictor="stateless", predictor_width=6, joiner_width=5
    ),
    "factorised": TransducerOptions(
        encoder=ENCODER,
        predictor="recurrent",
        predictor_layers=2,
        predictor_width=6,
        joiner="factorised",
        joiner_width=5,
    ),
}


@cache
def transducer(name: str, tokens: int = 3) -> TransducerModel:
    """A model that is as sure of things as a trained one."""
    torch.manual_seed(sum(map(ord, name)))
    model = TransducerModel(SHAPES[name], tokens).eval().requires_grad_(requires_grad=False)
    model.joiner.output.weight *= 4
    model.joiner.encoder.weight *= 2
    return model


def random_steps(count: int, seed: int = 0) -> Tensor:
    """(count, D) encoder steps."""
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed))


def lattice(model: TransducerModel, steps: Tensor, labels: tuple[int, ...]) -> Tensor:
    """(T, U + 1, V) log probabilities."""
    predicted = model.predictor(torch.tensor([labels], dtype=torch.int64).view(1, -1))[0]
    logits: Tensor = model.joiner(
        model.joiner.encoder(steps).unsqueeze(1), model.joiner.predictor(predicted).unsqueeze(0)
    )
    return logits.double().log_softmax(-1)


def log_prob(
    model: TransducerModel, steps: Tensor, labels: tuple[int, ...], max_symbols: int
) -> float:
    """ln p(labels) by all alignments with at most `max_symbols` labels a step."""
    arcs = lattice(model, steps, labels)
    T, columns, _ = arcs.shape
    before = torch.full((columns,), -torch.inf, dtype=torch.float64)
    before[0] = 0.0
    for t in range(T):
        ways: list[list[Tensor]] = [[] for _ in range(columns)]
        for u in range(columns):
            reached = before[u]
            for end in range(u, min(columns - 1, u + max_symbols) + 1):
                ways[end].append(reached + arcs[t, end, 0])
                if end < len(labels):
                    reached = reached + arcs[t, end, labels[end]]
        before = torch.stack([torch.logsumexp(torch.stack(each), 0) for each in ways])
    return float(before[-1])


def all_texts(tokens: int, longest: int) -> list[tuple[int, ...]]:
    """Every sequence of up to `longest` labels."""
    return [
        text for length in range(longest + 1) for text in product(range(1, tokens), repeat=length)
    ]
