"""Events of the past: read in pages, the same as when they were told, whole after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from asyncua import Client, ua
from support_opcua import FakeJournal
from support_opcua import running as gateway
from support_plant_server import NEVER, Serve, Served, node

from gateway.journal import Kind
from gateway.opcua.event_watch import LOST
from opcua_server.model.instances import PLANT_URI
from opcua_server.model.types import TYPES_URI

BASE = ("EventId", "EventType", "SourceName", "Time", "ReceiveTime", "Severity", "Message")
SERVER = ua.NodeId(ua.ObjectIds.Server)


async def wanted(client: Client, *own: tuple[str, str], where: ua.ContentFilter | None = None) -> ua.EventFilter:
    """The base fields, then those of our types: ("MachineFailureEventType", "Fault")."""
    types, base = await client.get_namespace_index(TYPES_URI), ua.NodeId(ua.ObjectIds.BaseEventType)
    fields = [(base, ua.QualifiedName(name)) for name in BASE]
    fields += [(ua.NodeId(kind, types), ua.QualifiedName(name, types)) for kind, name in own]
    clauses = [
        ua.SimpleAttributeOperand(TypeDefinitionId=kind, BrowsePath=[name], AttributeId=ua.AttributeIds.Value)
        for kind, name in fields
    ]
    return ua.EventFilter(SelectClauses=clauses, WhereClause=where or ua.ContentFilter())


async def ask(client: Client, of: ua.NodeId, details: dict[str, Any], point: bytes | None = None) -> Any:
    given: dict[str, Any] = {"NumValuesPerNode": 0, "StartTime": NEVER, "EndTime": NEVER} | details
    given.setdefault("Filter", await wanted(client))
    params = ua.HistoryReadParameters(
        HistoryReadDetails=ua.ReadEventDetails(**given),
        TimestampsToReturn=ua.TimestampsToReturn.Source,
        ReleaseContinuationPoints=False,
        NodesToRead=[ua.HistoryReadValueId(of, ContinuationPoint=point)],
    )
    (result,) = await client.uaclient.history_read(params)
    return result


async def events(client: Client, of: ua.NodeId = SERVER, **details: Any) -> list[list[list[Any]]]:
    """Every page of a read: the fields of its events."""
    if not {"StartTime", "EndTime"} & details.keys():
        details |= {"StartTime": datetime.now(UTC) - timedelta(days=2), "EndTime": datetime.now(UTC)}
    pages: list[list[list[Any]]] = []
    point = None
    while True:
        result = await ask(client, of, details, point)
        result.StatusCode.check()
        pages.append([[field.Value for field in one.EventFields] for one in result.HistoryData.Events])
        point = result.ContinuationPoint
        if not point:
            return pages


async def break_down(served: Served, station: str = "Tempering", fault: str = "PumpFault") -> None:
    async with served.user() as operator:
        simulation = await node(operator, "Simulation")
        faults = await node(operator, "Simulation.InjectFault")
        await simulation.call_method(faults, station, fault)


@pytest.mark.asyncio(loop_scope="session")
async def test_the_past_that_is_made_up_has_events_and_pages_hold_each_once(served: Served, client: Client) -> None:
    end = datetime.now(UTC)
    (whole,) = await events(client, StartTime=end - timedelta(days=1), EndTime=end)
    assert len(whole) > 3
    times = [one[3] for one in whole]
    assert times == sorted(times)
    assert len({one[0] for one in whole}) == len(whole), "EventIds"
    cut = await events(client, StartTime=end - timedelta(days=1), EndTime=end, NumValuesPerNode=3)
    assert {len(page) for page in cut[:-1]} == {3}
    assert [one for page in cut for one in page] == whole
    back = await events(client, StartTime=end, EndTime=end - timedelta(days=1), NumValuesPerNode=4)
    assert [one for page in back for one in page] == whole[::-1]
    newest = await ask(client, SERVER, {"EndTime": end, "NumValuesPerNode": 1})
    assert newest.HistoryData.Events[0].EventFields[0].Value == whole[-1][0]


@pytest.mark.asyncio(loop_scope="session")
async def test_an_object_has_its_own_events_and_those_below_it(served: Served, client: Client) -> None:
    (everything,) = await events(client)
    index = await client.get_namespace_index(PLANT_URI)
    (stock,) = await events(client, ua.NodeId("Warehouse", index))
    (beans,) = await events(client, ua.NodeId("Warehouse.Beans", index))
    assert [one for one in everything if one[0] in {other[0] for other in stock}] == stock
    assert len(stock) > 0
    assert {one[2] for one in beans} <= {"Beans"}
    assert [one for one in stock if one[2] == "Beans"] == beans


@pytest.mark.asyncio(loop_scope="session")
async def test_a_filter_picks_types_and_other_readers_understand_it(served: Served, client: Client) -> None:
    types = await client.get_namespace_index(TYPES_URI)
    ordered = ua.NodeId("DeliveryOrderedEventType", types)
    only = ua.ContentFilter(
        [ua.ContentFilterElement(ua.FilterOperator.OfType, [ua.LiteralOperand(ua.Variant(ordered))])]
    )
    chosen = await wanted(client, ("DeliveryOrderedEventType", "DueTime"), where=only)
    found = [one for page in await events(client, Filter=chosen, NumValuesPerNode=5) for one in page]
    assert found
    assert {one[1] for one in found} == {ordered}
    assert all(isinstance(one[-1], datetime) for one in found)
    start = datetime.now(UTC) - timedelta(days=1)
    read = await client.nodes.server.read_event_history(start, datetime.now(UTC), 5, client.get_node(ordered))
    assert [one.EventId for one in read][:5] == [one[0] for one in found][:5]


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(
    ("of", "details", "point", "code"),
    [
        ("Line1.Tempering.Process", {}, None, "BadHistoryOperationUnsupported"),
        ("Line1", {"StartTime": NEVER, "EndTime": NEVER}, None, "BadHistoryOperationInvalid"),
        ("Line1", {"Filter": ua.EventFilter()}, None, "BadEventFilterInvalid"),
        ("Line1", {}, b"made up and long enough to be one of ours, perhaps", "BadContinuationPointInvalid"),
        ("Nothing", {}, None, "BadNodeIdUnknown"),
    ],
)
async def test_what_cannot_be_read_is_refused(
    client: Client, of: str, details: dict[str, Any], point: bytes | None, code: str
) -> None:
    times = {"StartTime": datetime.now(UTC) - timedelta(days=1), "EndTime": datetime.now(UTC)}
    index = await client.get_namespace_index(PLANT_URI)
    result = await ask(client, ua.NodeId(of, index), times | details, point)
    assert result.StatusCode.name == code


async def test_what_was_told_is_what_history_has_also_after_a_restart(serve: Serve) -> None:
    told: list[Any] = []

    class Listener:
        def event_notification(self, event: Any) -> None:
            told.append(event)

    async with serve() as first, first.anonymous() as client:
        subscription = await client.create_subscription(50, Listener())
        await subscription.subscribe_events()
        await break_down(first)
        async with asyncio.timeout(60):
            while not any(one.SourceName == "Tempering" for one in told):
                await asyncio.sleep(0.05)
        (before,) = await events(client)
        known = {one[0]: one for one in before}
        assert all(known[one.EventId][3:] == [getattr(one, name) for name in BASE[3:]] for one in told)
    async with serve() as second, second.anonymous() as client:
        (after,) = await events(client)
        assert after[: len(before)] == before
        assert len({one[0] for one in after}) == len(after)


def _told(journal: FakeJournal) -> list[dict[str, Any]]:
    return [orjson.loads(record.body) for record in journal.of(Kind.EVENT)]


async def test_a_restart_of_plant_and_gateway_loses_no_event_and_announces_none(serve: Serve, tmp_path: Path) -> None:
    journal = FakeJournal()
    tags: dict[str, Any] = {"include": ["Simulation/Heartbeat"], "events": True, "journal": journal}

    def tempering() -> int:
        return sum(one["source_name"] == "Tempering" for one in _told(journal))

    async def settled(holds: Callable[[], bool], run: Any) -> None:
        await journal.until(lambda: holds() and not run.source._marks.pending[0], 60)

    async with serve() as first:
        async with gateway(first.url, tmp_path / "gateway", **tags) as run:
            await settled(lambda: run.status.values > 0, run)
            await break_down(first)
            await settled(lambda: tempering() == 1, run)
        await break_down(first, "Grinding", "MillOverload")
        await asyncio.sleep(0.5)
    async with serve() as second, gateway(second.url, tmp_path / "gateway", **tags) as run:
        await settled(lambda: any(one["source_name"] == "Grinding" for one in _told(journal)), run)
    assert tempering() == 1
    assert LOST not in {one["type"] for one in _told(journal)}
