"""Language models joined to spellers: what they add, whom gradients reach, what a search says."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from msgspec import structs
from numpy.typing import NDArray
from tests.models import tiny_bundles
from tests.models.las import tiny_las as tiny
from tests.models.tiny_language import Ignorant, TinyLanguage
from torch import Tensor

from steno_models import bundle, bundle_speller
from steno_models.errors import BundleError, ConfigError
from steno_models.fusion.language import LanguageNetwork
from steno_models.fusion.layers import ColdFusion, DeepFusion, FusionOptions
from steno_models.fusion.scorer import DensityRatio, LanguageSteps, StepScorer
from steno_models.las.attention import AttentionKind
from steno_models.las.internal import InternalSteps
from steno_models.las.loss import TrainingLas
from steno_models.las.model import Encoded, LasModel
from steno_models.las.search import LasSearch, SearchOptions
from steno_models.las.speller import ContextFeeds
from steno_models.search.fusion import ShallowFusion
from steno_models.training.data import Batch

torch.set_num_threads(1)

KINDS: list[Literal["deep", "cold"]] = ["deep", "cold"]
TEXTS = torch.tensor([[[1, 2, 1], [2, 2, 0]], [[2, 1, 0], [1, 0, 0]]])


def fused(
    kind: Literal["deep", "cold"],
    language: LanguageNetwork | None = None,
    feeds: ContextFeeds = ContextFeeds.BOTH,
) -> LasModel:
    """The tiny speller with a language model, whose layers say something."""
    plain = tiny.las(AttentionKind.LOCATION, feeds)
    options = replace(
        tiny.options(AttentionKind.LOCATION, feeds), fusion=FusionOptions(kind=kind, width=5)
    )
    model = LasModel(options, 3, language or TinyLanguage()).eval()
    model.load_state_dict(plain.state_dict(), strict=False)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in fusion_of(model).parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
    return model.requires_grad_(requires_grad=False)


def fusion_of(model: LasModel) -> DeepFusion | ColdFusion:
    assert isinstance(model.speller.fusion, DeepFusion | ColdFusion)
    return model.speller.fusion


def logits(model: LasModel) -> Tensor:
    found: Tensor = model.speller(TEXTS, model.memory(tiny.random_steps(9, 5)))[0]
    return found


# --- what is added


@pytest.mark.parametrize("feeds", list(ContextFeeds))
def test_a_closed_gate_is_no_fusion_at_all(feeds: ContextFeeds) -> None:
    model = fused("deep", feeds=feeds)
    assert not torch.allclose(logits(model), logits(tiny.las(feeds=feeds)))
    torch.nn.init.constant_(fusion_of(model).gate.bias, -math.inf)
    assert torch.equal(logits(model), logits(tiny.las(feeds=feeds)))


def test_deep_fusion_begins_with_what_the_speller_can() -> None:
    options = replace(tiny.options(), fusion=FusionOptions(kind="deep"))
    model = LasModel(options, 3, TinyLanguage()).eval()
    model.load_state_dict(tiny.las().state_dict(), strict=False)
    assert torch.equal(logits(model), logits(tiny.las()))


@pytest.mark.parametrize("feeds", list(ContextFeeds))
def test_a_language_model_that_knows_nothing_adds_nothing(feeds: ContextFeeds) -> None:
    model = fused("cold", Ignorant(), feeds)
    assert torch.equal(logits(model), logits(tiny.las(feeds=feeds)))


def one_layer(fusion: DeepFusion | ColdFusion, heard: Tensor, hidden: Tensor) -> Tensor:
    """What stands beside a decoder's state by the papers' equations, one position at a time."""
    if isinstance(fusion, DeepFusion):
        score = float(fusion.gate.weight[0] @ hidden + fusion.gate.bias[0])
        return hidden / (1 + math.exp(-score))
    told = fusion.language.log_probs(hidden)
    said = (fusion.projection.weight @ (told - told.max())).clamp(min=0)
    gate = fusion.gate.weight @ torch.cat((heard, said)) + fusion.gate.bias
    return said / (1 + torch.exp(-gate))


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_those_of_one_layer_that_hears_both(kind: Literal["deep", "cold"]) -> None:
    model = fused(kind, feeds=ContextFeeds.OUTPUT)
    speller, memory, fusion = model.speller, model.memory(tiny.random_steps(6)), fusion_of(model)
    state, remembered, cells = speller.start(memory), fusion.language.begin(), None
    for token in (0, 2, 1, 1):
        tokens = torch.tensor([token])
        x = speller.embedding(tokens)
        cells = speller.cells[0](x, cells)
        found, state = speller.step(tokens.unsqueeze(0), state, memory)
        heard = torch.cat((cells[0][0], state.contexts[0, 0]))
        hidden, remembered = fusion.language.read(tokens, remembered)
        beside = one_layer(fusion, heard, hidden[0])
        layer = torch.cat((speller.hidden.weight, fusion.output.weight), dim=1)
        before = layer @ torch.cat((heard, beside)) + speller.hidden.bias
        torch.testing.assert_close(found[0, 0], speller.output(torch.tanh(before)))


def test_a_constant_on_all_logits_of_the_language_model_does_not_matter() -> None:
    class Shifted(TinyLanguage):
        def log_probs(self, hidden: Tensor) -> Tensor:
            return super().log_probs(hidden) + 7

    torch.testing.assert_close(logits(fused("cold", Shifted())), logits(fused("cold")))


# --- whom gradients reach


def a_batch() -> Batch:
    return Batch(
        torch.randn(2, 47, 80, generator=torch.Generator().manual_seed(0)),
        torch.tensor([47, 31], dtype=torch.int32),
        torch.tensor([[1, 2, 1], [2, 0, 0]], dtype=torch.int32),
        torch.tensor([3, 1], dtype=torch.int32),
        ("one", "two"),
    )


def reached(model: LasModel, *, only_fusion: bool) -> set[str]:
    """The weights that the spelling's gradient reaches."""
    model.requires_grad_()
    training = TrainingLas(model, only_fusion=only_fusion).train()
    training(a_batch(), None)["speller"].backward()
    return {
        name
        for name, weight in model.named_parameters()
        if weight.grad is not None and bool(weight.grad.any())
    }


