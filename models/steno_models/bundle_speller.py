"""A bundle of the family `las` as a recogniser.

tokens.txt    subwords or letters
lm/NAME.bin   an n-gram: of words, where there is
lm/NAME.lexicon.txt  how its words are spelled in tokens; else of the tokens themselves
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from safetensors.torch import load_file

from steno_models.bundle import GENERAL, Description, SearchSection, encoder_options
from steno_models.bundle_sections import SpellerSection
from steno_models.bundle_transducer import read_scorer
from steno_models.encoders.protocol import Context
from steno_models.errors import BundleError
from steno_models.features.cmvn import GlobalCmvn
from steno_models.fusion.scorer import DensityRatio, StepScorer
from steno_models.las.attention import AttentionKind, AttentionOptions
from steno_models.las.internal import InternalSteps
from steno_models.las.model import LasModel, LasOptions
from steno_models.las.ranking import Ranking
from steno_models.las.search import SearchOptions
from steno_models.las.speller import ContextFeeds, Speller, SpellerOptions
from steno_models.search.confidence import Calibration
from steno_models.search.fusion import Scorer, ShallowFusion
from steno_models.speller_recogniser import SpellerRecogniser
from steno_models.text.tokens import TokenTable
from steno_models.transducer_words import begins_word


def load(path: Path, description: Description) -> SpellerRecogniser:
    """Return the recogniser of the bundle in `path`.

    Raises:
        BundleError: the description lacks a section, or asks for what there is not.
        DataError: a file is not what it should be.
    """
    section = _section(path, description)
    if description.speech_gate is not None:
        raise BundleError(
            f"expected no speech gate in {path}: it judges posteriors step by step, which a "
            "speller has not"
        )
    if description.search.blank_penalty != 0:
        raise BundleError(
            f"expected a blank penalty of 0 in {path}, found {description.search.blank_penalty}: a "
            "speller has no blanks"
        )
    symbols = TokenTable.read(path / "tokens.txt").symbols
    if not any(map(begins_word, symbols)):
        raise BundleError(f"expected subwords or letters in {path}, found phones")
    encoder = encoder_options(path, description)
    model = LasModel(LasOptions(encoder=encoder, speller=_speller(section)), len(symbols))
    weights = load_file(path / "model.safetensors")
    model.load_state_dict({name: weight.float() for name, weight in weights.items()})
    model = model.eval().requires_grad_(requires_grad=False)
    streaming, calibration = description.streaming, description.calibration
    return SpellerRecogniser(
        model=model,
        cmvn=GlobalCmvn.load(path / "cmvn.safetensors"),
        symbols=symbols,
        searches=_searches(path, description, symbols, model.speller),
        context=Context(streaming.chunk_steps, streaming.left_steps),
        posterior_scale=description.search.posterior_scale,
        calibration=Calibration(weights=calibration.weights, bias=calibration.bias),
    )


def _speller(section: SpellerSection) -> SpellerOptions:
    return SpellerOptions(
        width=section.width,
        layers=section.layers,
        feeds=ContextFeeds(section.feeds),
        attention=AttentionOptions(
            kind=AttentionKind(section.attention),
            width=section.attention_width,
            channels=section.attention_channels,
            kernel=section.attention_kernel,
        ),
        dropout=0.0,
    )


def _searches(
    path: Path, description: Description, symbols: Sequence[str], speller: Speller
) -> dict[str, SearchOptions]:
    """Return how to search, by name of the language model.

    Raises:
        BundleError: something is to be taken away where nothing is added.
    """
    section, found = _section(path, description), description.search
    options = SearchOptions(
        beam=found.max_tokens,
        max_drop=found.beam,
        ctc_weight=section.ctc_weight,
        ranking=Ranking(length_power=section.length_power, coverage=section.coverage),
        labels_per_step=section.labels_per_step,
        fusion=ShallowFusion(label_score=section.label_score),
    )
    if not description.language_models:
        return {GENERAL: options}
    return {
        name: replace(
            options,
            fusion=replace(
                options.fusion,
                scorer=_lessened(
                    read_scorer(path / "lm", name, found, symbols), speller, section, found
                ),
                weight=found.lm_weight,
            ),
        )
        for name in description.language_models
    }


def _section(path: Path, description: Description) -> SpellerSection:
    if description.las is None:
        raise BundleError(f"expected a section [las] in the description of {path}, found none")
    return description.las


def _lessened(
    scorer: Scorer, speller: Speller, section: SpellerSection, search: SearchSection
) -> Scorer:
    """Return `scorer` less what the speller knows of its own texts, where that is asked for."""
    if section.internal_weight == 0:
        return scorer
    if search.lm_weight <= 0:
        raise BundleError(
            f"expected an lm_weight above 0 beside an internal_weight, found {search.lm_weight}"
        )
    return DensityRatio(
        target=scorer,
        source=StepScorer(InternalSteps(speller)),
        ratio=section.internal_weight / search.lm_weight,
    )
