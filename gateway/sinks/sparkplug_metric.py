"""Single Sparkplug metrics through protobuf: values of every type, quality, properties. For births and what is rare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from gateway.sinks.json_text import text
from gateway.sinks.sparkplug_codec import FIRST_ALIAS, framed
from gateway.sinks.sparkplug_schema import DATATYPES, Datatype, MetaData, Metric, PropertySet, PropertyValue
from gateway.values import DataType, Tag

GOOD, BAD, STALE = 192, 0, 500
"""The Quality codes of Sparkplug 3.0 (6.4.17). Uncertain values travel as STALE: never as good ones."""

_NANOSECONDS_PER_MS = 1_000_000
_FIELDS = {
    "int_value": "INT8 INT16 INT32 UINT8 UINT16 UINT32",
    "long_value": "INT64 UINT64 DATETIME",
    "float_value": "FLOAT",
    "double_value": "DOUBLE",
    "boolean_value": "BOOLEAN",
    "string_value": "STRING UUID",
}
_FIELD_OF = dict.fromkeys(Datatype, "bytes_value") | {
    Datatype[name]: field for field, names in _FIELDS.items() for name in names.split()
}
_ELEMENTS = {
    DataType.SBYTE: (Datatype.INT8_ARRAY, "<i1"),
    DataType.INT16: (Datatype.INT16_ARRAY, "<i2"),
    DataType.INT32: (Datatype.INT32_ARRAY, "<i4"),
    DataType.INT64: (Datatype.INT64_ARRAY, "<i8"),
    DataType.BYTE: (Datatype.UINT8_ARRAY, "<u1"),
    DataType.UINT16: (Datatype.UINT16_ARRAY, "<u2"),
    DataType.UINT32: (Datatype.UINT32_ARRAY, "<u4"),
    DataType.UINT64: (Datatype.UINT64_ARRAY, "<u8"),
    DataType.FLOAT: (Datatype.FLOAT_ARRAY, "<f4"),
    DataType.DOUBLE: (Datatype.DOUBLE_ARRAY, "<f8"),
}
_FORMATS = dict(_ELEMENTS.values())


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric: where a tag is found in Sparkplug."""

    tag: Tag
    device: str
    name: str
    device_number: int  # of the devices of the edge node, as they came

    @property
    def address(self) -> str:
        """Device and name, as people say it."""
        return f"{self.device}: {self.name}"

    @property
    def alias(self) -> int:
        """The number that data messages carry in place of the name."""
        return self.tag.id + FIRST_ALIAS

    @property
    def is_time(self) -> bool:
        """Whether its values are dates."""
        return self.tag.data_type == DataType.DATETIME


FIELDS: Mapping[str, DTypeLike] = {"device_number": np.int32, "is_time": np.bool_, "tag.since": np.int64}
"""What data messages need of many definitions at once."""


def declared(tag: Tag) -> Datatype:
    """The datatype of a tag before any value of it was seen."""
    return DATATYPES.get(tag.data_type, Datatype.STRING)


def observed(value: Any, tag: Tag) -> Datatype | None:  # noqa: ANN401 - whatever the server sent
    """The datatype that a value from a column of objects calls for; None where any will do."""
    match value:
        case None:
            return None
        case bytes():
            return Datatype.BYTES
        case list():
            return _observed_array(value, tag)
        case _:
            return Datatype.STRING


def _observed_array(values: list[Any], tag: Tag) -> Datatype:
    """Arrays of numbers, booleans and texts have types of their own; matrices and the rest are JSON."""
    if values and all(isinstance(value, str) for value in values):
        return Datatype.STRING_ARRAY
    if values and all(isinstance(value, bool) for value in values):
        return Datatype.BOOLEAN_ARRAY
    datatype, form = _ELEMENTS.get(tag.data_type, (Datatype.STRING, ""))
    try:
        return datatype if form and np.array(values, form).ndim == 1 else Datatype.STRING
    except (TypeError, ValueError, OverflowError):
        return Datatype.STRING


def group(datatype: Datatype) -> int:
    """Types of one group take each other's values: they use the same field in the same form."""
    field = _FIELD_OF[datatype]
    return datatype if field == "bytes_value" else min(other for other, name in _FIELD_OF.items() if name == field)


def set_value(metric: Any, datatype: Datatype, value: Any) -> None:  # noqa: ANN401
    """Put a value that fits the datatype, or any value where that is STRING, into a metric; None is null."""
    if value is None:
        metric.is_null = True
    else:
        setattr(metric, _FIELD_OF[datatype], _converted(datatype, value))


