"""A bundle is used only if every file in it is the one that was bundled."""

from pathlib import Path

import pytest

from steno_models import bundle, bundle_command
from steno_models.errors import BundleError


def test_a_sealed_bundle_loads_and_says_what_it_is(tiny_bundle: Path) -> None:
    loaded = bundle.load(tiny_bundle)
    assert (loaded.name, loaded.version, loaded.language_models) == ("tiny", "1", ("general",))


@pytest.mark.parametrize(
    "name", ["model.safetensors", "cmvn.safetensors", "tokens.txt", "lm/general.bin"]
)
def test_a_truncated_file_is_named(tiny_bundle: Path, name: str) -> None:
    file = tiny_bundle / name
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(BundleError, match=f"{name}: expected sha256 .* found"):
        bundle.load(tiny_bundle)


def test_every_missing_file_is_named(tiny_bundle: Path) -> None:
    (tiny_bundle / "tokens.txt").unlink()
    (tiny_bundle / "lm" / "general.lexicon.txt").unlink()
    with pytest.raises(BundleError, match=r"general\.lexicon\.txt.*; tokens\.txt: expected a file"):
        bundle.load(tiny_bundle)


def test_a_file_outside_the_bundle_is_refused(tiny_bundle: Path) -> None:
    with pytest.raises(BundleError, match="expected a path inside the bundle"):
        bundle.check_files(tiny_bundle, {"../elsewhere": "0"})


def test_an_unknown_field_of_the_description_is_named(tiny_bundle: Path) -> None:
    file = tiny_bundle / "bundle.toml"
    file.write_text(f"colour = 'red'\n{file.read_text()}")
    with pytest.raises(BundleError, match=r"bundle\.toml, found: .*colour"):
        bundle.load(tiny_bundle)


def test_a_description_that_is_not_toml_is_named(tiny_bundle: Path) -> None:
    (tiny_bundle / "bundle.toml").write_text("name = ")
    with pytest.raises(BundleError, match="expected a TOML file at"):
        bundle.load(tiny_bundle)


def test_an_unknown_family_is_refused(tiny_bundle: Path) -> None:
    file = tiny_bundle / "bundle.toml"
    file.write_text(file.read_text().replace('family = "ctc"', 'family = "oracle"'))
    with pytest.raises(
        BundleError, match="expected a model family of: ctc, hmm, las, rnnt, found oracle"
    ):
        bundle.load(tiny_bundle)


def test_a_shape_that_is_not_that_of_the_weights_is_refused(tiny_bundle: Path) -> None:
    file = tiny_bundle / "bundle.toml"
    file.write_text(file.read_text().replace("layers = 2", "layers = 3"))
    with pytest.raises(BundleError, match="does not fit together"):
        bundle.load(tiny_bundle)


def test_a_name_that_is_none_lists_the_embedded_ones() -> None:
    with pytest.raises(BundleError, match=r"name of an embedded bundle \(.*\), found nowhere"):
        bundle.find("nowhere")


def test_checking_by_the_command_fails_on_a_changed_file(tiny_bundle: Path) -> None:
    assert bundle_command.main(["check", str(tiny_bundle)]) == 0
    (tiny_bundle / "tokens.txt").write_text("<blk> 0\n")
    with pytest.raises(BundleError, match=r"tokens\.txt: expected sha256"):
        bundle_command.main(["check", str(tiny_bundle)])