def test_cold_fusion_trains_all_but_the_language_model() -> None:
    model = fused("cold")
    found = reached(model, only_fusion=False)
    assert found == {name for name, _ in model.named_parameters() if "ctc_output" not in name}
    assert all(weight.grad is None for weight in fusion_of(model).language.parameters())


def test_deep_fusion_trains_the_gate_and_the_last_layers_alone() -> None:
    model = fused("deep")
    wanted = {"speller.hidden", "speller.output", "speller.fusion.gate", "speller.fusion.output"}
    found = reached(model, only_fusion=True)
    assert {name.rpartition(".")[0] for name in found} == wanted
    assert not TrainingLas(model, only_fusion=True).train().model.encoder.training
    assert model.speller.training
    assert not fusion_of(model).language.training


def test_a_frozen_encoder_hears_as_it_will_later_and_learns_nothing() -> None:
    model = fused("cold").requires_grad_()
    training = TrainingLas(model, freeze_encoder=True).train()
    assert not model.encoder.training
    assert model.speller.training
    training(a_batch(), None)["speller"].backward()
    reached_names = {name for name, weight in model.named_parameters() if weight.grad is not None}
    wanted = {name for name, _ in model.named_parameters() if not name.startswith("encoder.")}
    assert {name for name in wanted if "ctc_output" not in name} <= reached_names <= wanted


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_a_fusion_are_those_of_differences(kind: Literal["deep", "cold"]) -> None:
    model = fused(kind).double()
    fusion = fusion_of(model)
    generator = torch.Generator().manual_seed(1)
    width = model.speller.hidden.in_features
    heard, hidden = (
        torch.randn(2, n, dtype=torch.float64, generator=generator).requires_grad_()
        for n in (width, 4)
    )
    assert torch.autograd.gradcheck(fusion, (heard, hidden))


