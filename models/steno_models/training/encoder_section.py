"""The table `[encoder]`: which encoder a training has, and its shape.

Its `kind` chooses among the sections below, each of which is, field by field, the options of the
encoder of that name. A table without a kind is about a Conformer. They hear 80 mel bins.
"""

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct, structs

from steno_models.encoders.conformer import ConformerOptions
from steno_models.training.toml_file import Table

Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1)]


class ConformerSection(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="conformer",
):
    """A chunked Conformer; see `ConformerOptions`."""

    width: Count = 256
    layers: Count = 8
    heads: Count = 4
    feed_forward: Count = 768
    kernel: Count = 15
    subsampling_channels: Count = 32
    dropout: Share = 0.1

    def __post_init__(self) -> None:
        """Check what the fields must be together."""
        if self.width % (2 * self.heads):
            raise ValueError(
                f"expected width to be a multiple of 2 x {self.heads} heads, found {self.width}"
            )

    def options(self) -> ConformerOptions:
        """Return the shape of the encoder."""
        return ConformerOptions(**structs.asdict(self))


Encoder: TypeAlias = ConformerSection


def with_encoder_kind(table: Table) -> Table:
    """Return `table`, of a training's file, with the kind of its encoder where it says none."""
    encoder = table.get("encoder")
    if not isinstance(encoder, dict) or "kind" in encoder:
        return table
    return {**table, "encoder": {"kind": "conformer", **encoder}}