def _converted(datatype: Datatype, value: Any) -> Any:  # noqa: ANN401
    match _FIELD_OF[datatype]:
        case "int_value":
            return int(value) & 0xFFFF_FFFF
        case "long_value":
            number = int(value) // _NANOSECONDS_PER_MS if datatype == Datatype.DATETIME else int(value)
            return number & 0xFFFF_FFFF_FFFF_FFFF
        case "string_value":
            return _words(value)
        case "bytes_value":
            return value if datatype == Datatype.BYTES else _array_bytes(datatype, value)
        case _:
            return value


def _words(value: Any) -> str:  # noqa: ANN401
    """A text as it is (what UTF-8 cannot hold replaced), everything else as JSON."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else text(value).decode()


def _array_bytes(datatype: Datatype, values: list[Any]) -> bytes:
    """Sparkplug 3.0, 6.4.16: little-endian elements; booleans as count and bits; texts ended by NUL."""
    if datatype == Datatype.STRING_ARRAY:
        return b"".join(_words(value).encode() + b"\0" for value in values)
    if datatype == Datatype.BOOLEAN_ARRAY:
        return len(values).to_bytes(4, "little") + np.packbits(np.array(values, np.bool_)).tobytes()
    return np.array(values, _FORMATS[datatype]).tobytes()


def quality(status: int) -> int:
    """Sparkplug's Quality of an OPC UA status, by its two top bits."""
    return (GOOD, STALE, BAD, BAD)[status >> 30]


def milliseconds(nanoseconds: int) -> int:
    """A time as Sparkplug writes it; nothing is older than 1970."""
    return max(nanoseconds // _NANOSECONDS_PER_MS, 0)


@dataclass(frozen=True, slots=True)
class Sample:
    """A value with status and time."""

    value: Any
    status: int
    time: int


def data_metric(
    definition: Definition, datatype: Datatype, sample: Sample, *, historical: bool, quality_too: bool
) -> bytes:
    """A framed metric of a data message: alias, no name, no datatype; a bad value is null."""
    metric = Metric(alias=definition.alias, timestamp=milliseconds(sample.time))
    if historical:
        metric.is_historical = True
    _set_sample(metric, datatype, sample)
    if quality_too:
        metric.properties.CopyFrom(_properties(_quality_facts(sample.status)))
    return framed(metric.SerializeToString())


def birth_metric(definition: Definition, datatype: Datatype, sample: Sample | None, now: int) -> bytes:
    """A framed metric of a birth: everything about the tag, and its last value. None = none is known yet."""
    tag = definition.tag
    metric = Metric(name=definition.name, alias=definition.alias, datatype=datatype)
    metric.timestamp = milliseconds(sample.time if sample else now)
    if tag.description:
        metric.metadata.CopyFrom(MetaData(description=tag.description))
    facts = _quality_facts(sample.status) if sample else [("Quality", Datatype.INT32, STALE)]
    metric.properties.CopyFrom(_properties([*_tag_facts(tag), *facts]))
    _set_sample(metric, datatype, sample or Sample(None, 0, now))
    return framed(metric.SerializeToString())


def node_metric(
    name: str, datatype: Datatype, sample: Sample, *, birth: bool = False, historical: bool = False
) -> bytes:
    """A framed metric of the edge node itself: with its name, without alias; in births and deaths with its datatype."""
    metric = Metric(name=name, timestamp=milliseconds(sample.time))
    if birth:
        metric.datatype = datatype
    if historical:
        metric.is_historical = True
    set_value(metric, datatype, sample.value)
    return framed(metric.SerializeToString())


def _set_sample(metric: Any, datatype: Datatype, sample: Sample) -> None:  # noqa: ANN401
    set_value(metric, datatype, None if quality(sample.status) == BAD else sample.value)


_Facts = list[tuple[str, Datatype, Any]]


def _quality_facts(status: int) -> _Facts:
    facts: _Facts = [("Quality", Datatype.INT32, quality(status))]
    return [*facts, ("opcStatus", Datatype.UINT32, status)] if status else facts


def _tag_facts(tag: Tag) -> _Facts:
    facts: _Facts = [
        ("engUnit", Datatype.STRING, tag.unit),
        ("engLow", Datatype.DOUBLE, None if isnan(tag.low) else tag.low),
        ("engHigh", Datatype.DOUBLE, None if isnan(tag.high) else tag.high),
        ("enumTexts", Datatype.STRING, text(tag.enum).decode() if tag.enum else ""),
        ("readOnly", Datatype.BOOLEAN, not tag.writable),
    ]
    return [fact for fact in facts if fact[2] is not None and fact[2] != ""]


def _properties(facts: Iterable[tuple[str, Datatype, Any]]) -> Any:  # noqa: ANN401 - a protobuf class
    facts = list(facts)
    values = [PropertyValue(type=datatype, **{_FIELD_OF[datatype]: value}) for _, datatype, value in facts]
    return PropertySet(keys=[key for key, _, _ in facts], values=values)
