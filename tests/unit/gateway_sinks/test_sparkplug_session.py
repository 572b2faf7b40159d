"""The edge node lives and dies by the rules of Sparkplug 3.0: births, deaths, rebirths, and brokers that are lost."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from support_broker import ScriptedBroker
from support_edge_node import NCMD, REBIRTH, ZONE, World, value
from support_sinks import NAMING, batch, catalogue, column, tag

from gateway.contract import NotConnected, Rejected
from gateway.naming import NamingError
from gateway.sinks.sparkplug import Sparkplug, SparkplugSettings
from gateway.sinks.sparkplug_schema import Metric, Payload
from gateway.values import DataType


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


async def test_a_message_that_the_broker_cannot_take_is_rejected_and_leaves_no_hole(world: World) -> None:
    world.broker.manners.properties = b"\x27\x00\x00\x07\xd0"  # Maximum Packet Size 2000
    await world.open(tag(1, data_type=DataType.STRING, station="Mixing"), tag(2), tag(3, station="Mixing"))
    text, number = column(["x" * 2000], [1], dtype=object, position=[5]), column([1.0], [2], position=[6])
    with pytest.raises(Rejected, match="more bytes than the broker takes") as caught:
        await world.sink.write(batch(text, number))
    assert caught.value.positions == (5,)
    host = await world.write(batch(number))
    assert host.history["Line1.Tempering/Process/Tag2"][-1] == 1.0


async def test_a_value_that_the_broker_cannot_take_leaves_those_of_its_device_alone(world: World) -> None:
    world.broker.manners.properties = b"\x27\x00\x00\x07\xd0"
    await world.open(tag(1, data_type=DataType.STRING), tag(2))
    texts = column(["x" * 700, "y" * 2000, "z" * 700], [1, 1, 1], dtype=object, position=[3, 5, 7])
    with pytest.raises(Rejected) as caught:
        await world.sink.write(batch(texts, column([1.0, 2.0], [2, 2], position=[4, 6])))
    assert caught.value.positions == (5,)
    history = world.listen().history
    assert [len(str(text)) for text in history["Line1.Tempering/Process/Tag1"]] == [700, 700]
    assert history["Line1.Tempering/Process/Tag2"] == [1.0, 2.0]


async def test_births_that_the_broker_cannot_take_are_told(world: World) -> None:
    world.broker.manners.properties = b"\x27\x00\x00\x07\xd0"
    with pytest.raises(NotConnected, match=r"DBIRTH/conche/Line1\.Tempering: .*raise the broker's limit"):
        await world.open(*[tag(i) for i in range(1, 100)])


async def test_a_broker_lost_in_the_middle_gets_births_and_the_batch_again(world: World) -> None:
    await world.open(tag(1), tag(2, station="Mixing"))
    world.broker.manners.hangs_up = lambda message: message.topic.endswith("DDATA/conche/Line1.Mixing")
    data = batch(column([1.0, 2.0], [1, 2]))
    with pytest.raises(NotConnected):
        await world.sink.write(data)
    world.broker.manners.hangs_up = lambda _: False
    with pytest.raises(NotConnected):
        await world.sink.write(data)
    host = await world.open(tag(1), tag(2, station="Mixing"))
    assert host.bd_seq == 1
    host = await world.write(data)
    assert host.history[ZONE][-1] == 1.0
    assert host.history["Line1.Mixing/Process/Tag2"] == [2.0]


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


async def test_a_write_before_open_is_not_connected(world: World) -> None:
    with pytest.raises(NotConnected):
        await world.sink.write(value(1.0))


def test_group_and_node_are_formed_from_constants_only(tmp_path: Path) -> None:
    with pytest.raises(NamingError, match=r"\{line\}"):
        Sparkplug("s", SparkplugSettings(node="{line}"), NAMING, tmp_path / "s.json")
