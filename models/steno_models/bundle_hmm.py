"""A bundle of the family `hmm` as a recogniser.

    model.npz            Gaussians, as their training wrote them: they need all their digits
    network.safetensors  or a network; network.toml is its shape, states.npz are its states
    cmvn.safetensors     mean and deviation of the training data's features
    lm/NAME.bin          an n-gram of words
    lm/NAME.lexicon.txt  how they sound

Tandems, Gaussians on what a network hears, are not bundled.
"""

from pathlib import Path

import msgspec
import numpy as np

from steno_models.bundle import Description
from steno_models.bundle_sections import HmmSection
from steno_models.encoders.whole import for_streams
from steno_models.errors import BundleError
from steno_models.features.cmvn import CmvnStats, GlobalCmvn, StreamingCmvn
from steno_models.features.fbank import NUM_BINS
from steno_models.features.mfcc import NUM_CEPSTRA
from steno_models.hmm.frames import FrontEnd
from steno_models.hmm.hybrid.system import load_hybrid
from steno_models.hmm.subspace_system import load_subspace_system
from steno_models.hmm.system import Acoustics, load_system
from steno_models.hmm_decoder import Dictionary, HmmDecoder
from steno_models.hmm_listeners import CepstralListener, Listener, NetworkListener
from steno_models.hmm_recogniser import Chunk, HmmRecogniser
from steno_models.recogniser import BundledRecogniser
from steno_models.rewriting_recogniser import streamed
from steno_models.search.confidence import Calibration
from steno_models.search.options import SearchOptions

MODEL = "model.npz"
_SLOPE_FRAMES = 4  # neighbours on each side of slopes of slopes


def load(path: Path, description: Description) -> BundledRecogniser:
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
    cmvn = GlobalCmvn.load(path / "cmvn.safetensors")
    system: Acoustics
    listener: Listener
    if section.kind == "hybrid":
        network = load_hybrid(path)
        model = network.network.model
        model.encoder = for_streams(model.encoder)
        listener = NetworkListener(_streaming(path, cmvn, section, NUM_BINS), network.network)
        system = network
    else:
        system = read_system(path / MODEL, section.kind)
        front_end, margin = _front_end(system)
        cepstral = _streaming(path, cmvn, section, NUM_CEPSTRA)
        listener = CepstralListener(cepstral, front_end, margin)
    dictionaries = {
        name: Dictionary.open(path / "lm", name) for name in description.language_models
    }
    options = SearchOptions(**msgspec.structs.asdict(description.search))
    calibration = description.calibration
    recogniser = HmmRecogniser(
        decoders={
            name: HmmDecoder.build(system, dictionary, options, section.acoustic_scale)
            for name, dictionary in dictionaries.items()
        },
        words={name: dictionary.words for name, dictionary in dictionaries.items()},
        listener=listener,
        context=Chunk(description.streaming.chunk_steps),
        calibration=Calibration(weights=calibration.weights, bias=calibration.bias),
    )
    if isinstance(listener, NetworkListener):
        return streamed(recogniser, listener.network.model.encoder)
    return recogniser


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


def _front_end(system: Acoustics) -> tuple[FrontEnd, int]:
    """Return from what frames are made, and how many neighbours on each side that takes.

    Raises:
        BundleError: that is not known.
    """
    front_end = system.front_end
    if not isinstance(front_end, FrontEnd):
        raise BundleError(
            "expected a front end on neighbouring cepstra, which can stream, found "
            f"{type(front_end).__name__}"
        )
    if front_end.matrix is None:
        return front_end, _SLOPE_FRAMES
    return front_end, (front_end.matrix.shape[1] // NUM_CEPSTRA - 1) // 2


def _streaming(path: Path, known: GlobalCmvn, section: HmmSection, width: int) -> StreamingCmvn:
    """Return the normalisation of a stream, the training data standing in at its start."""
    if len(known.mean) != width:
        raise BundleError(
            f"expected the mean of {width} features in {path}, found {len(known.mean)}"
        )
    mean = known.mean.astype(np.float64)
    squares = known.istd.astype(np.float64) ** -2 + mean**2
    return StreamingCmvn(
        prior=CmvnStats(1, mean, squares),
        window_frames=section.cmvn_window_frames,
        prior_frames=section.cmvn_prior_frames,
    )
