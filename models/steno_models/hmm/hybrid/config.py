"""What a TOML file may say about a training of hybrids.

Paths are relative to the file; `~` and `$VARIABLES` are filled in. Whatever has a default may be
left out; whatever is not listed here is refused.
"""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from steno_models.encoders.section import ConformerSection, Encoder, with_encoder_kind
from steno_models.hmm.config import Tree
from steno_models.training.sections import Amount, Chunks, Count, Optim, Run, Share
from steno_models.training.toml_file import converted, read_table

Range = Annotated[float, Meta(ge=0, le=0.5)]


class Augment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens to features each time they are used.

    Attributes:
        tempo_share: of the utterances, whose tempo changes.
        tempo_range: by how much at most: 0.08 is from 0.92 to 1.08.
        warp_share: of the utterances, whose mel bins are stretched.
        warp_range: by how much at most, likewise.
        mask_share: of the utterances, in which frequencies and times are masked.
        frequency_masks: how many bands are.
        frequency_bins: the widest band.
        frames_per_time_mask: one stretch is masked for so many frames.
        time_frames: the longest stretch, at most an eighth of the utterance.
    """

    tempo_share: Share = 0.3
    tempo_range: Range = 0.08
    warp_share: Share = 0.4
    warp_range: Range = 0.1
    mask_share: Share = 0.5
    frequency_masks: Annotated[int, Meta(ge=0)] = 2
    frequency_bins: Annotated[int, Meta(ge=0)] = 20
    frames_per_time_mask: Count = 120
    time_frames: Annotated[int, Meta(ge=0)] = 35


class Rounds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Network after network, each on the alignment of the one before.

    Attributes:
        most: how many networks at most.
        margin: the phone error on the held-out speech must fall by so much for another round.
        begin: where the second and later networks begin: at weights drawn by chance, or at those
            of the network before, at whose peak learning rate they then go on for `steps`.
        steps: of the second and later networks; as many as of the first if left out.
    """

    most: Count = 3
    margin: Amount = 0.002
    begin: Literal["chance", "before"] = "chance"
    steps: Count | None = None


class WholeSequences(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Training by the criterion of whole sequences, after the rounds.

    Attributes:
        steps: of the training, which begins with the best network.
        learning_rate: its highest.
        frame_weight: of the frame loss beside it.
    """

    steps: Annotated[int, Meta(ge=2)] = 600
    learning_rate: Annotated[float, Meta(gt=0)] = 2e-4
    frame_weight: Amount = 0.05


class HybridConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training.

    Attributes:
        kind: what is trained, here always "hybrid".
        folder: of the run: `start/`, `round1/`, …, rounds.json and rounds.png.
        gmm: the TOML file of a training of Gaussians, finished up to `stage`; its manifests say
            what is learned from.
        stage: whose alignments teach the first network.
        cache: of features, shared by all trainings.
        dev: manifests of held-out speech.
        optim: how weights are moved.
        states: the tying of states for a network whose steps are longer than a frame; any other
            has those of the Gaussians.
        encoder: its `kind` and the fields of that encoder's options.
        bottleneck: width of the layer before the last, for tandems; none if left out.
        speeds: at which speech is stored, 1.0 the first.
        smoothing: share of the posterior that all states have alike in the training's targets.
        chunks: how far the encoder looks.
        augment: what happens to features each time they are used.
        rounds: network after network.
        sequence: what comes after them, in the folder `sequence/`; nothing if left out.
        run: how the trainings run.
    """

    kind: Literal["hybrid"]
    folder: Path
    gmm: Path
    stage: Literal["mono", "tri1", "tri2", "tri3"] = "tri3"
    cache: Path
    dev: Annotated[tuple[Path, ...], Meta(min_length=1)]
    optim: Optim
    states: Tree = Tree(leaves=800)
    encoder: Encoder = ConformerSection()
    bottleneck: Count | None = None
    speeds: Annotated[tuple[Annotated[float, Meta(ge=0.5, le=2)], ...], Meta(min_length=1)] = (1.0,)
    smoothing: Share = 0.05
    chunks: Chunks = Chunks()
    augment: Augment = Augment()
    rounds: Rounds = Rounds()
    sequence: WholeSequences | None = None
    run: Run = Run()

    def __post_init__(self) -> None:
        """Check what the fields must be together."""
        if self.speeds[0] != 1.0:
            raise ValueError(f"expected 1.0 to be the first of the speeds, found {self.speeds[0]}")


def read_hybrid(path: Path) -> HybridConfig:
    """Return what the TOML file at `path` says.

    Raises:
        ConfigError: it cannot be read, is not TOML, or says something else than expected.
    """
    return converted(with_encoder_kind(read_table(path)), HybridConfig, path)
