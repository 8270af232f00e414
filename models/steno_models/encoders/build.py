"""From the shape of an encoder to the encoder."""

from typing import TypeAlias

from steno_models.encoders.cnn import ChunkedCnn, Cnn, CnnOptions
from steno_models.encoders.conformer import Conformer, ConformerOptions
from steno_models.encoders.lstm import Blstm, BlstmOptions, Lstm, LstmOptions, PyramidOptions
from steno_models.encoders.protocol import AnyEncoder
from steno_models.encoders.tdnn import Tdnn, Tdnnf, TdnnfOptions, TdnnOptions
from steno_models.encoders.transformer import Transformer, TransformerOptions

EncoderOptions: TypeAlias = (
    ConformerOptions
    | LstmOptions
    | BlstmOptions
    | PyramidOptions
    | CnnOptions
    | TdnnOptions
    | TdnnfOptions
    | TransformerOptions
)


def build_encoder(options: EncoderOptions) -> AnyEncoder:  # noqa: PLR0911 - one each
    """Return an encoder of this shape, its weights drawn by chance."""
    match options:
        case ConformerOptions():
            return Conformer(options)
        case BlstmOptions():
            return Blstm(options)
        case LstmOptions():
            return Lstm(options)
        case PyramidOptions():
            return Blstm(options.blstm())
        case CnnOptions():
            return ChunkedCnn(options) if options.ahead == "chunk" else Cnn(options)
        case TdnnOptions():
            return Tdnn(options)
        case TdnnfOptions():
            return Tdnnf(options)
        case TransformerOptions():
            return Transformer(options)
