"""Bundles with every kind of encoder: streamed as whole, times in steps of 40 ms."""

from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
import torch
from tests.daemon.fakes import speak
from tests.models import tiny_bundles as tiny

from steno_models import bench, bundle
from steno_models.encoders import layout
from steno_models.encoders.build import build_encoder
from steno_models.encoders.protocol import Context
from steno_models.encoders.section import (
    BlstmSection,
    CnnSection,
    Encoder,
    LstmSection,
    PyramidSection,
    TdnnfSection,
    TdnnSection,
    TransformerSection,
)
from steno_models.encoders.whole import WholeEncoder
from steno_models.errors import BundleError, ConfigError
from steno_models.lexicon_recogniser import LexiconRecogniser
from steno_models.listening import Ear
from steno_models.recogniser import BundledRecogniser, DecodeOptions, State, Update, Work
from steno_models.rewriting_recogniser import RewritingRecogniser, next_frames
from steno_models.types import FloatArray

SOUND = np.concatenate([speak("do mi so", lead_s=0.2, tail_s=0.3)] * 2)
STREAMING: dict[str, Encoder] = {
    "conformer": tiny.ENCODER,
    "lstm": LstmSection(width=12, layers=2, factors=(2, 2)),
    "lstm, 80 ms": LstmSection(width=12, layers=2, factors=(4, 2)),
    "cnn": CnnSection(width=12, inner=16, kernel=3, ahead=1, factors=(1, 2, 2, 1)),
    "cnn in chunks, 20 ms": CnnSection(
        width=12, inner=16, kernel=5, ahead="chunk", factors=(1, 2, 1, 1)
    ),
    "tdnn, 30 ms": TdnnSection(width=12, offsets=((-1, 0, 1), (-1, 2), (0,)), factors=(1, 3, 1)),
    "tdnnf": TdnnfSection(width=12, bottleneck=4, spans=((1, 1), (2, 1)), factors=(1, 2, 2)),
    "transformer": TransformerSection(
        width=12,
        layers=2,
        heads=2,
        feed_forward=16,
        left_steps=4,
        right_steps=2,
        subsampling_channels=2,
    ),
}
WHOLE: dict[str, Encoder] = {
    "blstm": BlstmSection(width=12, layers=2, factors=(2, 2)),
    "pyramid, 80 ms": PyramidSection(width=12, halvings=3),
    "transformer": TransformerSection(
        width=12,
        layers=1,
        heads=2,
        feed_forward=16,
        left_steps="all",
        right_steps="all",
        subsampling_channels=2,
    ),
}


class Make(Protocol):
    """What makes a bundle."""

    def __call__(self, path: Path, *, encoder: Encoder) -> Path:
        """Write it."""


def heard(
    recogniser: BundledRecogniser, features: FloatArray, cuts: list[int]
) -> tuple[list[Update], State]:
    """What is known after each piece, and at the end."""
    state, found = recogniser.start(DecodeOptions(n_best=2)), []
    for piece in np.split(features, cuts):
        [(update, state)] = recogniser.step([Work(piece, state)])
        found.append(update)
    [(update, state)] = recogniser.step([Work(features[:0], state, is_last=True)])
    return [*found, update], state


def cuttings(features: FloatArray) -> list[list[int]]:
    return [[], [1, 2, 50], list(range(7, len(features), 7))]


def check_times(update: Update) -> None:
    ends = [0, *(word.end_step for word in update.words)]
    for word, before in zip(update.words, ends, strict=False):
        assert before <= word.start_step < word.end_step <= update.steps + 1


