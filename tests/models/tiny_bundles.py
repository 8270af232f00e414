"""Tiny bundles of every family: four words, random weights, a bigram model."""

from pathlib import Path

import msgspec
import numpy as np
import tomli_w
import torch
from safetensors.torch import save_file

from steno_models import bundle_command
from steno_models.bundle import (
    CalibrationSection,
    Description,
    SearchSection,
    StreamingSection,
)
from steno_models.bundle_sections import HmmSection, SpellerSection, TransducerSection
from steno_models.ctc.model import CtcModel
from steno_models.encoders.build import build_encoder
from steno_models.encoders.protocol import Context
from steno_models.encoders.section import ConformerSection, Encoder
from steno_models.features.cmvn import GlobalCmvn
from steno_models.hmm.frames import FrontEnd
from steno_models.hmm.gmm import DiagonalGmm
from steno_models.hmm.hybrid.model import Network, StateClassifier
from steno_models.hmm.hybrid.system import HybridSystem
from steno_models.hmm.model import PhoneModel
from steno_models.hmm.system import System
from steno_models.hmm.topology import Monophones
from steno_models.las.attention import AttentionOptions
from steno_models.las.model import LasModel, LasOptions
from steno_models.las.speller import SpellerOptions
from steno_models.lm.ngram.counts import count
from steno_models.lm.ngram.kneser_ney import estimate
from steno_models.lm.ngram.model import NgramModel
from steno_models.rnnt.model import TransducerModel, TransducerOptions
from steno_models.rnnt.predictor import Cell
from steno_models.text.bpe import Bpe
from steno_models.text.tokens import TokenTable

WORDS = {"at": "AE T", "cat": "K AE T", "see": "S IY", "tea": "T IY"}
TEXTS = ["see cat", "at tea", "see tea"]
ENCODER = ConformerSection(
    width=16, layers=2, heads=2, feed_forward=24, kernel=5, subsampling_channels=3
)
SMALLER = ConformerSection(
    width=16, layers=1, heads=2, feed_forward=24, kernel=3, subsampling_channels=3
)
SEARCH = SearchSection(
    beam=20.0,
    max_tokens=500,
    lm_weight=0.3,
    word_score=1.0,
    blank_penalty=0.0,
    posterior_scale=0.3,
)


def subwords() -> Bpe:
    """Return a few subwords of the words."""
    return Bpe.learn(TEXTS * 3, 40)


