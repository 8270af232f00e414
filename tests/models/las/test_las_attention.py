"""Attentions and the speller: gradients, padding, and what the equations say."""

import math
from itertools import pairwise

import pytest
import torch
from tests.models.las import tiny_las as tiny
from torch import Tensor

from steno_models.errors import ConfigError
from steno_models.las.attention import (
    AdditiveAttention,
    Attention,
    AttentionKind,
    AttentionOptions,
    DotAttention,
    ForwardAttention,
    LocationAttention,
    Memory,
    build_attention,
)
from steno_models.las.loss import guide_loss
from steno_models.las.model import Encoded
from steno_models.las.speller import ContextFeeds, Speller, SpellerOptions

torch.set_num_threads(1)

KINDS = list(AttentionKind)
SHAPE = {"width": 4, "channels": 2, "kernel": 3}


def attention(kind: AttentionKind) -> Attention:
    torch.manual_seed(1)
    options = AttentionOptions(kind=kind, width=4, channels=2, kernel=3)
    return build_attention(query=3, values=5, options=options).double()


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_a_look_are_those_of_differences(kind: AttentionKind) -> None:
    layer = attention(kind)
    lengths = torch.tensor([3, 2])

    def look(queries: Tensor, steps: Tensor, energies: Tensor, *weights: Tensor) -> Tensor:
        named = dict(zip(dict(layer.named_parameters()), weights, strict=True))
        memory = Memory(steps, steps @ named["key.weight"].T, layer.memory(steps, lengths).mask)
        previous = energies.masked_fill(~memory.mask.unsqueeze(1), -torch.inf).softmax(-1)
        found = torch.func.functional_call(layer, named, (queries, memory, previous))
        return torch.cat(found, dim=-1)

    given = [random(2, 1, 3), random(2, 3, 5, seed=1), random(2, 1, 3, seed=2)]
    weights = [weight.detach().clone() for weight in layer.parameters()]
    inputs = [each.requires_grad_() for each in (*given, *weights)]
    assert torch.autograd.gradcheck(look, inputs)


@pytest.mark.parametrize("feeds", list(ContextFeeds))
def test_gradients_of_a_spelt_text_are_those_of_differences(feeds: ContextFeeds) -> None:
    torch.manual_seed(0)
    options = SpellerOptions(
        width=3,
        layers=2,
        feeds=feeds,
        attention=AttentionOptions(width=3, channels=2, kernel=3),
        dropout=0.0,
    )
    speller = Speller(options, tokens=3, values=4).double()
    targets, lengths = torch.tensor([[[1]], [[2]]]), torch.tensor([3, 2])

    def spelt(steps: Tensor) -> Tensor:
        logits, _ = speller(targets, speller.attention.memory(steps, lengths))
        found: Tensor = logits.log_softmax(-1)
        return found

    assert torch.autograd.gradcheck(spelt, [random(2, 3, 4).requires_grad_()])


def test_a_forward_attention_goes_on_before_it_has_learnt_anything() -> None:
    options = AttentionOptions(kind=AttentionKind.FORWARD, width=4, kernel=5)
    layer = ForwardAttention(query=3, values=5, options=options).requires_grad_(requires_grad=False)
    layer.score.weight.zero_()
    memory = layer.memory(torch.zeros(1, 60, 5), torch.tensor([60]))
    weights, places = layer.start(memory), []
    assert weights[0, 0].tolist() == [1.0] + [0.0] * 59
    for _ in range(10):
        _, weights = layer(torch.zeros(1, 1, 3), memory, weights)
        places.append(float(weights[0, 0] @ torch.arange(60.0)))
    steps = [after - before for before, after in pairwise(places)]
    assert steps == pytest.approx([2.0] * 9, abs=0.3)  # the middle of 0 to 4


def test_energies_are_those_of_the_papers() -> None:
    queries, steps = random(1, 1, 3), random(1, 4, 5, seed=1)
    previous = torch.tensor([[[0.1, 0.2, 0.3, 0.4]]], dtype=torch.float64)

    for kind in KINDS:
        layer = attention(kind).requires_grad_(requires_grad=False)
        wanted = []
        for s in range(4):
            q = layer.query.weight @ queries[0, 0] + layer.query.bias
            k = layer.key.weight @ steps[0, s]
            match layer:
                case DotAttention():
                    wanted.append(float(q @ k) / math.sqrt(4))
                case LocationAttention():
                    near = torch.tensor(
                        [previous[0, 0, t] if 0 <= t < 4 else 0.0 for t in (s - 1, s, s + 1)],
                        dtype=torch.float64,
                    )
                    f = layer.convolution.weight[:, 0] @ near
                    hidden = torch.tanh(q + k + layer.location.weight @ f)
                    wanted.append(float(layer.score.weight[0] @ hidden))
                case ForwardAttention():
                    layer.going.copy_(random(3, seed=4))
                    k_d = layer.going.exp() / layer.going.exp().sum()
                    reached = sum(
                        float(k_d[d] * previous[0, 0, s - d]) for d in range(min(s, 2) + 1)
                    )
                    energy = layer.score.weight[0] @ torch.tanh(q + k)
                    wanted.append(float(energy) + math.log(reached + 1e-4))
                case AdditiveAttention():
                    wanted.append(float(layer.score.weight[0] @ torch.tanh(q + k)))
        keys = layer.memory(steps, torch.tensor([4])).keys
        found = layer.energies(layer.query(queries), keys, previous)
        assert found[0, 0].tolist() == pytest.approx(wanted)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("feeds", list(ContextFeeds))
