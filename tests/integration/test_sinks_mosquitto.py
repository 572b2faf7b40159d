"""The MQTT sinks with a real Mosquitto, MQTT 5 and 3.1.1, read by an independent client."""

from __future__ import annotations

import asyncio
import json
import queue
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
import pytest
from support_peers import Server, binary, mosquitto
from support_sinks import BAD, NAMING, NOW, batch, catalogue, column, event, gap, tag
from support_sparkplug import Host

from gateway.contract import NotConnected, Rejected
from gateway.sinks.broker import BrokerSettings
from gateway.sinks.sparkplug import Sparkplug, SparkplugSettings
from gateway.sinks.sparkplug_schema import Metric, Payload
from gateway.sinks.uns import Uns, UnsSettings
from gateway.values import DataType

PROTOCOLS = [5, "3.1.1"]
PROCESS = "choco/berlin/production/Line1/Tempering/Process"


class Reader:
    """Another MQTT client: everything that the broker hands on."""

    def __init__(self, port: int, topic: str = "#") -> None:
        self.messages: list[paho.MQTTMessage] = []
        ready: queue.Queue[None] = queue.Queue()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, "reader")
        self.client.on_message = lambda _c, _d, message: self.messages.append(message)
        self.client.on_subscribe = lambda *_: ready.put(None)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.client.subscribe(topic, 1)
        ready.get(timeout=10)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    async def until(self, condition: Callable[[list[paho.MQTTMessage]], bool]) -> list[paho.MQTTMessage]:
        async with asyncio.timeout(10):
            while not condition(self.messages):
                await asyncio.sleep(0.02)
        return self.messages


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[tuple[Server, int]]:
    with mosquitto(tmp_path) as running:
        yield running


@pytest.fixture
def reader(broker: tuple[Server, int]) -> Iterator[Reader]:
    reading = Reader(broker[1])
    yield reading
    reading.close()


def settings(port: int, protocol: object = "auto", **more: Any) -> BrokerSettings:
    return BrokerSettings.model_validate({"port": port, "protocol": protocol, "timeout_s": 5, **more})


@pytest.fixture(params=PROTOCOLS)
async def uns(broker: tuple[Server, int], request: pytest.FixtureRequest) -> AsyncIterator[Uns]:
    sink = Uns("uns", UnsSettings(broker=settings(broker[1], request.param)), NAMING)
    yield sink
    await sink.close()


