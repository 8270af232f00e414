"""What was wrong with a message, in words: msgspec says what it expected, seldom what it found."""

import re
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from steno_daemon.errors import WireError

FOUND_CHARS = 80

Fields = Mapping[str, msgspec.inspect.Type]


def explain(text: bytes | str, error: Exception, types: Mapping[str, type]) -> WireError:
    """Return the error of a text frame that is none of `types`, with what was found there."""
    try:
        found: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return WireError(
            "invalid_json",
            "the text is not JSON",
            expected='a JSON object such as {"type": "start"}',
            found=f"{shorten(text)!r} ({error})",
        )
    complaint, _, path = str(error).partition(" - at `$")
    keys = re.findall(r"\w+", path)
    unknown = re.search(r"unknown field `(.*)`", complaint)
    tag = str(_item(found, "type"))
    expected = _expectation(complaint, keys, tag, types)
    if unknown:
        keys.append(unknown[1])
    for key in keys:
        found = _item(found, key)
    return WireError(
        "invalid_message",
        f"{'.'.join(keys) or 'the message'} is not understood",
        expected=expected,
        found=f"a field {unknown[1]}" if unknown else shorten(msgspec.json.encode(found)),
    )


def shorten(text: bytes | str) -> str:
    """Return the first characters of what was found."""
    whole = text[: 4 * FOUND_CHARS]
    readable = whole.decode("utf-8", "backslashreplace") if isinstance(whole, bytes) else whole
    cut = len(text) > len(whole) or len(readable) > FOUND_CHARS
    return readable[:FOUND_CHARS] + "…" if cut else readable


def _item(value: object, key: str) -> object:
    """Return `value[key]`, or `value` itself where there is no such thing."""
    if isinstance(value, dict):
        return value.get(key, value)
    if isinstance(value, list) and key.isdigit() and int(key) < len(value):
        return value[int(key)]
    return value


def _expectation(complaint: str, keys: list[str], tag: str, types: Mapping[str, type]) -> str:
    """Return what would have been right, from msgspec's complaint and the declared types."""
    if complaint.startswith("Invalid value") and keys == ["type"]:
        return "one of " + ", ".join(types)
    if complaint.startswith("Invalid enum value"):
        return "one of " + ", ".join(_enum_values(_fields(types[tag], keys[:-1])[keys[-1]]))
    missing = re.search(r"missing required field `(.*)`", complaint)
    if missing:
        return f"a field {missing[1]}"
    if "unknown field" in complaint:
        return "one of " + (", ".join(_fields(types[tag], keys)) or "type")
    return complaint.removeprefix("Expected ").partition(", got ")[0].replace("`", "")


def _fields(message: type, keys: list[str]) -> Fields:
    """Return the fields, name to type, of the struct found in `message` by way of `keys`."""
    fields: Fields = _declared(msgspec.inspect.type_info(message))
    for key in keys:
        if key in fields:
            fields = _declared(fields[key])
    return fields


def _declared(info: msgspec.inspect.Type) -> Fields:
    """Return the fields of a struct type, also where it stands in a union or a sequence."""
    match info:
        case msgspec.inspect.StructType():
            return {field.encode_name: field.type for field in info.fields}
        case msgspec.inspect.UnionType():
            return {name: kind for part in info.types for name, kind in _declared(part).items()}
        case msgspec.inspect.VarTupleType() | msgspec.inspect.ListType():
            return _declared(info.item_type)
        case _:
            return {}


def _enum_values(info: msgspec.inspect.Type) -> tuple[str, ...]:
    """Return the values of an enum type."""
    if isinstance(info, msgspec.inspect.EnumType) and issubclass(info.cls, StrEnum):
        return tuple(info.cls)
    return ()
