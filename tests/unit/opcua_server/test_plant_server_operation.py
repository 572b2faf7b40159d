"""What the operator does, and the events that clients get."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncua import Client, ua
from support_plant_server import Serve, Served, everything, node

from opcua_server.clock import Pace, to_datetime
from opcua_server.history.events import Occurrence
from opcua_server.model.types import EVENT_TYPES, TYPES_URI
from plant_model.events import PlantEvent
from plant_model.signals import Quality

shared = pytest.mark.asyncio(loop_scope="session")


async def plant_time(client: Client) -> datetime:
    found: datetime = await (await node(client, "Simulation.PlantTime")).read_value()
    return found


async def call(client: Client, method: str, *arguments: Any) -> None:
    simulation = await node(client, "Simulation")
    await simulation.call_method(await node(client, f"Simulation.{method}"), *arguments)


async def test_a_paused_plant_stands_still_until_it_is_resumed(serve: Serve) -> None:
    async with serve() as served, served.user() as client:
        await call(client, "Pause")
        running = await node(client, "Simulation.Running")
        assert not await running.read_value()
        paused = await plant_time(client)
        await asyncio.sleep(1.1)
        assert await plant_time(client) == paused
        beats = await (await node(client, "Simulation.Heartbeat")).read_value()
        await call(client, "Resume")
        assert await running.read_value()
        await asyncio.sleep(1.1)
        assert timedelta(0) < await plant_time(client) - paused < timedelta(seconds=200)
        assert await (await node(client, "Simulation.Heartbeat")).read_value() > beats


async def test_reset_starts_the_plant_anew_and_history_goes_on(serve: Serve) -> None:
    async with serve(past_s=600) as served, served.user() as client:
        before = await plant_time(client)
        await call(client, "Reset")
        after = await plant_time(client)
        assert before - after > timedelta(hours=5)
        beats = await (await node(client, "Simulation.Heartbeat")).read_value()
        await asyncio.sleep(0.3)
        assert await (await node(client, "Simulation.Heartbeat")).read_value() > beats


async def test_a_failed_sensor_shows_its_status_until_it_is_mended(serve: Serve) -> None:
    async with serve() as served, served.user() as client:
        zone = await node(client, "Line1.Tempering.Process.Zone2Temperature")
        seen = []
        for kind in ("Dead", "Stuck", "Clear"):
            await call(client, "InjectFault", "Tempering", f"Zone2Temperature.{kind}")
            await asyncio.sleep(1.1)
            value = await zone.read_data_value(raise_on_bad_status=False)
            assert value.StatusCode is not None
            seen.append(value.StatusCode.name)
    assert seen == ["BadSensorFailure", "UncertainLastUsableValue", "Good"]


async def test_a_sensor_of_the_warehouse_fails_like_one_of_a_machine(serve: Serve) -> None:
    async with serve() as served, served.user() as client:
        await call(client, "InjectFault", "Beans", "Humidity.Dead")
        assert set(served.server._pacer.twin.plant.state.sensor_faults) == {"Warehouse.Beans.Humidity"}
        with pytest.raises(ua.UaStatusCodeError) as refused:
            await call(client, "InjectFault", "Beans", "Level.Dead")
    assert refused.value.code == ua.StatusCodes.BadInvalidArgument


class Mailbox:
    def __init__(self) -> None:
        self.events: asyncio.Queue[Any] = asyncio.Queue()

    def event_notification(self, event: Any) -> None:
        self.events.put_nowait(event)


async def test_a_fault_stops_the_machine_and_is_told_at_every_level(serve: Serve) -> None:
    async with serve() as served, served.user() as client:
        types = await client.get_namespace_index(TYPES_URI)
        kind = client.get_node(ua.NodeId("MachineFailureEventType", types))
        sources = [await node(client, name) for name in ("Line1.Roasting", "Line1")] + [client.nodes.server]
        boxes = [Mailbox() for _ in sources]
        for source, box in zip(sources, boxes, strict=True):
            await (await client.create_subscription(100, box)).subscribe_events(source, kind)
        await call(client, "InjectFault", "Roasting", "BurnerFault")
        events = [await asyncio.wait_for(box.events.get(), 10) for box in boxes]
        state = await node(client, "Line1.Roasting.Status.StopReason")
        await asyncio.sleep(1.1)
        texts = await (await state.get_properties())[0].read_value()
        assert texts[await state.read_value()].Text == "Breakdown"
    assert len({event.EventId for event in events}) == 1
    event = events[0]
    assert (event.Station, event.Fault, event.SourceName) == ("Roasting", "BurnerFault", "Roasting")
    assert event.Message.Text
    assert event.Severity >= 500
    assert abs((datetime.now(UTC) - event.Time).total_seconds()) < 10


ORDER = {"Customer": "Ann", "Address": "ann@example.org", "Product": "Dark", "Quantity": 60.0, "OrderId": "O1"}
DELIVERY = {
    "Material": "Beans",
    "Supplier": "Bean Traders",
    "Quantity": 2.5,
    "DeliveryId": "D1",
    "DueTime": datetime(2026, 1, 9, tzinfo=UTC),
}


@shared
@pytest.mark.parametrize(("kind", "fields"), [("bulk_order", ORDER), ("delivery_arrived", DELIVERY)])
async def test_events_carry_their_fields(served: Served, client: Client, kind: str, fields: dict[str, Any]) -> None:
    types = await client.get_namespace_index(TYPES_URI)
    box = Mailbox()
    subscription = await client.create_subscription(100, box)
    type_ = client.get_node(ua.NodeId(EVENT_TYPES[kind].name, types))
    await subscription.subscribe_events(client.nodes.server, type_)
    happened = PlantEvent(0.0, kind, ("Warehouse", "Beans"), "something happened", 300, fields)
    now = served.server._pacer.clock.now()
    await served.server._pacer._display.tell(Occurrence.of(happened, now, now))
    event = await asyncio.wait_for(box.events.get(), 10)
    assert {name: getattr(event, name) for name in fields} == fields
    assert (event.Time, event.Severity, event.SourceName) == (to_datetime(now), 300, "Beans")
    await subscription.delete()


@shared
async def test_a_sensors_trouble_is_told_by_the_status_code(
    served: Served, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {
        Quality.SENSOR_FAILURE: ("BadSensorFailure", False),
        Quality.NOT_YET: ("BadWaitingForInitialData", False),
        Quality.OUT_OF_RANGE: ("UncertainEngineeringUnitsExceeded", True),
        Quality.LAST_USABLE: ("UncertainLastUsableValue", True),
        Quality.GOOD: ("Good", True),
    }
    assert set(told) == set(Quality)
    pacer, name = served.server._pacer, served.server._signals[0].node
    variable, read = await node(client, name), pacer.twin.read
    for quality, (status, has_value) in told.items():
        monkeypatch.setattr(pacer.twin, "read", lambda quality=quality: (read()[0], [quality] * len(read()[1])))
        async with pacer._lock:
            await pacer._sample([0, 1], pacer.clock.now())
            live = await variable.read_data_value(raise_on_bad_status=False)
            kept = (await everything(client, name))[-1]
        for value in (live, kept):
            assert value.StatusCode.name == status
            assert (value.Value is not None and value.Value.Value is not None) == has_value


def test_plant_time_follows_speed_and_pause() -> None:
    pace = Pace(wall=1_000_000_000, plant=100.0, speed=60.0)
    assert pace.plant_at(3_000_000_000) == 220.0
    assert pace.wall_at(220.0) == 3_000_000_000
    faster = pace.changed(3_000_000_000, speed=600.0)
    assert (faster.plant_at(3_000_000_000), faster.plant_at(4_000_000_000)) == (220.0, 820.0)
    paused = faster.changed(4_000_000_000, running=False)
    assert paused.plant_at(9_000_000_000) == 820.0
    assert paused.changed(9_000_000_000, running=True).plant_at(10_000_000_000) == 1420.0


@shared
async def test_conditions_can_be_refreshed_though_there_are_none(client: Client) -> None:
    box = Mailbox()
    subscription = await client.create_subscription(100, box)
    await subscription.subscribe_events()
    request = ua.CallMethodRequest(
        ObjectId=ua.NodeId(ua.ObjectIds.ConditionType),
        MethodId=ua.NodeId(ua.ObjectIds.ConditionType_ConditionRefresh),
        InputArguments=[ua.Variant(subscription.subscription_id, ua.VariantType.UInt32)],
    )
    missing = ua.CallMethodRequest(
        ObjectId=ua.NodeId(ua.ObjectIds.Server), MethodId=ua.NodeId(ua.ObjectIds.Server_GetMonitoredItems)
    )
    refreshed, refused = await client.uaclient.call([request, missing])
    kinds = [(await asyncio.wait_for(box.events.get(), 10)).EventType.Identifier for _ in range(2)]
    await subscription.delete()
    assert (refreshed.StatusCode.name, refused.StatusCode.name) == ("Good", "BadNotImplemented")
    assert kinds == [ua.ObjectIds.RefreshStartEventType, ua.ObjectIds.RefreshEndEventType]


@shared
async def test_an_event_type_stands_for_its_subtypes(served: Served, client: Client) -> None:
    of_type = ua.ContentFilterElement(
        ua.FilterOperator.OfType, [ua.LiteralOperand(ua.Variant(ua.NodeId(ua.ObjectIds.BaseEventType)))]
    )
    message = ua.SimpleAttributeOperand(
        ua.NodeId(ua.ObjectIds.BaseEventType), [ua.QualifiedName("Message")], ua.AttributeIds.Value
    )
    filter_ = ua.EventFilter([message], ua.ContentFilter([of_type]))
    box = Mailbox()
    subscription = await client.create_subscription(100, box)
    await subscription.subscribe_events(evfilter=filter_)
    pacer = served.server._pacer
    happened, now = PlantEvent(0.0, "bulk_order", ("Warehouse",), "an order", 1, ORDER), pacer.clock.now()
    await pacer._display.tell(Occurrence.of(happened, now, now))
    event = await asyncio.wait_for(box.events.get(), 10)
    await subscription.delete()
    assert event.Message.Text == "an order"
