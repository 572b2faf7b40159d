"""Structures of servers that describe them in OPC Binary type dictionaries only, as before OPC UA 1.04."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.common.type_dictionary_builder import DataTypeDictionaryBuilder
from hypothesis import given
from hypothesis import strategies as st
from support_opcua import URI, Hall, Plant, free_port, running

from gateway.opcua.bsd import Unclear, name_of, read_dictionary
from gateway.opcua.datatypes import DataTypes, packed, unpacked
from gateway.opcua.variant import Reader, extension_object
from gateway.status import Link

HEAD = (
    '<opc:TypeDictionary xmlns:opc="http://opcfoundation.org/BinarySchema/" xmlns:ua="http://opcfoundation.org/UA/" '
    f'xmlns:tns="{URI}" DefaultByteOrder="LittleEndian" TargetNamespace="{URI}">'
)
TYPES = """
<opc:EnumeratedType Name="Mode" LengthInBits="32"><opc:EnumeratedValue Name="Off" Value="0"/></opc:EnumeratedType>
<opc:StructuredType Name="Point" BaseType="ua:ExtensionObject">
  <opc:Field Name="X" TypeName="opc:Double"/><opc:Field Name="Mode" TypeName="tns:Mode"/>
</opc:StructuredType>
<opc:StructuredType Name="Path" BaseType="ua:ExtensionObject">
  <opc:Field Name="Name" TypeName="opc:CharArray"/>
  <opc:Field Name="NoOfPoints" TypeName="opc:Int32"/>
  <opc:Field Name="Points" TypeName="tns:Point" LengthField="NoOfPoints"/>
  <opc:Field Name="Span" TypeName="ua:Range"/>
  <opc:Field Name="Title" TypeName="ua:LocalizedText"/>
</opc:StructuredType>
<opc:StructuredType Name="Further" BaseType="tns:Point"><opc:Field Name="Y" TypeName="opc:Int16"/></opc:StructuredType>
<opc:StructuredType Name="Repeated" BaseType="tns:Point">
  <opc:Field Name="X" TypeName="opc:Double" SourceType="tns:Point"/><opc:Field Name="Y" TypeName="opc:Int16"/>
</opc:StructuredType>
<opc:StructuredType Name="Maybe" BaseType="ua:ExtensionObject">
  <opc:Field Name="SpeedSpecified" TypeName="opc:Bit"/><opc:Field Name="NoteSpecified" TypeName="opc:Bit"/>
  <opc:Field Name="Reserved1" TypeName="opc:Bit" Length="30"/>
  <opc:Field Name="Always" TypeName="opc:Byte"/>
  <opc:Field Name="Speed" TypeName="opc:Float" SwitchField="SpeedSpecified"/>
  <opc:Field Name="Note" TypeName="opc:String" SwitchField="NoteSpecified"/>
</opc:StructuredType>
<opc:StructuredType Name="Choice" BaseType="ua:Union">
  <opc:Field Name="SwitchField" TypeName="opc:UInt32"/>
  <opc:Field Name="Number" TypeName="opc:Int64" SwitchField="SwitchField" SwitchValue="1"/>
  <opc:Field Name="Text" TypeName="opc:String" SwitchField="SwitchField" SwitchValue="2"/>
