"""How fast spellers learn with a language model beside them and without, as a drawing."""

from collections.abc import Mapping
from pathlib import Path

from steno_models.training.runlog import read_run_log

_STYLES = {"plain": "-", "deep": ":", "cold": "--"}


def curve(run: Path) -> tuple[list[int], list[float]]:
    """Return the steps at which a run was measured, and the speller's loss of held-out speech.

    Args:
        run: the folder of a training; one without a log has no curve.
    """
    log = run / "log.jsonl"
    reports = read_run_log(log) if log.is_file() else []
    measured = [(each.step, each.dev.get("spelling_loss")) for each in reports]
    drawn = [(step, loss) for step, loss in measured if loss is not None]
    return [step for step, _ in drawn], [loss for _, loss in drawn]


def draw_curves(runs: Mapping[str, Path], path: Path) -> None:
    """Draw the losses of held-out speech over the steps of trainings as a PNG at `path`."""
    # Imported here: only whoever draws needs matplotlib, and it takes a second to load.
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, run in runs.items():
        axes.plot(*curve(run), _STYLES[name], marker=".", label=name)
    axes.set_xlabel("steps of its own training")
    axes.set_ylabel("−ln p of a token of held-out speech")
    axes.grid(alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
