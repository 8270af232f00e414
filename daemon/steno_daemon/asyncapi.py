"""The native messages as an AsyncAPI 3 document, made from `wire` itself."""

from pathlib import Path
from typing import get_args

import msgspec

from steno_daemon import wire

PATH = Path(__file__).with_name("asyncapi.json")
AUDIO = "Audio"


def document() -> dict[str, object]:
    """Return the document."""
    clients = get_args(wire.ClientMessage)
    servers = get_args(wire.ServerMessage)
    calls, answers = get_args(wire.AdminCall), get_args(wire.AdminAnswer)
    kinds = [*clients, *servers, *calls, *answers]
    _, schemas = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    names = [kind.__name__ for kind in kinds]
    streamed = [kind.__name__ for kind in (*clients, *servers)]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Steno, streaming speech recognition",
            "version": wire.PROTOCOL_VERSION,
            "description": wire.__doc__,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"local": {"host": "127.0.0.1:8765", "protocol": "ws"}},
        "channels": {
            "stream": {
                "address": "/",
                "description": "One connection is one stream of audio.",
                "messages": _listed([*streamed, AUDIO]),
            },
            "admin": {
                "address": "/admin",
                "description": wire.admin.__doc__,
                "messages": _listed([kind.__name__ for kind in (*calls, *answers)]),
            },
        },
        "operations": {
            "receive": _operation("receive", [*(kind.__name__ for kind in clients), AUDIO]),
            "send": _operation("send", [kind.__name__ for kind in servers]),
            "receiveCall": _operation("receive", [kind.__name__ for kind in calls], "admin"),
            "sendAnswer": _operation("send", [kind.__name__ for kind in answers], "admin"),
        },
        "components": {
            "messages": {**{name: _message(schemas[name], name) for name in names}, **_audio()},
            "schemas": schemas,
        },
    }


def text() -> str:
    """Return the document as it stands in the file."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2).decode() + "\n"


def _listed(names: list[str]) -> dict[str, object]:
    """Return the messages of a channel."""
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}


def _operation(action: str, names: list[str], channel: str = "stream") -> dict[str, object]:
    """Return what the daemon does with messages of these names."""
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names],
    }


def _message(schema: dict[str, object], name: str) -> dict[str, object]:
    """Return a JSON message; its schema carries its docstring."""
    return {
        "name": name,
        "summary": schema.get("description", name),
        "payload": {"$ref": f"#/components/schemas/{name}"},
    }


def _audio() -> dict[str, object]:
    """Return the message that is no JSON."""
    return {
        AUDIO: {
            "name": AUDIO,
            "summary": "Samples in the form that `start` said, in frames of any length.",
            "contentType": "application/octet-stream",
            "payload": {"type": "string", "format": "binary"},
        }
    }


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
