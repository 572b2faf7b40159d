"""Structures arrive as nested JSON by the definitions of their server; wrong bytes are one bad value."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.common.structures104 import new_enum, new_struct, new_struct_field
from asyncua.ua.ua_binary import extensionobject_to_binary
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_opcua import URI, Plant, free_port, running
from support_plain import plain
from support_scalars import SCALARS

from gateway.delivery import Delivery, DeliverySettings
from gateway.journal import Draft, Journal, JournalSettings, Kind
from gateway.opcua.datatypes import DataTypes, packed, unpacked
from gateway.opcua.structures import Field, Shape, Structure
from gateway.opcua.variant import Reader, extension_object
from gateway.sinks.latest import Latest
from gateway.status import JournalStatus, Link, SinkStatus
from gateway.values import DataType, Tag

pytestmark = pytest.mark.asyncio(loop_scope="module")

T = ua.VariantType
TEXTS = SCALARS[T.String]
KINDS = {
    kind: values for kind, values in SCALARS.items() if kind not in (T.XmlElement, T.QualifiedName, T.ExtensionObject)
}
KINDS[T.Variant] = st.builds(ua.Variant, SCALARS[T.Int32], st.just(T.Int32))
"""Built-in types as fields, with values of theirs."""

UNION = ("Number", "Text")


@dataclass
class Lab:
    """A server with types of its own, and what a gateway has learnt of them."""

    plant: Plant
    data_types: DataTypes


async def define(plant: Plant) -> None:
    """Types of every shape, in each other; the library then has classes of their names in `ua`."""
    server, index = plant.server, plant.index
    mode = await new_enum(server, index, "Mode", ["Off", "On", "Auto"])
    flat, _ = await new_struct(server, index, "Flat", [new_struct_field(kind.name, kind) for kind in KINDS])
    lists = [new_struct_field(kind.name, kind, array=True) for kind in (T.UInt64, T.String, T.Boolean, T.DateTime)]
    rows, _ = await new_struct(server, index, "Rows", lists)
    optional = [new_struct_field("Speed", T.Double, optional=True), new_struct_field("Note", T.String, optional=True)]
    maybe, _ = await new_struct(server, index, "Maybe", [new_struct_field("Always", T.Int32), *optional])
    either = [new_struct_field(name, kind) for name, kind in zip(UNION, (T.Int64, T.String), strict=True)]
    choice, _ = await new_struct(server, index, "Choice", either, is_union=True)
    span = server.get_node(ua.ObjectIds.Range)
    parts = {"Flat": flat, "Rows": rows, "Maybe": maybe, "Choice": choice, "Mode": mode, "Span": span}
    many = [new_struct_field("Many", maybe, array=True), new_struct_field("Choices", choice, array=True)]
    inline = [new_struct_field(name, kind) for name, kind in parts.items()]
    await new_struct(server, index, "Whole", [*inline, *many])
    await server.load_data_type_definitions()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    plant = await Plant(free_port()).build()
    await define(plant)
    hall = await plant.hall()
    hall.nodes["Probe"] = await hall.root.add_variable(
        *plant.names("probe", "Probe"), ua.Whole(), datatype=ua.Whole.data_type
    )
    async with plant.server:
        async with running(plant.url, tmp_path_factory.mktemp("lab"), hall.name) as run:
            await run.journal.until(lambda: run.status.values >= 1)
            found = run.journal.catalogue.data_types("plant")
        assert found is not None
        yield Lab(plant, found)


def shown(value: Any) -> Any:
    """What the library's object says, as JSON."""
    if isinstance(value, ua.UaUnion):
        return {UNION[value.Encoding - 1]: value.Value} if value.Encoding else {}
    if isinstance(value, list):
        return [shown(one) for one in value]
    if type(value).__name__ not in OWN:
        return plain(value)
    parts = {one.name: shown(getattr(value, one.name)) for one in fields(value) if one.name != "Encoding"}
    return {name: one for name, one in parts.items() if one is not None or not isinstance(value, ua.Maybe)}


OWN = ("Flat", "Rows", "Maybe", "Whole")


def decoded(types: DataTypes, value: Any) -> Any:
    return extension_object(Reader(extensionobject_to_binary(value), types=types))


@st.composite
def flats(draw: st.DrawFn) -> Any:
    return ua.Flat(**{kind.name: draw(values) for kind, values in KINDS.items()})


@st.composite
def maybes(draw: st.DrawFn) -> Any:
    return ua.Maybe(Always=draw(KINDS[T.Int32]), Speed=draw(st.none() | KINDS[T.Double]), Note=draw(TEXTS))


@st.composite
def choices(draw: st.DrawFn) -> Any:
    made = ua.Choice()
    name = draw(st.sampled_from([*UNION, None]))
    if name:
        setattr(made, name, draw(KINDS[T.Int64] if name == "Number" else TEXTS.filter(bool)))
    return made


