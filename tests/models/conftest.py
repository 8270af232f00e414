"""A tiny bundle, made here: four words, random weights, a bigram model."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
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
from steno_models.ctc.model import CtcModel
from steno_models.encoders import layout
from steno_models.encoders.section import ConformerSection
from steno_models.features.cmvn import GlobalCmvn
from steno_models.lm.ngram.counts import count
from steno_models.lm.ngram.kneser_ney import estimate
from steno_models.lm.ngram.model import NgramModel
from steno_models.lm.recurrent import model as recurrent
from steno_models.text.tokens import TokenTable

WORDS = {"at": "AE T", "cat": "K AE T", "see": "S IY", "tea": "T IY"}
ENCODER = ConformerSection(
    width=16, layers=2, heads=2, feed_forward=24, kernel=5, subsampling_channels=3
)


def _language_model(folder: Path) -> None:
    vocabulary = (*WORDS, "<s>", "</s>", "<unk>")
    ids = {word: i for i, word in enumerate(vocabulary)}
    text = ["<s>", "see", "cat", "</s>", "<s>", "at", "tea", "</s>", "<s>", "see", "tea", "</s>"]
    tokens = np.array([ids[word] for word in text], np.int32)
    counts = count(tokens, vocabulary=vocabulary, order=2)
    NgramModel.from_backoff(estimate(counts)).write(folder / "general.bin")
    lexicon = "".join(f"{word} {phones}\n" for word, phones in WORDS.items())
    (folder / "general.lexicon.txt").write_text(lexicon)


@pytest.fixture
def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles multiply in 32 bits, also where the processor would be faster with sixteen."""
    for reader in (layout, recurrent):
        monkeypatch.setattr(reader, "multiplies_bfloat16", lambda: False)


@pytest.fixture
def tiny_bundle(tmp_path: Path) -> Path:
    """A sealed bundle directory."""
    path = tmp_path / "tiny"
    (path / "lm").mkdir(parents=True)
    _language_model(path / "lm")
    TokenTable.phones().write(path / "tokens.txt")
    GlobalCmvn(np.full(80, 10, np.float32), np.full(80, 0.3, np.float32)).save(
        path / "cmvn.safetensors"
    )
    torch.manual_seed(0)
    options = ENCODER.options()
    model = CtcModel(options, len(TokenTable.phones()))
    weights = {name: weight.half() for name, weight in model.state_dict().items()}
    save_file(weights, path / "model.safetensors")
    description = Description(
        name="tiny",
        version="1",
        language="en",
        family="ctc",
        language_models=("general",),
        encoder=ENCODER,
        streaming=StreamingSection(chunk_steps=4, left_steps=8),
        search=SearchSection(
            beam=20.0,
            max_tokens=500,
            lm_weight=0.3,
            word_score=1.0,
            blank_penalty=2.0,
            posterior_scale=0.3,
        ),
        calibration=CalibrationSection(weights=(1.0, 0.0, 0.0, 0.0), bias=0.0),
        files={},
    )
    (path / "bundle.toml").write_text(tomli_w.dumps(msgspec.to_builtins(description)))
    bundle_command.seal(path)
    return path
