"""The demo's own broker is enough: MQTT 3.1.1 only, and everything arrives at another client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import paho.mqtt.client as paho
import pytest
from amqtt.broker import Broker
from support_sinks import NAMING, NOW, batch, catalogue, column, tag
from support_sparkplug import Host

from gateway.sinks.broker import BrokerSettings
from gateway.sinks.sparkplug import Sparkplug, SparkplugSettings
from gateway.sinks.uns import Uns, UnsSettings


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """An amqtt broker, as the demo runs it."""
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": "127.0.0.1:0"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    (server,) = broker._servers.values()
    yield server.instance.sockets[0].getsockname()[1]
    await broker.shutdown()


class Reader:
    """Another client, in Paho's own thread."""

    def __init__(self, port: int) -> None:
        self.messages: list[paho.MQTTMessage] = []
        self.subscribed = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, "reader")
        self.client.on_message = lambda _c, _d, message: self.messages.append(message)
        self.client.on_subscribe = lambda *_: loop.call_soon_threadsafe(self.subscribed.set)
        self.client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self.client.connect_async("127.0.0.1", port)
        self.client.loop_start()

    async def until(self, count: int) -> list[paho.MQTTMessage]:
        async with asyncio.timeout(10):
            while len(self.messages) < count:
                await asyncio.sleep(0.02)
        return self.messages


@pytest.fixture
async def reader(port: int) -> AsyncIterator[Reader]:
    reading = Reader(port)
    await asyncio.wait_for(reading.subscribed.wait(), 10)
    yield reading
    reading.client.disconnect()
    await asyncio.to_thread(reading.client.loop_stop)


async def test_the_unified_namespace_arrives(port: int, reader: Reader) -> None:
    sink = Uns("uns", UnsSettings(broker=BrokerSettings(port=port)), NAMING)
    await sink.open(catalogue(tag(1)))
    await sink.write(batch(column(np.arange(150.0), [1] * 150)))
    messages = await reader.until(151)
    assert [json.loads(m.payload)["value"] for m in messages if m.topic.endswith("Tag1")] == list(range(150))
    await sink.close()
    last = (await reader.until(152))[-1]
    assert json.loads(last.payload) == {"online": False}


async def test_sparkplug_arrives(port: int, reader: Reader, tmp_path: Path) -> None:
    link = BrokerSettings(port=port, protocol="3.1.1")
    sink = Sparkplug("sparkplug", SparkplugSettings(broker=link), NAMING, tmp_path / "sparkplug.json")
    await sink.open(catalogue(tag(1), tag(2, station="Mixing")))
    for step in range(20):
        await sink.write(batch(column([float(step), -1.0], [1, 2], time=NOW + step * 10**6)))
    await sink.close()
    host = Host()
    for message in await reader.until(1 + 3 + 2 * 20 + 20 + 1):
        host.hear(message.topic, message.payload)
    assert host.history["Line1.Tempering/Process/Tag1"] == [float(step) for step in range(20)]
    assert host.deaths == 1
