"""What is mutated: notifications of every type, mask and shape, as a server encodes them, and structures of its own."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from fuzz.library import Options

from gateway.opcua.datatypes import DataTypes
from gateway.opcua.structures import Field, Shape, Structure
from gateway.values import DataType

T = ua.VariantType
URI = "urn:fuzz"
_NOW = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)
_VALUES: dict[T, Any] = {
    T.Boolean: True,
    T.SByte: -5,
    T.Byte: 5,
    T.Int16: -300,
    T.UInt16: 300,
    T.Int32: -70_000,
    T.UInt32: 70_000,
    T.Int64: -(2**60),
    T.UInt64: 2**63 + 1,
    T.Float: 1.5,
    T.Double: -2.25,
    T.String: "Kakao é",
    T.DateTime: _NOW,
    T.Guid: UUID(int=7),
    T.ByteString: b"\x00\x01\x02",
    T.XmlElement: ua.XmlElement("<a/>"),
    T.NodeId: ua.NodeId("Line1.Speed", 2, ua.NodeIdType.String),
    T.StatusCode: ua.StatusCode(0x80340000),
    T.QualifiedName: ua.QualifiedName("Speed", 2),
    T.LocalizedText: ua.LocalizedText("Drehzahl", "de"),
    T.ExtensionObject: ua.Range(0.0, 100.0),
    T.ExpandedNodeId: ua.ExpandedNodeId(7, 0, ua.NodeIdType.Numeric, "urn:other", 3),
    T.DataValue: ua.DataValue(ua.Variant(7, T.Int16), ua.StatusCode(0x40000000), _NOW, _NOW),
    T.DiagnosticInfo: ua.DiagnosticInfo(1, 2, 3, 4, "why", ua.StatusCode(5), ua.DiagnosticInfo(LocalizedText=6)),
}
_STRUCTURES = (
    ua.EUInformation("urn:un", 4408652, ua.LocalizedText("°C"), ua.LocalizedText("Grad", "de")),
    ua.KeyValuePair(ua.QualifiedName("Lot", 2), ua.Variant([1, 2], T.UInt16)),
    ua.Argument("Speed", ua.NodeId(11), 1, [3], ua.LocalizedText("per minute")),
    ua.EnumDefinition([ua.EnumField(Name="Idle", Value=0), ua.EnumField(Name="Execute", Value=2**40)]),
    ua.Annotation("sieved", "operator", _NOW),
    Options(boolean=True, int64=-3, string="Zucker", any=ua.Variant(1.5, T.Double)),
)
"""Structures that the library knows, too."""
_MOST = 12  # values in a notification

_FIELDS = tuple(Field(kind.name.lower(), kind) for kind in (DataType.BOOLEAN, DataType.INT64, DataType.STRING))
_ANY = Field("any", DataType.VARIANT, optional=True)
_FORMS = {
    1: (Shape.PLAIN, *_FIELDS, Field("choice", f"nsu={URI};i=2"), Field("span", "i=884")),
    2: (Shape.UNION, Field("number", DataType.DOUBLE), Field("others", f"nsu={URI};i=3", 1)),
    3: (Shape.OPTIONAL, *_FIELDS, _ANY),
    4: (Shape.PLAIN, Field("grid", DataType.UINT16, 2), Field("of", DataType.EXTENSIONOBJECT)),
    5: (Shape.PLAIN, Field("next", f"nsu={URI};i=5", 1), Field("empty", f"nsu={URI};i=6", 1)),
    6: (Shape.PLAIN,),
}
TYPES = DataTypes(
    ("http://opcfoundation.org/UA/", "urn:other", URI),
    {f"nsu={URI};i={number}": Structure(shape, tuple(fields)) for number, (shape, *fields) in _FORMS.items()},
    {f"nsu={URI};i={number + 10}": f"nsu={URI};i={number}" for number in _FORMS},
)
"""Structures of every shape, in each other and in themselves; their encodings are ns=2;i=11 … 16."""

_BODIES = {
    11: struct.pack("<?qi5sIddd", True, -9, 5, b"Sugar", 1, 2.5, 0.0, 9.0),
    12: struct.pack("<Ii", 2, 1) + struct.pack("<I?qiBi", 1, False, 4, -1, 6, 77),
    13: struct.pack("<I?qi2s", 0, True, 1, 2, b"ab"),
    14: struct.pack("<iii4H", 2, 2, 2, 1, 2, 3, 4) + b"\x00\x00\x00",
    15: struct.pack("<iii", 1, 0, 0) + struct.pack("<i", 3),
}


def _own(number: int) -> ua.Variant:
    return ua.Variant(ua.ExtensionObject(ua.NodeId(number, 2), _BODIES[number]), T.ExtensionObject)


def _variant(random: Random) -> ua.Variant:
    kind = random.choice(list(_VALUES))
    one = _VALUES[kind]
    match random.randrange(10):
        case 0:
            return ua.Variant([one] * random.randrange(4), kind, is_array=True)
        case 1:
            return ua.Variant([[one, one], [one, one]], kind, Dimensions=[2, 2], is_array=True)
        case 2:
            return _own(random.choice(list(_BODIES)))
        case 3:
            return ua.Variant(random.choice(_STRUCTURES), T.ExtensionObject)
        case 4:  # values in values
            return ua.Variant([ua.Variant(one, kind), ua.Variant([one], kind)], T.Variant, is_array=True)
    return ua.Variant(one, kind)


def _data_value(random: Random) -> ua.DataValue:
    status = random.choice([None, ua.StatusCode(0), ua.StatusCode(0x40000000), ua.StatusCode(0x80310000)])
    return ua.DataValue(_variant(random), status, random.choice([None, _NOW]), random.choice([None, _NOW]))


def notification(random: Random) -> bytes:
    """A DataChangeNotification: of mixed values, or of equal ones that are read in place."""
    count = random.randint(1, _MOST)
    mixed = [_data_value(random) for _ in range(count)]
    values = mixed if random.random() < 0.7 else [mixed[0]] * count
    items = [ua.MonitoredItemNotification(handle, value) for handle, value in enumerate(values, 1)]
    return struct_to_binary(ua.DataChangeNotification(items, []))
