"""What a file of a comparison may say, and what the shipped one says."""

from pathlib import Path

import pytest

from steno_models.compare.config import read_compare
from steno_models.compare.measurement import request
from steno_models.compare.standing import Standing, standing
from steno_models.errors import BundleError, ConfigError
from steno_models.rnnt.config import read_config as read_rnnt

RECIPES = Path(__file__).parents[3] / "models" / "steno_models"

CONFIG = """
folder = "compare"
manifest = "dev.jsonl"
[[systems]]
name = "one"
kind = "gmm"
recipe = "gmm.toml"
stage = "mono"
[[systems]]
name = "two"
kind = "hybrid"
recipe = "hybrid.toml"
stage = "round1"
after = "one"
search = { beam = 9.0 }
[language_model]
word_score_without = -11.7
"""


def config_file(folder: Path, text: str = CONFIG) -> Path:
    path = folder / "compare.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read_and_paths_are_seen_from_it(tmp_path: Path) -> None:
    config = read_compare(config_file(tmp_path))
    assert config.manifest == tmp_path / "dev.jsonl"
    assert [system.recipe for system in config.systems] == [
        tmp_path / "gmm.toml",
        tmp_path / "hybrid.toml",
    ]
    assert config.systems[1].search.beam == 9.0
    assert [system.hears for system in config.systems] == ["stream", "stream"]


def test_a_system_may_have_a_score_of_words_of_its_own_without_a_language_model(
    tmp_path: Path,
) -> None:
    text = CONFIG.replace("search =", "word_score_without = -3.0\nsearch =")
    config = read_compare(config_file(tmp_path, text))
    scores = [request(config, each, Standing()).word_score_without for each in config.systems]
    assert scores == [-11.7, -3.0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('kind = "gmm"', 'kind = "dtw"', r"'dtw' - at `\$\.systems\[0\]\.kind`"),
        ('stage = "mono"', "", r"expected a stage of: mono, .*, found none"),
        ('stage = "round1"', 'stage = "round0"', r"round1, round2, …, sequence, found round0"),
        ('recipe = "gmm.toml"', "", r"expected a recipe and no bundle for the kind gmm"),
        ('kind = "gmm"', 'kind = "bundle"', r"expected a bundle and no recipe for the kind bundle"),
        ('kind = "gmm"', 'kind = "rnnt"', r"expected no stage for the kind rnnt, found mono"),
        ('stage = "mono"', 'stage = "tri3"\nway = "stream"', r'way "speaker" for gmm tri3'),
        ('kind = "gmm"', 'kind = "ctc"\nway = "speaker"', r"no way for the kind ctc"),
        ('kind = "gmm"', 'kind = "ctc"\nacoustic_scale = 0.2', r"no acoustic_scale for .* ctc"),
        ('name = "two"', 'name = "one"', r"different names, found two 'one'"),
        ('after = "one"', 'after = "three"', r"'two' after a system above it, found 'three'"),
        ("beam = 9.0", "beam = 0.0", r"> 0\.0 - at .*search\.beam"),
        ("manifest =", "manifesto =", r"unknown field `manifesto`"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_compare(config_file(tmp_path, CONFIG.replace(old, new, 1)))


def test_a_model_that_needs_its_speaker_hears_all_of_it_first(tmp_path: Path) -> None:
    config = read_compare(config_file(tmp_path, CONFIG.replace('"mono"', '"tri3"')))
    assert config.systems[0].hears == "speaker"


def test_the_shipped_recipe_names_every_family_and_how_each_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STENO_DATA", "/corpora")
    monkeypatch.setenv("STENO_RUNS", str(tmp_path))
    config = read_compare(RECIPES / "compare" / "librispeech_mini.toml")
    *families, bundle = config.systems
    found = {system.name: standing(system) for system in families}
    kinds = ["gmm", "hybrid", "tandem", "ctc", "rnnt", "las"]
    assert list(dict.fromkeys(system.kind for system in families)) == kinds
    assert not any(each.is_trained for each in found.values())
    assert bundle.kind == "bundle"
    assert standing(bundle).is_trained
    commands = {name: " ".join(each.command) for name, each in found.items()}
    assert commands["CTC"].startswith("train ")
    assert commands["… LDA + MLLT (tri2)"].endswith("librispeech_mini.toml --until tri2")
    assert commands["tandem (tri2)"].startswith("hmm tandem ")
    assert commands["DNN-HMM hybrid, round 1"].startswith("hmm hybrid ")
    transducer = read_rnnt(RECIPES / "rnnt" / "librispeech_mini.toml")
    assert f"at step 0 of {transducer.optim.total_steps}" in found["RNN-T"].lacking


def test_the_shipped_transducer_has_the_encoder_that_it_begins_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from steno_models.ctc.config import read_stages

    monkeypatch.setenv("STENO_DATA", "/corpora")
    monkeypatch.setenv("STENO_RUNS", "/runs")
    config = read_rnnt(RECIPES / "rnnt" / "librispeech_mini.toml")
    first = read_stages(RECIPES / "ctc" / "librispeech_mini.toml")[0]
    assert config.init_encoder == first.folder
    assert config.encoder.options() == first.encoder.options()


def test_a_stage_or_a_bundle_that_there_is_not_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STENO_DATA", "/corpora")
    monkeypatch.setenv("STENO_RUNS", "/runs")
    recipe = RECIPES / "ctc" / "librispeech_mini.toml"
    text = CONFIG.replace('"gmm"', '"ctc"').replace("gmm.toml", str(recipe))
    config = read_compare(config_file(tmp_path, text))
    with pytest.raises(ConfigError, match="expected one of the stages ctc, crf, found mono"):
        standing(config.systems[0])
    text = CONFIG.replace('kind = "gmm"', 'kind = "bundle"\nbundle = "fr"')
    text = text.replace('recipe = "gmm.toml"', "").replace('stage = "mono"', "")
    config = read_compare(config_file(tmp_path, text))
    with pytest.raises(BundleError, match="an embedded bundle"):
        standing(config.systems[0])
