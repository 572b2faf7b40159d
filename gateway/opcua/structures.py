"""What a structure is made of (OPC 10000-6, 5.2.6), and the structures of namespace 0 by the classes of asyncua."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from enum import Enum, IntFlag, StrEnum
from functools import cache
from typing import Any, get_args, get_origin

from asyncua import ua
from asyncua.ua.ua_binary import get_safe_type_hints

from gateway.values import DataType


class Shape(StrEnum):
    """How the fields follow one another."""

    PLAIN = "plain"
    OPTIONAL = "optional"  # a mask says which of the optional fields are there
    UNION = "union"  # a number says which single field is there


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `type`: number of a built-in type, or the data type of a structure that lies inline."""

    name: str
    type: int | str
    dimensions: int = 0  # 0: a single value, 1: an array, more: a matrix
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Structure:
    """A structure; inherited fields come first."""

    shape: Shape
    fields: tuple[Field, ...]


@cache
def standard_encodings() -> dict[str, str]:
    """The data types of namespace 0 by their binary encodings: "i=886" -> "i=884"."""
    classes: dict[ua.NodeId, Any] = ua.extension_objects_by_typeid
    return {
        encoding.to_string(): kind.data_type.to_string()
        for encoding, kind in classes.items()
        if encoding.NamespaceIndex == 0 and "TypeId" not in kind.__dataclass_fields__  # as in messages
    }


@cache
def standard_structure(data_type: str) -> Structure | None:
    """A structure of namespace 0 by its data type, "i=884"; None where nothing is known of it."""
    kind = _classes().get(data_type)
    try:
        return _described(kind) if kind else None
    except AttributeError:  # it has a field of a class that the library has not
        return None


def _described(kind: Any) -> Structure:  # noqa: ANN401 - a class of the library
    hints = get_safe_type_hints(kind, {"ua": ua})
    found = tuple(_field(one.name, hints[one.name]) for one in fields(kind))
    return Structure(Shape.OPTIONAL if any(one.optional for one in found) else Shape.PLAIN, found)


@cache
def _classes() -> dict[str, Any]:
    """The library's classes by data type; some lie only in others and have no encoding."""
    found = (*vars(ua).values(), *ua.extension_objects_by_typeid.values())
    return {one.data_type.to_string(): one for one in found if is_dataclass(one) and hasattr(one, "data_type")}


def _field(name: str, hint: Any) -> Field:  # noqa: ANN401 - any type hint
    """A field by its type hint: a class, `list[class]`, each perhaps `| None`."""
    is_optional = type(None) in get_args(hint)
    present = get_args(hint)[0] if is_optional else hint
    is_array = get_origin(present) is list
    return Field(name, _type(get_args(present)[0] if is_array else present), int(is_array), is_optional)


def _type(kind: Any) -> int | str:  # noqa: ANN401 - any class
    """As in Field."""
    if get_origin(kind) is type:  # or a subtype of it
        return DataType.EXTENSIONOBJECT
    if issubclass(kind, Enum):
        kind = getattr(ua, kind.datatype()) if issubclass(kind, IntFlag) else ua.Int32
    built_in = DataType.__members__.get(kind.__name__.upper())
    return kind.data_type.to_string() if built_in is None else built_in
