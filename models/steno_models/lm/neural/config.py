"""The tables that the TOML files of all trained language models share."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from steno_models.training.loop import FitOptions
from steno_models.training.optim import OptimOptions
from steno_models.training.sections import Amount, Count, Share

Texts = Annotated[tuple[Path, ...], Meta(min_length=1)]


class UnitsTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is predicted.

    Attributes:
        kind: `words`, `subwords` or `characters`.
        size: words with a vector of their own, or subwords.
        tokens: with subwords: the `tokens.txt` of a recogniser, beside which the model is to stand;
            left out, subwords are learnt from the texts.
        vocabulary: with words: a file of all that there are, one a line, or an n-gram model whose
            words they are; left out, the words of the texts.
    """

    kind: Literal["words", "subwords", "characters"] = "words"
    size: Annotated[int, Meta(ge=2)] = 26_000
    vocabulary: Path | None = None
    tokens: Path | None = None

    def __post_init__(self) -> None:
        """Check what the fields must be together."""
        if self.tokens is not None and self.kind != "subwords":
            raise ValueError(f"expected tokens of subwords alone, found them with {self.kind}")

    @property
    def stored(self) -> Literal["words", "subwords"]:
        """What a model's description calls them: characters are subwords without unions."""
        return "words" if self.kind == "words" else "subwords"


class OptimTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How weights are moved, field by field that of `OptimOptions`."""

    total_steps: Count
    learning_rate: float = 2e-3
    warmup_steps: int = 200
    final_share: Share = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: Amount = 0.01
    clip_norm: float = 1.0
    ema_decay: float = 0.0


class RunTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the training runs.

    Attributes:
        rows: of a batch, where texts are read as streams.
        length: units of each row, over which gradients go back.
        report_every: steps between two lines of the log.
        evaluate_every: steps between two measurements on the held-out text.
        checkpoint_every: steps between two checkpoints.
        bf16: whether to compute in bfloat16 where that is safe and the processor has it.
        seed: of everything random.
    """

    rows: Count = 64
    length: Count = 32
    report_every: Count = 50
    evaluate_every: Count = 1000
    checkpoint_every: Count = 500
    bf16: bool = True
    seed: Annotated[int, Meta(ge=1)] = 1


class LmConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every training says.

    Attributes:
        folder: of the run: checkpoints, log, learning curves, and at the end `lm/`.
        text: what is learnt, read in this order.
        dev: held out.
        optim: how weights are moved.
        units: what is predicted.
        run: how the training runs.
    """

    folder: Path
    text: Texts
    dev: Texts
    optim: OptimTable
    units: UnitsTable = UnitsTable()
    run: RunTable = RunTable()

    def fit_options(self) -> FitOptions:
        """Return how the loop goes.

        Raises:
            ConfigError: what `optim` says does not fit together.
        """
        run = self.run
        return FitOptions(
            folder=self.folder,
            optim=OptimOptions(**msgspec.structs.asdict(self.optim)),
            report_every=run.report_every,
            evaluate_every=run.evaluate_every,
            checkpoint_every=run.checkpoint_every,
            bf16=run.bf16,
            seed=run.seed,
        )
