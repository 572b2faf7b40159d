"""The Sparkplug B payload as a table of facts (Sparkplug 3.0, 6.4), and protobuf classes made of it at run time.

Field numbers and types are those that every Sparkplug host expects; names in the schema are ours. Only what the gateway
sends or understands is in it: protobuf skips the other fields (templates, data sets) when it reads.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from gateway.values import DataType


class Datatype(IntEnum):
    """Sparkplug's numbers of the types used here (Sparkplug 3.0, 6.4.16)."""

    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    UUID = 15
    BYTES = 17
    INT8_ARRAY = 22
    INT16_ARRAY = 23
    INT32_ARRAY = 24
    INT64_ARRAY = 25
    UINT8_ARRAY = 26
    UINT16_ARRAY = 27
    UINT32_ARRAY = 28
    UINT64_ARRAY = 29
    FLOAT_ARRAY = 30
    DOUBLE_ARRAY = 31
    BOOLEAN_ARRAY = 32
    STRING_ARRAY = 33


DATATYPES = {
    DataType.BOOLEAN: Datatype.BOOLEAN,
    DataType.SBYTE: Datatype.INT8,
    DataType.BYTE: Datatype.UINT8,
    DataType.INT16: Datatype.INT16,
    DataType.UINT16: Datatype.UINT16,
    DataType.INT32: Datatype.INT32,
    DataType.UINT32: Datatype.UINT32,
    DataType.INT64: Datatype.INT64,
    DataType.UINT64: Datatype.UINT64,
    DataType.FLOAT: Datatype.FLOAT,
    DataType.DOUBLE: Datatype.DOUBLE,
    DataType.DATETIME: Datatype.DATETIME,
    DataType.GUID: Datatype.UUID,
    DataType.BYTESTRING: Datatype.BYTES,
    DataType.STATUSCODE: Datatype.UINT32,
}
"""Sparkplug's type of an OPC UA type; all others travel as STRING, what is no text as JSON."""

VALUE_FIELDS = {
    "int_value": (10, "uint32"),
    "long_value": (11, "uint64"),
    "float_value": (12, "float"),
    "double_value": (13, "double"),
    "boolean_value": (14, "bool"),
    "string_value": (15, "string"),
    "bytes_value": (16, "bytes"),
}
"""Fields of a metric's value with number and wire type; one of them is set, or is_null."""

_PROPERTY_VALUES = {
    "int_value": (3, "uint32"),
    "long_value": (4, "uint64"),
    "float_value": (5, "float"),
    "double_value": (6, "double"),
    "boolean_value": (7, "bool"),
    "string_value": (8, "string"),
}
_MESSAGES: dict[str, dict[str, tuple[int, str] | dict[str, tuple[int, str]]]] = {
    "PropertyValue": {"type": (1, "uint32"), "is_null": (2, "bool"), "value": _PROPERTY_VALUES},
    "PropertySet": {"keys": (1, "[string]"), "values": (2, "[PropertyValue]")},
    "MetaData": {"description": (8, "string")},
    "Metric": {
        "name": (1, "string"),
        "alias": (2, "uint64"),
        "timestamp": (3, "uint64"),
        "datatype": (4, "uint32"),
        "is_historical": (5, "bool"),
        "is_null": (7, "bool"),
        "metadata": (8, "MetaData"),
        "properties": (9, "PropertySet"),
        "value": VALUE_FIELDS,
    },
    "Payload": {"timestamp": (1, "uint64"), "metrics": (2, "[Metric]"), "seq": (3, "uint64")},
}
_PACKAGE = "conche.sparkplug"


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="conche/sparkplug.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, fact in fields.items():
            if isinstance(fact, dict):
                message.oneof_decl.add(name=field)
                for choice, (number, kind) in fact.items():
                    _add_field(message, choice, number, kind).oneof_index = 0
            else:
                _add_field(message, field, *fact)
    return file


def _add_field(
    message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: str
) -> descriptor_pb2.FieldDescriptorProto:
    fact = descriptor_pb2.FieldDescriptorProto
    repeated, kind = kind.startswith("["), kind.strip("[]")
    field = message.field.add(name=name, number=number, label=fact.LABEL_REPEATED if repeated else fact.LABEL_OPTIONAL)
    if kind in _MESSAGES:
        field.type, field.type_name = fact.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
    else:
        field.type = fact.Type.Value(f"TYPE_{kind.upper()}")
    return field


def _classes() -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_file())
    return {n: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{n}")) for n in _MESSAGES}


_CLASSES = _classes()
Payload: Any = _CLASSES["Payload"]
"""protobuf class of a whole Sparkplug message."""
Metric: Any = _CLASSES["Metric"]
"""protobuf class of one metric."""
PropertySet: Any = _CLASSES["PropertySet"]
"""protobuf class of a metric's properties: equally long `keys` and `values`."""
PropertyValue: Any = _CLASSES["PropertyValue"]
"""protobuf class of one property."""
MetaData: Any = _CLASSES["MetaData"]
"""protobuf class of a metric's metadata; of it only the description is used."""
