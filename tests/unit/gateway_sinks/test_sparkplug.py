"""The edge node lives and dies by the rules of Sparkplug 3.0, and a host that follows them has every value."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs
from support_broker import ScriptedBroker
from support_sinks import BAD, NAMING, NOW, UNCERTAIN, batch, catalogue, column, event, gap, tag
from support_sparkplug import Host

from gateway.contract import NotConnected, Rejected
from gateway.naming import NamingError
from gateway.sinks.broker import BrokerSettings
from gateway.sinks.sparkplug import Sparkplug, SparkplugSettings
from gateway.sinks.sparkplug_schema import Metric, Payload
from gateway.values import Batch, DataType, Tag

ZONE = "Line1.Tempering/Process/Tag1"
NCMD = "spBv1.0/choco/NCMD/conche"
REBIRTH = Payload(metrics=[Metric(name="Node Control/Rebirth", datatype=11, boolean_value=True)]).SerializeToString()


class World:
    """A sink, its broker, and a host."""

    def __init__(self, broker: ScriptedBroker, state: Path, **settings: Any) -> None:
        self.broker = broker
        self.host = Host()
        self.heard = 0
        link = BrokerSettings.model_validate({"port": broker.port, "timeout_s": 2, **settings})
        self.sink = Sparkplug("sparkplug", SparkplugSettings(broker=link), NAMING, state)

    async def open(self, *tags: Tag) -> Host:
        await self.sink.open(catalogue(*tags))
        return self.listen()

    async def write(self, *batches: Batch) -> Host:
        for data in batches:
            await self.sink.write(data)
        return self.listen()

    def listen(self) -> Host:
        for message in self.broker.messages[self.heard :]:
            self.host.hear(message.topic, message.payload)
        self.heard = len(self.broker.messages)
        return self.host


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with ScriptedBroker() as broker:
        world = World(broker, tmp_path / "sparkplug.json")
        yield world
        await world.sink.close()


def value(number: float, **more: Any) -> Batch:
    return batch(column([number], [1], **more))


async def test_births_come_in_order_after_the_subscriptions(world: World) -> None:
    host = await world.open(tag(1), tag(2, station="Mixing"), tag(3))
    assert world.broker.log[:-1] == [
        "CONNECT",
        "SUBSCRIBE spBv1.0/choco/NCMD/conche",
        "SUBSCRIBE spBv1.0/choco/DCMD/conche/+",
        "PUBLISH spBv1.0/choco/NBIRTH/conche",
        "PUBLISH spBv1.0/choco/DBIRTH/conche/Line1.Mixing",
        "PUBLISH spBv1.0/choco/DBIRTH/conche/Line1.Tempering",
    ]
    assert [qos for _, qos in world.broker.subscriptions] == [1, 1]
    assert host.devices == ["Line1.Mixing", "Line1.Tempering"]
    assert sorted(known.name for known in host.metrics.values()) == ["Process/Tag1", "Process/Tag2", "Process/Tag3"]
    assert host.find(ZONE).value is None
    assert host.find(ZONE).quality == 500


async def test_everything_but_the_will_travels_with_qos_0_and_nothing_is_retained(world: World) -> None:
    await world.open(tag(1))
    await world.write(value(1.0))
    sparkplug = [message for message in world.broker.messages if message.topic.startswith("spBv1.0")]
    assert {(message.qos, message.retain) for message in sparkplug} == {(0, False)}
    will = world.broker.connects[0].will
    assert will is not None
    assert (will.topic, will.qos, will.retain) == ("spBv1.0/choco/NDEATH/conche", 1, False)
    world.host.hear(will.topic, will.payload)
    assert not world.host.alive


async def test_a_write_is_confirmed_by_a_fence_behind_the_data(world: World) -> None:
    await world.open(tag(1))
    await world.write(value(1.0))
    assert world.broker.topics()[-2:] == ["spBv1.0/choco/DDATA/conche/Line1.Tempering", "conche/fence"]
    world.broker.manners.silent = True
    with pytest.raises(NotConnected, match="confirmed nothing"):
        await world.sink.write(value(2.0))


async def test_values_of_all_devices_arrive_by_alias_in_order(world: World) -> None:
    await world.open(tag(1), tag(2, station="Mixing"), tag(3, data_type=DataType.INT16))
    host = await world.write(
        batch(
            column([1.0, 2.0, 3.0, 4.0], [1, 2, 1, 2], time=[NOW, NOW, NOW + 10**6, NOW + 10**6]),
            column([-7], [3], dtype="int16"),
        )
    )
    assert host.history == {
        ZONE: [1.0, 3.0],
        "Line1.Mixing/Process/Tag2": [2.0, 4.0],
        "Line1.Tempering/Process/Tag3": [-7],
    }


@pytest.mark.parametrize(
    ("data_type", "dtype", "value", "datatype", "seen"),
    [
        (DataType.BOOLEAN, "bool", True, 11, True),
        (DataType.BYTE, "uint8", 200, 5, 200),
        (DataType.INT32, "int32", -5, 3, -5),
        (DataType.INT64, "int64", -(2**62), 4, -(2**62)),
        (DataType.UINT64, "uint64", 2**64 - 1, 8, 2**64 - 1),
        (DataType.FLOAT, "float32", 0.5, 9, 0.5),
        (DataType.DATETIME, "int64", NOW, 13, NOW // 10**6),
        (DataType.STRING, object, "dark", 12, "dark"),
        (DataType.GUID, object, "72962b91-fa75-4ae6-8d28-b404dc7daf63", 15, "72962b91-fa75-4ae6-8d28-b404dc7daf63"),
        (DataType.BYTESTRING, object, b"\x00", 17, b"\x00"),
        (DataType.EXTENSIONOBJECT, object, {"a": 1}, 12, '{"a":1}'),
    ],
)
async def test_every_type_arrives_and_is_born_again_with_its_value(
    world: World, data_type: DataType, dtype: object, value: object, datatype: int, seen: object
) -> None:
    await world.open(tag(1, data_type=data_type))
    host = await world.write(batch(column([value], [1], dtype=dtype)))
    assert host.history[ZONE] == [seen]
    host = await world.open(tag(1, data_type=data_type))
    assert (host.find(ZONE).value, host.find(ZONE).datatype) == (seen, datatype)
    assert host.find(ZONE).quality == 192


async def test_quality_is_told_when_it_changes_and_only_then(world: World) -> None:
    await world.open(tag(1))
    host = await world.write(value(1.0))
    assert host.find(ZONE).quality == 192
    host = await world.write(value(2.0, status=BAD))
    assert (host.find(ZONE).value, host.find(ZONE).quality) == (None, 0)
    host = await world.write(value(3.0, status=UNCERTAIN))
    assert (host.find(ZONE).value, host.find(ZONE).quality) == (3.0, 500)
    host = await world.write(value(4.0))
    assert (host.find(ZONE).value, host.find(ZONE).quality) == (4.0, 192)
    await world.write(value(5.0))
    await world.write(value(6.0))
    sizes = [len(message.payload) for message in world.broker.messages if "DDATA" in message.topic]
    assert sizes[-1] == sizes[-2] < min(sizes[:-2])


async def test_a_value_that_turns_bad_and_good_within_a_batch_ends_good(world: World) -> None:
    await world.open(tag(1), tag(2))
    times = [NOW + i * 10**6 for i in range(4)]
    host = await world.write(batch(column([1.0, 2.0, 3.0, 9.0], [1, 1, 1, 2], status=[0, BAD, 0, 0], time=times)))
    assert host.history[ZONE] == [1.0, None, 3.0]
    assert host.find(ZONE).quality == 192


async def test_births_after_a_bad_value_tell_the_bad_quality(world: World) -> None:
    await world.open(tag(1))
    await world.write(value(2.0, status=BAD))
    host = await world.open(tag(1))
    assert (host.find(ZONE).value, host.find(ZONE).quality) == (None, 0)
    host = await world.write(value(4.0))
    assert host.find(ZONE).quality == 192


async def test_a_null_between_numbers_stays_in_its_place(world: World) -> None:
    await world.open(tag(1), tag(2))
    numbers = column([1.0, 5.0, 3.0], [1, 2, 1], position=[10, 11, 13], time=[NOW, NOW, NOW + 2 * 10**6])
    nulls = column([None], [1], dtype=object, position=[12], time=NOW + 10**6, status=BAD)
    host = await world.write(batch(numbers, nulls))
    assert host.history[ZONE] == [1.0, None, 3.0]
    assert host.find(ZONE).value == 3.0


async def test_values_that_came_out_of_order_of_time_are_sorted_in_their_message(world: World) -> None:
    await world.open(tag(1), tag(2))
    late_first = column([1.0, 2.0, 3.0], [1, 2, 1], time=[NOW + 5 * 10**6, NOW, NOW + 6 * 10**6])
    host = await world.write(batch(late_first))
    assert host.history == {ZONE: [1.0, 3.0], "Line1.Tempering/Process/Tag2": [2.0]}


async def test_a_clock_that_steps_back_does_not_bring_back_an_old_value(world: World) -> None:
    await world.open(tag(1))
    await world.sink.write(batch(column([1.0, 2.0], [1, 1], time=[NOW + 5 * 10**9, NOW])))
    values = [
        metric.double_value
        for message in world.broker.messages
        if "DDATA" in message.topic
        for metric in Payload.FromString(message.payload).metrics
    ]
    assert values == [1.0, 2.0]


async def test_the_sequence_runs_to_255_and_starts_again_at_0(world: World) -> None:
    await world.open(tag(1))
    host = await world.write(*(value(float(i), time=NOW + i * 10**6) for i in range(600)))
    assert host.history[ZONE] == [float(i) for i in range(600)]


async def test_a_rebirth_command_brings_all_births_with_the_same_death_number(world: World) -> None:
    await world.open(tag(1))
    host = await world.write(value(7.0))
    number = host.bd_seq
    world.broker.send(NCMD, REBIRTH)
    world.broker.send(NCMD, REBIRTH)
    await world.broker.until(lambda: world.broker.topics().count("conche/fence") >= 3)
    host = world.listen()
    assert (host.births, host.bd_seq, host.find(ZONE).value) == (2, number, 7.0)
    assert len(world.broker.connects) == 1


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        (NCMD, b"\xff\xff\xff"),
        (NCMD, b""),
        (NCMD, Payload(metrics=[Metric(name="Node Control/Rebirth", boolean_value=False)]).SerializeToString()),
        (NCMD, Payload(metrics=[Metric(name="Node Control/Reboot", boolean_value=True)]).SerializeToString()),
        (
            "spBv1.0/choco/DCMD/conche/Line1.Tempering",
            Payload(metrics=[Metric(alias=16385, double_value=1)]).SerializeToString(),
        ),
        ("spBv1.0/choco/DCMD/conche/Line1.Tempering", REBIRTH),
    ],
    ids=["garbage", "empty", "no", "unknown", "write", "wrong topic"],
)
async def test_other_commands_change_nothing(world: World, topic: str, body: bytes) -> None:
    await world.open(tag(1))
    with capture_logs() as logs:
        world.broker.send(topic, body)
        host = await world.write(value(1.0))
    assert host.births == 1
    assert bool(logs) == bool(body)
    assert all("ignored" in entry["event"] for entry in logs)


async def test_the_death_number_rises_with_every_connect_and_outlives_the_process(world: World, tmp_path: Path) -> None:
    numbers = [(await world.open(tag(1))).bd_seq for _ in range(3)]
    await world.sink.close()
    again = World(world.broker, tmp_path / "sparkplug.json")
    again.heard = len(world.broker.messages)
    numbers.append((await again.open(tag(1))).bd_seq)
    assert numbers == [0, 1, 2, 3]
    await again.sink.close()


@pytest.mark.parametrize(("stored", "number"), [(b'{"bdSeq":255}', 0), (b"{", 0), (b'{"bdSeq":"x"}', 0), (b"7", 0)])
async def test_the_death_number_rolls_over_and_survives_a_damaged_file(
    world: World, tmp_path: Path, stored: bytes, number: int
) -> None:
    (tmp_path / "sparkplug.json").write_bytes(stored)
    assert (await world.open(tag(1))).bd_seq == number
    assert json.loads((tmp_path / "sparkplug.json").read_bytes()) == {"bdSeq": number}


async def test_the_death_number_is_on_disk_before_the_connect(world: World, tmp_path: Path) -> None:
    world.broker.manners.connack = 0x88
    with pytest.raises(NotConnected):
        await world.open(tag(1))
    assert json.loads((tmp_path / "sparkplug.json").read_bytes()) == {"bdSeq": 0}


async def test_a_place_that_cannot_keep_the_death_number_is_named(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    sink = World(world.broker, tmp_path / "file" / "sparkplug.json").sink
    with pytest.raises(NotConnected, match="make it writable"):
        await sink.open(catalogue(tag(1)))
    assert world.broker.connects == []


@pytest.mark.parametrize(
    ("protocol", "last"), [("3.1.1", ["PUBLISH spBv1.0/choco/NDEATH/conche", "DISCONNECT"]), (5, ["DISCONNECT"])]
)
async def test_a_clean_stop_is_a_death(tmp_path: Path, protocol: object, last: list[str]) -> None:
    async with ScriptedBroker() as broker:
        world = World(broker, tmp_path / "s.json", protocol=protocol)
        await world.open(tag(1))
        await world.sink.close()
        await broker.until(lambda: bool(broker.disconnects))
        assert broker.log[-len(last) :] == last
        assert broker.disconnects == [4 if protocol == 5 else 0]
        assert world.listen().deaths == (0 if protocol == 5 else 1)


async def test_a_changed_catalogue_is_born_before_its_data(world: World) -> None:
    tags = catalogue(tag(1))
    await world.sink.open(tags)
    await world.write(value(1.0))
    tags.apply(tags.plan("plant", [replace(tag(1), unit="K"), tag(0, "New")], 1))
    host = await world.write(batch(column([1.5, 2.5], [1, 2])))
    assert host.births == 2
    assert host.find(ZONE).properties["engUnit"] == "K"
    assert host.history["Line1.Tempering/Process/New"] == [2.5]


async def test_late_values_are_marked_and_change_no_current_value(world: World) -> None:
    await world.open(tag(1, since=NOW - 50))
    await world.write(value(9.0))
    late = batch(column([1.0, 2.0], [1, 1], time=[NOW - 100, NOW - 10]), historical=True)
    host = await world.write(late)
    assert host.late == {ZONE: [2.0]}
    assert host.find(ZONE).value == 9.0
    assert (await world.open(tag(1, since=NOW - 50))).find(ZONE).value == 9.0


async def test_late_values_of_a_tag_that_is_gone_are_announced_first(world: World) -> None:
    await world.sink.open(catalogue(tag(1), former=[tag(2)]))
    host = await world.write(batch(column([1.0], [2]), historical=True))
    assert host.births == 2
    assert host.late == {"Line1.Tempering/Process/Tag2": [1.0]}


async def test_an_array_gives_its_metric_another_type_by_a_rebirth(world: World) -> None:
    await world.open(tag(1), tag(2))
    host = await world.write(batch(column([[1.0, 2.0]], [1], dtype=object), column([5.0], [2])))
    assert (host.births, host.find(ZONE).datatype) == (2, 31)
    assert host.history[ZONE] == [np.array([1.0, 2.0]).tobytes()]
    host = await world.write(batch(column([[3.0]], [1], dtype=object)))
    assert host.births == 2


async def test_a_tag_that_keeps_changing_its_type_becomes_text(world: World) -> None:
    await world.open(tag(1, data_type=DataType.VARIANT))
    host = await world.write(value(1.5), batch(column([7], [1], dtype="int32")), value(2.5), value(float("nan")))
    assert host.births == 3
    assert host.history[ZONE] == [1.5, "7", "2.5", "null"]
    assert (await world.open(tag(1, data_type=DataType.VARIANT))).find(ZONE).datatype == 12


async def test_events_and_gaps_are_metrics_of_the_node(world: World) -> None:
    await world.open(tag(1))
    host = await world.write(batch(events=[event(Customer="Hofer")], gaps=[gap()]))
    (told,) = host.node_metrics["Event"]
    assert json.loads(told.string_value)["fields"] == {"Customer": "Hofer"}
    assert told.timestamp == NOW // 10**6
    (missing,) = host.node_metrics["Gap"]
    assert json.loads(missing.string_value)["tags"] == ["Machines/Line1/Components/Tempering/Process/Tag1"]


async def test_very_many_values_are_cut_into_messages(world: World) -> None:
    tags = [tag(i) for i in range(1, 9001)]
    await world.open(*tags)
    host = await world.write(batch(column(np.arange(9000.0), range(1, 9001))))
    assert host.data_messages == 3
    assert sum(map(len, host.history.values())) == 9000


async def test_values_without_regular_time_or_alias_arrive_too(world: World) -> None:
    await world.open(tag(1), tag(3_000_000, "Far"))
    host = await world.write(batch(column([1.0, 2.0, 3.0], [1, 3_000_000, 1], time=[-5, NOW, NOW])))
    assert host.history == {ZONE: [1.0, 3.0], "Line1.Tempering/Process/Far": [2.0]}


async def test_a_message_that_the_broker_cannot_take_is_rejected_and_leaves_no_hole(world: World) -> None:
    world.broker.manners.properties = b"\x27\x00\x00\x07\xd0"  # Maximum Packet Size 2000
    await world.open(tag(1, data_type=DataType.STRING, station="Mixing"), tag(2), tag(3, station="Mixing"))
    text, number = column(["x" * 2000], [1], dtype=object, position=[5]), column([1.0], [2], position=[6])
    with pytest.raises(Rejected, match="more bytes than the broker takes") as caught:
        await world.sink.write(batch(text, number))
    assert caught.value.positions == (5,)
    host = await world.write(batch(number))
    assert host.history["Line1.Tempering/Process/Tag2"][-1] == 1.0


async def test_births_that_the_broker_cannot_take_are_told(world: World) -> None:
    world.broker.manners.properties = b"\x27\x00\x00\x07\xd0"
    with pytest.raises(NotConnected, match=r"DBIRTH/conche/Line1\.Tempering: .*raise the broker's limit"):
        await world.open(*[tag(i) for i in range(1, 100)])


async def test_a_broker_lost_in_the_middle_gets_births_and_the_batch_again(world: World) -> None:
    await world.open(tag(1), tag(2, station="Mixing"))
    world.broker.manners.hangs_up = lambda message: message.topic.endswith("DDATA/conche/Line1.Tempering")
    data = batch(column([1.0, 2.0], [1, 2]))
    with pytest.raises(NotConnected):
        await world.sink.write(data)
    world.broker.manners.hangs_up = lambda _: False
    with pytest.raises(NotConnected):
        await world.sink.write(data)
    host = await world.open(tag(1), tag(2, station="Mixing"))
    assert host.bd_seq == 1
    host = await world.write(data)
    assert host.history[ZONE] == [1.0]
    assert host.history["Line1.Mixing/Process/Tag2"][-1] == 2.0


async def test_a_cancelled_write_leaves_no_hole_in_the_sequence(world: World) -> None:
    await world.open(tag(1))
    world.broker.manners.silent = True
    writing = asyncio.create_task(world.sink.write(value(1.0)))
    await world.broker.until(lambda: any("DDATA" in topic for topic in world.broker.topics()))
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    world.broker.manners.silent = False
    with pytest.raises(NotConnected):
        await world.sink.write(value(1.0))
    await world.open(tag(1))
    assert (await world.write(value(2.0))).history[ZONE][-1] == 2.0


async def test_a_rebirth_asked_for_during_a_lost_connection_is_no_error(world: World) -> None:
    await world.open(tag(1))
    world.sink._receive(NCMD, REBIRTH)
    world.broker.drop()
    assert world.sink._rebirth is not None
    await asyncio.wait_for(world.sink._rebirth, 5)


async def test_ids_that_mqtt_does_not_take_are_cleaned(world: World) -> None:
    host = await world.open(tag(1, "A/B", station="S/+1"))
    assert host.devices == ["Line1.S__1"]
    assert host.metrics[16385].name == "Process/A/B"


async def test_two_tags_with_one_metric_name_are_not_mixed_up(world: World) -> None:
    await world.open(tag(1, "Same"), tag(2, "Same", source="other"))
    with pytest.raises(Rejected, match=r"'Line1\.Tempering: Process/Same' already belongs"):
        await world.sink.write(batch(column([1.0], [2])))


async def test_a_write_before_open_is_not_connected(world: World) -> None:
    with pytest.raises(NotConnected):
        await world.sink.write(value(1.0))


def test_group_and_node_are_formed_from_constants_only(tmp_path: Path) -> None:
    with pytest.raises(NamingError, match=r"\{line\}"):
        Sparkplug("s", SparkplugSettings(node="{line}"), NAMING, tmp_path / "s.json")
