"""The command line that trains one model as a TOML file says, the same for several families."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from rich.console import Console

from steno_models.training.distributed import Ranks, joined_ranks
from steno_models.training.loop import Outcome
from steno_models.training.speech import export_best
from steno_models.training.speech_sections import SpeechConfig

Config = TypeVar("Config", bound=SpeechConfig)


@dataclass(frozen=True, slots=True)
class SpeechCommand(Generic[Config]):
    """What a family brings to its command line.

    Attributes:
        description: of the command, for its help.
        example: likewise.
        read: from the file to what it says.
        train: trains, or goes on training.
    """

    description: str
    example: str
    read: Callable[[Path], Config]
    train: Callable[[Config, Ranks], Outcome]

    def run(self, arguments: Sequence[str]) -> int:
        """Train, or export; return the exit status."""
        asked = self._parser().parse_args(arguments)
        config = self.read(asked.config)
        if asked.export is not None:
            _say(f"step {export_best(config.folder, asked.export)} written to {asked.export}")
            return 0
        with joined_ranks(asked.device) as ranks:
            outcome = self.train(config, ranks)
            if not ranks.is_first:
                return 0
            if outcome.interrupted:
                _say(f"stopped after step {outcome.step}; the same command goes on from there")
                return 0
            folder = config.folder / "acoustic"
            _say(f"best: step {export_best(config.folder, folder)}, written to {folder}")
        return 0

    def _parser(self) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(
            prog="steno-models train",
            description=self.description,
            epilog=self.example,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument("config", type=Path, help="the TOML file")
        parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
        parser.add_argument(
            "--export", type=Path, metavar="DIR", help="do not train, write weights"
        )
        return parser


def _say(text: str) -> None:
    Console(file=sys.stderr, soft_wrap=True).print(text, highlight=False)
