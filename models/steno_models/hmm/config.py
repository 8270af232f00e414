"""What a TOML file may say about a training of GMM-HMMs.

Paths are relative to the file; `~` and `$VARIABLES` are filled in. Whatever has a default may be
left out; whatever is not listed here is refused.
"""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from steno_models.hmm.course import Method
from steno_models.hmm.sgmm_train import ROUND
from steno_models.training.sections import Amount, Count
from steno_models.training.toml_file import converted, read_table

Rounds = tuple[Count, ...]


class Mono(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Phones without context, from a flat start.

    Attributes:
        doublings: how often their mixtures are doubled.
        flat_rounds: of alignment and estimation before the first doubling, on the shorter half.
        rounds: after each doubling.
        hours: of speech, the easiest first; what is beyond is only aligned at the end.
    """

    doublings: Annotated[int, Meta(ge=0)] = 3
    flat_rounds: Count = 8
    rounds: Count = 3
    hours: Annotated[float, Meta(gt=0)] = 2.0


class Tree(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The tying of states, field by field that of `TreeOptions`.

    Attributes:
        leaves: tied states at most.
        min_gain: nats that a split must bring at least.
        min_frames: frames that each side of a split must have.
    """

    leaves: Count = 1000
    min_gain: Amount = 200.0
    min_frames: Amount = 150.0


class Tri(Tree, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Triphones with tied states; field by field those of `Schedule`.

    Attributes:
        gaussians: of all states together.
        rounds: of EM.
        align_at: the rounds before which the recordings are aligned anew.
        method: EM inside the states of the best path, or over all paths.
    """

    gaussians: Count = 8000
    rounds: Count = 16
    align_at: Rounds = (4, 8, 12)
    method: Method = "viterbi"


class Lda(Tri, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Triphones on discriminants with a semi-tied transform.

    Attributes:
        context: frames spliced on each side.
        width: discriminants that are kept.
        rotate_at: the rounds before which the features are rotated.
    """

    context: Count = 4
    width: Count = 40
    rotate_at: Rounds = (2, 4, 6, 10)


class Sat(Tri, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Triphones on features that are mapped for each speaker.

    Attributes:
        adapt_at: the rounds before which the maps are estimated anew.
    """

    adapt_at: Rounds = (2, 6, 10)


class Sgmm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The subspace GMM, on the features, the tree and the alignments of tri2.

    Attributes:
        gaussians: of the shared pool.
        width: of the states' vectors; at most one more than there are features.
        passes: how often all kinds of parameters are estimated.
    """

    gaussians: Count = 200
    width: Annotated[int, Meta(ge=2)] = 41
    passes: Count = 3

    @property
    def rounds(self) -> int:
        """How many estimations that makes."""
        return self.passes * len(ROUND)


class TrainConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training.

    Attributes:
        folder: of the run: a model and its alignments for each stage, and log.jsonl.
        manifests: of the speech to learn from.
        states_per_phone: of every phone but silence, which has one state.
        mono: the first stage.
        tri1: triphones on cepstra with their slopes.
        tri2: triphones on discriminants.
        tri3: the same for each speaker.
        sgmm: the states of tri2 with a shared pool of Gaussians.
    """

    folder: Path
    manifests: Annotated[tuple[Path, ...], Meta(min_length=1)]
    states_per_phone: Literal[3, 5] = 3
    mono: Mono = Mono()
    tri1: Tri = Tri()
    tri2: Lda = Lda()
    tri3: Sat = Sat()
    sgmm: Sgmm = Sgmm()


def read_config(path: Path) -> TrainConfig:
    """Return what the TOML file at `path` says.

    Raises:
        ConfigError: it cannot be read, is not TOML, or says something else than expected.
    """
    return converted(read_table(path), TrainConfig, path)
