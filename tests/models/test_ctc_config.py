"""What a training's TOML file may say, and what it says stage by stage."""

from pathlib import Path

import pytest

from steno_models.bundle import BUNDLES
from steno_models.ctc.config import Augment, read_stages, with_alignments
from steno_models.ctc.variation import Changes
from steno_models.errors import ConfigError

CONFIG = """
folder = "run"
cache = "cache"
optim = { total_steps = 2, warmup_steps = 1 }
encoder = { width = 16, layers = 2, heads = 2, feed_forward = 16, kernel = 3 }
[[corpora]]
manifest = "a/train.jsonl"
[[dev]]
manifest = "b/dev.jsonl"
"""

STAGES = """
[augment]
mask_share = 0.3
warp_share = 0.2
[[stages]]
name = "one"
[[stages]]
name = "two"
optim = { total_steps = 7, learning_rate = 4e-4 }
augment = { mask_share = 0.6 }
run = { seed = 5 }
"""


def config_file(folder: Path, text: str = CONFIG) -> Path:
    path = folder / "small.toml"
    path.write_text(text)
    return path


def test_paths_are_seen_from_the_file_and_variables_filled_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STENO_DATA", "/corpora")
    monkeypatch.setenv("HOME", "/home/a")
    text = CONFIG.replace('"run"', '"~/run"').replace('"a/train.jsonl"', '"$STENO_DATA/t"', 1)
    (config,) = read_stages(config_file(tmp_path, text))
    assert config.folder == Path("/home/a/run")
    assert config.cache == tmp_path / "cache"
    assert config.corpora[0].manifest == Path("/corpora/t")


def test_the_file_may_name_its_family(tmp_path: Path) -> None:
    (config,) = read_stages(config_file(tmp_path, f'family = "ctc"\n{CONFIG}'))
    assert config.family == "ctc"
    with pytest.raises(ConfigError, match="family"):
        read_stages(config_file(tmp_path, f'family = "rnnt"\n{CONFIG}'))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("folder =", "foldr =", r"unknown field `foldr`"),
        ("total_steps = 2", "total_steps = 'two'", r"expected `int`, got `str` - at `\$\.optim"),
        ("total_steps = 2, ", "", r"missing required field `total_steps` - at `\$\.optim`"),
        ("heads = 2", "heads = 3", r"multiple of 2 x 3 heads, found 16 - at `\$\.encoder`"),
        ('cache = "cache"', "cache = 3", r"small\.toml: .*`?str`?.* `\$\.cache`|cache"),
        ('"a/train.jsonl"', '"$STENO_NOWHERE/t"', r"variable STENO_NOWHERE to be set.*manifest"),
        ("[[dev]]", "[[dev", r"expected a TOML file at .*small\.toml"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = config_file(tmp_path, CONFIG.replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        read_stages(path)


def test_a_stage_says_what_is_different_and_begins_with_the_one_before(tmp_path: Path) -> None:
    one, two = read_stages(config_file(tmp_path, CONFIG + STAGES))
    assert (one.folder, two.folder) == (tmp_path / "run" / "one", tmp_path / "run" / "two")
    assert (one.init, two.init) == (None, one.folder)
    assert (one.optim.total_steps, two.optim.total_steps) == (2, 7)
    assert (two.optim.warmup_steps, two.optim.learning_rate) == (1, 4e-4)
    assert (one.augment.mask_share, two.augment.mask_share) == (0.3, 0.6)
    assert one.augment.warp_share == two.augment.warp_share == 0.2
    assert (one.run.seed, two.run.seed) == (1, 5)
    assert one.corpora == two.corpora


def test_the_first_stage_begins_with_the_init_of_the_file(tmp_path: Path) -> None:
    one, two = read_stages(config_file(tmp_path, f'init = "../en"\n{CONFIG}{STAGES}'))
    assert one.init == tmp_path / ".." / "en"
    assert two.init == one.folder


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "two"', 'name = "one"', r"stages of different names, found one, one"),
        ('name = "two"', 'name = "../two"', r"stages: .*name"),
        ("run = { seed", "runs = { seed", r"stages: .*unknown field `runs`"),
        ("{ mask_share = 0.6", "{ mask = 0.6", r"stage two: .*unknown field `mask`"),
        ("total_steps = 7", "total_steps = 0", r"stage two: .*total_steps"),
        ("mask_share = 0.3", "noise_snr_db = [9.0, 3.0]", r"low to high, found 9 and 3"),
    ],
)
def test_a_mistake_in_a_stage_is_named_with_the_stage(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = (CONFIG + STAGES).replace(old, new, 1)
    with pytest.raises(ConfigError, match=message):
        read_stages(config_file(tmp_path, text))


def test_what_names_no_alignments_has_those_of_the_folder(tmp_path: Path) -> None:
    text = CONFIG.replace('"cache"', '"cache"\nalign = "al"')
    own = text.replace("[[dev]]", 'labels = "own.npz"\n[[dev]]')
    (config,) = read_stages(config_file(tmp_path, text))
    found = with_alignments(config)
    assert found.corpora[0].labels == tmp_path / "al" / "a-train.phones.npz"
    assert found.corpora[0].tokens == tmp_path / "al" / "a-train.tokens.npz"
    assert found.dev[0].tokens == tmp_path / "al" / "b-dev.tokens.npz"
    (config,) = read_stages(config_file(tmp_path, own))
    (corpus,) = with_alignments(config).corpora
    assert (corpus.labels, corpus.tokens) == (tmp_path / "own.npz", None)


def test_without_a_folder_of_alignments_there_are_none(tmp_path: Path) -> None:
    (config,) = read_stages(config_file(tmp_path))
    assert with_alignments(config) == config


def test_the_file_and_the_library_have_the_same_augmentation() -> None:
    changes, augment = Changes(), Augment()
    assert set(augment.__struct_fields__) == set(Changes.__slots__)
    for name in augment.__struct_fields__:
        assert getattr(changes, name) == getattr(augment, name), name


def test_the_shipped_recipe_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STENO_DATA", "/corpora")
    monkeypatch.setenv("STENO_RUNS", "/runs")
    first, *further = read_stages(BUNDLES / "en.train.toml")
    assert first.folder == Path("/runs/en/scratch")
    assert first.align == Path("/runs/align")
    assert first.music is not None
    assert sum(corpus.turns for corpus in first.corpora) == pytest.approx(4.6)
    assert first.loss.frame_only_share > 0
    assert [stage.loss.crf for stage in (first, *further)] == [0.0, 0.0, 2.0]
    for before, stage in zip((first, *further), further, strict=False):
        assert stage.init == before.folder
        assert stage.loss.frame_only_share == 0
        assert stage.encoder == first.encoder
