"""asyncua's types from Python's own: its annotations want UInt32, Int16 and the like, its code takes plain values."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeAlias

from asyncua import ua

Foreign: TypeAlias = Any
"""What asyncua passes around without a type, or with one that is not what it passes."""
_make: Foreign = ua
_NULL = ua.Variant(None, ua.VariantType.Null)


def status(name: str) -> ua.StatusCode:
    """The status code of a name: "BadOutOfRange"."""
    made: ua.StatusCode = _make.StatusCode(getattr(ua.StatusCodes, name))
    return made


def status_of(code: int) -> ua.StatusCode:
    """The status code of a number."""
    made: ua.StatusCode = _make.StatusCode(code)
    return made


def standard(identifier: int) -> ua.NodeId:
    """A node of OPC UA's own namespace."""
    made: ua.NodeId = _make.NodeId(identifier)
    return made


def named(name: str, namespace: int) -> ua.NodeId:
    """A node with a string identifier."""
    made: ua.NodeId = _make.NodeId(name, namespace)
    return made


def text(words: str) -> ua.LocalizedText:
    """English words."""
    return ua.LocalizedText(words, "en") if words else ua.LocalizedText()


def variant(value: object, type_: ua.VariantType) -> ua.Variant:
    """A value of a type; a list is an array, also an empty one."""
    return ua.Variant(value, type_, is_array=isinstance(value, list))


def data_value(type_: ua.VariantType, value: object, status: ua.StatusCode, time: datetime) -> ua.DataValue:
    """A sample as OPC UA has it: without a value where the status is bad."""
    inner = _NULL if status.is_bad() else ua.Variant(value, type_)
    made: ua.DataValue = _make.DataValue(inner, status, time)
    return made