# --- language models in each other's place


@pytest.mark.parametrize("kind", KINDS)
def test_a_language_model_is_no_part_of_the_weights_and_moves_with_them(
    kind: Literal["deep", "cold"],
) -> None:
    model = fused(kind)
    assert not any("language" in name or "again" in name for name in model.state_dict())
    model.double()
    assert fusion_of(model).language.begin().dtype == torch.float64
    fusion_of(model).replace(TinyLanguage(seed=1))
    assert fusion_of(model).language.begin().dtype == torch.float64


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_with_another_language_model_says_what_one_made_with_it_says(
    kind: Literal["deep", "cold"],
) -> None:
    model, other = fused(kind), fused(kind, TinyLanguage(seed=1))
    assert not torch.allclose(logits(model), logits(other))
    fusion_of(model).replace(TinyLanguage(seed=1))
    assert torch.equal(logits(model), logits(other))


def test_only_what_fits_takes_a_language_models_place() -> None:
    wide = TinyLanguage(width=6)
    fusion_of(fused("cold")).replace(wide)
    with pytest.raises(ConfigError, match="language model of width 4, found 6"):
        fusion_of(fused("deep")).replace(wide)
    for kind in KINDS:
        with pytest.raises(ConfigError, match="of the 3 tokens"):
            fusion_of(fused(kind)).replace(TinyLanguage(tokens=4))


def test_a_fusion_without_a_language_model_or_with_one_of_other_tokens_is_refused() -> None:
    options = replace(tiny.options(), fusion=FusionOptions(kind="cold"))
    with pytest.raises(ConfigError, match="expected a language model where there is a fusion"):
        LasModel(options, 3)
    with pytest.raises(ConfigError, match="expected a fusion where there is a language model"):
        LasModel(tiny.options(), 3, TinyLanguage())
    with pytest.raises(ConfigError, match="of 3 tokens, found one of 4"):
        LasModel(options, 3, TinyLanguage(tokens=4))
    with pytest.raises(ConfigError, match="width of 1 or more, found 0"):
        FusionOptions(kind="cold", width=0)


# --- what a search says


def wide_search(**chosen: object) -> SearchOptions:
    return SearchOptions(beam=10_000, max_drop=1e6, candidates=10, **chosen)  # type: ignore[arg-type]


def texts_of(model: LasModel, encoded: Encoded) -> dict[tiny.Text, float]:
    """ln p of every text with up to three labels, each text given as a whole."""
    found = {}
    for text in tiny.all_texts(3, 3):
        told = torch.tensor(text, dtype=torch.int64).view(1, 1, -1)
        log_probs = model.speller(told, model.memory(encoded))[0][0, 0].double().log_softmax(-1)
        found[text] = float(log_probs[range(len(text) + 1), [*text, 0]].sum())
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_beam_that_drops_nothing_finds_what_enumeration_finds(
    kind: Literal["deep", "cold"],
) -> None:
    model, encoded = fused(kind), tiny.random_steps(3)
    (found,) = LasSearch(model, wide_search(ctc_weight=0.0)).search(encoded, 10_000)
    wanted = texts_of(model, encoded)
    assert {one.tokens: one.log_score for one in found} == pytest.approx(wanted, abs=1e-4)
    assert found[0].tokens == max(wanted, key=lambda text: wanted[text])


@pytest.mark.parametrize("kind", KINDS)
def test_utterances_searched_together_are_found_as_alone(kind: Literal["deep", "cold"]) -> None:
    search = LasSearch(fused(kind), SearchOptions(beam=3))
    lengths = (5, 9, 1, 7)
    together = tiny.random_steps(*lengths, seed=4)
    found = search.search(together, 3)
    for i, S in enumerate(lengths):
        alone = Encoded(together.steps[i : i + 1, :S], together.lengths[i : i + 1])
        (one,) = search.search(alone, 3)
        assert [each.tokens for each in found[i]] == [each.tokens for each in one]
        scores = [each.score for each in one]
        assert [each.score for each in found[i]] == pytest.approx(scores, abs=1e-4)


