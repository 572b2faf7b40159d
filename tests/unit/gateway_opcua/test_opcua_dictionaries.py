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
from gateway.opcua.datatypes import DataTypes
from gateway.opcua.structures import Field, Shape, Structure
from gateway.opcua.variant import Reader, extension_object
from gateway.status import Link
from gateway.values import DataType

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
POINT = (Field("X", DataType.DOUBLE), Field("Mode", DataType.INT32))


def document(types: str, head: str = HEAD) -> bytes:
    return f"{head}{types}</opc:TypeDictionary>".encode()


def structures(types: str) -> dict[str, Structure]:
    """Those that are understood, by their names in the dictionary."""
    target, found = read_dictionary(document(types))
    return {name.removeprefix(name_of(target, "")): one for name, one in found.items()}


def test_types_of_every_shape_are_understood() -> None:
    point = name_of(URI, "Point")
    assert structures(TYPES) == {
        "Point": Structure(Shape.PLAIN, POINT),
        "Path": Structure(
            Shape.PLAIN,
            (
                Field("Name", DataType.STRING),
                Field("Points", point, 1),
                Field("Span", "i=884"),
                Field("Title", DataType.LOCALIZEDTEXT),
            ),
        ),
        "Further": Structure(Shape.PLAIN, (*POINT, Field("Y", DataType.INT16))),
        "Repeated": Structure(Shape.PLAIN, (POINT[0], Field("Y", DataType.INT16))),
        "Maybe": Structure(
            Shape.OPTIONAL,
            (
                Field("Always", DataType.BYTE),
                Field("Speed", DataType.FLOAT, optional=True),
                Field("Note", DataType.STRING, optional=True),
            ),
        ),
        "Choice": Structure(Shape.UNION, (Field("Number", DataType.INT64), Field("Text", DataType.STRING))),
    }


@pytest.mark.parametrize(
    "fields",
    [
        '<opc:Field Name="A" TypeName="opc:Byte" Length="8"/>',
        '<opc:Field Name="A" TypeName="opc:Char" Terminator="00"/>',
        '<opc:Field Name="A" TypeName="ua:NoSuchType"/>',
        '<opc:Field Name="A" TypeName="opc:Range"/>',
        '<opc:Field Name="A" TypeName="opc:Byte"/><opc:Field Name="B" TypeName="opc:Bit" Length="32"/>',
        '<opc:Field Name="B" TypeName="opc:Bit" Length="x"/>',
        '<opc:Field Name="N" TypeName="opc:Byte"/><opc:Field Name="A" TypeName="opc:Byte" LengthField="N"/>',
        """<opc:Field Name="N" TypeName="opc:Int32"/><opc:Field Name="B" TypeName="opc:Byte"/>
        <opc:Field Name="A" TypeName="opc:Byte" LengthField="N"/>""",
        """<opc:Field Name="ASpecified" TypeName="opc:Bit"/><opc:Field Name="R" TypeName="opc:Bit" Length="7"/>
        <opc:Field Name="A" TypeName="opc:Byte" SwitchField="ASpecified"/>""",
        """<opc:Field Name="S" TypeName="opc:UInt32"/>
        <opc:Field Name="A" TypeName="opc:Byte" SwitchField="S" SwitchValue="4"/>""",
    ],
)
def test_what_is_described_otherwise_is_left_out_and_the_rest_is_not(fields: str) -> None:
    odd = f'<opc:StructuredType Name="Odd" BaseType="ua:ExtensionObject">{fields}</opc:StructuredType>'
    assert "Odd" not in structures(TYPES + odd)
    assert "Point" in structures(TYPES + odd)


def test_types_that_inherit_from_each_other_are_not_understood() -> None:
    loop = ('<opc:StructuredType Name="A" BaseType="tns:B"/>', '<opc:StructuredType Name="B" BaseType="tns:A"/>')
    own = '<opc:StructuredType Name="C" BaseType="tns:C"/>'
    assert structures(f"{''.join(loop)}{own}") == {}


def test_numbers_with_the_highest_byte_first_are_not_understood() -> None:
    _, found = read_dictionary(document(TYPES, HEAD.replace("LittleEndian", "BigEndian")))
    assert found == {}


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: document(text)[: len(HEAD) + 60]))
def test_any_dictionary_is_read_or_refused(content: bytes) -> None:
    try:
        read_dictionary(content)
    except Unclear:
        return


def test_bytes_are_read_as_the_dictionary_says() -> None:
    target, found = read_dictionary(document(TYPES))
    types = DataTypes(("", URI), found, {f"nsu={URI};i=7": name_of(target, "Maybe")})
    body = struct.pack("<IBf", 1, 9, 2.5)
    value = bytes([1, 1]) + struct.pack("<H", 7) + b"\x01" + struct.pack("<i", len(body)) + body
    assert extension_object(Reader(value, types=types)) == {"Always": 9, "Speed": 2.5}


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
    points, title = struct.pack("<ididi", 2, 0.5, 1, 1.5, 0), b"\x02" + struct.pack("<i", 2) + b"Hi"
    path = struct.pack("<i", 4) + b"Loop" + points + struct.pack("<dd", -1.0, 1.0) + title
    shown = {
        "Name": "Loop",
        "Points": [{"X": 0.5, "Mode": 1}, {"X": 1.5, "Mode": 0}],
        "Span": {"Low": -1.0, "High": 1.0},
        "Title": "Hi",
    }
    first = await Plant(port).build()
    await _serve(first, path)
    await first.server.start()
    async with running(first.url, tmp_path) as run:
        await run.journal.until(lambda: run.status.values >= 2)
        assert [value for _, value, _ in run.journal.values("Path")] == [shown]
        assert [value for _, value, _ in run.journal.values("Maybe")] == [{"Always": 3, "Note": None}]
        await first.server.stop()
        await run.journal.until(lambda: run.status.connection.link is Link.WAITING)
        second = await Plant(port, ("urn:test:another", URI)).build()
        await _serve(second, path)
        async with second.server:
            await run.journal.until(lambda: run.status.values >= 4, 60)
            assert [value for _, value, _ in run.journal.values("Path")] == [shown, shown]


async def _serve(plant: Plant, path: bytes) -> None:
    ids = await describe(plant)
    hall = await plant.hall()
    await add(plant, hall, ids, "Path", path)
    await add(plant, hall, ids, "Maybe", struct.pack("<IBi", 2, 3, -1))
