"""Messages as the text frames that carry them, and back."""

from typing import get_args

import msgspec

from steno_daemon.complaints import explain
from steno_daemon.errors import WireError
from steno_daemon.wire.client import ClientMessage
from steno_daemon.wire.names import MAX_TEXT_BYTES, ErrorCode
from steno_daemon.wire.server import ServerMessage


def _tag(message: type[msgspec.Struct]) -> str:
    """Return the value of the field `type` of a message."""
    return str(message.__struct_config__.tag)


_CLIENT_TYPES = {_tag(kind): kind for kind in get_args(ClientMessage)}
_SERVER_TYPES = {_tag(kind): kind for kind in get_args(ServerMessage)}
_encoder = msgspec.json.Encoder()
_client_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)
_server_decoder: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)


def encode(message: ClientMessage | ServerMessage) -> str:
    """Return the text frame of a message."""
    return _encoder.encode(message).decode()


def decode_client(text: bytes | str) -> ClientMessage:
    """Return the message of a client's text frame.

    Raises:
        WireError: the text is no such message; it says what was expected and found.
    """
    size = len(text)
    if size > MAX_TEXT_BYTES:
        raise WireError(
            ErrorCode.TOO_LARGE,
            "the message is too long",
            expected=f"at most {MAX_TEXT_BYTES} bytes of JSON",
            found=f"{size}",
        )
    try:
        return _client_decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise explain(text, error, _CLIENT_TYPES) from error


def decode_server(text: bytes | str) -> ServerMessage:
    """Return the message of a daemon's text frame.

    Raises:
        WireError: the text is no such message; it says what was expected and found.
    """
    try:
        return _server_decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise explain(text, error, _SERVER_TYPES) from error