@pytest.fixture(params=PROTOCOLS)
async def sparkplug(
    broker: tuple[Server, int], request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[Sparkplug]:
    link = settings(broker[1], request.param)
    sink = Sparkplug("sparkplug", SparkplugSettings(broker=link), NAMING, tmp_path / "sparkplug.json")
    yield sink
    await sink.close()


async def test_every_value_of_a_counter_reaches_a_subscriber_and_the_last_is_retained(
    uns: Uns, reader: Reader, broker: tuple[Server, int]
) -> None:
    await uns.open(catalogue(tag(1, data_type=DataType.UINT64), tag(2, unit="°C")))
    times = NOW + np.arange(1000) * 1000
    await uns.write(batch(column(np.arange(1000), [1] * 1000, dtype="u8", time=times), column([28.4], [2])))
    messages = await reader.until(lambda found: len(found) >= 1002)
    counted = [json.loads(m.payload)["value"] for m in messages if m.topic == f"{PROCESS}/Tag1"]
    assert counted == list(range(1000))
    late = Reader(broker[1], f"{PROCESS}/#")
    retained = {m.topic: json.loads(m.payload)["value"] for m in await late.until(lambda found: len(found) >= 2)}
    assert retained == {f"{PROCESS}/Tag1": 999, f"{PROCESS}/Tag2": 28.4}
    assert all(m.retain for m in late.messages)
    late.close()


async def test_a_gateway_that_vanishes_is_shown_offline(uns: Uns, reader: Reader) -> None:
    await uns.open(catalogue(tag(1)))
    uns._connection.drop()
    messages = await reader.until(lambda found: len(found) >= 2)
    status = [json.loads(m.payload)["online"] for m in messages if "/_status/" in m.topic]
    assert status == [True, False]


async def test_a_broker_that_is_killed_and_comes_back_gets_the_batch_again(
    uns: Uns, broker: tuple[Server, int], tmp_path: Path
) -> None:
    await uns.open(catalogue(tag(1)))
    broker[0].stop(signal.SIGKILL)
    data = batch(column([1.0], [1]))
    with pytest.raises(NotConnected):
        await uns.write(data)
    with pytest.raises(NotConnected, match="nothing listens there"):
        await uns.open(catalogue(tag(1)))
    broker[0].start()
    again = Reader(broker[1])
    await uns.open(catalogue(tag(1)))
    await uns.write(data)
    await again.until(lambda found: any(m.topic.endswith("/Tag1") for m in found))
    again.close()


def host(messages: list[paho.MQTTMessage]) -> Host:
    listening = Host()
    for message in messages:
        listening.hear(message.topic, message.payload)
    return listening


async def test_a_sparkplug_host_has_births_data_events_and_the_death(sparkplug: Sparkplug, reader: Reader) -> None:
    tags = [tag(i, station=f"Station{i % 7}") for i in range(1, 1001)]
    await sparkplug.open(catalogue(*tags))
    for step in range(300):
        ids = range(1, 1001) if step == 0 else [step % 1000 + 1]
        values = np.full(len(ids), float(step))
        await sparkplug.write(batch(column(values, ids, time=NOW + step * 10**6, status=BAD if step == 299 else 0)))
    await sparkplug.write(batch(events=[event()], gaps=[gap()]))
    await sparkplug.close()
    messages = await reader.until(lambda found: any("NDEATH" in m.topic for m in found))
    seen = host(messages)
    assert (seen.births, seen.deaths, len(seen.devices)) == (1, 1, 7)
    assert sum(map(len, seen.history.values())) == 1000 + 299
    assert [len(seen.node_metrics[name]) for name in ("Event", "Gap")] == [1, 1]
    assert seen.find("Line1.Station6/Process/Tag300").quality == 0


async def test_a_sparkplug_host_can_ask_for_a_rebirth(sparkplug: Sparkplug, reader: Reader) -> None:
    await sparkplug.open(catalogue(tag(1)))
    await sparkplug.write(batch(column([7.0], [1])))
    command = Payload(metrics=[Metric(name="Node Control/Rebirth", datatype=11, boolean_value=True)])
    reader.client.publish("spBv1.0/choco/NCMD/conche", command.SerializeToString(), qos=0)
    messages = await reader.until(lambda found: sum("DBIRTH" in m.topic for m in found) >= 2)
    seen = host([m for m in messages if "NCMD" not in m.topic])
    assert (seen.births, seen.find("Line1.Tempering/Process/Tag1").value) == (2, 7.0)


async def test_the_will_tells_the_death_that_the_birth_announced(sparkplug: Sparkplug, reader: Reader) -> None:
    for _ in range(3):
        await sparkplug.open(catalogue(tag(1)))
        sparkplug._connection.drop()
    messages = await reader.until(lambda found: sum("NDEATH" in m.topic for m in found) >= 3)
    assert host(messages).deaths == 3


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_wrong_password_is_told(tmp_path: Path, protocol: object) -> None:
    users = tmp_path / "users"
    subprocess.run([binary("mosquitto_passwd"), "-b", "-c", str(users), "gate", "right"], check=True)
    users.chmod(0o644)
    with mosquitto(tmp_path, "allow_anonymous false", f"password_file {users}") as (_, port):
        wrong = UnsSettings(broker=settings(port, protocol, user="gate", password="wrong"))
        with pytest.raises(NotConnected, match=r"broker\.password"):
            await Uns("uns", wrong, NAMING).open(catalogue())
        right = UnsSettings(broker=settings(port, protocol, user="gate", password="right"))
        sink = Uns("uns", right, NAMING)
        await sink.open(catalogue())
        await sink.close()


async def test_what_the_access_list_forbids_is_rejected_by_position(tmp_path: Path) -> None:
    rights = tmp_path / "acl"
    rights.write_text(f"topic write choco/berlin/production/_status/#\ntopic write {PROCESS}/Tag1\n")
    rights.chmod(0o644)
    with mosquitto(tmp_path, f"acl_file {rights}") as (_, port):
        sink = Uns("uns", UnsSettings(broker=settings(port, 5)), NAMING)
        await sink.open(catalogue(tag(1), tag(2)))
        with pytest.raises(Rejected, match="Not authorized") as caught:
            await sink.write(batch(column([1.0, 2.0], [1, 2], position=[5, 6])))
        assert caught.value.positions == (6,)
        await sink.close()
