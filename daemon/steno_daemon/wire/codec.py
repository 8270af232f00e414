"""Messages as the text frames that carry them, and back."""

from typing import get_args

import msgspec

from steno_daemon.complaints import explain
from steno_daemon.errors import WireError
from steno_daemon.wire.admin import AdminAnswer, AdminCall
from steno_daemon.wire.client import ClientMessage
from steno_daemon.wire.names import MAX_TEXT_BYTES, ErrorCode
from steno_daemon.wire.server import ServerMessage


def _tag(message: type[msgspec.Struct]) -> str:
    """Return the value of the field `type` of a message."""
    return str(message.__struct_config__.tag)


_CLIENT_TYPES = {_tag(kind): kind for kind in get_args(ClientMessage)}
_SERVER_TYPES = {_tag(kind): kind for kind in get_args(ServerMessage)}
_CALL_TYPES = {_tag(kind): kind for kind in get_args(AdminCall)}
_ANSWER_TYPES = {_tag(kind): kind for kind in get_args(AdminAnswer)}
_encoder = msgspec.json.Encoder()
_client_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)
_server_decoder: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)
_call_decoder: msgspec.json.Decoder[AdminCall] = msgspec.json.Decoder(AdminCall)
_answer_decoder: msgspec.json.Decoder[AdminAnswer] = msgspec.json.Decoder(AdminAnswer)


def encode(message: ClientMessage | ServerMessage | AdminCall | AdminAnswer) -> str:
    """Return the text frame of a message."""
    return _encoder.encode(message).decode()


def decode_client(text: bytes | str) -> ClientMessage:
    """Return the message of a client's text frame.

    Raises:
        WireError: the text is no such message; it says what was expected and found.
    """
    _check_size(text)
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


def decode_call(text: bytes | str) -> AdminCall:
    """Return the call of an administrator.

    Raises:
        WireError: the text is no such call; it says what was expected and found.
    """
    _check_size(text)
    try:
        return _call_decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise explain(text, error, _CALL_TYPES) from error


def decode_answer(text: bytes | str) -> AdminAnswer:
    """Return the daemon's answer to a call.

    Raises:
        WireError: the text is no such answer; it says what was expected and found.
    """
    try:
        return _answer_decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise explain(text, error, _ANSWER_TYPES) from error


def _check_size(text: bytes | str) -> None:
    size = len(text)
    if size > MAX_TEXT_BYTES:
        raise WireError(
            ErrorCode.TOO_LARGE,
            "the message is too long",
            expected=f"at most {MAX_TEXT_BYTES} bytes of JSON",
            found=f"{size}",
        )
