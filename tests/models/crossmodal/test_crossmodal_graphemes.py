"""A recogniser of letters: its alphabet, what explains a stretch of steps, and that it learns."""

from itertools import groupby, product
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.models.crossmodal.spoken import Frames
from torch.nn.functional import ctc_loss

from steno_models.crossmodal.graphemes.alphabet import GAP, Alphabet
from steno_models.crossmodal.graphemes.kernels import spelling_scores
from steno_models.crossmodal.graphemes.model import GraphemeModel
from steno_models.crossmodal.graphemes.steps import EncoderSteps, stacked_frames
from steno_models.crossmodal.graphemes.task import collapsed
from steno_models.crossmodal.graphemes.train import (
    Chosen,
    GraphemeOptions,
    best_model,
    log_probs,
    train,
)
from steno_models.crossmodal.graphemes.words import (
    Prior,
    Scored,
    Stretch,
    Vocabulary,
    fitted,
    stretches,
)
from steno_models.encoders.build import build_encoder
from steno_models.encoders.section import ConformerSection
from steno_models.errors import ConfigError, DataError
from steno_models.features.cmvn import GlobalCmvn
from steno_models.features.fbank import fbank
from steno_models.types import FloatArray

ABC = Alphabet(("a", "b", "c"))


def drawn(steps: int, tokens: int, seed: int) -> FloatArray:
    scores = np.random.default_rng(seed).normal(size=(steps, tokens)).astype(np.float32)
    return torch.log_softmax(torch.from_numpy(scores), dim=1).numpy()


def peaked(path: list[int], tokens: int = 5) -> FloatArray:
    """Return scores whose best tokens are `path`."""
    scores = np.full((len(path), tokens), -6.0, np.float32)
    scores[np.arange(len(path)), path] = -0.01
    return scores


def test_letters_are_composed_small_and_without_punctuation() -> None:
    alphabet = Alphabet.of(["e\u0301kó sω", "ba"])
    assert alphabet.letters == ("a", "b", "k", "s", "é", "ó", "ω")
    tokens = alphabet.encode("Ékó x ba?")
    assert alphabet.decode(tokens.tolist()) == "ékó ba"
    assert alphabet.tokens == 9
    with pytest.raises(DataError, match="expected transcripts with letters"):
        Alphabet.of(["", "12 …"])


@pytest.mark.parametrize("word", ["a", "ab", "aa", "abc", "bb"])
@pytest.mark.parametrize("steps", [1, 3, 4])
def test_a_words_score_is_the_sum_of_all_paths_that_spell_it(word: str, steps: int) -> None:
    scores = drawn(steps, 4, steps)
    letters = np.array([ord(letter) - ord("a") + 1 for letter in word], np.int32)
    total = 0.0
    for path in product(range(4), repeat=steps):
        if [token for token, _ in groupby(path) if token] == letters.tolist():
            total += float(np.exp(scores[np.arange(steps), path].sum(dtype=np.float64)))
    found = spelling_scores(np.exp(scores.astype(np.float64)), letters, np.array([len(letters)]))
    assert found[0] == (pytest.approx(np.log(total), rel=1e-6) if total else -np.inf)


def test_many_words_are_scored_as_torch_scores_each() -> None:
    scores = drawn(12, 6, 0)
    random = np.random.default_rng(1)
    words = [random.integers(1, 6, size=n).astype(np.int32) for n in (1, 2, 3, 5, 5)]
    ends = np.cumsum([len(word) for word in words])
    found = spelling_scores(np.exp(scores.astype(np.float64)), np.concatenate(words), ends)
    for word, score in zip(words, found, strict=True):
        loss = ctc_loss(
            torch.from_numpy(scores)[:, None], torch.from_numpy(word)[None].long(),
            torch.tensor([12]), torch.tensor([len(word)]), reduction="sum",
        )  # fmt: skip
        assert -score == pytest.approx(float(loss), rel=1e-5)


def test_stretches_lie_between_borders_and_spell_what_was_heard() -> None:
    found = stretches(peaked([0, 2, 2, 0, 2, 1, 1, 3, 4, 0]), ABC)
    assert found == [Stretch("aa", 0, 5), Stretch("bc", 7, 10)]
    assert stretches(peaked([0, GAP, 0]), ABC) == []
    assert collapsed([0, 2, 2, 0, 2, 1, 1, 3]) == [2, 2, 1, 3]


def test_known_words_win_where_they_explain_a_stretch_nearly_as_well() -> None:
    scores = peaked([2, 0, 3, 0, 3])  # "abb"
    scores[4, 4] = scores[4, 3] - 1.0  # "abc" is e times less likely
    words = Vocabulary(["abc abc", "c a! xyz"], ABC)
    assert words.words == ("a", "abc", "c")
    assert "abc" in words
    assert "abb" not in words
    (stretch,) = stretches(scores, ABC)
    heard = words.scored(scores, stretch)
    assert heard.spelled == "abb"
    assert heard.best(Prior(1.0, -9.0)) == "abc"
    assert heard.best(Prior(1.0, 0.0)) == "abb"
    assert heard._replace(words=()).best(Prior(1.0, -9.0)) == "abb"