@pytest.mark.parametrize("kind", STREAMING)
@pytest.mark.parametrize(("narrow", "error"), [(False, 1e-3), (True, 0.1)])
def test_ctc_hears_to_the_last_step_in_any_chunking(
    tmp_path: Path, kind: str, *, narrow: bool, error: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "multiplies_bfloat16", lambda: narrow)
    recogniser = bundle.load(tiny.ctc(tmp_path / "tiny", encoder=STREAMING[kind])).recogniser
    assert isinstance(recogniser, LexiconRecogniser)
    features = recogniser.features().accept(SOUND)
    at_once = recogniser.log_probs(features)
    finals = []
    for cuts in cuttings(features):
        updates, state = heard(recogniser, features, cuts)
        log_probs = np.concatenate(state.log_probs)
        np.testing.assert_allclose(log_probs, at_once, atol=error)
        finals.append(updates[-1])
        check_times(updates[-1])
    assert finals[0].words
    texts = [[word.text for word in final.words] for final in finals]
    assert texts[0] == texts[1] == texts[2]
    # 10 ms a frame, 40 ms a step, whatever the encoder's own pace; 32 frames of silence follow.
    assert finals[0].steps == pytest.approx((len(features) + 32) / 4, abs=2)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (tiny.transducer, "lstm, 80 ms"),
        (tiny.transducer, "tdnnf"),
        (tiny.hybrid, "lstm, 80 ms"),
        (tiny.hybrid, "tdnnf"),
        (tiny.speller, "lstm, 80 ms"),
    ],
)
def test_so_do_the_other_families(tmp_path: Path, make: Make, kind: str) -> None:
    recogniser = bundle.load(make(tmp_path / "tiny", encoder=STREAMING[kind])).recogniser
    features = recogniser.features().accept(SOUND)
    finals = [heard(recogniser, features, cuts)[0][-1] for cuts in cuttings(features)]
    assert finals[0].words
    check_times(finals[0])
    assert finals[0].steps == pytest.approx(len(features) / 4, abs=9)
    for final in finals[1:]:
        assert [word.text for word in final.words] == [word.text for word in finals[0].words]
        assert final.steps == finals[0].steps


@pytest.mark.parametrize("kind", WHOLE)
def test_what_hears_wholes_is_decoded_again_as_it_grows(tmp_path: Path, kind: str) -> None:
    recogniser = bundle.load(tiny.ctc(tmp_path / "tiny", encoder=WHOLE[kind])).recogniser
    assert isinstance(recogniser, RewritingRecogniser)
    inner = recogniser.recogniser
    assert isinstance(inner, LexiconRecogniser)
    features = recogniser.features().accept(SOUND)
    assert len(features) > next_frames(0)
    final = heard(inner, features, [])[0][-1]
    assert final.words
    np.testing.assert_allclose(
        np.concatenate(heard(inner, features, [3])[1].log_probs),
        inner.log_probs(features),
        atol=1e-3,
    )
    for cuts in cuttings(features):
        updates, state = heard(recogniser, features, cuts)
        assert updates[-1].alternatives == final.alternatives
        assert recogniser.measured(state).words == tuple(word.text for word in final.words)
        assert all(update.stable_words == 0 for update in updates[:-1])
        assert updates[-2].words
        check_times(updates[-2])
        assert updates[-2].steps <= len(features) / 4
    early = heard(recogniser, features[:60], [20])[0]
    assert early[0].words == ()
    assert early[0].missing_frames == 80


@pytest.mark.parametrize("make", [tiny.transducer, tiny.hybrid, tiny.speller])
def test_other_families_hear_wholes_too(tmp_path: Path, make: Make) -> None:
    recogniser = bundle.load(make(tmp_path / "tiny", encoder=WHOLE["blstm"])).recogniser
    features = recogniser.features().accept(SOUND)
    finals = [heard(recogniser, features, cuts)[0][-1] for cuts in cuttings(features)]
    assert finals[0].words
    assert finals[0].alternatives == finals[1].alternatives == finals[2].alternatives


def test_another_language_model_decodes_a_growing_whole_again(tmp_path: Path) -> None:
    recogniser = bundle.load(tiny.ctc(tmp_path / "tiny", encoder=WHOLE["blstm"])).recogniser
    features = recogniser.features().accept(SOUND)
    [(before, state)] = recogniser.step([Work(features, recogniser.start(DecodeOptions()))])
    [(after, _)] = recogniser.step([Work(features[:0], recogniser.rescored(state, "general"))])
    assert after == before
    fresh = recogniser.start(DecodeOptions())
    assert recogniser.rescored(fresh, "general").options == fresh.options
    with pytest.raises(ConfigError, match="found legal"):
        recogniser.rescored(state, "legal")


