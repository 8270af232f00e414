"""Second passes for tiny bundles: a recurrent model of four words, a speller of few subwords."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import tomli_w
import torch
from safetensors.torch import save_file
from tests.models import tiny_bundles as tiny

from steno_models import bundle, bundle_command
from steno_models.bundle_second_pass import FOLDER, LANGUAGE, SPELLER, write_speller
from steno_models.bundle_sections import SecondPassSection
from steno_models.ctc.model import CtcModel
from steno_models.encoders.conformer import ConformerOptions
from steno_models.features.cmvn import GlobalCmvn
from steno_models.las.attention import AttentionOptions
from steno_models.las.speller import Speller, SpellerOptions
from steno_models.lm.neural import stored
from steno_models.lm.neural.units import WordUnits
from steno_models.lm.recurrent.model import RecurrentLm, RecurrentShape
from steno_models.rescoring.candidate import Candidate
from steno_models.search.hypothesis import SearchWord

SHAPE = RecurrentShape(width=6, cells=7, layers=1, shortlist=3, class_size=2, dropout=0.0)


def recurrent(
    folder: Path, words: Sequence[str] = tuple(tiny.WORDS), *, seed: int = 1, carries: bool = True
) -> Path:
    """Write a recurrent model of `words` with random weights that say a lot."""
    units = WordUnits.of_counts(dict.fromkeys(words, 3), max(1, len(words) - 1), words)
    torch.manual_seed(seed)
    model = RecurrentLm(units.size, SHAPE).requires_grad_(requires_grad=False)
    model.output.weight *= 8
    model.embedding.weight *= 3
    stored.write_units(folder, units)
    description = stored.Description(
        kind="recurrent",
        units="words",
        own=units.own,
        carries=carries,
        shape=dict(msgspec.to_builtins(SHAPE)),
        step=0,
        perplexity=1.0,
    )
    (folder / stored.DESCRIPTION).write_text(tomli_w.dumps(msgspec.to_builtins(description)))
    stored.write_weights(folder, model.state_dict())
    return folder


def speller(folder: Path, *, tokens: int, values: int = 16) -> Path:
    """Write a speller with random weights that say a lot."""
    torch.manual_seed(4)
    options = SpellerOptions(width=8, attention=AttentionOptions(width=8, channels=2, kernel=3))
    model = Speller(options, tokens=tokens, values=values).requires_grad_(requires_grad=False)
    model.output.weight *= 8
    write_speller(folder, model)
    return folder


def ctc_of_subwords(path: Path) -> Path:
    """Write a CTC model of subwords, searched through a lexicon that is spelled in them."""
    path.mkdir(parents=True)
    bpe = tiny.subwords()
    bpe.table.write(path / "tokens.txt")
    GlobalCmvn(np.full(80, 10, np.float32), np.full(80, 0.3, np.float32)).save(
        path / "cmvn.safetensors"
    )
    symbols = bpe.table.symbols
    spelled = {word: " ".join(symbols[i] for i in bpe.encode(word)) for word in tiny.WORDS}
    tiny.word_model(path / "lm", spelled)
    torch.manual_seed(0)
    options = ConformerOptions(**msgspec.structs.asdict(tiny.ENCODER))
    model = CtcModel(options, len(symbols)).requires_grad_(requires_grad=False)
    model.output.weight *= 4
    weights = {name: weight.half() for name, weight in model.state_dict().items()}
    save_file(weights, path / "model.safetensors")
    return tiny.describe(path, family="ctc", encoder=tiny.ENCODER)


def give(path: Path, **fields: object) -> Path:
    """Put a recurrent model into the bundle in `path`, unless it has models, and seal it."""
    if not (path / FOLDER).exists():
        recurrent(path / FOLDER / LANGUAGE)
    section = msgspec.convert(
        {"kind": "language", "language_weight": 0.3, "n_best": 8, **fields}, SecondPassSection
    )
    described = msgspec.structs.replace(bundle.describe(path), second_pass=section)
    (path / bundle.DESCRIPTION).write_text(tomli_w.dumps(msgspec.to_builtins(described)))
    bundle_command.seal(path)
    return path


def give_speller(path: Path, **fields: object) -> Path:
    """Put a speller into the bundle in `path` and seal it."""
    speller(path / FOLDER / SPELLER, tokens=len(tiny.subwords().table))
    return give(path, **{"kind": "attention", **fields})


def candidate(text: str, log_score: float, *, shift: int = 0) -> Candidate:
    """A candidate of these words, one every five steps, each with ln p of -1 by the n-grams."""
    texts = tuple(text.split())
    spans = tuple((5 * k + shift, 5 * k + 3 + shift) for k in range(len(texts)))
    known = tuple(SearchWord(0, start, end, 0.5, -0.1, -1.0) for start, end in spans)
    return Candidate(texts, known, spans, log_score, np.full(len(texts) + 1, -1.0), 0.5)
