"""What a server has becomes tags: complete, once, with its units and texts, quickly."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest
import pytest_asyncio
from asyncua import ua
from support_opcua import URI, Hall, Plant, running

from gateway.journal import Kind
from gateway.opcua.browse import browse_children, find_variables
from gateway.opcua.describe import describe
from gateway.opcua.errors import ServiceFault
from gateway.opcua.nodes import Namespaces, UnknownNamespaceError
from gateway.opcua.patterns import Selection, compiled
from gateway.opcua.session import Limits, Session, in_chunks
from gateway.opcua.settings import SourceSettings
from gateway.values import DataType, Tag

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def session(server: Plant, tmp_path: Path) -> AsyncIterator[Session]:
    one = await Session.connect(SourceSettings(name="plant", url=server.url, security={"policy": "None"}), tmp_path)
    yield one
    await one.close()


def below(hall: Hall, *include: str, exclude: tuple[str, ...] = ()) -> Selection:
    return Selection.of([hall.name], include or ["**"], exclude)


async def tags(session: Session, selection: Selection) -> dict[str, Tag]:
    found = await find_variables(session, selection)
    return {tag.path[-1]: tag for tag in (await describe(session, found, "plant")).tags}


async def test_a_tag_knows_what_the_server_tells(server: Plant, hall: Hall, session: Session) -> None:
    node = await hall.add("Temperature", 20.0)
    await node.write_attribute(ua.AttributeIds.Description, ua.DataValue(ua.LocalizedText("of the mass")))
    await node.add_property(*server.names("t.range", "EURange"), ua.Range(-10.0, 90.0))
    unit = ua.EUInformation("urn:units", 4408652, ua.LocalizedText("°C"), ua.LocalizedText("degree"))
    await node.add_property(*server.names("t.unit", "EngineeringUnits"), unit)
    await node.set_writable()
    await hall.add("Plain", 1, ua.VariantType.UInt16, history=True)
    found = await tags(session, below(hall))
    assert set(found) == {"Temperature", "Plain"}
    tag = found["Temperature"]
    assert (tag.id, tag.source, tag.node) == (0, "plant", f"nsu={URI};s={hall.name}.Temperature")
    assert tag.path == (hall.name, "Temperature")
    assert (tag.data_type, tag.unit, tag.low, tag.high) == (DataType.DOUBLE, "°C", -10.0, 90.0)
    assert (tag.description, tag.writable, tag.historised) == ("of the mass", True, False)
    plain = found["Plain"]
    assert (plain.data_type, plain.unit, plain.writable, plain.historised) == (DataType.UINT16, "", False, True)
    assert math.isnan(plain.low)
    assert math.isnan(plain.high)


async def test_enumerations_have_texts_by_value(server: Plant, hall: Hall, session: Session) -> None:
    strings = await hall.add("Strings", 0, ua.VariantType.Int32)
    await strings.add_property(
        *server.names("e.strings", "EnumStrings"), [ua.LocalizedText("off"), ua.LocalizedText("on")]
    )
    values = await hall.add("Values", 0, ua.VariantType.Int32)
    named = [ua.EnumValueType(3, ua.LocalizedText("run")), ua.EnumValueType(1, ua.LocalizedText("idle"))]
    await values.add_property(*server.names("e.values", "EnumValues"), named)
    typed = await hall.root.add_variable(
        *server.names("e.typed", "Typed"), 0, ua.VariantType.Int32, datatype=ua.NodeId(ua.ObjectIds.ServerState)
    )
    assert typed is not None
    found = await tags(session, below(hall))
    assert found["Strings"].enum == ("off", "on")
    assert found["Values"].enum == ("", "idle", "", "run")
    assert found["Typed"].enum[:2] == ("Running", "Failed")
    assert found["Typed"].data_type is DataType.INT32


async def test_subtypes_have_the_type_behind_them_and_arrays_may_be_anything(
    server: Plant, hall: Hall, session: Session
) -> None:
    for name, value, kind, data_type in (
        ("Duration", 1.0, ua.VariantType.Double, ua.ObjectIds.Duration),
        ("UtcTime", None, ua.VariantType.DateTime, ua.ObjectIds.UtcTime),
        ("Number", 1.0, ua.VariantType.Double, ua.ObjectIds.Number),
        ("Range", ua.Range(), ua.VariantType.ExtensionObject, ua.ObjectIds.Range),
    ):
        await hall.root.add_variable(*server.names(f"s.{name}", name), value, kind, datatype=ua.NodeId(data_type))
    array = await hall.add("Array", [1.0, 2.0])
    await array.write_value_rank(ua.ValueRank.OneDimension)
    kinds = {name: tag.data_type for name, tag in (await tags(session, below(hall))).items()}
    assert kinds == {
        "Duration": DataType.DOUBLE,
        "UtcTime": DataType.DATETIME,
        "Number": DataType.VARIANT,
        "Range": DataType.EXTENSIONOBJECT,
        "Array": DataType.VARIANT,
    }


async def test_patterns_choose_and_loops_are_survived(server: Plant, hall: Hall, session: Session) -> None:
    mill = await hall.root.add_folder(*server.names("p.Mill", "Mill"))
    energy = await mill.add_folder(*server.names("p.Energy", "Energy"))
    for folder, name in ((mill, "Speed"), (energy, "Power"), (energy, "Total")):
        await folder.add_variable(*server.names(f"p.{name}", name), 0.0)
    await energy.add_reference(hall.root, ua.ObjectIds.Organizes)
    await hall.root.add_reference(energy, ua.ObjectIds.HasNotifier)
    assert set(await tags(session, below(hall))) == {"Speed", "Power", "Total"}
    assert set(await tags(session, below(hall, "**/Energy/*"))) == {"Power", "Total"}
    assert set(await tags(session, below(hall, exclude=("**/Total",)))) == {"Speed", "Power"}
    only = Selection.of([f"{hall.name}/Mill/Energy"], ["**"], [])
    assert [one.path for one in await find_variables(session, only)] == [
        (hall.name, "Mill", "Energy", name) for name in ("Power", "Total")
    ]


async def test_the_server_object_is_left_out(session: Session) -> None:
    assert not any(one.path[0] == "Server" for one in await find_variables(session, Selection.of([], ["**"], [])))


async def test_ten_thousand_nodes_are_browsed_in_seconds(server: Plant, hall: Hall, session: Session) -> None:
    for group in range(100):
        folder = await hall.root.add_folder(*server.names(f"{hall.name}.{group}"))
        for i in range(100):
            await folder.add_variable(*server.names(f"{hall.name}.{group}.{i}"), 0.0)
    began = time.process_time()
    assert len(await tags(session, below(hall))) == 10_000
    assert time.process_time() - began < 15  # the server works in this process too


async def test_continuation_points_are_followed_to_the_end() -> None:
    def reference(name: str) -> ua.ReferenceDescription:
        return ua.ReferenceDescription(NodeId=ua.ExpandedNodeId(name, 0), BrowseName=ua.QualifiedName(name))

    pages = {b"1": ("b", b"2"), b"2": ("c", None), b"3": ("e", None)}

    async def browse(parameters: ua.BrowseParameters) -> list[ua.BrowseResult]:
        first = [("a", b"1"), ("d", b"3"), ("f", None)][: len(parameters.NodesToBrowse)]
        return [ua.BrowseResult(ContinuationPoint=point, References=[reference(name)]) for name, point in first]

    async def browse_next(parameters: ua.BrowseNextParameters) -> list[ua.BrowseResult]:
        answers = [pages[point] for point in parameters.ContinuationPoints]
        return [ua.BrowseResult(ContinuationPoint=point, References=[reference(name)]) for name, point in answers]

    async def ask(service: object, parameters: object) -> object:
        return await service(parameters)  # type: ignore[operator]

    session = SimpleNamespace(
        limits=Limits(), services=SimpleNamespace(browse=browse, browse_next=browse_next), ask=ask
    )
    nodes = [ua.NodeId(i) for i in range(3)]
    found = await browse_children(session, nodes)  # type: ignore[arg-type]
    assert [[one.BrowseName.Name for one in references] for references in found] == [["a", "b", "c"], ["d", "e"], ["f"]]


async def test_chunks_are_halved_when_the_server_finds_them_too_large() -> None:
    sizes = []

    async def call(part: list[int]) -> list[int]:
        sizes.append(len(part))
        if len(part) > 3:
            raise ServiceFault(ua.StatusCodes.BadTooManyOperations)
        return [one * 10 for one in part]

    assert await in_chunks(range(10), 8, call) == [i * 10 for i in range(10)]  # type: ignore[arg-type]
    assert sizes == [8, 4, 2, 2, 2, 2, 2]


async def test_limits_of_the_server_are_kept_and_none_means_ours() -> None:
    assert Limits.announced([10, None, 0, 5, 20]) == Limits(10, 200, 100, 5, 20)
    assert Limits.announced([1_000_000] * 5) == Limits()


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("**", "A/B", True),
        ("Machines/**", "Machines/A/B", True),
        ("Machines/**", "Machines", True),
        ("Machines/**", "Machines2/A", False),
        ("**/Energy/*", "Energy/Power", True),
        ("**/Energy/*", "A/B/Energy/Power", True),
        ("**/Energy/*", "A/Energy/B/Power", False),
        ("A/*/C", "A/B/C", True),
        ("A/*/C", "A/B/B/C", False),
        ("Zone?Temperature", "Zone1Temperature", True),
        ("A.B", "AxB", False),
    ],
)
async def test_patterns_mean_what_people_expect(pattern: str, path: str, fits: bool) -> None:
    assert bool(compiled(pattern).match(path)) is fits


@pytest.mark.parametrize(
    "text", ["i=85", "nsu=urn:b;s=a;b", "nsu=urn:b;i=7", "nsu=urn:b;b=YWI=", "nsu=urn:x%3By%25;s=Z"]
)
async def test_node_ids_survive_another_order_of_namespaces(text: str) -> None:
    before = Namespaces(["http://opcfoundation.org/UA/", "urn:a", "urn:b", "urn:x;y%"])
    after = Namespaces(["http://opcfoundation.org/UA/", "urn:x;y%", "urn:b", "urn:c"])
    assert before.text(before.node(text)) == after.text(after.node(text)) == text


async def test_an_unknown_namespace_is_said() -> None:
    with pytest.raises(UnknownNamespaceError, match="urn:gone"):
        Namespaces(["http://opcfoundation.org/UA/"]).node("nsu=urn:gone;i=1")


async def test_events_come_with_the_fields_of_their_type(server: Plant, hall: Hall, tmp_path: Path) -> None:
    kind = await server.server.create_custom_event_type(
        server.index,
        "BulkOrderEventType",
        ua.ObjectIds.BaseEventType,
        [("Customer", ua.VariantType.String), ("Quantity", ua.VariantType.Int32)],
    )
    await server.server.create_custom_event_type(
        server.index, "FailureEventType", ua.ObjectIds.BaseEventType, [("Fault", ua.VariantType.String)]
    )
    generator = await server.server.get_event_generator(kind, server.server.nodes.server)
    generator.event.SourceName = "Line1"
    generator.event.Severity = 300
    generator.event.Customer = "Anna"
    generator.event.Quantity = 60
    await hall.add("Speed")
    async with running(server.url, tmp_path, hall.name, events=True) as run:
        await run.journal.until(lambda: run.status.tags == 1)
        await generator.trigger(message="ordered")
        await run.journal.until(lambda: run.status.events == 1)
        event = orjson.loads(run.journal.of(Kind.EVENT)[0].body)
        assert event["type"] == "BulkOrderEventType"
        assert event["fields"] == {"Customer": "Anna", "Quantity": 60}
        assert (event["source"], event["source_name"], event["severity"]) == ("plant", "Line1", 300)
        assert event["message"] == "ordered"
        assert abs(event["time"] - time.time_ns()) < 60 * 10**9
