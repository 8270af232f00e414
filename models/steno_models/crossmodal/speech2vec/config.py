"""What a TOML file may say about a training of Speech2Vec.

Paths are relative to the file; `~` and `$VARIABLES` are filled in. Whatever has a default may be
left out; whatever is not listed here is refused.
"""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, structs

from steno_models.crossmodal.speech2vec.loss import Form
from steno_models.crossmodal.speech2vec.model import Speech2VecOptions
from steno_models.training.loop import FitOptions
from steno_models.training.optim import OptimOptions
from steno_models.training.sections import Count, Optim
from steno_models.training.toml_file import converted, read_table


class Model(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The shape, field by field that of `Speech2VecOptions`."""

    dimensions: Count = 50
    width: Count = 100
    layers: Count = 1
    longest_frames: Count = 100


class Run(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the training runs.

    Attributes:
        pieces_per_batch: about so many, all processes together.
        report_every: steps between two lines of the log.
        evaluate_every: steps between two measurements on the held-out recordings.
        checkpoint_every: steps between two checkpoints.
        bf16: whether to compute in bfloat16 where that is safe and the processor has it.
        seed: of everything random.
    """

    pieces_per_batch: Count = 256
    report_every: Count = 50
    evaluate_every: Count = 500
    checkpoint_every: Count = 500
    bf16: bool = False
    seed: Annotated[int, Meta(ge=0)] = 1


class TrainConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training; `family` says which kind of model the file is about.

    Attributes:
        family: "speech2vec".
        folder: of the run.
        cache: where frames of manifests are kept.
        speech: manifests and folders of `crossmodal synthesize`.
        segments: files of pieces of this speech.
        form: "skip-gram" or "cbow".
        window: neighbours on each side.
        held_out: share of the recordings that are measured on.
        model: its shape.
        optim: how weights are moved.
        run: how the training runs.
    """

    family: Literal["speech2vec"]
    folder: Path
    cache: Path
    speech: Annotated[tuple[Path, ...], Meta(min_length=1)]
    segments: Annotated[tuple[Path, ...], Meta(min_length=1)]
    form: Form = Form.SKIP_GRAM
    window: Count = 3
    held_out: Annotated[float, Meta(gt=0, lt=1)] = 0.03
    model: Model = Model()
    optim: Optim
    run: Run = Run()

    def options(self) -> Speech2VecOptions:
        """Return the shape of the model."""
        return Speech2VecOptions(**structs.asdict(self.model))

    def fit_options(self) -> FitOptions:
        """Return how the loop goes.

        Raises:
            ConfigError: what `optim` says does not fit together.
        """
        return FitOptions(
            folder=self.folder,
            optim=OptimOptions(**structs.asdict(self.optim)),
            report_every=self.run.report_every,
            evaluate_every=self.run.evaluate_every,
            checkpoint_every=self.run.checkpoint_every,
            bf16=self.run.bf16,
            seed=self.run.seed,
        )


def read_config(path: Path) -> TrainConfig:
    """Return what the TOML file at `path` says.

    Raises:
        ConfigError: it cannot be read, is not TOML, or says something else than expected.
    """
    return converted(read_table(path), TrainConfig, path)
