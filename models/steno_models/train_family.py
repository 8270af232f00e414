"""`steno-models train`: which family's training a TOML file is about."""

import argparse
import tomllib
from collections.abc import Sequence
from pathlib import Path

from steno_models.errors import ConfigError


def main(arguments: Sequence[str]) -> int:
    """Run the training of the family that the file names as `family`; without a name, of CTC.

    Raises:
        ConfigError: there is no such family.
    """
    match _family(arguments):
        case "ctc":
            from steno_models.train_command import main as train  # noqa: PLC0415

            return train(arguments)
        case "rnnt":
            from steno_models.lm.open_model import open_label_network  # noqa: PLC0415
            from steno_models.rnnt.command import main as train_transducer  # noqa: PLC0415

            return train_transducer(arguments, open_language=open_label_network)
        case "las":
            from steno_models.las.command import main as train_speller  # noqa: PLC0415
            from steno_models.lm.open_model import open_label_network  # noqa: PLC0415

            return train_speller(arguments, open_language=open_label_network)
        case "speech2vec":
            from steno_models.crossmodal.speech2vec.command import (  # noqa: PLC0415
                main as train_vectors,
            )

            return train_vectors(arguments)
        case other:
            raise ConfigError(f"expected a family of: ctc, rnnt, las, speech2vec, found {other!r}")


def _family(arguments: Sequence[str]) -> object:
    """Return the file's `family`; what cannot be read is left to the command to complain about."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("config", type=Path, nargs="?")
    for option in ("--device", "--export"):
        parser.add_argument(option)
    try:
        path = parser.parse_known_args(arguments)[0].config
        found = {} if path is None else tomllib.loads(path.read_text(encoding="utf-8"))
    except (argparse.ArgumentError, OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return "ctc"
    return found.get("family", "ctc")