</opc:StructuredType>
"""


def document(types: str, head: str = HEAD) -> bytes:
    return f"{head}{types}</opc:TypeDictionary>".encode()


def understood(types: str) -> set[str]:
    """The types that are, by their names in the dictionary."""
    target, found = read_dictionary(document(types))
    return {name.removeprefix(name_of(target, "")) for name in found}


def shown(name: str, body: bytes, types: str = TYPES) -> object:
    """What becomes of the bytes of a structure; None if they do not fit its description."""
    target, found = read_dictionary(document(types))
    encodings = {f"nsu={URI};i=7": name_of(target, name)}
    known = DataTypes(("", URI), found, encodings)
    value = bytes([1, 1]) + struct.pack("<H", 7) + b"\x01" + struct.pack("<i", len(body)) + body
    again = unpacked(packed(known))
    assert again == known
    return extension_object(Reader(value, types=again))


def odd(fields: str) -> str:
    return f'{TYPES}<opc:StructuredType Name="Odd" BaseType="ua:ExtensionObject">{fields}</opc:StructuredType>'


FIELDS = (
    '<opc:Field Name="B" TypeName="opc:Bit"/><opc:Field Name="C" TypeName="opc:Bit" Length="7"/>',
    '<opc:Field Name="N" TypeName="opc:SByte"/>',
    '<opc:Field Name="D" TypeName="opc:Int16" LengthField="N"/>',
    '<opc:Field Name="E" TypeName="opc:Char" LengthField="C"/>',
    '<opc:Field Name="F" TypeName="opc:String" SwitchField="B"/>',
    '<opc:Field Name="G" TypeName="ua:Variant" SwitchField="C" SwitchValue="3"/>',
    '<opc:Field Name="H" TypeName="tns:Path" Length="2"/>',
    '<opc:Field Name="I" TypeName="tns:Maybe"/>',
)
POINT = struct.pack("<di", 0.5, 1)
POINT_SHOWN = {"X": 0.5, "Mode": 1}
PATH = struct.pack("<i4si", 4, b"Loop", 2) + POINT + struct.pack("<di", 1.5, 0) + struct.pack("<dd", -1.0, 1.0)
TITLE = b"\x02" + struct.pack("<i2s", 2, b"Hi")
PATH_SHOWN = {
    "Name": "Loop",
    "Points": [POINT_SHOWN, {"X": 1.5, "Mode": 0}],
    "Span": {"Low": -1.0, "High": 1.0},
    "Title": "Hi",
}
NO_PATH = struct.pack("<ii", -1, -1) + struct.pack("<dd", 0.0, 0.0) + b"\0"


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("Point", POINT, POINT_SHOWN),
        ("Path", PATH + TITLE, PATH_SHOWN),
        ("Path", NO_PATH, {"Name": None, "Points": None, "Span": {"Low": 0.0, "High": 0.0}, "Title": None}),
        ("Further", POINT + struct.pack("<h", -3), {**POINT_SHOWN, "Y": -3}),
        ("Repeated", struct.pack("<dh", 0.5, -3), {"X": 0.5, "Y": -3}),
        ("Maybe", struct.pack("<IB", 0, 9), {"Always": 9}),
        ("Maybe", struct.pack("<IBf", 1, 9, 2.5), {"Always": 9, "Speed": 2.5}),
        ("Maybe", struct.pack("<IBi2s", 2, 9, 2, b"Hi"), {"Always": 9, "Note": "Hi"}),
        ("Choice", struct.pack("<Iq", 1, -5), {"Number": -5}),
        ("Choice", struct.pack("<Ii2s", 2, 2, b"Hi"), {"Text": "Hi"}),
        ("Choice", struct.pack("<I", 0), {}),
        ("Choice", struct.pack("<Iq", 3, -5), None),
        ("Point", POINT + b"\0", None),
        ("Point", POINT[:-1], None),
    ],
)
def test_bytes_are_read_as_the_dictionary_says(name: str, body: bytes, expected: object) -> None:
    assert shown(name, body) == expected


@pytest.mark.parametrize(
    ("fields", "body", "expected"),
    [
        (  # a quality of OPC DA, the example of OPC 10000-5, C.4
            """<opc:Field Name="Limit" TypeName="opc:Bit" Length="2"/>
            <opc:Field Name="Quality" TypeName="opc:Bit" Length="6"/><opc:Field Name="Vendor" TypeName="opc:Byte"/>""",
            bytes([0b110000_01, 7]),
            {"Limit": 1, "Quality": 0b110000, "Vendor": 7},
        ),
        (  # flags of a controller; a number across bytes
            """<opc:Field Name="Running" TypeName="opc:Bit"/><opc:Field Name="Ready" TypeName="opc:Bit"/>
            <opc:Field Name="Reserved1" TypeName="opc:Bit" Length="2"/>
            <opc:Field Name="Code" TypeName="opc:Bit" Length="12"/>""",
            struct.pack("<H", 0xABC << 4 | 0b0010),
            {"Running": False, "Ready": True, "Code": 0xABC},
        ),
        (  # a mask of 8 bits, not all of which tell of fields
            """<opc:Field Name="Valid" TypeName="opc:Bit"/><opc:Field Name="ASpecified" TypeName="opc:Bit"/>
            <opc:Field Name="Reserved1" TypeName="opc:Bit" Length="6"/>
            <opc:Field Name="A" TypeName="opc:Byte" SwitchField="ASpecified"/>""",
            bytes([0b11, 5]),
            {"Valid": True, "A": 5},
        ),
        ('<opc:Field Name="A" TypeName="opc:UInt16" Length="3"/>', struct.pack("<3H", 1, 2, 3), {"A": [1, 2, 3]}),
        ('<opc:Field Name="A" TypeName="tns:Point" Length="2"/>', POINT * 2, {"A": [POINT_SHOWN] * 2}),
        ('<opc:Field Name="A" TypeName="opc:Byte" Length="2" IsLengthInBytes="true"/>', b"\1\2", {"A": [1, 2]}),
        (
            '<opc:Field Name="A" TypeName="opc:Int16" Length="0"/><opc:Field Name="B" TypeName="opc:Byte"/>',
            b"\1",
            {"A": [], "B": 1},
        ),
        ('<opc:Field Name="A" TypeName="opc:Char" Length="6"/>', b"Hall\0\0", {"A": "Hall"}),
        (
            '<opc:Field Name="N" TypeName="opc:Byte"/><opc:Field Name="A" TypeName="opc:Char" LengthField="N"/>',
            b"\2Hi",
            {"A": "Hi"},
        ),
        (  # the length stands somewhere else, and is for two
            """<opc:Field Name="N" TypeName="opc:UInt16"/><opc:Field Name="B" TypeName="opc:Byte"/>
            <opc:Field Name="A" TypeName="opc:Byte" LengthField="N"/>
            <opc:Field Name="C" TypeName="opc:Byte" LengthField="N"/>""",
            b"\2\0\7\1\2\3\4",
            {"B": 7, "A": [1, 2], "C": [3, 4]},
        ),
        (  # a length that is not there is 1, as C.4 has it
            """<opc:Field Name="NSpecified" TypeName="opc:Bit" Length="8"/>
            <opc:Field Name="N" TypeName="opc:Byte" SwitchField="NSpecified"/>
            <opc:Field Name="A" TypeName="opc:Byte" LengthField="N"/>""",
            b"\0\5",
            {"A": [5]},
        ),
        (  # a number chooses, with numbers of its own
            """<opc:Field Name="Kind" TypeName="tns:Kind"/><opc:Field Name="Reserved1" TypeName="opc:Bit" Length="2"/>
            <opc:Field Name="A" TypeName="opc:Byte" SwitchField="Kind" SwitchValue="4"/>
            <opc:Field Name="B" TypeName="opc:Int16" SwitchField="Kind" SwitchValue="9"/>""",
            struct.pack("<Bh", 9, -2),
            {"B": -2},
        ),
    ],
)
def test_bits_and_fixed_lengths_are_read(fields: str, body: bytes, expected: object) -> None:
    kind = '<opc:EnumeratedType Name="Kind" LengthInBits="6"/>'
    assert shown("Odd", body, kind + odd(fields)) == expected


def test_a_dictionary_as_controllers_ship_it_is_read() -> None:
    """As the server toolkit of many vendors writes it: attributes in its order, names in quotation marks, prefixes."""
    types = """<opc:Import Namespace="http://opcfoundation.org/UA/"/>
    <opc:StructuredType BaseType="ua:ExtensionObject" Name="&quot;Scan&quot;">
      <opc:Documentation>A result of a reader.</opc:Documentation>
      <opc:Field TypeName="opc:Bit" Name="LocationSpecified"/>
      <opc:Field Length="31" TypeName="opc:Bit" Name="Reserved1"/>
      <opc:Field TypeName="opc:CharArray" Name="CodeType"/>
      <opc:Field TypeName="opc:DateTime" Name="Timestamp"/>
      <opc:Field TypeName="opc:Int32" Name="NoOfAxes"/>
      <opc:Field LengthField="NoOfAxes" TypeName="tns:&quot;Axis&quot;" Name="&quot;Axes&quot;"/>
      <opc:Field SwitchField="LocationSpecified" TypeName="tns:&quot;Axis&quot;" Name="Location"/>
    </opc:StructuredType>
    <opc:StructuredType BaseType="ua:ExtensionObject" Name="&quot;Axis&quot;">
      <opc:Field TypeName="opc:Float" Name="Position"/><opc:Field TypeName="opc:Boolean" Name="Homed"/>
    </opc:StructuredType>"""
    axis = struct.pack("<f?", 1.5, True)
    fixed = struct.pack("<i2sq", 2, b"QR", 116_444_736_000_000_000)
    body = struct.pack("<I", 1) + fixed + struct.pack("<i", 2) + axis * 2 + axis
    axis_shown = {"Position": 1.5, "Homed": True}
    expected = {"CodeType": "QR", "Timestamp": 0, '"Axes"': [axis_shown] * 2, "Location": axis_shown}
    assert shown('"Scan"', body, types) == expected
    del expected["Location"]
    assert shown('"Scan"', struct.pack("<I", 0) + body[4:-5], types) == expected


@pytest.mark.parametrize(
    "fields",
    [
        '<opc:Field Name="A" TypeName="opc:Char" Terminator="00"/>',
        '<opc:Field Name="A" TypeName="ua:NoSuchType"/>',
        '<opc:Field Name="A" TypeName="opc:Range"/>',
        '<opc:Field Name="A" TypeName="opc:Int16" Length="4" IsLengthInBytes="true"/>',
        '<opc:Field Name="A" TypeName="opc:Byte" Length="x"/>',
        f'<opc:Field Name="A" TypeName="opc:Byte" Length="{"9" * 5000}"/>',
        '<opc:Field Name="B" TypeName="opc:Bit" Length="72"/>',
        '<opc:Field Name="B" TypeName="opc:Bit" Length="0"/>',
        '<opc:Field Name="B" TypeName="opc:Bit" Length="7"/>',
        '<opc:Field Name="B" TypeName="opc:Bit" Length="7"/><opc:Field Name="A" TypeName="opc:Byte"/>',
        '<opc:Field Name="N" TypeName="opc:Byte"/><opc:Field Name="B" TypeName="opc:Bit" LengthField="N"/>',
        '<opc:Field Name="A" TypeName="opc:Byte" LengthField="N"/><opc:Field Name="N" TypeName="opc:Byte"/>',
        '<opc:Field Name="S" TypeName="opc:String"/><opc:Field Name="A" TypeName="opc:Byte" SwitchField="S"/>',
        """<opc:Field Name="S" TypeName="opc:UInt32"/>
        <opc:Field Name="A" TypeName="opc:Byte" SwitchField="S" SwitchValue="4" SwitchOperand="GreaterThan"/>""",
        '<opc:Field Name="S" TypeName="opc:Byte"/>' + 300 * '<opc:Field Name="A" TypeName="opc:Byte" SwitchField="S"/>',
    ],
)
def test_what_is_described_otherwise_is_left_out_and_the_rest_is_not(fields: str) -> None:
    found = understood(odd(fields))
    assert "Odd" not in found
    assert "Point" in found


def test_types_that_inherit_from_each_other_are_not_understood() -> None:
    loop = ('<opc:StructuredType Name="A" BaseType="tns:B"/>', '<opc:StructuredType Name="B" BaseType="tns:A"/>')
    own = '<opc:StructuredType Name="C" BaseType="tns:C"/>'
    assert understood(f"{''.join(loop)}{own}") == set()


def test_numbers_with_the_highest_byte_first_are_not_understood() -> None:
    _, found = read_dictionary(document(TYPES, HEAD.replace("LittleEndian", "BigEndian")))
    assert found == {}


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: document(text)[: len(HEAD) + 60]))
def test_any_dictionary_is_read_or_refused(content: bytes) -> None:
    try:
        read_dictionary(content)
    except Unclear:
        return


@given(
    st.lists(st.sampled_from(FIELDS), min_size=1, max_size=6).map("".join),
    st.binary(max_size=40),
)
def test_any_bytes_are_read_by_any_description_or_refused(fields: str, body: bytes) -> None:
    value = shown("Odd", body, odd(fields))
    assert value is None or isinstance(value, dict)


def test_what_a_length_announces_is_there_before_it_is_read() -> None:
    huge = '<opc:Field Name="A" TypeName="{}" Length="4000000000"/>'
    assert [shown("Odd", bytes(100), odd(huge.format(kind))) for kind in ("opc:Byte", "opc:Char", "tns:Point")] == [
        None
    ] * 3


def test_structures_without_bytes_within_each_other_are_refused_at_once() -> None:
    nothing = '<opc:StructuredType Name="T0" BaseType="ua:ExtensionObject"/>'
    levels = "".join(
        f'<opc:StructuredType Name="T{i + 1}" BaseType="ua:ExtensionObject">'
        + "".join(f'<opc:Field Name="F{j}" TypeName="tns:T{i}"/>' for j in range(20))
        + "</opc:StructuredType>"
        for i in range(12)
    )
    assert shown("T12", b"", nothing + levels) is None
    assert shown("T1", b"", nothing + levels) == {f"F{j}": {} for j in range(20)}


async def describe(plant: Plant) -> dict[str, ua.NodeId]:
    """Give a server data types that only a dictionary describes; the ids of their encodings."""
    builder = DataTypeDictionaryBuilder(plant.server, plant.index, URI, "Types")
    await builder.init()
    made = {name: await builder.create_data_type(name) for name in ("Path", "Maybe")}
    await plant.server.get_node(builder.dict_id).write_value(document(TYPES), ua.VariantType.ByteString)
    return {name: one.node_ids[-1] for name, one in made.items()} | {
        f"{name} type": one.data_type for name, one in made.items()
    }


async def add(plant: Plant, hall: Hall, ids: dict[str, ua.NodeId], name: str, body: bytes) -> None:
    value = ua.Variant(ua.ExtensionObject(ids[name], body), ua.VariantType.ExtensionObject)
    await hall.root.add_variable(*plant.names(f"{hall.name}.{name}", name), value, datatype=ids[f"{name} type"])


async def test_a_server_that_has_only_a_dictionary_gives_nested_json_also_after_its_restart(tmp_path: Path) -> None:
    port = free_port()
    first = await Plant(port).build()
    await _serve(first)
    await first.server.start()
    async with running(first.url, tmp_path) as run:
        await run.journal.until(lambda: run.status.values >= 2)
        assert [value for _, value, _ in run.journal.values("Path")] == [PATH_SHOWN]
        assert [value for _, value, _ in run.journal.values("Maybe")] == [{"Always": 3, "Note": None}]
        await first.server.stop()
        await run.journal.until(lambda: run.status.connection.link is Link.WAITING)
        second = await Plant(port, ("urn:test:another", URI)).build()
        await _serve(second)
        async with second.server:
            await run.journal.until(lambda: run.status.values >= 4, 60)
            assert [value for _, value, _ in run.journal.values("Path")] == [PATH_SHOWN, PATH_SHOWN]


async def _serve(plant: Plant) -> None:
    ids = await describe(plant)
    hall = await plant.hall()
    await add(plant, hall, ids, "Path", PATH + TITLE)
    await add(plant, hall, ids, "Maybe", struct.pack("<IBi", 2, 3, -1))
