"""What was wrong with a message, in words: msgspec says what it expected, seldom what it found."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from steno_daemon.errors import WireError

FOUND_CHARS = 80

Fields = Mapping[str, msgspec.inspect.Type]


@dataclass(frozen=True, slots=True)
class Fault:
    """Where a value breaks its declaration, and how."""

    where: str
    expected: str
    found: str


def explain(text: bytes | str, error: Exception, types: Mapping[str, type]) -> WireError:
    """Return the error of a text frame that is none of `types`, which are named by their tag."""
    try:
        found: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return WireError(
            "invalid_json",
            "the text is not JSON",
            expected='a JSON object such as {"type": "start"}',
            found=f"{shorten(text)!r} ({error})",
        )
    tag = _item(found, "type")
    if "`$.type`" in str(error):
        fault = Fault("type", "one of " + ", ".join(types), shorten(msgspec.json.encode(tag)))
    else:
        fault = describe(found, error, types.get(str(tag)))
    return WireError(
        "invalid_message",
        f"{fault.where or 'the message'} is not understood",
        expected=fault.expected,
        found=fault.found,
    )


def describe(value: object, error: Exception, declared: type | None) -> Fault:
    """Return the fault that msgspec's `error` tells of in `value`, which should be `declared`."""
    complaint, _, path = str(error).partition(" - at `$")
    keys = re.findall(r"\w+", path)
    fields = _fields(declared, keys)
    unknown = re.search(r"unknown field `(.*)`", complaint)
    if unknown:
        where = ".".join([*keys, unknown[1]])
        return Fault(where, "one of " + ", ".join(fields or ["type"]), f"a field {unknown[1]}")
    for key in keys:
        value = _item(value, key)
    found = shorten(msgspec.json.encode(value))
    return Fault(".".join(keys), _expectation(complaint, keys, declared), found)


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


def _expectation(complaint: str, keys: list[str], declared: type | None) -> str:
    """Return what would have been right, from msgspec's complaint and the declared type."""
    if complaint.startswith("Invalid enum value"):
        return "one of " + ", ".join(_enum_values(_fields(declared, keys[:-1])[keys[-1]]))
    missing = re.search(r"missing required field `(.*)`", complaint)
    if missing:
        return f"a field {missing[1]}"
    return complaint.removeprefix("Expected ").partition(", got ")[0].replace("`", "")


def _fields(declared: type | None, keys: list[str]) -> Fields:
    """Return the fields, name to type, of the struct found in `declared` by way of `keys`."""
    fields: Fields = _declared(msgspec.inspect.type_info(declared)) if declared else {}
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
    """Return the values of an enum or literal type."""
    match info:
        case msgspec.inspect.EnumType():
            return tuple(str(member.value) for member in info.cls)
        case msgspec.inspect.LiteralType():
            return tuple(str(value) for value in info.values)
        case _:
            return ()