@pytest.mark.parametrize("kind", ["lstm, 80 ms", "tdnnf"])
def test_the_parts_are_measured_at_any_pace(tmp_path: Path, kind: str) -> None:
    recogniser = bundle.load(tiny.ctc(tmp_path / "tiny", encoder=STREAMING[kind])).recogniser
    assert isinstance(recogniser, LexiconRecogniser)
    features = recogniser.features().accept(SOUND)
    steps = recogniser.acoustic.encoder.grid.steps_of(len(features))
    chunk = recogniser.acoustic.encoder.grid.steps_of(16)
    assert steps - chunk < len(bench.encode(recogniser, features)) <= steps
    assert bench.measure(recogniser, SOUND)["encoder, each of 8 streams together"] > 0


def test_times_are_told_in_steps_of_40_ms() -> None:
    spans = [(0, 1), (3, 5), (5, 6)]
    slow = Ear(build_encoder(STREAMING["lstm, 80 ms"].options()))
    assert slow.told_spans(spans) == [(0, 2), (6, 10), (10, 12)]
    assert slow.context(16, 7) == Context(8, 7)
    assert slow.context(1, 7) == Context(1, 7)
    fast = Ear(build_encoder(STREAMING["cnn in chunks, 20 ms"].options()))
    assert fast.told_spans(spans) == [(0, 1), (1, 3), (3, 4)]
    assert fast.context(16, 7) == Context(32, 7)
    same = Ear(build_encoder(STREAMING["lstm"].options()))
    assert same.told_spans(spans) == spans


def test_many_whole_utterances_get_what_each_gets_alone() -> None:
    torch.manual_seed(0)
    inner = build_encoder(WHOLE["blstm"].options()).eval().requires_grad_(requires_grad=False)
    whole, context = WholeEncoder(inner), Context(4, 0)
    sounds = [torch.randn(frames, 80) for frames in (23, 3, 40)]
    states = [whole.start(context) for _ in sounds]
    for cut in (slice(0, 10), slice(10, None)):
        work = [(sound[cut], state) for sound, state in zip(sounds, states, strict=True)]
        stepped = whole.step(work, context)
        assert [len(steps) for steps, _ in stepped] == [0, 0, 0]
        states = [state for _, state in stepped]
    found = whole.finish([*states, ()], context)
    assert [len(steps) for steps in found] == [5, 0, 10, 0]
    for steps, sound in zip(found[:3:2], sounds[::2], strict=True):
        lengths = torch.tensor([len(steps)])
        torch.testing.assert_close(steps, whole(sound.unsqueeze(0), lengths, None)[-1][0])
    assert (whole.width, whole.grid, whole.delay_frames) == (12, inner.grid, None)


def test_an_encoder_of_no_known_kind_is_named(tmp_path: Path) -> None:
    path = tiny.ctc(tmp_path / "tiny")
    text = (path / "bundle.toml").read_text()
    (path / "bundle.toml").write_text(text.replace('kind = "conformer"', 'kind = "abacus"'))
    with pytest.raises(BundleError, match=r"'abacus' - at `.*encoder"):
        bundle.load(path)


def test_a_description_may_leave_out_the_kind_and_tell_the_bins(tmp_path: Path) -> None:
    path = tiny.ctc(tmp_path / "tiny")
    text = (path / "bundle.toml").read_text()
    (path / "bundle.toml").write_text(text.replace('kind = "conformer"', "bins = 80"))
    assert bundle.describe(path).encoder == tiny.ENCODER
    (path / "bundle.toml").write_text(text.replace('kind = "conformer"', "bins = 40"))
    with pytest.raises(BundleError, match="bins"):
        bundle.load(path)