@st.composite
def rows(draw: st.DrawFn) -> Any:
    kinds = (T.UInt64, T.String, T.Boolean, T.DateTime)
    return ua.Rows(**{kind.name: draw(st.lists(KINDS[kind], max_size=4)) for kind in kinds})


@st.composite
def wholes(draw: st.DrawFn) -> Any:
    return ua.Whole(
        Flat=draw(flats()),
        Rows=draw(rows()),
        Maybe=draw(maybes()),
        Choice=draw(choices()),
        Mode=draw(st.sampled_from(list(ua.Mode))),
        Span=ua.Range(draw(KINDS[T.Double]), draw(KINDS[T.Double])),
        Many=draw(st.lists(maybes(), max_size=3)),
        Choices=draw(st.lists(choices(), max_size=3)),
    )


async def test_any_structure_is_what_the_library_meant(lab: Lab) -> None:
    @settings(max_examples=150, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def check(data: st.DataObject) -> None:
        value = data.draw(wholes() | flats() | maybes() | choices() | rows())
        assert decoded(lab.data_types, value) == shown(value)

    check()


async def test_no_cut_structure_is_taken_for_a_whole_one(lab: Lab) -> None:
    @settings(max_examples=150, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def check(data: st.DataObject) -> None:
        body = extensionobject_to_binary(data.draw(wholes()))
        at = body.index(b"\x01", 3)
        length = data.draw(st.integers(0, len(body) - at - 6))
        cut = body[: at + 1] + struct.pack("<i", length) + body[at + 5 : at + 5 + length]
        reader = Reader(cut, types=lab.data_types)
        assert extension_object(reader) is None
        assert reader.undecodable == 1

    check()


async def test_structures_of_a_server_reach_the_journal_and_every_reader_of_it(lab: Lab, tmp_path: Path) -> None:
    hall = await lab.plant.hall()
    made = ua.Whole(Maybe=ua.Maybe(Always=7, Speed=1.5), Mode=ua.Mode.Auto)
    for name, value, kind in (
        ("Probe", made, ua.Whole.data_type),
        ("Anything", ua.Maybe(Always=8), ua.NodeId(ua.ObjectIds.BaseDataType)),
        ("List", [ua.Maybe(Always=1), ua.Maybe(Always=2)], ua.Maybe.data_type),
    ):
        await hall.root.add_variable(*lab.plant.names(f"{hall.name}.{name}", name), value, datatype=kind)
    async with running(lab.plant.url, tmp_path, hall.name) as run:
        await run.journal.until(lambda: run.status.values >= 3)
        ((_, probe, status),) = run.journal.values("Probe")
        assert status == 0
        assert isinstance(probe, dict)
        assert probe["Maybe"] == {"Always": 7, "Speed": 1.5}
        assert probe["Mode"] == 2
        assert probe["Span"] == {"Low": 0.0, "High": 0.0}
        assert [value for _, value, _ in run.journal.values("Anything")] == [{"Always": 8}]
        assert [value for _, value, _ in run.journal.values("List")] == [[{"Always": 1}, {"Always": 2}]]


async def test_a_structure_that_nobody_defines_keeps_its_bytes() -> None:
    unknown = ua.ua_binary.nodeid_to_binary(ua.NodeId(5001, 3)) + b"\x01" + struct.pack("<i", 3) + b"abc"
    assert extension_object(Reader(unknown, types=DataTypes(("a", "b", "c", "d")))) == {
        "typeId": "ns=3;i=5001",
        "body": "YWJj",
    }


def types_of(structure: Structure, uri: str = "urn:x") -> DataTypes:
    return DataTypes(("", uri), {f"nsu={uri};i=1": structure}, {f"nsu={uri};i=2": f"nsu={uri};i=1"})


def encoded(body: bytes) -> bytes:
    return b"\x01\x01\x02\x00\x01" + struct.pack("<i", len(body)) + body


async def test_a_matrix_within_a_structure_is_a_list_of_lists() -> None:
    types = types_of(Structure(Shape.PLAIN, (Field("Grid", DataType.INT16, 2), Field("End", DataType.BYTE))))
    body = struct.pack("<iii4hB", 2, 2, 2, 1, 2, 3, 4, 9)
    assert extension_object(Reader(encoded(body), types=types)) == {"Grid": [[1, 2], [3, 4]], "End": 9}


@pytest.mark.parametrize(
    ("structure", "body"),
    [
        (Structure(Shape.PLAIN, (Field("List", DataType.BYTE, 1),)), struct.pack("<i", 2**31 - 1)),
        (Structure(Shape.PLAIN, (Field("Grid", DataType.BYTE, 2),)), struct.pack("<iii", 2, 2**30, 2**30)),
        (Structure(Shape.UNION, (Field("One", DataType.BYTE),)), struct.pack("<IB", 2, 1)),
        (Structure(Shape.OPTIONAL, (Field("One", DataType.BYTE, optional=True),)), struct.pack("<IB", 3, 1)),
        (Structure(Shape.PLAIN, (Field("One", DataType.BYTE),)), b"\x01\x02"),
        (Structure(Shape.PLAIN, (Field("Self", "nsu=urn:x;i=1"),)), b""),
    ],
    ids=["endless list", "endless matrix", "unknown choice", "unknown option", "bytes left", "within itself"],
)
async def test_bytes_that_do_not_fit_the_definition_are_one_bad_value(structure: Structure, body: bytes) -> None:
    reader = Reader(encoded(body), types=types_of(structure))
    assert extension_object(reader) is None
    assert reader.undecodable == 1


async def test_what_is_known_of_structures_outlives_the_process_and_changes_of_the_server(tmp_path: Path) -> None:
    first = types_of(Structure(Shape.PLAIN, (Field("One", DataType.BYTE),)))
    more = DataTypes(
        first.namespaces, {**first.structures, "nsu=urn:x;i=8": Structure(Shape.UNION, ())}, first.encodings
    )
    other = DataTypes(("", "urn:else", "urn:x"), more.structures, more.encodings)
    journal = await Journal.open(tmp_path / "journal.sqlite", JournalSettings(), JournalStatus())
    for types in (first, more, other):
        await journal.note_data_types("plant", types)
        await journal.append([Draft(Kind.DATA, "plant", b"\x00\x00\x00\x00", 0)])
    await journal.close()
    journal = await Journal.open(tmp_path / "journal.sqlite", JournalSettings(), JournalStatus())
    catalogue = journal.catalogue
    assert [catalogue.data_types("plant", number) for number in (1, 2, 3)] == [more, more, other]
    assert catalogue.data_types("plant") == other
    assert catalogue.data_types("press") is None
    await journal.close()
    body = encoded(b"\x05")
    assert extension_object(Reader(body, types=catalogue.data_types("plant", 1))) == {"One": 5}
    assert unpacked(packed(other)) == other


def valve(plant: Plant, encoding: ua.NodeId, position: float) -> ua.Variant:
    assert encoding.NamespaceIndex == plant.index
    return ua.Variant(ua.ExtensionObject(encoding, struct.pack("<d", position)), T.ExtensionObject)


async def with_valve(plant: Plant, position: float) -> None:
    kind, (encoding,) = await new_struct(plant.server, plant.index, "Valve", [new_struct_field("Position", T.Double)])
    value = valve(plant, encoding.nodeid, position)
    await (await plant.hall()).root.add_variable(*plant.names("valve", "Valve"), value, datatype=kind.nodeid)


async def test_structures_are_understood_before_and_after_a_restart_with_other_namespace_indices(
    tmp_path: Path,
) -> None:
    port = free_port()
    first = await Plant(port).build()
    await with_valve(first, 1.0)
    await first.server.start()
    async with running(first.url, tmp_path) as run:
        await run.journal.until(lambda: run.status.values >= 1)
        await first.server.stop()
        await run.journal.until(lambda: run.status.connection.link is Link.WAITING)
        second = await Plant(port, ("urn:test:another", URI)).build()
        await with_valve(second, 2.0)
        async with second.server:
            await run.journal.until(lambda: run.status.values >= 2, 60)
            values = [value for _, value, _ in run.journal.values("Valve")]
            assert values == [{"Position": 1.0}, {"Position": 2.0}]
            assert run.journal.catalogue.data_types("plant", 1) != run.journal.catalogue.data_types("plant")


async def test_sinks_are_given_structures_as_json(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "journal.sqlite", JournalSettings(), JournalStatus())
    await journal.note_data_types("plant", types_of(Structure(Shape.PLAIN, (Field("One", DataType.BYTE),))))
    (tag,) = await journal.adopt("plant", [Tag(0, "plant", "i=1", ("Probe",), DataType.EXTENSIONOBJECT)])
    value = struct.pack("<IBB", tag.id, 1, DataType.EXTENSIONOBJECT) + encoded(b"\x05")
    sink = Latest()
    delivery = asyncio.create_task(Delivery(sink, journal, SinkStatus("latest"), DeliverySettings()).run())
    await journal.append([Draft(Kind.DATA, "plant", struct.pack("<i", 1) + value + b"\xff\xff\xff\xff")])
    async with asyncio.timeout(10):
        while (got := sink.get(tag.id)) is None:
            await asyncio.sleep(0.01)
    assert got.value == {"One": 5}
    delivery.cancel()
    await asyncio.wait({delivery})
    await journal.close()
