"""A hybrid as an acoustic model: states, priors and network together, and on disk as a folder."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from msgspec import MsgspecError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from steno_models.encoders.build import build_encoder
from steno_models.encoders.protocol import Context, Grid
from steno_models.encoders.section import Encoder
from steno_models.errors import DataError
from steno_models.hmm.hybrid.model import Network, StateClassifier
from steno_models.hmm.hybrid.states import PhoneUnits, units_as_arrays, units_of_arrays
from steno_models.hmm.kernels import F64
from steno_models.hmm.model import viterbi
from steno_models.hmm.topology import Graph
from steno_models.types import FloatArray, IntArray

WEIGHTS, DESCRIPTION, STATES = "network.safetensors", "network.toml", "states.npz"
SCALE_PER_FRAME = 0.2  # of log-likelihoods against the language model, for steps of 40 ms


class Description(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `network.toml` says.

    Attributes:
        chunk_steps: how far a step looks, see `Context`.
        left_steps: likewise.
        encoder: its kind and shape.
        bottleneck: its width, if there is one.
    """

    chunk_steps: int
    left_steps: int
    encoder: Encoder
    bottleneck: int | None = None


@dataclass(frozen=True, slots=True)
class HybridSystem:
    """States that a network tells apart.

    The frames that its states "emit" are (S, A) log posteriors, so the network is the front end.

    Attributes:
        units: the states of the phones.
        network: from features to log posteriors.
        log_priors: (A,) float64 log P(a).
        stay_probs: (A,) float64 probability of each state's self loop, from step to step.
    """

    units: PhoneUnits
    network: Network
    log_priors: F64
    stay_probs: F64

    @property
    def front_end(self) -> Callable[[FloatArray], FloatArray]:
        """From a recording's features, (T, F), to (S, A) log posteriors."""
        return self.network

    @property
    def acoustic_scale(self) -> float:
        """What log-likelihoods are scaled by before they meet a language model."""
        return acoustic_scale(self.network.model.encoder.grid)

    def log_likelihoods(self, frames: FloatArray) -> FloatArray:
        """Return (S, A) float32 log P(a | x) - log P(a), for log posteriors `frames`, (S, A)."""
        if frames.shape[1] != len(self.log_priors):
            raise DataError(
                f"expected posteriors of {len(self.log_priors)} states, found {frames.shape[1]}"
            )
        return np.asarray(frames - self.log_priors.astype(np.float32))

    def best_path(self, frames: FloatArray, graph: Graph) -> IntArray:
        """Return (S,) int32: the node of `graph` at each step of `frames`, (S, A), at best.

        Raises:
            DataError: the graph needs more steps than there are.
        """
        emissions = self.log_likelihoods(frames)
        return viterbi(emissions, graph.states, self.stay_probs, graph)[0]

    def save(self, folder: Path, encoder: Encoder) -> None:
        """Write the weights, the shape (the table `encoder` of the training) and the states."""
        # Imported here: whoever only decodes has no need of it.
        import tomli_w  # noqa: PLC0415

        folder.mkdir(parents=True, exist_ok=True)
        model, context = self.network.model, self.network.context
        narrow = None if model.bottleneck is None else model.bottleneck.out_features
        described = Description(
            chunk_steps=context.chunk_steps,
            left_steps=context.left_steps,
            encoder=encoder,
            bottleneck=narrow,
        )
        table = {k: v for k, v in msgspec.to_builtins(described).items() if v is not None}
        weights = {name: weight.contiguous() for name, weight in model.state_dict().items()}
        save_file(weights, folder / WEIGHTS)
        (folder / DESCRIPTION).write_text(tomli_w.dumps(table), encoding="utf-8")
        _save_states(folder / STATES, self)


def acoustic_scale(grid: Grid) -> float:
    """Return the factor on log-likelihoods: the longer the steps, the fewer are of one sound."""
    return min(1.0, SCALE_PER_FRAME * grid.factor)


def load_hybrid(folder: Path) -> HybridSystem:
    """Return what `HybridSystem.save` wrote.

    Raises:
        DataError: a file is missing, damaged or of another model.
    """
    units, log_priors, stay_probs = _load_states(folder / STATES)
    try:
        found = tomllib.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        described = msgspec.convert(found, Description)
        encoder = build_encoder(described.encoder.options())
        model = StateClassifier(encoder, units.num_states, described.bottleneck)
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, ValueError, RuntimeError, SafetensorError, MsgspecError) as error:
        raise DataError(f"expected a network in {folder}, found: {error}") from error
    model.eval().requires_grad_(requires_grad=False)
    context = Context(described.chunk_steps, described.left_steps)
    return HybridSystem(units, Network(model, context), log_priors, stay_probs)


def _save_states(path: Path, system: HybridSystem) -> None:
    """Write all but the network, whole or not at all: the last file of a folder."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(
            file,
            log_priors=system.log_priors,
            stay_probs=system.stay_probs,
            **units_as_arrays(system.units),  # type: ignore[arg-type]
        )
    partial.replace(path)


def _load_states(path: Path) -> tuple[PhoneUnits, F64, F64]:
    """Return units, (A,) log priors and (A,) probabilities of staying."""
    try:
        with np.load(path) as arrays:
            units = units_of_arrays(arrays)
            log_priors, stay_probs = arrays["log_priors"], arrays["stay_probs"]
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"expected the states of a hybrid in {path}, found: {error}") from error
    if any(each.shape != (units.num_states,) for each in (log_priors, stay_probs)):
        raise DataError(f"{path}: expected priors of {units.num_states} states, found others")
    return units, log_priors, stay_probs
