"""`steno-models hmm tandem`: Gaussians trained on what a network hears."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from steno_models.hmm.corpus import by_speaker
from steno_models.hmm.hybrid.config import read_hybrid
from steno_models.hmm.hybrid.data import speaker_energies
from steno_models.hmm.hybrid.rounds import read_table
from steno_models.hmm.hybrid.system import load_hybrid
from steno_models.hmm.recipe import STAGES, model_path, train
from steno_models.hmm.tandem.config import TandemConfig, read_tandem
from steno_models.hmm.tandem.features import (
    Heard,
    Projection,
    TandemFeatures,
    load_projection,
    principal_components,
)
from steno_models.training.manifest import read_manifest
from steno_models.training.recordings import read_samples
from steno_models.types import FloatArray

PROJECTION = "projection.npz"

_DESCRIPTION = """Train Gaussians as steno-models hmm train does, on cepstra with what a network
hears beside them: the best network of a training of steno-models hmm hybrid. The TOML file says
what that of steno-models hmm train may say, and which network.

The run's folder gets projection.npz besides, the principal components of what the network says.
"""

_EXAMPLE = """example (tandem.toml, after steno-models hmm hybrid hybrid.toml):

  kind = "tandem"
  folder = "$STENO_RUNS/tandem"
  hybrid = "hybrid.toml"
  manifests = ["$STENO_DATA/librispeech_mini/train.jsonl"]
  width = 24

  OMP_NUM_THREADS=1 steno-models hmm tandem tandem.toml --until tri2
  steno-models hmm evaluate tandem.toml --stage tri2 \\
    --manifest $STENO_DATA/librispeech_mini/dev.jsonl

The recipe for mini-LibriSpeech is steno_models/hmm/librispeech_mini-tandem.toml.
"""


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models hmm tandem`."""
    asked = _parser().parse_args(arguments)
    config = read_tandem(asked.config)
    console = Console(stderr=True, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        ensure_projection(config, progress)
        train(config, progress, until=asked.until, features=tandem_features(config))
    console.print(f"{asked.until} is in {model_path(config.folder, asked.until)}", highlight=False)
    return 0


def tandem_features(config: TandemConfig) -> TandemFeatures:
    """Return the features of the training `config`, whose projection is there.

    Raises:
        DataError: the hybrid is not trained, or the projection not found yet.
    """
    return TandemFeatures(_heard(config), load_projection(config.folder / PROJECTION))


def ensure_projection(config: TandemConfig, progress: Progress) -> None:
    """Find the principal components of what the network says, unless they are known."""
    path = config.folder / PROJECTION
    if not path.is_file():
        _projection(config, progress).save(path)


def _projection(config: TandemConfig, progress: Progress) -> Projection:
    heard = _heard(config)
    utterances = [u for manifest in config.manifests for u in read_manifest(manifest)]
    chosen = [group[:: config.pca_every] for group in by_speaker(utterances)]
    task = progress.add_task("principal components", total=len(chosen))

    def said() -> Iterator[FloatArray]:
        for group in chosen:
            for energies in speaker_energies([read_samples(each) for each in group]):
                yield heard(energies)
            progress.advance(task)

    return principal_components(said(), config.width)


def _heard(config: TandemConfig) -> Heard:
    """Return the best network of the hybrid's training."""
    folder = read_hybrid(config.hybrid).folder
    system = load_hybrid(folder / read_table(folder).best_name)
    return Heard(system, config.source)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models hmm tandem",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, metavar="CONFIG.toml")
    parser.add_argument("--until", choices=STAGES, default=STAGES[-1], help="the last stage")
    return parser
