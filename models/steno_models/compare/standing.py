"""What the training of a system left, or which command makes it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from steno_models import bundle
from steno_models.compare.config import System
from steno_models.compare.training_time import stage_seconds, steps_seconds
from steno_models.ctc.config import TrainConfig as CtcConfig
from steno_models.ctc.config import read_stages
from steno_models.errors import ConfigError
from steno_models.hmm.config import read_config as read_gaussians
from steno_models.hmm.hybrid.config import HybridConfig, read_hybrid
from steno_models.hmm.hybrid.rounds import TABLE, read_table
from steno_models.hmm.hybrid.system import DESCRIPTION, STATES, WEIGHTS
from steno_models.hmm.recipe import ADAPTED, BEFORE_ADAPTED, SUBSPACE, model_path, paths_path
from steno_models.hmm.tandem.command import PROJECTION
from steno_models.hmm.tandem.config import read_tandem
from steno_models.las.config import read_config as read_las
from steno_models.rnnt.config import read_config as read_rnnt
from steno_models.training.checkpoint import CheckpointFolder
from steno_models.training.sections import Optim
from steno_models.training.speech import TOKENS
from steno_models.training.start import CMVN


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a system stands.

    Attributes:
        files: that it is made of; none while it is not trained.
        lacking: what is not there yet, in words; empty when it is trained.
        command: the arguments of `steno-models` that train it; none where nothing can.
        seconds: that its training computed, as far as it has come; None where nobody knows.
        settings: what of its training's file its files do not say.
    """

    files: tuple[Path, ...] = ()
    lacking: str = ""
    command: tuple[str, ...] = ()
    seconds: float | None = None
    settings: str = ""

    @property
    def is_trained(self) -> bool:
        """Whether it can be measured."""
        return not self.lacking


class Course(Protocol):
    """What the files of all trainings by steps say."""

    @property
    def folder(self) -> Path:
        """The folder of the run."""

    @property
    def optim(self) -> Optim:
        """How many steps there are, and more."""


def standing(system: System) -> Standing:
    """Return where `system` stands.

    Raises:
        ConfigError: the file of its training says something else than expected.
        BundleError: there is no such bundle.
    """
    match system.kind:
        case "bundle":
            path = located(system.bundle or Path())
            return Standing(
                (path / bundle.DESCRIPTION, *(path / name for name in bundle.describe(path).files))
            )
        case "gmm":
            return _gaussians(system, read_gaussians(system.training()).folder, "train")
        case "tandem":
            return _tandem(system)
        case "hybrid":
            return _hybrid(system)
        case "ctc":
            return _stepped(system, ctc_stage(system))
        case "rnnt" | "las":
            read: Callable[[Path], Course] = read_rnnt if system.kind == "rnnt" else read_las
            config = read(system.training())
            return _stepped(system, config, (config.folder / TOKENS,))


def located(place: Path) -> Path:
    """Return the bundle at `place`, or the embedded one of its name.

    Raises:
        BundleError: there is neither.
    """
    return place if (place / bundle.DESCRIPTION).is_file() else bundle.find(place.name)


def _gaussians(system: System, folder: Path, command: str, more: Sequence[Path] = ()) -> Standing:
    stage = system.stage or ""
    models = [model_path(folder, stage)]
    if stage == ADAPTED:
        models.append(model_path(folder, BEFORE_ADAPTED))
    # What a stage writes last.
    mark = model_path(folder, stage) if stage == SUBSPACE else paths_path(folder, stage)
    files = (*models, *more)
    missing = [path.name for path in (mark, *files) if not path.is_file()]
    return Standing(
        files,
        f"no {missing[0]} in {folder}" if missing else "",
        ("hmm", command, str(system.training()), "--until", stage),
        stage_seconds(folder / "log.jsonl", stage),
    )


def _tandem(system: System) -> Standing:
    config = read_tandem(system.training())
    heard, folder = read_hybrid(config.hybrid).folder, config.folder
    network = [heard / TABLE]
    if network[0].is_file():
        network = _network(heard / read_table(heard).best_name)
    found = _gaussians(system, folder, "tandem", (folder / PROJECTION, *network))
    return Standing(found.files, found.lacking, found.command, found.seconds, config.source)


def _hybrid(system: System) -> Standing:
    config, name = read_hybrid(system.training()), system.stage or ""
    folder = config.folder / name
    files, seconds = _network(folder), steps_seconds(folder / "log.jsonl")
    if all(path.is_file() for path in files):
        return Standing(tuple(files), seconds=seconds)
    end = _end(config)
    if end:
        return Standing(lacking=end, seconds=seconds or 0.0)
    command = ("hmm", "hybrid", str(system.training()))
    return Standing(lacking=f"no {STATES} in {folder}", command=command, seconds=seconds)


def _network(folder: Path) -> list[Path]:
    return [folder / name for name in (WEIGHTS, DESCRIPTION, STATES)]


def _end(config: HybridConfig) -> str:
    """Return how the rounds ended, if they have: a later one is none that a command makes."""
    if not (config.folder / TABLE).is_file():
        return ""
    table = read_table(config.folder)
    last = table.rows[-1]
    enough = len(table.rows) >= config.rounds.most
    missed = last.gain is not None and last.gain < config.rounds.margin
    if not (enough or missed) or (config.sequence is not None and table.sequence is None):
        return ""
    return f"its training ended after round {last.round}"


def ctc_stage(system: System) -> CtcConfig:
    """Return the stage of a training of CTC that `system` is.

    Raises:
        ConfigError: it has no such stage.
    """
    stages = read_stages(system.training())
    if system.stage is None:
        return stages[-1]
    names = [stage.folder.name for stage in stages] if len(stages) > 1 else []
    if system.stage not in names:
        raise ConfigError(
            f"{system.recipe}: expected one of the stages {', '.join(names) or 'none'}, found "
            f"{system.stage}"
        )
    return stages[names.index(system.stage)]


def _stepped(system: System, config: Course, more: Sequence[Path] = ()) -> Standing:
    """Return where a training stands that takes steps and leaves checkpoints."""
    folder, total = config.folder, config.optim.total_steps
    command = ("train", str(system.training()))
    seconds = steps_seconds(folder / "log.jsonl")
    checkpoints = CheckpointFolder(folder / "checkpoints")
    newest = checkpoints.latest()
    if newest is None or newest.step < total:
        lacking = f"at step {newest.step if newest else 0} of {total} in {folder}"
        return Standing(lacking=lacking, command=command, seconds=seconds)
    weights = checkpoints.best() or checkpoints.paths()[-1]
    return Standing(
        (weights, folder / CMVN, *more), command=command, seconds=seconds, settings=repr(config)
    )