def test_the_prior_is_fitted_to_what_was_said() -> None:
    near = Scored("abb", -1.0, ("abc",), np.array([-2.0]), np.array([-1.0]))
    assert near.best(fitted({"r": [near]}, {"r": "abc"})) == "abc"
    assert near.best(fitted({"r": [near]}, {"r": "abb"})) == "abb"


def test_padding_changes_nothing_and_steps_are_normalised() -> None:
    torch.manual_seed(0)
    model = GraphemeModel(3, 5, width=4, layers=2, dropout=0.2).eval()
    steps = 7.0 + 3.0 * torch.randn(2, 6, 3)
    model.normalise_by(GlobalCmvn.accumulate([steps.flatten(0, 1).numpy()]))
    shifted = (steps - model.mean) * model.scale
    torch.testing.assert_close(shifted.mean(dim=(0, 1)), torch.zeros(3), atol=1e-4, rtol=0)
    whole = model(steps, torch.tensor([6, 4]))
    alone = model(steps[1:, :4], torch.tensor([4]))
    torch.testing.assert_close(whole[1, :4], alone[0])
    torch.testing.assert_close(whole.exp().sum(dim=2), torch.ones(2, 6))


def spelled(texts: list[str], seed: int) -> Frames:
    """Return two steps for each letter and border, that say plainly which it is."""
    random = np.random.default_rng(seed)
    made = []
    for text in texts:
        steps = np.repeat(ABC.encode(text), 2)
        frames = np.eye(6, dtype=np.float32)[steps]
        made.append(frames + 0.1 * random.normal(size=frames.shape).astype(np.float32))
    return Frames(made)


def test_plain_letters_are_learnt_and_the_best_model_is_kept(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    texts = [
        " ".join("".join(random.permutation(list("abc"))) for _ in range(3)) for _ in range(24)
    ]
    options = GraphemeOptions(
        width=16, layers=1, dropout=0.0, total_steps=60, learning_rate=3e-2, steps_per_batch=200,
        evaluate_every=30,
    )  # fmt: skip
    features = spelled(texts, 0)
    learnt = Chosen(features, range(4, 24)), texts[4:]
    held = Chosen(features, range(4)), texts[:4]
    assert learnt[0].keys[0] == "r4"
    with pytest.raises(ConfigError, match="expected measured checkpoints"):
        best_model(tmp_path, features, ABC, options)
    assert train(tmp_path, learnt, held, ABC, options).step == 60
    model = best_model(tmp_path, features, ABC, options)
    scores = log_probs(model, features, 0)
    assert [each.spelled for each in stretches(scores, ABC)] == texts[0].split()


def test_frames_are_stacked_by_four() -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    steps, frames = stacked_frames(samples), fbank(samples)
    assert steps.shape == (len(frames) // 4, 320)
    np.testing.assert_array_equal(steps[1, 80:160], frames[5])


def test_an_encoders_steps_are_its_middle_and_its_last_layer(tmp_path: Path) -> None:
    section = ConformerSection(
        width=16, layers=2, heads=2, feed_forward=16, kernel=3, subsampling_channels=4
    )
    torch.manual_seed(0)
    encoder = build_encoder(section.options()).eval()
    weights = {f"encoder.{name}": w.contiguous() for name, w in encoder.state_dict().items()}
    save_file(weights, tmp_path / "model.safetensors")
    cmvn = GlobalCmvn.accumulate(
        [np.random.default_rng(0).normal(size=(50, 80)).astype(np.float32)]
    )
    cmvn.save(tmp_path / "cmvn.safetensors")
    table = "\n".join(
        f"{name} = {value!r}" for name, value in msgspec.structs.asdict(section).items()
    )
    (tmp_path / "bundle.toml").write_text(f"[encoder]\n{table}\n", "utf-8")
    samples = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    heard = EncoderSteps(tmp_path)
    steps = heard(samples)
    frames = torch.from_numpy(cmvn.apply(fbank(samples)))[None]
    with torch.no_grad():
        layers = encoder(frames, torch.tensor([len(steps)]))
    np.testing.assert_allclose(steps[:, 16:], layers[-1][0].numpy(), atol=1e-4)
    np.testing.assert_allclose(steps[:, :16], layers[len(layers) // 2][0].numpy(), atol=1e-4)
    assert heard(samples[:400]).shape == (0, 32)
    with pytest.raises(ConfigError, match="expected a training, a bundle or weights"):
        EncoderSteps(tmp_path / "none")
