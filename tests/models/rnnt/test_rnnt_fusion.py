"""Language models beside a predictor: step by step as at once, and in the search as enumerated."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file
from tests.models.rnnt import tiny_transducer as tiny
from tests.models.tiny_language import Ignorant, TinyLanguage

from steno_models.errors import ConfigError
from steno_models.fusion.language import LanguageNetwork
from steno_models.fusion.layers import DeepFusion, FusionOptions
from steno_models.rnnt import command
from steno_models.rnnt.config import read_config
from steno_models.rnnt.fused import FusedPredictor
from steno_models.rnnt.model import TransducerModel
from steno_models.rnnt.objective import TrainingTransducer, Work
from steno_models.rnnt.search import SearchOptions, TransducerSearch
from steno_models.training.manifest import Utterance, write_manifest

torch.set_num_threads(1)

KINDS: list[Literal["deep", "cold"]] = ["deep", "cold"]
TARGETS = torch.tensor([[1, 2, 2], [2, 1, 0]])
CONFIG = """
family = "rnnt"
folder = "{folder}"
cache = "cache"
units = {{ kind = "characters" }}
optim = {{ total_steps = 2, warmup_steps = 1 }}
encoder = {{ width = 16, layers = 2, heads = 2, feed_forward = 16, kernel = 3 }}
transducer = {{ predictor_width = 8, joiner_width = 8 }}
{fusion}
[[corpora]]
manifest = "speech.jsonl"
[[dev]]
manifest = "speech.jsonl"
"""


def fused(
    name: str, kind: Literal["deep", "cold"], language: LanguageNetwork | None = None
) -> TransducerModel:
    """The tiny transducer with a language model, whose layers say something."""
    options = replace(tiny.SHAPES[name], fusion=FusionOptions(kind=kind, width=5))
    model = TransducerModel(options, 3, language or TinyLanguage()).eval()
    plain = tiny.transducer(name).state_dict()
    moved = {key.replace("predictor.", "predictor.predictor.", 1): key for key in plain}
    own = {new if old.startswith("predictor.") else old: plain[old] for new, old in moved.items()}
    model.load_state_dict(own, strict=False)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in beside(model).fusion.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
    return model.requires_grad_(requires_grad=False)


def beside(model: TransducerModel) -> FusedPredictor:
    assert isinstance(model.predictor, FusedPredictor)
    return model.predictor


@pytest.mark.parametrize("name", ["recurrent", "gated", "stateless"])
@pytest.mark.parametrize("kind", KINDS)
def test_step_by_step_the_predictor_says_what_it_says_at_once(
    name: str, kind: Literal["deep", "cold"]
) -> None:
    model = fused(name, kind)
    whole, states = model.predictor(TARGETS), model.predictor.start().expand(2, -1)
    for u, tokens in enumerate(torch.nn.functional.pad(TARGETS, (1, 0)).unbind(1)):
        outputs, states = model.predictor.step(tokens, states)
        torch.testing.assert_close(outputs, whole[:, u])
    plain = tiny.transducer(name).predictor(TARGETS)
    hidden = [TinyLanguage().again.weight.new_zeros(2, 4)]
    for tokens in torch.nn.functional.pad(TARGETS, (1, 0)).unbind(1):
        hidden.append(TinyLanguage().read(tokens, hidden[-1])[0])
    added = beside(model).fusion(plain, torch.stack(hidden[1:], dim=1))
    torch.testing.assert_close(whole, plain + added)
    assert bool(added.abs().max() > 0.1)


def test_what_is_shut_or_knows_nothing_changes_nothing() -> None:
    plain = tiny.transducer("recurrent").predictor(TARGETS)
    assert torch.equal(fused("recurrent", "cold", Ignorant()).predictor(TARGETS), plain)
    model = fused("recurrent", "deep")
    fusion = beside(model).fusion
    assert isinstance(fusion, DeepFusion)
    torch.nn.init.constant_(fusion.gate.bias, -torch.inf)
    assert torch.equal(model.predictor(TARGETS), plain)


@pytest.mark.parametrize("kind", KINDS)
def test_a_beam_that_drops_nothing_finds_every_text_with_its_probability(
    kind: Literal["deep", "cold"],
) -> None:
    model, steps = fused("recurrent", kind), tiny.random_steps(3)
    options = SearchOptions(beam=10_000, max_symbols=1, max_drop=1e6, candidates=10)
    search = TransducerSearch(model, options)
    (state,) = search.step([(steps, search.start())])
    found = {
        tuple(token.token for token in one.tokens): one.log_score
        for one in search.finish(state, 10_000)
    }
    wanted = {text: tiny.log_prob(model, steps, text, 1) for text in tiny.all_texts(3, 3)}
    assert found == pytest.approx(wanted, abs=1e-4)


def test_deep_fusion_trains_the_gate_and_the_output_alone() -> None:
    model = fused("stateless", "deep").requires_grad_()
    training = TrainingTransducer(model, columns=4, only_fusion=True).train()
    work = Work(
        torch.randn(2, 47, 80, generator=torch.Generator().manual_seed(0)),
        torch.tensor([11, 7]),
        TARGETS,
        torch.tensor([3, 2]),
    )
    torch.autograd.backward(torch.stack(list(training(work, None).values())).sum())
    reached = {
        name.rpartition(".")[0] for name, w in model.named_parameters() if w.grad is not None
    }
    assert reached == {"joiner.output", "predictor.fusion.gate", "predictor.fusion.output"}
    assert not model.encoder.training


def opened(_path: Path, symbols: object) -> LanguageNetwork:
    assert isinstance(symbols, tuple)
    return TinyLanguage(tokens=len(symbols))


def test_the_command_joins_a_language_model_to_what_it_has_trained(tmp_path: Path) -> None:
    rng, utterances = np.random.default_rng(0), []
    for name, text in (("one", "red"), ("two", "a red")):
        audio = tmp_path / f"{name}.wav"
        soundfile.write(audio, rng.normal(0, 0.1, 16_000).clip(-1, 1), 16_000)
        utterances.append(Utterance(name, audio, 0.0, 1.0, text, ""))
    write_manifest(tmp_path / "speech.jsonl", utterances)
    fusions = {
        "plain": "",
        "deep": 'fusion = { kind = "deep", language_model = "lm", after = "plain" }',
        "cold": 'fusion = { kind = "cold", language_model = "lm", width = 4 }',
    }
    found = {}
    for kind, fusion in fusions.items():
        path = tmp_path / f"{kind}.toml"
        path.write_text(CONFIG.format(folder=kind, fusion=fusion), encoding="utf-8")
        assert command.main([str(path), "--device", "cpu"], open_language=opened) == 0
        found[kind] = load_file(tmp_path / kind / "acoustic/model.safetensors")
    for name, weight in found["plain"].items():
        moved = name.replace("predictor.", "predictor.predictor.", int(name.startswith("pred")))
        assert torch.equal(weight, found["deep"][moved]) == ("joiner.output" not in name)
    assert any(name.startswith("predictor.fusion.projection") for name in found["cold"])
    with pytest.raises(ConfigError, match="without a language model within, found cold"):
        command.main([str(tmp_path / "cold.toml")])


def test_a_mistake_in_a_fusion_is_named(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    fusion = 'fusion = { kind = "deep", language_model = "lm" }'
    path.write_text(CONFIG.format(folder="x", fusion=fusion), encoding="utf-8")
    with pytest.raises(ConfigError, match="expected a training that deep fusion comes after"):
        read_config(path)
