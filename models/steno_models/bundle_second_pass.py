"""The second pass of a bundle.

second_pass/language/   a neural language model, as `steno-models lm train` leaves it: lm.toml,
                        weights.safetensors, words.txt or tokens.txt
second_pass/speller/    speller.toml: its shape; weights.safetensors. It writes the bundle's tokens
                        and looks at the steps of the bundle's encoder.

The section [second_pass] of bundle.toml says which of them there are and what they weigh.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import tomli_w
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from steno_models.bundle_sections import SecondPassSection, SpellerShape
from steno_models.errors import ConfigError, DataError
from steno_models.hmm_recogniser import HmmRecogniser
from steno_models.las.attention import AttentionKind, AttentionOptions
from steno_models.las.speller import ContextFeeds, Speller, SpellerOptions
from steno_models.lexicon_recogniser import LexiconRecogniser
from steno_models.lm.open_model import open_model
from steno_models.lm.scorer import Scorer
from steno_models.recogniser import BundledRecogniser
from steno_models.rescoring.attention import AttentionScorer
from steno_models.rescoring.candidate import Candidate
from steno_models.rescoring.combination import Weights
from steno_models.rescoring.language import LanguageReader
from steno_models.rescoring.pace import Pace
from steno_models.rescoring.second_pass import SecondPass, Segment
from steno_models.search.confidence import Calibration
from steno_models.search.hypothesis import SearchWord
from steno_models.text.bpe import Bpe
from steno_models.text.tokens import TokenTable
from steno_models.transducer_words import begins_word
from steno_models.two_pass_recogniser import FirstPass, TwoPassRecogniser, two_pass

FOLDER = "second_pass"
LANGUAGE = "language"
SPELLER = "speller"
SHAPE = "speller.toml"
WEIGHTS = "weights.safetensors"
STEP_MS = 40
WARM_WORDS = 20
WARM_STEPS = 250
WORDS_ASKED = 1000
KNOWN = 0.5
"""A language model that knows fewer of the bundle's words is another's."""


def attach(
    path: Path, section: SecondPassSection, first: BundledRecogniser, posterior_scale: float
) -> TwoPassRecogniser:
    """Return the recogniser of the bundle in `path` with its second pass.

    Args:
        path: the bundle's folder.
        section: what its description says of the second pass.
        first: the first pass.
        posterior_scale: factor on log scores where they are compared for confidence.

    Raises:
        ConfigError: the parts do not fit together.
        DataError: a file is not what it should be.
    """
    passed = two_pass(first)
    words = _words(passed)
    rescorer = SecondPass(
        weights=weights_of(section),
        n_best=section.n_best,
        margin=section.margin,
        batch=section.batch,
        language=None
        if section.kind == "attention"
        else LanguageReader(
            _language(path, words), section.context_words, section.alike_words or None
        ),
        attention=None if section.kind == "language" else _attention(path, passed),
    )
    if isinstance(passed, LexiconRecogniser) and rescorer.looks_at_steps:
        passed = replace(passed, remembers_steps=True)
    _warm_up(rescorer, words, passed.steps_width)
    confidence = section.confidence
    return TwoPassRecogniser(
        first=passed,
        rescorer=rescorer,
        budget_s=section.budget_ms / 1000,
        hold_steps=section.hold_ms // STEP_MS,
        posterior_scale=posterior_scale,
        calibration=Calibration.from_table(confidence) if confidence else passed.calibration,
    )


def weights_of(section: SecondPassSection) -> Weights:
    """Return what the parts of the score weigh.

    Raises:
        ConfigError: what they cannot.
    """
    return Weights(
        language=section.language_weight,
        neural_share=section.neural_share,
        attention=section.attention_weight,
        word=section.word_score,
    )


def read_speller(folder: Path, tokens: int, values: int) -> Speller:
    """Return the speller in `folder`, for inference.

    Args:
        folder: with its shape and weights.
        tokens: V, how many there are in the bundle.
        values: D, the width of the encoder's steps.

    Raises:
        DataError: it is damaged, or made for other tokens or another encoder.
        ConfigError: its shape is not possible.
    """
    try:
        shape = msgspec.toml.decode((folder / SHAPE).read_bytes(), type=SpellerShape)
        options = SpellerOptions(
            width=shape.width,
            layers=shape.layers,
            feeds=ContextFeeds(shape.feeds),
            attention=AttentionOptions(
                kind=AttentionKind(shape.attention),
                width=shape.attention_width,
                channels=shape.attention_channels,
                kernel=shape.attention_kernel,
            ),
            dropout=0.0,
        )
        speller = Speller(options, tokens=tokens, values=values)
        weights = load_file(folder / WEIGHTS)
        speller.load_state_dict({name: weight.float() for name, weight in weights.items()})
    except (OSError, ValueError, msgspec.DecodeError, SafetensorError, RuntimeError) as error:
        raise DataError(
            f"expected in {folder} a speller of {tokens} tokens that looks at steps of width "
            f"{values}, found: {error}"
        ) from error
    return speller.eval().requires_grad_(requires_grad=False)


def write_speller(folder: Path, speller: Speller) -> None:
    """Write shape and weights of a speller into `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    options = speller.options
    shape = SpellerShape(
        width=options.width,
        layers=options.layers,
        feeds=options.feeds.value,
        attention=options.attention.kind.value,
        attention_width=options.attention.width,
        attention_channels=options.attention.channels,
        attention_kernel=options.attention.kernel,
    )
    (folder / SHAPE).write_text(tomli_w.dumps(msgspec.to_builtins(shape)))
    weights = {name: weight.half().contiguous() for name, weight in speller.state_dict().items()}
    save_file(weights, folder / WEIGHTS)


def _language(path: Path, words: Sequence[str]) -> Scorer:
    """Return the language model, if it is about the words of the bundle."""
    folder = path / FOLDER / LANGUAGE
    if not folder.is_dir():
        raise DataError(f"expected a language model in {folder}, found none")
    scorer = open_model(folder, live=True)
    known = sum(map(scorer.knows, words))
    if known < KNOWN * len(words):
        raise DataError(
            f"expected in {folder} a language model of the bundle's words, found one that knows "
            f"{known} of {len(words)}"
        )
    return scorer


def _attention(path: Path, first: FirstPass) -> AttentionScorer:
    if first.steps_width is None:
        raise ConfigError("expected a first pass with an encoder for a speller to look at")
    table = TokenTable.read(path / "tokens.txt")
    if not any(map(begins_word, table.symbols)):
        raise ConfigError("expected a bundle of subwords or letters for a speller, found phones")
    speller = read_speller(path / FOLDER / SPELLER, len(table), first.steps_width)
    return AttentionScorer(speller, Bpe(table))


def _words(first: FirstPass) -> list[str]:
    """Return some words that the first pass can find; none where it spells freely."""
    match first:
        case LexiconRecogniser():
            known = [model.words for model in first.language_models.values()]
        case HmmRecogniser():
            known = list(first.words.values())
        case _:
            known = []
    return [word for words in known for word in words[:: max(1, len(words) // WORDS_ASKED)]]


def _warm_up(rescorer: SecondPass, words: Sequence[str], steps_width: int | None) -> None:
    """Let the models score one whole batch, so that none of a real one's time is for beginning."""
    texts = (list(words) or ["a"]) * WARM_WORDS
    known = SearchWord(0, 0, 1, 1.0, 0.0, 0.0)
    candidates = [
        Candidate(
            texts=tuple(texts[place : place + WARM_WORDS]),
            known=(known,) * WARM_WORDS,
            spans=((0, 1),) * WARM_WORDS,
            log_score=0.0,
            language=np.zeros(WARM_WORDS + 1),
            lm_weight=1.0,
        )
        for place in range(min(rescorer.batch, len(texts) - WARM_WORDS + 1))
    ]
    steps = np.zeros((WARM_STEPS, steps_width or 0), np.float32)
    # What is slow the first time only says nothing of later ones.
    for each in (replace(rescorer, pace=Pace()), rescorer):
        each.rescore(candidates, Segment(steps, each.begin(())))
