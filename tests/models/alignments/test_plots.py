"""`steno-models alignments`: the numbers of all families, and one figure of them."""

from pathlib import Path

import numpy as np
import pytest
from tests.models.alignments.test_force_align import voice, wav
from tests.models.tiny_bundles import transducer

from steno_models import bundle, pictures
from steno_models.alignments import plots, trellises
from steno_models.alignments.command import main
from steno_models.alignments.ctc_route import CtcRoute
from steno_models.alignments.dictionary import english_dictionary
from steno_models.alignments.force_align_command import file_job
from steno_models.alignments.hmm_route import HmmRoute
from steno_models.alignments.timed import Timed, TimedPhone, TimedWord
from steno_models.alignments.trellises import Trellis
from steno_models.errors import ConfigError, DataError
from steno_models.features.fbank import fbank
from steno_models.hmm.frames import FrontEnd
from steno_models.hmm.gmm import DiagonalGmm
from steno_models.hmm.model import PhoneModel
from steno_models.hmm.system import System
from steno_models.hmm.topology import Monophones
from steno_models.text.tokens import TokenTable
from steno_models.transducer_recogniser import TransducerRecogniser

TEXT = "See $5 tea."


def _system(path: Path) -> Path:
    """A file of GMM-HMMs that know nothing."""
    units = Monophones(3, silence_states=1)
    rng = np.random.default_rng(0)
    gmm = DiagonalGmm.uniform(
        log_weights=np.zeros((units.num_states, 1)),
        means=rng.normal(0, 1, (units.num_states, 1, 39)),
        variances=np.full((units.num_states, 1, 39), 2.0),
    )
    System(units, PhoneModel(gmm, np.full(units.num_states, 0.7)), FrontEnd()).save(path)
    return path


def _check(trellis: Trellis, duration_s: float, *, cells_a_step: float | None) -> None:
    S, P = trellis.log_weights.shape
    assert trellis.edges_s.shape == (S + 1,)
    assert (np.diff(trellis.edges_s) > 0).all()
    assert trellis.edges_s[-1] >= duration_s - 0.1
    assert len(trellis.labels) == P
    weights = np.exp(trellis.log_weights)
    assert weights.max() <= 1 + 1e-4
    if cells_a_step is not None:
        np.testing.assert_allclose(weights.sum(axis=1), cells_a_step, atol=1e-3)
    if trellis.path is not None:
        assert (np.diff(trellis.path) >= 0).all()
        assert trellis.path[-1] >= P - 2  # all of the text, with or without a silence behind it
        assert trellis.log_best is not None
        assert trellis.log_total is not None
        assert trellis.log_best <= trellis.log_total


def test_every_family_says_where_the_text_is(tmp_path: Path, tiny_bundle: Path) -> None:
    samples = voice(1.5)
    job = file_job(wav(tmp_path / "a.wav", samples), TEXT, english_dictionary())
    features, duration_s = fbank(samples), len(samples) / 16_000
    ctc, said = trellises.ctc_trellis(CtcRoute.of_bundle(str(tiny_bundle)), job, features)
    _check(ctc, duration_s, cells_a_step=1.0)
    assert [label for label in ctc.labels if label] == [phone for way in said for phone in way]
    assert len(said) == 4  # see, five, dollars, tea
    route = HmmRoute.read(_system(tmp_path / "system.npz"), english_dictionary())
    hmm, said = trellises.hmm_trellis(route, job, samples)
    _check(hmm, duration_s, cells_a_step=1.0)
    assert [p for p in hmm.labels if p != "sil"] == [phone for way in said for phone in way]
    loaded = bundle.load(transducer(tmp_path / "rnnt"))
    assert isinstance(loaded.recogniser, TransducerRecogniser)
    table = TokenTable.read(loaded.path / "tokens.txt")
    rnnt = trellises.rnnt_trellis(loaded.recogniser, table, job, features, said)
    _check(rnnt, duration_s, cells_a_step=None)  # a step may have several labels
    assert np.exp(rnnt.log_weights).sum(axis=1).min() >= 1 - 1e-6
    assert "".join(rnnt.labels).replace("▁", " ").split() == ["see", "five", "dollars", "tea"]


def test_the_command_draws_the_panels_that_are_asked_for(
    tmp_path: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audio = wav(tmp_path / "a.wav", voice(1.5))
    models = ["--bundle", str(tiny_bundle), str(transducer(tmp_path / "rnnt"))]
    models += ["--system", str(_system(tmp_path / "system.npz"))]
    png, svg = tmp_path / "all.png", tmp_path / "some.svg"
    assert main([str(audio), "--text", TEXT, *models, "--out", str(png)]) == 0
    assert png.read_bytes().startswith(b"\x89PNG")
    call = [str(audio), "--text", TEXT, *models, "--panels", "rnnt", "sound"]
    assert main([*call, "--out", str(svg)]) == 0
    text = svg.read_text(encoding="utf-8")
    assert "RNN-T" in text
    assert "CTC" not in text
    assert capsys.readouterr().out.split() == [str(png), str(svg)]
    with pytest.raises(ConfigError, match="expected a model for each panel, found none for las"):
        main([*call, "las", "--out", str(svg)])
    with pytest.raises(ConfigError, match=r"ends in .png or .svg, found a.gif"):
        main([*call, "--out", "a.gif"])


def test_an_hour_is_not_drawn(tmp_path: Path) -> None:
    audio = wav(tmp_path / "a.wav", voice(61.0))
    with pytest.raises(DataError, match=r"expected at most 60 s to draw, found 61.6 s"):
        main([str(audio), "--text", "see", "--out", str(tmp_path / "a.png")])


def test_titles_tell_scores_and_boxes_hold_what_was_written(tmp_path: Path) -> None:
    weights = np.log(np.array([[0.9, 0.1], [0.2, 0.8], [1e-9, 1.0]]))
    found = Trellis(
        title="CTC",
        positions="phones",
        log_weights=weights,
        edges_s=np.array([0.0, 0.1, 0.2, 0.3]),
        labels=("T", "IY"),
        path=np.array([0.0, 1.0, 1.0]),
        log_total=-2.0,
        log_best=-2.5,
    )
    looks = Trellis("LAS attention", "tokens", weights, found.edges_s, ("▁t", "ea"))
    phones = (TimedPhone("T", 0, 0.05, 0.1, 0.0), TimedPhone("IY", 0, 0.1, 0.25, 0.0))
    alignment = Timed("tea", 0.3, (TimedWord("$5_tea$", phones),))
    features = np.random.default_rng(0).normal(size=(3, 80)).astype(np.float32)
    figure = plots.draw([found, looks], alignment, features, found.edges_s, "tea")
    rows = [axes for axes in figure.axes if axes.get_title(loc="left")]
    titles = [axes.get_title(loc="left") for axes in rows]
    assert titles[0] == "CTC: ln p of all paths -2.0, of the best -2.5 (0.61 of all)"
    assert titles[1] == "LAS attention: where it looks before each token"
    [image] = rows[0].collections
    shown = np.asarray(image.get_array()).reshape(2, 3)
    np.testing.assert_allclose(shown, np.maximum(weights, plots.FAINTEST).T)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert set(texts) == {"$5_tea$", "T", "IY"}
    pictures.save(figure, tmp_path / "new" / "a.svg")
    assert (tmp_path / "new" / "a.svg").is_file()
    with pytest.raises(DataError, match=r"expected a file that ends in .png or .svg"):
        pictures.save(figure, tmp_path / "a.pdf")
