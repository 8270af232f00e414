"""The states that a network tells apart, and the steps at which it does.

A network that speaks once a frame takes the states of the Gaussians as they are. One whose steps
are longer gets a tree of its own, with one state a phone, so that a phone may be over in one step
(Pundak & Sainath 2016; Povey et al. 2016, section 2.4).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from steno_models.encoders.protocol import Grid
from steno_models.hmm.kernels import F64
from steno_models.hmm.topology import EDGE, NUM_PHONES, SILENCE, Graph, Monophones
from steno_models.hmm.train import staying, transition_counts
from steno_models.hmm.tree import TiedStates
from steno_models.types import IntArray, LongArray

PhoneUnits = Monophones | TiedStates


def units_as_arrays(units: PhoneUnits) -> dict[str, IntArray]:
    """Return `units` as arrays for a file."""
    return {
        "table": units.table if isinstance(units, TiedStates) else np.zeros(0, np.int32),
        "states_per_phone": np.array(units.states_per_phone, np.int32),
        "silence_states": np.array(len(units.states(EDGE, SILENCE, EDGE)), np.int32),
    }


def units_of_arrays(arrays: Mapping[str, IntArray]) -> PhoneUnits:
    """Return what `units_as_arrays` was given; a KeyError says that the arrays are others."""
    if arrays["table"].size:
        return TiedStates(arrays["table"])
    return Monophones(int(arrays["states_per_phone"]), int(arrays["silence_states"]))


def phone_of_states(units: PhoneUnits) -> LongArray:
    """Return (A,) the phone that each state is part of."""
    phones = np.zeros(units.num_states, np.int64)
    for phone in range(NUM_PHONES):
        if isinstance(units, TiedStates) and phone != SILENCE:
            phones[units.table[phone].reshape(-1)] = phone
        else:
            phones[list(units.states(EDGE, phone, EDGE))] = phone
    return phones


def at_steps(frames: IntArray, grid: Grid) -> IntArray:
    """Return (S,) what each step has in its middle of `frames`, (T,)."""
    return frames[grid.middle_frame :: grid.factor][: grid.steps_of(len(frames))]


def step_of_frames(frames: int, steps: int, grid: Grid) -> LongArray:
    """Return (T,) for each of so many `frames` the step whose middle is nearest."""
    nearest = (np.arange(frames) - grid.middle_frame + grid.factor // 2) // grid.factor
    return np.clip(nearest, 0, steps - 1)


def priors(
    graphs: Sequence[Graph], nodes: Sequence[IntArray], grid: Grid, num_states: int
) -> tuple[F64, F64]:
    """Return (A,) log P(a) and (A,) the probability of each state's self loop.

    Every state counts as if it had been met once more than it was.

    Args:
        graphs: of the words of each utterance.
        nodes: (T,) the node of each frame.
        grid: the steps.
        num_states: A.
    """
    paths = [at_steps(each, grid) for each in nodes]
    stays, visits = transition_counts(num_states, graphs, paths)
    counts = visits + 1.0
    return np.log(counts / counts.sum()), staying(stays, visits, np.full(num_states, 0.5))