def ngram(path: Path, words: tuple[str, ...], texts: list[str]) -> None:
    """Write a bigram model of `texts`, whose words are `words`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    vocabulary = (*words, "<s>", "</s>", "<unk>")
    spoken = [word for text in texts for word in ("<s>", *text.split(), "</s>")]
    tokens = np.array([vocabulary.index(word) for word in spoken], np.int32)
    counts = count(tokens, vocabulary=vocabulary, order=2)
    NgramModel.from_backoff(estimate(counts)).write(path)


def word_model(folder: Path, spellings: dict[str, str], name: str = "general") -> None:
    """Write NAME.bin and NAME.lexicon.txt."""
    ngram(folder / f"{name}.bin", tuple(WORDS), TEXTS)
    lexicon = "".join(f"{word} {spelling}\n" for word, spelling in spellings.items())
    (folder / f"{name}.lexicon.txt").write_text(lexicon)


def describe(path: Path, **fields: object) -> Path:
    """Write and seal the description of the bundle in `path`."""
    common: dict[str, object] = {
        "name": "tiny",
        "version": "1",
        "language": "en",
        "language_models": ("general",),
        "streaming": StreamingSection(chunk_steps=4, left_steps=8),
        "search": SEARCH,
        "calibration": CalibrationSection(weights=(1.0, 0.0, 0.0, 0.0), bias=0.0),
        "files": {},
    }
    described = msgspec.convert({**common, **fields}, Description, from_attributes=True)
    (path / "bundle.toml").write_text(tomli_w.dumps(msgspec.to_builtins(described)))
    bundle_command.seal(path)
    return path


def ctc(path: Path, *, encoder: Encoder = ENCODER) -> Path:
    """Write a CTC model of phones."""
    path.mkdir(parents=True)
    table = TokenTable.phones()
    table.write(path / "tokens.txt")
    GlobalCmvn(np.full(80, 10, np.float32), np.full(80, 0.3, np.float32)).save(
        path / "cmvn.safetensors"
    )
    word_model(path / "lm", WORDS)
    torch.manual_seed(1)
    model = CtcModel(encoder.options(), len(table)).requires_grad_(requires_grad=False)
    model.output.weight *= 6
    heard = table.ids({phone for phones in WORDS.values() for phone in phones.split()})
    model.output.bias[heard] += 4
    weights = {name: weight.half() for name, weight in model.state_dict().items()}
    save_file(weights, path / "model.safetensors")
    return describe(path, family="ctc", encoder=encoder)


def transducer(
    path: Path,
    *,
    units: str = "subwords",
    lm: str = "words",
    cell: Cell = "gru",
    encoder: Encoder = ENCODER,
) -> Path:
    """Write a transducer of `subwords` or `phones` with a model of `words`, `tokens` or `none`."""
    path.mkdir(parents=True)
    table = subwords().table if units == "subwords" else TokenTable.phones()
    table.write(path / "tokens.txt")
    GlobalCmvn(np.full(80, 10, np.float32), np.full(80, 0.3, np.float32)).save(
        path / "cmvn.safetensors"
    )
    if lm == "words" and units == "subwords":
        cut = {word: [table.symbols[i] for i in subwords().encode(word)] for word in WORDS}
        word_model(path / "lm", {word: " ".join(pieces) for word, pieces in cut.items()})
    elif lm == "words":
        word_model(path / "lm", WORDS)
    elif lm == "tokens":
        pieces = [" ".join(table.symbols[i] for i in subwords().encode(text)) for text in TEXTS]
        ngram(path / "lm" / "general.bin", table.symbols[1:], pieces)
    section = TransducerSection(
        predictor="recurrent",
        predictor_width=8,
        cell=cell,
        joiner_width=8,
    )
    torch.manual_seed(3)
    model = TransducerModel(
        TransducerOptions(
            encoder=encoder.options(),
            predictor="recurrent",
            predictor_width=8,
            cell=cell,
            joiner_width=8,
        ),
        len(table),
    ).requires_grad_(requires_grad=False)
    model.joiner.output.weight *= 6
    model.joiner.encoder.weight *= 4
    if units == "phones":
        heard = table.ids({phone for phones in WORDS.values() for phone in phones.split()})
        model.joiner.output.bias[heard] += 4
    weights = {name: weight.half() for name, weight in model.state_dict().items()}
    save_file(weights, path / "model.safetensors")
    return describe(
        path,
        family="rnnt",
        language_models=() if lm == "none" else ("general",),
        encoder=encoder,
        transducer=section,
        search=msgspec.structs.replace(SEARCH, max_tokens=6, beam=30.0),
    )


def speller(path: Path, *, lm: str = "words", encoder: Encoder = ENCODER) -> Path:
    """Write a speller of subwords with a model of `words`, or `none`."""
    path.mkdir(parents=True)
    table = subwords().table
    table.write(path / "tokens.txt")
    GlobalCmvn(np.full(80, 10, np.float32), np.full(80, 0.3, np.float32)).save(
        path / "cmvn.safetensors"
    )
    if lm == "words":
        cut = {word: [table.symbols[i] for i in subwords().encode(word)] for word in WORDS}
        word_model(path / "lm", {word: " ".join(pieces) for word, pieces in cut.items()})
    torch.manual_seed(5)
    shape = SpellerOptions(width=8, attention=AttentionOptions(width=8, channels=2, kernel=3))
    model = LasModel(LasOptions(encoder=encoder.options(), speller=shape), len(table))
    weights = {name: 2 * weight.detach().half() for name, weight in model.state_dict().items()}
    save_file(weights, path / "model.safetensors")
    section = SpellerSection(
        width=8,
        attention_width=8,
        attention_channels=2,
        attention_kernel=3,
        labels_per_step=0.2,
        label_score=4.0,
    )
    return describe(
        path,
        family="las",
        language_models=() if lm == "none" else ("general",),
        encoder=encoder,
        las=section,
        search=msgspec.structs.replace(SEARCH, max_tokens=4, beam=30.0),
    )


def hmm(path: Path, *, spliced: bool = False, adapted: bool = False) -> Path:
    """Write a GMM system of phones, on cepstra with slopes or on spliced ones."""
    path.mkdir(parents=True)
    rng = np.random.default_rng(1)
    units = Monophones(states_per_phone=2, silence_states=1)
    S, D = units.num_states, 6 if spliced else 39
    gmm = DiagonalGmm.uniform(
        np.zeros((S, 1)), 0.7 * rng.normal(size=(S, 1, D)), np.full((S, 1, D), 2.0)
    )
    matrix = 0.3 * rng.normal(size=(D, 5 * 13)) if spliced else None
    system = System(units, PhoneModel(gmm, np.full(S, 0.6)), FrontEnd(matrix), adapted=adapted)
    system.save(path / "model.npz")
    GlobalCmvn(np.full(13, 5, np.float32), np.full(13, 0.1, np.float32)).save(
        path / "cmvn.safetensors"
    )
    word_model(path / "lm", WORDS)
    return describe(path, family="hmm", hmm=HmmSection(acoustic_scale=0.3))


def hybrid(path: Path, *, encoder: Encoder = SMALLER) -> Path:
    """Write a network of phones' states."""
    path.mkdir(parents=True)
    units = Monophones(states_per_phone=1, silence_states=1)
    torch.manual_seed(2)
    model = StateClassifier(build_encoder(encoder.options()), units.num_states)
    model.requires_grad_(requires_grad=False)
    model.output.weight *= 6
    spread = np.full(units.num_states, 1 / units.num_states)
    system = HybridSystem(
        units, Network(model.eval(), Context(4, 8)), np.log(spread), np.full(len(spread), 0.5)
    )
    system.save(path, encoder)
    GlobalCmvn(np.full(80, 10, np.float32), np.full(80, 0.3, np.float32)).save(
        path / "cmvn.safetensors"
    )
    word_model(path / "lm", WORDS)
    return describe(path, family="hmm", hmm=HmmSection(kind="hybrid", acoustic_scale=0.4))
