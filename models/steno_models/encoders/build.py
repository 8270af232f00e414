"""From the shape of an encoder to the encoder."""

from typing import TypeAlias

from steno_models.encoders.conformer import Conformer, ConformerOptions
from steno_models.encoders.protocol import AnyEncoder

EncoderOptions: TypeAlias = ConformerOptions


def build_encoder(options: EncoderOptions) -> AnyEncoder:
    """Return an encoder of this shape, its weights drawn by chance."""
    match options:
        case ConformerOptions():
            return Conformer(options)
