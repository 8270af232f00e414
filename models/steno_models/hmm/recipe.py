"""`steno-models hmm train`: from a configuration file to acoustic models, stage by stage."""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from steno_models.errors import DataError
from steno_models.hmm.config import TrainConfig, Tri, read_config
from steno_models.hmm.course import Report
from steno_models.hmm.speech import (
    Recording,
    SpeakerFeatures,
    read_speech,
    speaker_cepstra,
)
from steno_models.hmm.stages import (
    Trained,
    train_mono,
    train_tri1,
    train_tri2,
    train_tri3,
    usable,
)
from steno_models.hmm.subspace import train_subspace
from steno_models.hmm.system import load_system
from steno_models.text.g2p import G2P
from steno_models.text.lexicon import Lexicon
from steno_models.training.manifest import read_manifest

ADAPTED, BEFORE_ADAPTED, SUBSPACE = "tri3", "tri2", "sgmm"
STAGES = ("mono", "tri1", BEFORE_ADAPTED, ADAPTED, SUBSPACE)
PREDECESSORS = {"mono": None, "tri1": "mono", "tri2": "tri1", "tri3": "tri2", "sgmm": "tri2"}

_DESCRIPTION = """Train GMM-HMMs as a TOML file says: phones (mono), triphones with tied states
(tri1), triphones on discriminants with a semi-tied transform (tri2), triphones on features that are
mapped for each speaker (tri3), and the states of tri2 once more as a subspace GMM (sgmm).

Every stage that ends leaves NAME.npz, the model, and NAME.paths.npz, its alignments, in the run's
folder; the same command goes on behind the last of them. log.jsonl there has a line a round.
"""

_EXAMPLE = """example (mini.toml):

  folder = "$STENO_RUNS/hmm"
  manifests = ["$STENO_DATA/librispeech_mini/train.jsonl"]
  tri2 = { leaves = 1500, gaussians = 12000 }

  OMP_NUM_THREADS=1 steno-models hmm train mini.toml
  steno-models hmm evaluate mini.toml --manifest $STENO_DATA/librispeech_mini/dev.jsonl

The recipe for mini-LibriSpeech is steno_models/hmm/librispeech_mini.toml.
"""


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models hmm train`."""
    asked = _parser().parse_args(arguments)
    config = read_config(asked.config)
    console = Console(stderr=True, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        train(config, progress, until=asked.until)
    console.print(f"{asked.until} is in {model_path(config.folder, asked.until)}", highlight=False)
    return 0


def train(
    config: TrainConfig,
    progress: Progress,
    *,
    until: str = STAGES[-1],
    features: SpeakerFeatures = speaker_cepstra,
) -> None:
    """Train what is not there yet, up to and with the stage `until`, on such `features`."""
    wanted = STAGES[: STAGES.index(until) + 1]
    missing = [stage for stage in wanted if not _mark(config.folder, stage).is_file()]
    if not missing:
        return
    speech = read_all(config, progress, features)
    for stage in missing:
        before = PREDECESSORS[stage]
        trained = load_trained(config.folder, before, speech) if before else None
        if stage == SUBSPACE and trained is not None:
            system = train_subspace(
                speech, trained, config.sgmm, _report(stage, config.sgmm.rounds, config, progress)
            )
            system.save(model_path(config.folder, stage))
        else:
            found = _stage(stage, speech, trained, config, progress)
            _save(config.folder, stage, speech, found)


def model_path(folder: Path, stage: str) -> Path:
    """Return where the model of `stage` is."""
    return folder / f"{stage}.npz"


def paths_path(folder: Path, stage: str) -> Path:
    """Return where the alignments of `stage` are: the last that it writes."""
    return folder / f"{stage}.paths.npz"


def _mark(folder: Path, stage: str) -> Path:
    """Return the last file that `stage` writes."""
    return model_path(folder, stage) if stage == SUBSPACE else paths_path(folder, stage)


def _stage(
    stage: str,
    speech: Sequence[Recording],
    before: Trained | None,
    config: TrainConfig,
    progress: Progress,
) -> Trained:
    """Return what `stage` makes of `speech` and of the stage before it."""
    if before is None:
        return train_mono(speech, config.states_per_phone, config.mono, progress)
    options: Tri = getattr(config, stage)
    report = _report(stage, options.rounds, config, progress)
    match stage:
        case "tri1":
            return train_tri1(speech, before, config.tri1, report)
        case "tri2":
            return train_tri2(speech, before, config.tri2, report)
        case _:
            return train_tri3(speech, before, config.tri3, report)


def _report(stage: str, rounds: int, config: TrainConfig, progress: Progress) -> Report:
    """Return what shows the rounds of `stage` and writes them down."""
    task = progress.add_task(stage, total=rounds)
    config.folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()

    def report(number: int, found: dict[str, float]) -> None:
        line = {"stage": stage, "round": number, "seconds": round(time.monotonic() - began, 1)}
        with (config.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps({**line, **found}) + "\n")
        progress.update(task, completed=number)

    return report


def read_all(
    config: TrainConfig, progress: Progress, features: SpeakerFeatures = speaker_cepstra
) -> list[Recording]:
    """Return the recordings of all manifests that are long enough, the shortest first."""
    utterances = [u for manifest in config.manifests for u in read_manifest(manifest)]
    task = progress.add_task("reading", total=len(utterances))
    found = []
    for recording in read_speech(utterances, Lexicon.from_cmudict(), G2P.load(), features):
        found.append(recording)
        progress.advance(task)
    progress.update(task, completed=len(utterances))
    return usable(found, config.states_per_phone)


def _save(folder: Path, stage: str, speech: Sequence[Recording], trained: Trained) -> None:
    trained.system.save(model_path(folder, stage))
    paths = {r.key: path for r, path in zip(speech, trained.paths, strict=True)}
    partial = folder / f"{stage}.paths.partial"
    with partial.open("wb") as file:
        np.savez(file, **paths)  # type: ignore[arg-type]
    partial.replace(paths_path(folder, stage))


def load_trained(folder: Path, stage: str, speech: Sequence[Recording]) -> Trained:
    """Return what `stage` left.

    Raises:
        DataError: its files are damaged or are of other speech.
    """
    path = paths_path(folder, stage)
    try:
        with np.load(path) as arrays:
            paths = [arrays[recording.key] for recording in speech]
    except (OSError, KeyError, ValueError) as error:
        raise DataError(
            f"expected the alignments of this speech in {path}, found {error}"
        ) from error
    return Trained(load_system(model_path(folder, stage)), paths)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models hmm train",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, metavar="CONFIG.toml")
    parser.add_argument("--until", choices=STAGES, default=STAGES[-1], help="the last stage")
    return parser