def test_a_padded_batch_says_what_single_utterances_say(
    kind: AttentionKind, feeds: ContextFeeds
) -> None:
    model = tiny.las(kind, feeds, 2)
    both = tiny.random_steps(9, 5)
    targets = torch.tensor([[[1, 2, 1], [2, 2, 0]], [[2, 1, 0], [1, 0, 0]]])
    logits, weights = model.speller(targets, model.memory(both))
    for i, S in enumerate((9, 5)):
        alone = Encoded(both.steps[i : i + 1, :S], both.lengths[i : i + 1])
        for k in range(2):
            memory = model.memory(alone)
            one, looks = model.speller(targets[i : i + 1, k : k + 1], memory)
            torch.testing.assert_close(logits[i, k], one[0, 0])
            torch.testing.assert_close(weights[i, k, :, :S], looks[0, 0])
    assert not weights[1, :, :, 5:].any()
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 4))


def test_a_padded_batch_of_features_says_what_single_utterances_say() -> None:
    model = tiny.las()
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 47, 80, generator=generator)
    both = model.encode(features, torch.tensor([47, 31]))
    alone = model.encode(features[1:, :31], torch.tensor([31]))
    targets = torch.tensor([[[1, 2]], [[1, 2]]])
    logits, _ = model.speller(targets, model.memory(both))
    one, _ = model.speller(targets[1:], model.memory(alone))
    torch.testing.assert_close(logits[1], one[0])
    assert both.lengths.tolist() == [11, 7]


@pytest.mark.parametrize("feeds", list(ContextFeeds))
def test_each_way_of_the_context_hears_the_sound_before_the_first_token(
    feeds: ContextFeeds,
) -> None:
    model = tiny.las(AttentionKind.ADDITIVE, feeds)
    for u, seed in ((0, 1), (1, 1)):
        first = [tiny.spelled(model, tiny.random_steps(6, seed=s), (1,) * u)[0] for s in (0, seed)]
        assert first[0] != pytest.approx(first[1], abs=1e-3)


def test_sampled_tokens_replace_those_that_were_told() -> None:
    model = tiny.las(feeds=ContextFeeds.STATE)
    memory = model.memory(tiny.random_steps(6))
    texts = torch.tensor([[[1, 2, 1, 1]]]), torch.tensor([[[2, 1, 2, 2]]])
    told = [model.speller(text, memory)[0] for text in texts]
    assert not torch.allclose(told[0], told[1])
    torch.manual_seed(3)
    drawn = [model.speller(texts[0], memory, sampling=1.0)[0] for _ in range(40)]
    torch.manual_seed(3)
    again = [model.speller(texts[1], memory, sampling=1.0)[0] for _ in range(40)]
    for one, other in zip(drawn, again, strict=True):
        torch.testing.assert_close(one, other)  # what was told does not matter
    second = [one[0, 0, 1] for one in drawn]
    assert any(not torch.allclose(one, second[0]) for one in second)
    told_second = [
        model.speller(torch.tensor([[[token]]]), memory)[0][0, 0, 1] for token in range(3)
    ]
    for one in second:
        assert any(torch.allclose(one, other) for other in told_second)


@pytest.mark.parametrize("wrong", [{"kernel": 4}, {"width": 0}, {"channels": 0}])
def test_a_wrong_shape_of_an_attention_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        AttentionOptions(**{**SHAPE, **wrong})  # type: ignore[arg-type]


def test_a_wrong_shape_of_a_speller_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected layers of 1 or more, found 0"):
        SpellerOptions(layers=0)


def test_the_guide_counts_how_far_looks_are_from_the_diagonal() -> None:
    rng = torch.Generator().manual_seed(0)
    looks = torch.rand(2, 4, 7, generator=rng).softmax(dim=-1)
    targets, steps = torch.tensor([3, 1]), torch.tensor([7, 5])
    expected = [
        sum(
            float(looks[b, u, t])
            * (1 - math.exp(-((((u + 0.5) / (U + 1)) - (t + 0.5) / S) ** 2) / (2 * 0.2**2)))
            for u in range(U + 1)
            for t in range(7)
        )
        for b, (U, S) in enumerate(zip([3, 1], [7, 5], strict=True))
    ]
    assert guide_loss(looks, targets, steps).tolist() == pytest.approx(expected, rel=1e-5)
    diagonal = torch.eye(5)[None]
    assert float(guide_loss(diagonal, torch.tensor([4]), torch.tensor([5]))) == pytest.approx(0)
