"""What the first network learns from: the alignments of Gaussians, in the states of the network."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.progress import Progress

from steno_models.encoders.protocol import Grid
from steno_models.errors import DataError
from steno_models.hmm.config import Tree, read_config
from steno_models.hmm.hybrid.config import HybridConfig
from steno_models.hmm.hybrid.data import Aligned
from steno_models.hmm.hybrid.states import PhoneUnits, units_as_arrays, units_of_arrays
from steno_models.hmm.recipe import BEFORE_ADAPTED, load_trained, model_path, read_all
from steno_models.hmm.speakers import adapted_frames
from steno_models.hmm.speech import Recording, read_speech
from steno_models.hmm.stages import tied_states
from steno_models.hmm.system import System, load_system
from steno_models.hmm.topology import Monophones
from steno_models.text.g2p import G2P
from steno_models.text.lexicon import Lexicon
from steno_models.training.folders import finished_folder
from steno_models.training.manifest import read_manifest
from steno_models.types import IntArray

_log = logging.getLogger(__name__)

UNITS, TRAIN, DEV = "units.npz", "train.npz", "dev.npz"


def ensure_start(config: HybridConfig, grid: Grid, progress: Progress) -> Path:
    """Return the folder with the first alignments and the states, made where it is missing.

    Raises:
        DataError: the stage of the Gaussians is not finished, or is of other speech.
    """
    folder = config.folder / "start"
    with finished_folder(folder) as draft:
        if draft is not None:
            _begin(config, grid, draft, progress)
    return folder


def read_units(folder: Path) -> PhoneUnits:
    """Return the states that `ensure_start` wrote.

    Raises:
        DataError: the file cannot be read or holds something else.
    """
    try:
        with np.load(folder / UNITS) as arrays:
            return units_of_arrays(arrays)
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"expected the states of phones in {folder}, found {error}") from error


def one_state_phones(
    speech: Sequence[Recording], system: System, paths: Sequence[IntArray], options: Tree
) -> tuple[PhoneUnits, list[IntArray]]:
    """Return tied states of which a phone has one, and the nodes of `paths` in their graphs.

    Args:
        speech: the recordings.
        system: whose states `paths` are in, and whose features the tree is grown on.
        paths: (T,) the node of each frame of each recording.
        options: how many states there should be.
    """
    nodes = tokens(speech, system.units, paths)
    frames = [system.front_end(recording.cepstra) for recording in speech]
    return tied_states(speech, nodes, frames, 1, options), nodes


def tokens(
    speech: Sequence[Recording], units: PhoneUnits, paths: Sequence[IntArray]
) -> list[IntArray]:
    """Return (T,) which of its phones each recording is in on `paths`, through states of `units`.

    In a graph of one state a phone these are its nodes.
    """
    return [r.graph(units).tokens[path] for r, path in zip(speech, paths, strict=True)]


def gaussian_paths(
    folder: Path, stage: str, speech: Sequence[Recording]
) -> tuple[list[Recording], list[IntArray]]:
    """Return the recordings that can be aligned by `stage` of the training in `folder`, and how.

    What is adapted to speakers is so to those of `speech`, whose words are known.
    """
    system = load_system(model_path(folder, stage))
    if system.adapted:
        before = load_system(model_path(folder, BEFORE_ADAPTED))
        frames = adapted_frames(before, system, speech)
    else:
        frames = [system.front_end(recording.cepstra) for recording in speech]
    kept, paths = [], []
    for recording, each in zip(speech, frames, strict=True):
        try:
            paths.append(system.model.best_path(each, recording.graph(system.units)))
        except DataError as error:
            _log.warning("%s is left out: %s", recording.key, error)
            continue
        kept.append(recording)
    return kept, paths


def _begin(config: HybridConfig, grid: Grid, folder: Path, progress: Progress) -> None:
    """Write the states of the network, and where they are in the training and held-out speech."""
    gmm = read_config(config.gmm)
    speech = read_all(gmm, progress)
    trained = load_trained(gmm.folder, config.stage, speech)
    held = [u for manifest in config.dev for u in read_manifest(manifest)]
    known = list(read_speech(held, Lexicon.from_cmudict(), G2P.load()))
    dev, dev_paths = gaussian_paths(gmm.folder, config.stage, known)
    system = trained.system
    if grid.factor == 1:
        units: PhoneUnits = system.units
        nodes, dev_nodes = trained.paths, dev_paths
    else:
        units, nodes = one_state_phones(speech, system, trained.paths, config.states)
        alone = Monophones(system.units.states_per_phone, silence_states=1)
        dev_nodes = tokens(dev, alone, dev_paths)
    _aligned(speech, nodes).save(folder / TRAIN)
    _aligned(dev, dev_nodes).save(folder / DEV)
    with (folder / UNITS).open("wb") as file:
        np.savez(file, **units_as_arrays(units))  # type: ignore[arg-type]


def _aligned(speech: Sequence[Recording], nodes: Sequence[IntArray]) -> Aligned:
    return Aligned([r.key for r in speech], [r.words for r in speech], nodes)