def unheard(model: LasModel, text: tiny.Text) -> list[float]:
    """ln p of a text's tokens and its end by a speller that looks at five steps of nothing."""
    steps = Encoded(torch.zeros(1, 5, tiny.WIDTH), torch.tensor([5]))
    told = torch.tensor(text, dtype=torch.int64).view(1, 1, -1)
    found = model.speller(told, model.memory(steps))[0][0, 0].double().log_softmax(-1)
    return [float(row[token]) for row, token in zip(found, (*text, 0), strict=True)]


@pytest.mark.parametrize("source", ["language model", "internal"])
def test_what_the_speller_knows_already_is_taken_away(source: str) -> None:
    model, encoded, target = tiny.las(), tiny.random_steps(3), TinyLanguage()
    own = TinyLanguage(seed=1)
    known = LanguageSteps(own) if source == "language model" else InternalSteps(model.speller)
    ratio = DensityRatio(
        target=StepScorer(LanguageSteps(target)), source=StepScorer(known), ratio=0.4
    )
    options = wide_search(ctc_weight=0.0, fusion=ShallowFusion(scorer=ratio, weight=0.7))
    (found,) = LasSearch(model, options).search(encoded, 10_000)
    wanted = {}
    for text, spelling in texts_of(model, encoded).items():
        taken = own.of(text) if source == "language model" else unheard(model, text)
        wanted[text] = spelling + 0.7 * (sum(target.of(text)) - 0.4 * sum(taken))
    assert {one.tokens: one.log_score for one in found} == pytest.approx(wanted, abs=1e-4)


def test_what_many_texts_begin_with_is_read_once() -> None:
    class Counted(LanguageSteps):
        reads = 0

        def read(self, token: int, memory: Tensor) -> tuple[NDArray[np.float64], Tensor]:
            self.reads += 1
            return super().read(token, memory)

    model = Counted(TinyLanguage())
    scorer = StepScorer(model)
    state = scorer.start()
    (one, _), (other, _) = scorer.advance(state, 1), scorer.advance(state, 2)
    assert model.reads == 1
    assert scorer.end(one) != scorer.end(other)
    assert model.reads == 3


def test_what_a_speller_says_unheard_does_not_depend_on_how_much_there_is_to_look_at() -> None:
    model = tiny.las()
    scorer = StepScorer(InternalSteps(model.speller))
    state, found = scorer.start(), []
    for token in (1, 2, 2):
        state, log_prob = scorer.advance(state, token)
        found.append(log_prob)
    assert [*found, scorer.end(state)] == pytest.approx(unheard(model, (1, 2, 2)), abs=1e-5)


def test_a_bundle_takes_away_what_its_speller_knows(tmp_path: Path) -> None:
    path = tiny_bundles.speller(tmp_path / "bundle")
    description = bundle.describe(path)
    assert description.las is not None
    lessened = structs.replace(
        description, las=structs.replace(description.las, internal_weight=0.2)
    )
    recognisers = [bundle_speller.load(path, each) for each in (description, lessened)]
    plain, scorer = (each.searches["general"].fusion.scorer for each in recognisers)
    assert plain is not None
    assert isinstance(scorer, DensityRatio)
    known = StepScorer(InternalSteps(recognisers[1].model.speller))
    (_, wanted), (_, found) = (each.advance(each.start(), 5) for each in (plain, scorer))
    taken = 0.2 / description.search.lm_weight * known.advance(known.start(), 5)[1]
    assert found == pytest.approx(wanted - taken, abs=1e-6)
    search = structs.replace(description.search, lm_weight=0.0)
    without = structs.replace(lessened, search=search)
    with pytest.raises(BundleError, match="expected an lm_weight above 0"):
        bundle_speller.load(path, without)


def test_a_ratio_below_nothing_is_refused() -> None:
    scorer = StepScorer(LanguageSteps(TinyLanguage()))
    with pytest.raises(ConfigError, match="expected ratio of 0 or more"):
        DensityRatio(target=scorer, source=scorer, ratio=-0.1)
