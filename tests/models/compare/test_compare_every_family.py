"""Every family on the same eight recordings: what each is measured by, and Gaussians by heart."""

import contextlib
import multiprocessing
from pathlib import Path

import pytest
import torch
from tests.models.compare.small import comparison, recipes
from tests.models.hmm.tones import WORDS

from steno_models.__main__ import main
from steno_models.compare.child import measure, measure_in_child
from steno_models.compare.config import read_compare
from steno_models.compare.measurement import Measurement, request
from steno_models.compare.standing import standing
from steno_models.hmm.recipe import STAGES

torch.set_num_threads(1)

SYSTEMS = [
    *(f"gmm {stage}" for stage in STAGES),
    "tandem mono",
    "hybrid round1",
    "hybrid sequence",
    "ctc first",
    "ctc second",
    "rnnt -",
    "las -",
]
SPEAKER = {"gmm tri3", "tandem mono"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All recipes, carried out."""
    path = tmp_path_factory.mktemp("every")
    recipes(path)
    for command in (
        "hmm train gmm.toml",
        "hmm hybrid hybrid.toml --device cpu",
        "hmm tandem tandem.toml --until mono",
        "train ctc.toml --device cpu",
        "train rnnt.toml --device cpu",
        "train las.toml --device cpu",
    ):
        with contextlib.chdir(path):
            assert main(command.split()) == 0
    return path


def measured(folder: Path, system: str) -> tuple[Measurement, list[tuple[int, int]]]:
    """What is measured of a system, and what was told on the way."""
    config = read_compare(comparison(folder, system))
    found = standing(config.systems[0])
    assert found.is_trained
    told: list[tuple[int, int]] = []
    asked = request(config, config.systems[0], found)
    return measure(asked, lambda done, total: told.append((done, total))), told


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system_is_measured_on_every_recording(folder: Path, system: str) -> None:
    found, told = measured(folder, system)
    assert len(found.references) == 8
    assert {word for text in found.references for word in text.split()} == set(WORDS)
    assert found.audio_s == pytest.approx(8 * (0.2 + 3 * 0.4))
    passes = [found.alone] if found.with_lm is None else [found.alone, found.with_lm]
    assert len(passes) == 2
    for decoded in passes:
        assert len(decoded.texts) == 8
        assert decoded.compute_s > 0
    numbers = [done for done, _ in told]
    assert numbers == list(range(1, len(told) + 1))
    assert {total for _, total in told} == {len(told)}
    assert found.parameters > 1000
    assert (found.hears == "chunks") == (found.delay_ms is not None)
    assert (found.hears == "speaker") == (system in SPEAKER)
    assert (found.hears == "utterance") == (system == "las -")
    if not system.startswith(("rnnt", "las")):
        texts = [*found.alone.texts, *(found.with_lm or found.alone).texts]
        assert {word for text in texts for word in text.split()} <= set(WORDS)


@pytest.mark.parametrize("system", SYSTEMS[:6])
def test_gaussians_know_eight_recordings_by_heart(folder: Path, system: str) -> None:
    found, _ = measured(folder, system)
    assert found.with_lm is not None
    assert found.with_lm.texts == found.references
    assert found.alone.texts == found.references


def test_a_chunk_is_waited_for_with_what_is_seen_of_the_next(folder: Path) -> None:
    delays = {name: measured(folder, name)[0].delay_ms for name in ("gmm mono", "ctc second")}
    # Four steps of 40 ms with four neighbours of a frame; with three more frames of subsampling.
    assert delays == {"gmm mono": 160 + 40, "ctc second": 160 + 30}


def test_a_speaker_is_also_waited_for_if_that_is_asked(folder: Path) -> None:
    path = comparison(folder, "hybrid round1")
    path.write_text(path.read_text() + 'way = "speaker"\n')
    config = read_compare(path)
    found = standing(config.systems[0])
    assert measure(request(config, config.systems[0], found), lambda *_: None).hears == "speaker"


@pytest.mark.parametrize("way", ["stream", "speaker"])
def test_a_model_whose_sounds_hardly_count_does_not_know_them_any_more(
    folder: Path, way: str
) -> None:
    path = comparison(folder, "gmm mono")
    path.write_text(path.read_text() + f'way = "{way}"\nacoustic_scale = 1e-6\n')
    config = read_compare(path)
    asked = request(config, config.systems[0], standing(config.systems[0]))
    found = measure(asked, lambda *_: None)
    assert found.alone.texts != found.references


def test_a_parent_that_stops_takes_its_child_with_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def interrupted(done: int, total: int) -> None:
        assert (done, total) == (1, 16)
        raise KeyboardInterrupt

    config = read_compare(comparison(folder, "gmm mono"))
    asked = request(config, config.systems[0], standing(config.systems[0]))
    with pytest.raises(KeyboardInterrupt):
        measure_in_child(asked, interrupted)
    assert not multiprocessing.active_children()
    assert not list(tmp_path.iterdir())


def test_a_round_that_never_came_has_no_command(folder: Path) -> None:
    [system] = read_compare(comparison(folder, "hybrid round2")).systems
    found = standing(system)
    assert found.lacking == "its training ended after round 1"
    assert not found.command


def test_a_bundle_is_a_system_like_all_others(folder: Path) -> None:
    made = folder / "made"
    lm = str(folder / "words" / "lm")
    with contextlib.chdir(folder):
        assert main(["bundle", "create", "rnnt.toml", str(made), "--lm", "none"]) == 0
        assert main(["bundle", "create", "ctc.toml", str(folder / "other"), "--lm", lm]) == 0
    found = {}
    for name in ("made", "other"):
        path = comparison(folder, "bundle -")
        path.write_text(path.read_text().replace('recipe = "bundle.toml"', f'bundle = "{name}"'))
        config = read_compare(path)
        asked = request(config, config.systems[0], standing(config.systems[0]), limit=2)
        found[name] = measure(asked, lambda *_: None)
    assert found["made"].with_lm is None
    assert found["other"].with_lm is not None
    assert all(len(each.references) == 2 for each in found.values())
