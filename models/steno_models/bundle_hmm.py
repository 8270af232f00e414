"""A bundle of the family `hmm` as a recogniser.

model.npz            the system, as its training wrote it: emissions need all their digits
cmvn.safetensors     mean and deviation of the training data's cepstra
lm/NAME.bin          an n-gram of words
lm/NAME.lexicon.txt  how they sound
"""

from pathlib import Path

import msgspec
import numpy as np

from steno_models.bundle import Description
from steno_models.bundle_sections import HmmSection
from steno_models.errors import BundleError
from steno_models.features.cmvn import CmvnStats, GlobalCmvn, StreamingCmvn
from steno_models.features.mfcc import NUM_CEPSTRA
from steno_models.hmm.frames import FrontEnd
from steno_models.hmm.subspace import load_subspace_system
from steno_models.hmm.system import Acoustics, load_system
from steno_models.hmm_decoder import Dictionary, HmmDecoder
from steno_models.hmm_recogniser import Chunk, HmmRecogniser
from steno_models.search.confidence import Calibration
from steno_models.search.options import SearchOptions

MODEL = "model.npz"
_SLOPE_FRAMES = 4  # neighbours on each side of slopes of slopes


def load(path: Path, description: Description) -> HmmRecogniser:
    """Return the recogniser of the bundle in `path`.

    Raises:
        BundleError: the description lacks a section, or the system cannot stream.
        DataError: a file is not what it should be.
    """
    section = description.hmm
    if section is None:
        raise BundleError(f"expected a section [hmm] in the description of {path}, found none")
    if description.speech_gate is not None:
        raise BundleError(
            f"expected no speech gate in {path}: it judges the posteriors of CTC, which hidden "
            "Markov models have not"
        )
    if not description.language_models:
        raise BundleError(f"expected a language model in {path}, found none")
    system = read_system(path / MODEL, section.kind)
    dictionaries = {
        name: Dictionary.open(path / "lm", name) for name in description.language_models
    }
    options = SearchOptions(**msgspec.structs.asdict(description.search))
    calibration = description.calibration
    return HmmRecogniser(
        decoders={
            name: HmmDecoder.build(system, dictionary, options, section.acoustic_scale)
            for name, dictionary in dictionaries.items()
        },
        words={name: dictionary.words for name, dictionary in dictionaries.items()},
        cmvn=_cmvn(path, section),
        margin=margin_of(system),
        context=Chunk(description.streaming.chunk_steps),
        calibration=Calibration(weights=calibration.weights, bias=calibration.bias),
    )


def read_system(path: Path, kind: str) -> Acoustics:
    """Return the system in the file `path`.

    Raises:
        BundleError: it needs to know its speaker before it can decode.
    """
    if kind == "subspace":
        return load_subspace_system(path)
    system = load_system(path)
    if system.adapted:
        raise BundleError(
            f"expected a system for any speaker in {path}, found one whose frames are mapped for "
            "each speaker (fMLLR), which needs all that a speaker says before the first word: take "
            "the stage before it, tri2, or sgmm"
        )
    return system


def margin_of(system: Acoustics) -> int:
    """Return how many neighbours on each side a frame of `system` is made of.

    Raises:
        BundleError: that is not known.
    """
    match system.front_end:
        case FrontEnd(matrix=matrix):
            if matrix is None:
                return _SLOPE_FRAMES
            return (matrix.shape[1] // NUM_CEPSTRA - 1) // 2
        case other:
            raise BundleError(
                f"expected a front end on neighbouring cepstra, which can stream, found "
                f"{type(other).__name__}"
            )


def _cmvn(path: Path, section: HmmSection) -> StreamingCmvn:
    """Return the normalisation of a stream, the training data standing in at its start."""
    known = GlobalCmvn.load(path / "cmvn.safetensors")
    if len(known.mean) != NUM_CEPSTRA:
        raise BundleError(
            f"expected the mean of {NUM_CEPSTRA} cepstra in {path}, found {len(known.mean)}"
        )
    mean = known.mean.astype(np.float64)
    squares = known.istd.astype(np.float64) ** -2 + mean**2
    return StreamingCmvn(
        prior=CmvnStats(1, mean, squares),
        window_frames=section.cmvn_window_frames,
        prior_frames=section.cmvn_prior_frames,
    )
