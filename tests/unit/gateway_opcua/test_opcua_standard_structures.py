"""The structures of namespace 0 are read by what the library says of their fields, and no longer than their bytes."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from support_plain import plain

from gateway.opcua.datatypes import DataTypes
from gateway.opcua.decode import decode_data
from gateway.opcua.structures import standard_encodings, standard_structure
from gateway.opcua.variant import BAD_DECODING_ERROR, Undecodable
from gateway.values import DataType

NOW = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)
NOTHING = b"\xff\xff\xff\xff"


def encoding_of(kind: Any) -> str:
    return {data_type: encoding for encoding, data_type in standard_encodings().items()}[kind.data_type.to_string()]


def decoded(kind: Any, body: bytes) -> Any:
    return DataTypes().decode(encoding_of(kind), body, 1)


def held(kind: Any, body: bytes) -> tuple[Any, int]:
    """Value and status of a notification with this structure."""
    type_id = ua.ua_binary.nodeid_to_binary(ua.NodeId.from_string(encoding_of(kind)))
    item = struct.pack("<IBB", 1, 1, DataType.EXTENSIONOBJECT) + type_id + b"\x01" + struct.pack("<i", len(body)) + body
    (part,) = decode_data(struct.pack("<i", 1) + item + NOTHING, 0)
    return part.value.tolist()[0], part.status.tolist()[0]


@pytest.mark.parametrize(
    "value",
    [
        ua.Range(-1.5, 100.0),
        ua.EUInformation("http://un", 4408652, ua.LocalizedText("°C"), ua.LocalizedText("degree Celsius", "en")),
        ua.AxisInformation(ua.EUInformation(), ua.Range(0.0, 1.0), ua.LocalizedText("x"), ua.AxisScaleEnumeration.Ln),
        ua.Argument("Speed", ua.NodeId(11), 1, [3], ua.LocalizedText("per minute")),
        ua.Annotation("sieved", "operator", NOW),
        ua.KeyValuePair(ua.QualifiedName("Lot", 2), ua.Variant([1, 2], ua.VariantType.UInt16)),
        ua.EnumDefinition([ua.EnumField(Name="Idle", Value=0), ua.EnumField(Name="Execute", Value=2**40)]),
        ua.FieldMetaData(Name="Field", FieldFlags=ua.DataSetFieldFlags.PromotedField, BuiltInType=11),
        ua.SessionSecurityDiagnosticsDataType(ClientUserIdHistory=["a", "b"], ClientCertificate=b"\x01\x02"),
        ua.BrowsePath(ua.NodeId(85), ua.RelativePath([ua.RelativePathElement(TargetName=ua.QualifiedName("A", 1))])),
        ua.BuildInfo("urn:x", "Maker", "Line", "1.2", "3", NOW),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_structure_of_namespace_0_is_what_the_library_means(value: Any) -> None:
    encoding = {"Encoding": value.Encoding} if "Encoding" in value.__dataclass_fields__ else {}
    assert decoded(type(value), struct_to_binary(value)) == plain(value) | encoding


def test_what_stands_for_any_structure_is_shown_as_that_structure() -> None:
    inner = ua.DataSetReaderDataType(SubscribedDataSet=ua.TargetVariablesDataType([]))
    for one in ("TransportSettings", "MessageSettings"):
        setattr(inner, one, ua.ExtensionObject())
    assert decoded(ua.DataSetReaderDataType, struct_to_binary(inner))["SubscribedDataSet"] == {"TargetVariables": []}


def test_optional_fields_are_there_as_far_as_the_mask_says() -> None:
    body = struct.pack("<IqH", 0b100, 116_444_736_000_000_000, 7) + struct.pack("<i", 4) + b"Pump" + b"\x00"
    assert decoded(ua.LogRecord, body) == {"Time": 0, "Severity": 7, "SourceName": "Pump", "Message": None}


def test_nearly_all_structures_of_namespace_0_are_known() -> None:
    unknown = [data_type for data_type in standard_encodings().values() if standard_structure(data_type) is None]
    assert len(standard_encodings()) > 250
    assert len(unknown) <= 1, "the library has one with a field of a class that it has not"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (ua.KeyValuePair, struct.pack("<HiBi", 0, -1, 0x80, 2**31 - 1)),
        (ua.ApplicationDescription, struct.pack("<iiBiiiii", -1, -1, 0, 0, -1, -1, 2**31 - 1, -4)),
        (ua.Range, struct.pack("<dd", 0.0, 1.0) + b"\x00"),
        (ua.Range, struct.pack("<d", 0.0)),
    ],
    ids=["endless nothing", "endless texts that lead back", "bytes left", "bytes missing"],
)
def test_bytes_that_do_not_fit_are_one_bad_value_at_once(kind: Any, body: bytes) -> None:
    with pytest.raises(Undecodable):
        decoded(kind, body)
    assert held(kind, body) == (None, BAD_DECODING_ERROR)
