"""A bundle of the family `rnnt` as a recogniser.

    tokens.txt           subwords or phones
    lm/NAME.bin          an n-gram: of words, where there is
    lm/NAME.lexicon.txt  how its words are spelled in tokens; else of the tokens themselves

Subwords need no language model; phones do, since without its words they are none.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
from safetensors.torch import load_file

from steno_models.bundle import GENERAL, Description, SearchSection, encoder_options
from steno_models.bundle_sections import TransducerSection
from steno_models.encoders.layout import lay_out
from steno_models.encoders.protocol import Context
from steno_models.encoders.whole import for_streams
from steno_models.errors import BundleError
from steno_models.features.cmvn import GlobalCmvn
from steno_models.lm.ngram.model import NgramModel
from steno_models.recogniser import BundledRecogniser
from steno_models.rewriting_recogniser import streamed
from steno_models.rnnt.fusion import Fusion
from steno_models.rnnt.model import TransducerModel, TransducerOptions
from steno_models.rnnt.search import SearchOptions
from steno_models.search.confidence import Calibration
from steno_models.search.fusion import NgramScorer
from steno_models.search.pronunciations import Pronunciations
from steno_models.search.word_scorer import WordScorer
from steno_models.text.tokens import TokenTable
from steno_models.transducer_recogniser import TransducerLanguage, TransducerRecogniser
from steno_models.transducer_words import LexiconWords, MarkedWords, Spelling, begins_word

_SEARCH = ("max_symbols", "candidates", "internal_weight", "label_score")


def load(path: Path, description: Description) -> BundledRecogniser:
    """Return the recogniser of the bundle in `path`.

    Raises:
        BundleError: the description lacks a section, or asks for what there is not.
        DataError: a file is not what it should be.
    """
    section = _section(path, description)
    symbols = TokenTable.read(path / "tokens.txt").symbols
    encoder = encoder_options(path, description)
    shape = {k: v for k, v in msgspec.structs.asdict(section).items() if k not in _SEARCH}
    model = TransducerModel(TransducerOptions(encoder=encoder, **shape, dropout=0.0), len(symbols))
    weights = load_file(path / "model.safetensors")
    model.load_state_dict({name: weight.float() for name, weight in weights.items()})
    model = model.eval().requires_grad_(requires_grad=False)
    lay_out(model.encoder)
    model.encoder = for_streams(model.encoder)
    streaming, calibration = description.streaming, description.calibration
    recogniser = TransducerRecogniser(
        model=model,
        cmvn=GlobalCmvn.load(path / "cmvn.safetensors"),
        language_models=_languages(path, description, section, symbols),
        context=Context(streaming.chunk_steps, streaming.left_steps),
        calibration=Calibration(weights=calibration.weights, bias=calibration.bias),
    )
    return streamed(recogniser, model.encoder)


def _section(path: Path, description: Description) -> TransducerSection:
    """Return the section of the transducer, once it is sure that nothing asks for more."""
    if description.transducer is None:
        raise BundleError(
            f"expected a section [transducer] in the description of {path}, found none"
        )
    if description.speech_gate is not None:
        raise BundleError(
            f"expected no speech gate in {path}: it judges the posteriors of CTC, which a "
            "transducer has not"
        )
    if description.search.blank_penalty != 0:
        raise BundleError(
            f"expected a blank penalty of 0 in {path}, found {description.search.blank_penalty}: a "
            "transducer has `label_score` against texts that come out too short"
        )
    return description.transducer


def _languages(
    path: Path, description: Description, section: TransducerSection, symbols: Sequence[str]
) -> dict[str, TransducerLanguage]:
    """Return the searches by name of their language model."""
    if description.language_models:
        return {
            name: _language(path / "lm", name, description, section, symbols)
            for name in description.language_models
        }
    if not any(map(begins_word, symbols)):
        raise BundleError(
            f"expected a language model in {path}, found none: without its words phones are none"
        )
    options = _options(description, section)
    scale = description.search.posterior_scale
    return {GENERAL: TransducerLanguage(options, MarkedWords(symbols), scale)}


def _language(
    folder: Path,
    name: str,
    description: Description,
    section: TransducerSection,
    symbols: Sequence[str],
) -> TransducerLanguage:
    """Return the search with the language model NAME.bin of `folder`."""
    found, options = description.search, _options(description, section)
    scorer = read_scorer(folder, name, found, symbols)
    spelling: Spelling = MarkedWords(symbols)
    if isinstance(scorer, WordScorer) and scorer.begins is None:
        spelling = LexiconWords(scorer, scorer.model.vocabulary)
    fusion = replace(options.fusion, scorer=scorer, weight=found.lm_weight)
    return TransducerLanguage(replace(options, fusion=fusion), spelling, found.posterior_scale)


def read_scorer(
    folder: Path, name: str, search: SearchSection, symbols: Sequence[str]
) -> WordScorer | NgramScorer:
    """Return the language model NAME.bin of `folder` as one of tokens, which are `symbols`.

    Raises:
        BundleError: tokens that do not say where words begin have no lexicon.
    """
    model, lexicon = NgramModel.open(folder / f"{name}.bin"), folder / f"{name}.lexicon.txt"
    begins = list(map(begins_word, symbols))
    if lexicon.is_file():
        return WordScorer.of(
            model,
            Pronunciations.read(lexicon, model.vocabulary[:-3], symbols),
            len(symbols),
            begins=begins if any(begins) else None,
            word_score=search.word_score / search.lm_weight if search.lm_weight else 0.0,
        )
    if not any(begins):
        raise BundleError(f"expected a lexicon of phones at {lexicon}, found none")
    return NgramScorer.of(model, symbols)


def _options(description: Description, section: TransducerSection) -> SearchOptions:
    """Return how to search, without a language model."""
    return SearchOptions(
        beam=description.search.max_tokens,
        max_symbols=section.max_symbols,
        max_drop=description.search.beam,
        candidates=section.candidates,
        fusion=Fusion(internal_weight=section.internal_weight, label_score=section.label_score),
    )
