"""How large a system is: in numbers that were learned, and in memory."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
from safetensors import safe_open

_STATUS, _PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def parameters(files: Iterable[Path]) -> int:
    """Return how many numbers the weights in `files`, .npz or .safetensors, are.

    Integers do not count: they say which state is which, or how often something was seen.
    """
    return sum(_of_arrays(path) if path.suffix == ".npz" else _of_tensors(path) for path in files)


def forget_memory() -> None:
    """Count the most memory that this process has had from now on.

    Where the system does not allow that, what was before counts, too.
    """
    with suppress(OSError):
        _PEAK.write_text("5", encoding="ascii")


def memory_mb() -> float:
    """Return the most memory that this process has had, in MB.

    Not by `getrusage`, which counts what the process was before it became this program.
    """
    lines = _STATUS.read_text(encoding="utf-8").splitlines()
    [peak] = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(peak) * 1024 / 1e6


def _of_arrays(path: Path) -> int:
    with np.load(path) as arrays:
        return sum(arrays[name].size for name in arrays.files if arrays[name].dtype.kind == "f")


def _of_tensors(path: Path) -> int:
    with safe_open(path, framework="pt") as file:
        tensors = [file.get_tensor(name) for name in file.keys()]  # noqa: SIM118 - not a mapping
    return sum(tensor.numel() for tensor in tensors if tensor.is_floating_point())
