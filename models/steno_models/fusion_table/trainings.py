"""The trainings behind a table: those that are not finished are gone on with, in their order."""

from pathlib import Path

from rich.console import Console

from steno_models.errors import ConfigError
from steno_models.fusion_table.config import FusionTableConfig
from steno_models.lm.neural.stored import DESCRIPTION
from steno_models.training.speech import WEIGHTS


def ensure_trained(config: FusionTableConfig, console: Console, *, train: bool) -> None:
    """Train what is not trained yet: the plain speller, language models, then the fusions.

    Language models may so take the speller's tokens, and the fusions need both.

    Args:
        config: of the table.
        console: is told what is trained.
        train: whether to; otherwise what is lacking is an error.

    Raises:
        ConfigError: a training is lacking and not wanted, or was interrupted.
    """
    for recipe, written, command in _trainings(config):
        if written.exists():
            continue
        line = f"steno-models {' '.join(command)} {recipe}"
        if not train:
            raise ConfigError(f"expected {written}, found none: train it with {line}")
        console.print(line, highlight=False, soft_wrap=True)
        _train(recipe, command)
        if not written.exists():
            raise ConfigError(f"expected {written}, found none: the training was interrupted")


def _trainings(config: FusionTableConfig) -> list[tuple[Path, Path, tuple[str, ...]]]:
    """Return recipe, last file and command of each training."""
    recipes = {"plain": config.plain, **config.fusions()}
    plain, *fusions = (
        (recipes[kind], speller.folder / "acoustic" / WEIGHTS, ("train",))
        for kind, speller in config.spellers().items()
    )
    language_models = (
        (domain.language_model, domain.network() / DESCRIPTION, ("lm", "train"))
        for domain in config.domains
    )
    return [plain, *language_models, *fusions]


def _train(recipe: Path, command: tuple[str, ...]) -> None:
    if command[0] == "lm":
        from steno_models.lm.train_command import main as train_lm  # noqa: PLC0415

        train_lm([str(recipe)])
        return
    from steno_models.train_family import main as train_speller  # noqa: PLC0415

    train_speller([str(recipe)])
