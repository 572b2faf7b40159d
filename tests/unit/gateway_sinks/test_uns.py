"""The unified namespace carries every value in order, readable for people, and is honest about quality and life."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import numpy as np
import pytest
from support_broker import Received, ScriptedBroker
from support_sinks import BAD, NAMING, NOW, UNCERTAIN, batch, catalogue, column, event, gap, tag

from gateway.contract import NotConnected, Rejected
from gateway.naming import NamingError
from gateway.sinks.broker import BrokerSettings
from gateway.sinks.uns import Uns, UnsSettings
from gateway.values import Batch, DataType, Tag

ROOT = "choco/berlin/production"
PROCESS = f"{ROOT}/Line1/Tempering/Process"
STATUS = f"{ROOT}/_status/conche-uns"


class World:
    """A sink, its broker, and what arrived."""

    def __init__(self, broker: ScriptedBroker) -> None:
        self.broker = broker
        self.sink = Uns("uns", UnsSettings(broker=BrokerSettings(port=broker.port, timeout_s=2)), NAMING)

    async def write(self, data: Batch, *tags: Tag) -> list[Received]:
        """What a batch makes arrive."""
        if not self.broker.connects:
            await self.sink.open(catalogue(*tags))
        before = len(self.broker.messages)
        await self.sink.write(data)
        return self.broker.messages[before:]

    async def body(self, data: Batch, *tags: Tag) -> dict[str, object]:
        (message,) = await self.write(data, *tags)
        return json.loads(message.payload)


@pytest.fixture
async def world(broker: ScriptedBroker) -> AsyncIterator[World]:
    world = World(broker)
    yield world
    await world.sink.close()


async def test_a_value_is_one_retained_message_on_its_topic(world: World) -> None:
    data = batch(column([28.4], [1]))
    (message,) = await world.write(data, tag(1, "Zone2Temperature", unit="°C"))
    assert (message.topic, message.qos, message.retain) == (f"{PROCESS}/Zone2Temperature", 1, True)
    assert message.payload.decode() == (
        '{"value":28.4,"unit":"°C","quality":"GOOD","status":0,"ts":"2026-11-22T09:01:52.950Z","type":"Double"}'
    )


@pytest.mark.parametrize(
    ("data_type", "dtype", "value", "shown"),
    [
        (DataType.DOUBLE, "float64", 0.1, 0.1),
        (DataType.DOUBLE, "float64", 1e300, 1e300),
        (DataType.FLOAT, "float32", 0.1, 0.1),
        (DataType.BOOLEAN, "bool", True, True),
        (DataType.SBYTE, "int8", -128, -128),
        (DataType.BYTE, "uint8", 255, 255),
        (DataType.INT64, "int64", -(2**63), -(2**63)),
        (DataType.UINT64, "uint64", 2**64 - 1, 2**64 - 1),
        (DataType.DATETIME, "int64", NOW + 123_400, "2026-11-22T09:01:52.9501234Z"),
        (DataType.STRING, object, 'Ä "quoted"\n', 'Ä "quoted"\n'),
        (DataType.STRING, object, "\ud800", "\ud800"),
        (DataType.BYTESTRING, object, b"\x00\xff", "AP8="),
        (DataType.INT32, object, [1, 2, 3], [1, 2, 3]),
        (DataType.EXTENSIONOBJECT, object, {"a": {"b": [1.5, None]}}, {"a": {"b": [1.5, None]}}),
        (DataType.DOUBLE, object, None, None),
        (DataType.DOUBLE, "float64", float("nan"), None),
        (DataType.DOUBLE, "float64", float("-inf"), None),
    ],
)
async def test_every_type_is_shown_exactly(
    world: World, data_type: DataType, dtype: object, value: object, shown: object
) -> None:
    body = await world.body(batch(column([value], [1], dtype=dtype)), tag(1, "T", data_type))
    assert body["value"] == shown


async def test_the_type_is_called_as_in_opc_ua(world: World) -> None:
    assert (await world.body(batch(column([1], [1], dtype="int8")), tag(1, "T", DataType.SBYTE)))["type"] == "SByte"


@pytest.mark.parametrize(
    ("value", "shown"), [(2, "Execute"), (0, ""), (3, None), (-1, None)], ids=["named", "empty", "beyond", "negative"]
)
async def test_an_enumeration_has_its_text(world: World, value: int, shown: str | None) -> None:
    states = tag(1, "State", DataType.INT32, enum=("", "Idle", "Execute"))
    body = await world.body(batch(column([value], [1], dtype="int32")), states)
    assert (body["value"], body["text"]) == (value, shown)


@pytest.mark.parametrize(
    ("status", "quality", "value"),
    [
        (0, "GOOD", 1.5),
        (0x480, "GOOD", 1.5),
        (UNCERTAIN, "UNCERTAIN", 1.5),
        (BAD, "BAD", None),
        (0xC000_0000, "BAD", None),
    ],
)
async def test_quality_is_the_severity_of_the_status(world: World, status: int, quality: str, value: object) -> None:
    body = await world.body(batch(column([1.5], [1], status=status)), tag(1))
    assert (body["quality"], body["status"], body["value"]) == (quality, status, value)


async def test_a_bad_enumeration_has_no_text(world: World) -> None:
    states = tag(1, "State", DataType.INT32, enum=("Idle",))
    body = await world.body(batch(column([0], [1], dtype="int32", status=BAD)), states)
    assert (body["value"], body["text"]) == (None, None)


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        (NOW, "2026-11-22T09:01:52.950Z"),
        (NOW + 100, "2026-11-22T09:01:52.9500001Z"),
        (NOW + 7, "2026-11-22T09:01:52.950000007Z"),
        (0, "1970-01-01T00:00:00.000Z"),
        (-100, "1969-12-31T23:59:59.9999999Z"),
    ],
)
async def test_times_keep_all_digits_that_there_are(world: World, time: int, shown: str) -> None:
    assert (await world.body(batch(column([1.0], [1], time=time)), tag(1)))["ts"] == shown


async def test_every_value_of_a_counter_arrives_in_order_among_all_types(world: World) -> None:
    counter = column(np.arange(700), [1] * 700, dtype="uint64", position=np.arange(700) * 2)
    texts = column(["a"] * 699 + ["end"], [2] * 700, dtype=object, position=np.arange(700) * 2 + 1)
    got = await world.write(batch(counter, texts), tag(1, "Count", DataType.UINT64), tag(2, "Text", DataType.STRING))
    values = [json.loads(message.payload)["value"] for message in got]
    assert values[0::2] == list(range(700))
    assert values[1::2] == ["a"] * 699 + ["end"]


async def test_what_is_late_is_marked_and_replaces_no_latest_value(world: World) -> None:
    data = batch(column([1.0], [1]), events=[event()], gaps=[gap()], historical=True)
    got = await world.write(data, tag(1))
    assert [json.loads(message.payload)["historical"] for message in got] == [True, True, True]
    assert not any(message.retain for message in got)


async def test_history_from_before_the_tag_was_known_is_no_news(world: World) -> None:
    data = batch(column([1.0, 2.0], [1, 1], time=[NOW - 1, NOW]), historical=True)
    got = await world.write(data, tag(1, since=NOW))
    assert [json.loads(message.payload)["value"] for message in got] == [2.0]


async def test_an_event_is_told_below_its_source(world: World) -> None:
    (message,) = await world.write(batch(events=[event(Customer="Hofer", Quantity=60)]), tag(1))
    assert (message.topic, message.qos, message.retain) == (
        f"{ROOT}/ChocolateLine1/_event/BulkOrderEventType",
        1,
        False,
    )
    body = json.loads(message.payload)
    assert body["fields"] == {"Customer": "Hofer", "Quantity": 60}
    assert (body["severity"], body["message"], body["source"]) == (500, "An order", "plant")
    assert body["ts"] == "2026-11-22T09:01:52.950Z"


async def test_a_gap_is_told_with_tags_and_reason(world: World) -> None:
    (message,) = await world.write(batch(gaps=[gap()]), tag(1, "Zone2"))
    assert (message.topic, message.retain) == (f"{ROOT}/_gap", False)
    body = json.loads(message.payload)
    assert body["tags"] == ["Machines/Line1/Components/Tempering/Process/Zone2"]
    assert body["reason"] == "the server's queue was too short"


async def test_values_events_and_gaps_keep_the_order_of_the_journal(world: World) -> None:
    data = batch(column([1.0, 2.0], [1, 1], position=[10, 30]), events=[event(20)], gaps=[gap(40)])
    got = await world.write(data, tag(1))
    assert [message.topic.rsplit("/", 1)[1] for message in got] == ["Tag1", "BulkOrderEventType", "Tag1", "_gap"]


async def test_liveness_is_retained_and_the_will_says_offline(world: World) -> None:
    await world.sink.open(catalogue(tag(1)))
    (online,) = world.broker.messages
    assert (online.topic, online.qos, online.retain) == (STATUS, 1, True)
    assert json.loads(online.payload)["online"] is True
    will = world.broker.connects[0].will
    assert will is not None
    assert (will.topic, will.payload, will.qos, will.retain) == (STATUS, b'{"online":false}', 1, True)
    await world.sink.close()
    await world.broker.until(lambda: "DISCONNECT" in world.broker.log)
    offline = world.broker.messages[-1]
    assert (offline.topic, offline.payload, offline.retain) == (STATUS, b'{"online":false}', True)


async def test_browse_names_that_mqtt_does_not_take_are_cleaned(world: World) -> None:
    odd = tag(1, "A/B+C#D\0E\x07", station="S/1")
    (message,) = await world.write(batch(column([1.0], [1])), odd)
    assert message.topic == f"{ROOT}/Line1/S_1/Process/A_B_C_D_E_"


async def test_a_tag_without_names_is_rejected_and_the_rest_goes_through(world: World) -> None:
    nameless = tag(2, path=("Somewhere",))
    both = batch(column([1.0, 2.0], [1, 2], position=[5, 6]))
    with pytest.raises(Rejected, match="no template") as caught:
        await world.write(both, tag(1), nameless)
    assert caught.value.positions == (6,)
    assert len(await world.write(batch(column([1.0], [1])))) == 1


async def test_what_the_broker_refuses_is_rejected_by_position(world: World) -> None:
    world.broker.manners.puback = lambda message: 0x87 if message.topic.endswith("Tag2") else 0
    data = batch(column([1.0, 2.0, 3.0], [1, 2, 2], position=[5, 6, 7]), events=[event(8)])
    with pytest.raises(Rejected, match="refused by the broker: Not authorized") as caught:
        await world.write(data, tag(1), tag(2))
    assert caught.value.positions == (6, 7)


async def test_a_lost_broker_is_told_and_the_batch_can_be_sent_again(world: World) -> None:
    world.broker.manners.hangs_up = lambda message: message.topic.endswith("Tag2")
    data = batch(column([1.0, 2.0], [1, 2]))
    with pytest.raises(NotConnected):
        await world.write(data, tag(1), tag(2))
    world.broker.manners.hangs_up = lambda _: False
    await world.sink.open(catalogue(tag(1), tag(2)))
    assert len(await world.write(data)) == 2


async def test_a_write_before_open_is_not_connected() -> None:
    with pytest.raises(NotConnected):
        await Uns("uns", UnsSettings(), NAMING).write(batch())


async def test_closing_twice_or_unopened_is_fine(world: World) -> None:
    await world.sink.close()
    assert world.broker.connects == []
    await world.sink.open(catalogue())
    await world.sink.close()
    await world.sink.close()
    await world.broker.until(lambda: bool(world.broker.disconnects))
    assert len(world.broker.disconnects) == len(world.broker.connects) == 1


def test_templates_that_naming_cannot_fill_are_refused() -> None:
    with pytest.raises(NamingError, match=r"\{batch\}"):
        Uns("uns", UnsSettings(topic="{batch}/{tag}"), NAMING)
    with pytest.raises(NamingError, match=r"\{line\}"):
        Uns("uns", UnsSettings(root="{enterprise}/{line}"), NAMING)
