from typing import get_args

import msgspec

from steno_daemon import asyncapi, wire


def test_the_committed_document_is_current() -> None:
    assert asyncapi.PATH.read_text(encoding="utf-8") == asyncapi.text(), (
        "make it anew with `python -m steno_daemon.asyncapi`"
    )


def test_every_message_of_the_wire_is_in_the_document() -> None:
    components = asyncapi.document()["components"]
    assert isinstance(components, dict)
    unions = (wire.ClientMessage, wire.ServerMessage, wire.AdminCall, wire.AdminAnswer)
    for message in (kind for union in unions for kind in get_args(union)):
        assert message.__name__ in components["messages"]
        assert message.__name__ in components["schemas"]


def test_every_reference_leads_somewhere() -> None:
    document = msgspec.json.decode(asyncapi.text())

    def references(node: object) -> list[str]:
        if isinstance(node, dict):
            below = [ref for value in node.values() for ref in references(value)]
            return [*below, node["$ref"]] if "$ref" in node else below
        if isinstance(node, list):
            return [ref for value in node for ref in references(value)]
        return []

    found = references(document)
    assert found
    for reference in found:
        node = document
        for key in reference.removeprefix("#/").split("/"):
            node = node[key]
        assert node
