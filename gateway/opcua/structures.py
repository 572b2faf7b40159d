"""Structures of namespace 0 as dicts, by the types that asyncua knows."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import from_binary

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.opcua.variant import Reader

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Undecodable(ValueError):  # noqa: N818 - a verdict on bytes
    """The bytes of one structure do not fit its type."""


def decode_structure(type_id: str, body: bytes) -> dict[str, Any] | None:
    """The fields of a structure of namespace 0 by its encoding id ("i=886"); None where the type is not known."""
    known = ua.extension_objects_by_typeid.get(ua.NodeId.from_string(type_id)) if type_id.startswith("i=") else None
    if known is None:
        return None
    try:
        value = plain(from_binary(known, Buffer(body)))
    except Exception as error:  # the library raises anything from KeyError to RecursionError on bad bytes
        raise Undecodable(f"{known.__name__}: {error}") from error
    return value if isinstance(value, dict) else {"value": value}


def read_standard(data_type: str, reader: Reader) -> dict[str, Any]:
    """A structure of namespace 0 by its data type ("i=884"), inline in another one. Raises Undecodable."""
    buffer = Buffer(reader.data, reader.pos)
    try:
        value = plain(from_binary(_standard()[data_type], buffer))
    except Exception as error:  # the library raises anything from KeyError to RecursionError on bad bytes
        raise Undecodable(f"{data_type}: {error}") from error
    reader.take(len(reader.data) - reader.pos - len(buffer))
    return value if isinstance(value, dict) else {"value": value}


def is_standard(data_type: str) -> bool:
    """Whether read_standard() knows this data type."""
    return data_type in _standard()


@cache
def _standard() -> dict[str, type]:
    """The library's classes of namespace 0 by data type."""
    classes = [one for encoding, one in ua.extension_objects_by_typeid.items() if encoding.NamespaceIndex == 0]
    return {one.data_type.to_string(): one for one in classes if hasattr(one, "data_type")}


def plain(value: Any) -> Any:  # noqa: ANN401 - any object of the library to anything JSON can show
    """What JSON can show of a value of the library: times as Unix ns, enumerations as numbers, bytes in base64."""
    for kind, show in _SHOWN:
        if isinstance(value, kind):
            return show(value)
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value) if f.name != "Encoding"}
    return value


def _name(value: ua.QualifiedName) -> str:
    name = value.Name or ""
    return f"{value.NamespaceIndex}:{name}" if value.NamespaceIndex else name


def _nanoseconds(value: datetime) -> int:
    past = (value if value.tzinfo else value.replace(tzinfo=UTC)) - _EPOCH
    return ((past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds) * 1_000


_SHOWN: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (ua.NodeId, lambda value: value.to_string()),
    (ua.QualifiedName, _name),
    (ua.LocalizedText, lambda value: value.Text),
    (ua.XmlElement, lambda value: value.Value),
    (ua.StatusCode, lambda value: value.value),
    (ua.Variant, lambda value: plain(value.Value)),
    (Enum, lambda value: value.value),
    (datetime, _nanoseconds),
    (UUID, str),
    (bytes, lambda value: b64encode(value).decode()),
    ((list, tuple), lambda value: [plain(one) for one in value]),
)
