"""Two gateways on one broker and one database, set up as docs/scaling.md says: neither disturbs the other."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import paho.mqtt.client as paho
from support_house import influxql, publish
from support_opcua import Hall, Plant, free_port
from support_peers import influxd, mosquitto
from support_sparkplug import Host

from gateway.gateway import Gateway
from gateway.settings import parse
from gateway.sinks.sparkplug_schema import Payload
from gateway.status import Link

TURNS = 50


@dataclass
class House:
    """A server and the gateway that reads it."""

    name: str
    hall: Hall
    gateway: Gateway
    stack: AsyncExitStack

    async def write(self, first: int) -> None:
        for number in range(first, first + TURNS):
            await self.hall.write("Speed", float(number))
            await asyncio.sleep(0.002)

    def is_delivered(self) -> bool:
        sinks = self.gateway.status.sinks.values()
        return all(sink.connection.link is Link.CONNECTED and not sink.behind for sink in sinks)

    def values(self) -> int:
        return self.gateway.status.sources["plc"].values

    async def stop(self) -> None:
        await self.stack.aclose()


def settings(name: str, url: str, broker: int, database: str, state: Path) -> dict[str, Any]:
    """What two gateways share, and what each has of its own: name stands in every id."""
    return {
        "state": str(state / name),
        "sources": [
            {
                "name": "plc",
                "url": url,
                "security": {"policy": "None"},
                "include": ["Hall1/**"],
                "publishing_interval_ms": 20,
                "backfill": {"first_history_s": 0},
                "events": False,
            }
        ],
        "naming": {"constants": {"enterprise": "acme", "gateway": name}, "paths": ["{station}/{tag}"]},
        "sinks": [
            {
                "kind": "uns",
                "client_id": f"{name}-uns",
                "topic": "acme/{gateway}/{station}/{tag}",
                "root": "acme/{gateway}",
                "broker": {"port": broker},
            },
            {
                "kind": "sparkplug",
                "client_id": f"{name}-sparkplug",
                "node": "{gateway}",
                "device": "{station}",
                "metric": "{tag}",
                "broker": {"port": broker},
            },
            {
                "kind": "influx",
                "url": database,
                "version": 1,
                "database": "plant",
                "measurement": "process",
                "tags": ["gateway", "station", "tag"],
            },
        ],
        "page": {"enabled": False, "port": free_port()},
    }


async def begun(name: str, broker: int, database: str, state: Path) -> House:
    stack = AsyncExitStack()
    plant = await Plant(free_port()).build()
    hall = await plant.hall()
    await hall.add("Speed")
    await stack.enter_async_context(plant.server)
    gateway = Gateway(parse(settings(name, plant.url, broker, database, state)))
    stack.push_async_callback(gateway.stop)
    await gateway.start()
    return House(name, hall, gateway, stack)


@asynccontextmanager
async def houses(broker: int, database: str, state: Path) -> AsyncIterator[tuple[House, House]]:
    first, second = await begun("one", broker, database, state), await begun("two", broker, database, state)
    try:
        yield first, second
    finally:
        await first.stop()
        await second.stop()


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.02)


class Listener:
    """Everything that the broker hands on, in order; `with` returns when the subscription stands."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._port = port
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda _c, _d, message: self.heard.append((message.topic, message.payload))

    def __enter__(self) -> Self:
        subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        self._client.subscribe("#", 1)
        assert subscribed.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def last(self, topic: str) -> Any:
        """The last JSON message of a topic."""
        return next((json.loads(payload) for name, payload in reversed(self.heard) if name == topic), {})

    def host(self, node: str) -> Host:
        """What a Sparkplug host has of one edge node; it asserts the rules on the way."""
        one = Host("acme", node)
        for topic, payload in self.heard.copy():
            levels = topic.split("/")
            if levels[0] == "spBv1.0" and levels[3:4] == [node] and not levels[2].endswith("CMD"):
                one.hear(topic, payload)
        return one


async def test_two_gateways_share_a_broker_and_a_database_and_do_not_disturb_each_other(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as (_, broker), influxd(tmp_path) as (_, database):
        influxql(database, "CREATE DATABASE plant")
        with Listener(broker) as listener:
            async with houses(broker, database, tmp_path) as (one, two):
                await until(lambda: one.values() and two.values())
                await asyncio.gather(one.write(1), two.write(1001))
                await until(lambda: one.values() == two.values() == TURNS + 1)
                await until(lambda: one.is_delivered() and two.is_delivered())
                await until(lambda: listener.last("acme/two/Hall1/Speed").get("value") == 1000.0 + TURNS)
                assert listener.last("acme/one/Hall1/Speed")["value"] == float(TURNS)
                assert [house.gateway.status.sinks[kind].connection.connects for house in (one, two)
                        for kind in ("uns", "sparkplug", "influx")] == [1] * 6  # fmt: skip
                await until(lambda: listener.host("two").data_messages)
                births = listener.host("one").births, listener.host("two").births

                rebirth = Payload()
                metric = rebirth.metrics.add()
                metric.name, metric.datatype, metric.boolean_value = "Node Control/Rebirth", 11, True
                publish(broker, "spBv1.0/acme/NCMD/one", rebirth.SerializeToString())
                await until(lambda: listener.host("one").births == births[0] + 1)
                await one.stop()
                await until(lambda: listener.last("acme/one/_status/one-uns") == {"online": False})
                await two.write(2001)
                await until(lambda: two.values() == 2 * TURNS + 1 and two.is_delivered())
                await until(lambda: listener.last("acme/two/Hall1/Speed").get("value") == 2000.0 + TURNS)
                assert listener.last("acme/two/_status/two-uns")["online"] is True
                left, stayed = listener.host("one"), listener.host("two")
                assert (left.alive, stayed.alive) == (False, True)
                assert (stayed.births, stayed.deaths) == (births[1], 0)
        stored = influxql(database, 'SELECT COUNT("value") FROM process GROUP BY gateway', "plant")
        counts = {series["tags"]["gateway"]: series["values"][0][1] for series in stored}
        assert counts == {"one": TURNS + 1, "two": 2 * TURNS + 1}
