"""The table `[encoder]`: which encoder a training has, and its shape.

Its `kind` chooses among the sections below, each of which is, field by field, the options of the
encoder of that name. A table without a kind is about a Conformer. They hear 80 mel bins.
"""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct, structs

from steno_models.encoders.build import EncoderOptions
from steno_models.encoders.cnn import CnnOptions
from steno_models.encoders.conformer import ConformerOptions
from steno_models.encoders.downsample import Downsampling
from steno_models.encoders.lstm import BlstmOptions, LstmOptions, PyramidOptions
from steno_models.encoders.tdnn import Offsets, TdnnfOptions, TdnnOptions
from steno_models.encoders.transformer import TransformerOptions

Table = dict[str, object]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1)]
Steps = Annotated[int, Meta(ge=0)]
Factors = Annotated[tuple[Count, ...], Meta(min_length=1)]


class _Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """The shape of one kind of encoder."""

    def __post_init__(self) -> None:
        """Check what the fields must be together."""
        self.options()

    def options(self) -> EncoderOptions:
        """Return the shape of the encoder.

        Raises:
            ValueError: the fields do not fit together.
        """
        raise NotImplementedError


class ConformerSection(_Section, frozen=True, kw_only=True, tag="conformer"):
    """A chunked Conformer; see `ConformerOptions`."""

    width: Count = 256
    layers: Count = 8
    heads: Count = 4
    feed_forward: Count = 768
    kernel: Count = 15
    subsampling_channels: Count = 32
    dropout: Share = 0.1

    def options(self) -> ConformerOptions:
        """Return the shape of the encoder.

        Raises:
            ValueError: the fields do not fit together.
        """
        if self.width % (2 * self.heads):
            raise ValueError(
                f"expected width to be a multiple of 2 x {self.heads} heads, found {self.width}"
            )
        return ConformerOptions(**structs.asdict(self))


class LstmSection(_Section, frozen=True, kw_only=True, tag="lstm"):
    """LSTMs of one direction; see `LstmOptions`."""

    width: Count = 448
    layers: Count = 4
    factors: Factors = (2, 2, 1, 1)
    downsampling: Downsampling = "pyramid"
    dropout: Share = 0.1

    def options(self) -> LstmOptions:
        """Return the shape of the encoder; errors as above."""
        return LstmOptions(**structs.asdict(self))


class BlstmSection(LstmSection, frozen=True, kw_only=True, tag="blstm"):
    """LSTMs of both directions; see `BlstmOptions`."""

    def options(self) -> BlstmOptions:
        """Return the shape of the encoder; errors as above."""
        return BlstmOptions(**structs.asdict(self))


class PyramidSection(_Section, frozen=True, kw_only=True, tag="pyramid"):
    """A pyramid of LSTMs of both directions; see `PyramidOptions`."""

    width: Count = 512
    halvings: Count = 2
    dropout: Share = 0.1

    def options(self) -> PyramidOptions:
        """Return the shape of the encoder; errors as above."""
        options = PyramidOptions(**structs.asdict(self))
        options.blstm()
        return options


class CnnSection(_Section, frozen=True, kw_only=True, tag="cnn"):
    """A 1-D convolutional encoder; see `CnnOptions`."""

    width: Count = 320
    inner: Count = 960
    kernel: Count = 15
    ahead: Steps | Literal["chunk"] = 0
    factors: Factors = (1, 2, 2, *[1] * 6)
    full_kernel: Count = 5
    downsampling: Downsampling = "stride"
    dropout: Share = 0.1

    def options(self) -> CnnOptions:
        """Return the shape of the encoder; errors as above."""
        return CnnOptions(**structs.asdict(self))


class TdnnSection(_Section, frozen=True, kw_only=True, tag="tdnn"):
    """A time-delay network; see `TdnnOptions`."""

    width: Count = 640
    offsets: tuple[Offsets, ...] = TdnnOptions().offsets
    factors: Factors = (1, 2, 2, *[1] * 4)
    downsampling: Downsampling = "stride"
    dropout: Share = 0.1

    def options(self) -> TdnnOptions:
        """Return the shape of the encoder; errors as above."""
        return TdnnOptions(**structs.asdict(self))


class TdnnfSection(_Section, frozen=True, kw_only=True, tag="tdnnf"):
    """A factorised time-delay network; see `TdnnfOptions`."""

    width: Count = 768
    bottleneck: Count = 128
    offsets: Offsets = (-2, -1, 0, 1, 2)
    spans: tuple[tuple[Steps, Steps], ...] = TdnnfOptions().spans
    factors: Factors = (1, 2, 2, *[1] * 9)
    downsampling: Downsampling = "stride"
    bypass: Share = 0.66
    dropout: tuple[tuple[float, float], ...] = TdnnfOptions().dropout

    def options(self) -> TdnnfOptions:
        """Return the shape of the encoder; errors as above."""
        return TdnnfOptions(**structs.asdict(self))


class TransformerSection(_Section, frozen=True, kw_only=True, tag="transformer"):
    """Self-attention; see `TransformerOptions`.

    A TOML file has no word for none: "all" takes its place.
    """

    width: Count = 256
    layers: Count = 10
    heads: Count = 4
    feed_forward: Count = 1024
    left_steps: Steps | Literal["all"] = 32
    right_steps: Steps | Literal["all"] = 1
    downsampling: Downsampling | Literal["convolution"] = "convolution"
    factor: Count = 4
    subsampling_channels: Count = 32
    dropout: Share = 0.1

    def options(self) -> TransformerOptions:
        """Return the shape of the encoder; errors as above."""
        fields = structs.asdict(self)
        for name in ("left_steps", "right_steps"):
            fields[name] = None if fields[name] == "all" else fields[name]
        return TransformerOptions(**fields)


Encoder: TypeAlias = (
    ConformerSection
    | LstmSection
    | BlstmSection
    | PyramidSection
    | CnnSection
    | TdnnSection
    | TdnnfSection
    | TransformerSection
)


def with_encoder_kind(table: Table) -> Table:
    """Return `table`, of a training's file, with the kind of its encoder where it says none."""
    encoder = table.get("encoder")
    if not isinstance(encoder, dict) or "kind" in encoder:
        return table
    return {**table, "encoder": {"kind": "conformer", **encoder}}
