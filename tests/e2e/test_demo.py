"""What a newcomer sees: `conche run` brings up broker, plant and gateway, keeps every value, and leaves nothing behind.

One demo serves all tests of this file in their order: the last ones kill the gateway and stop everything. The clients
are not the gateway's: asyncua's own client reads OPC UA, amqtt's client reads MQTT.
"""

from __future__ import annotations

import asyncio
import contextlib
import email
import json
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from amqtt.client import MQTTClient
from asyncua import Client, ua
from support_demo import Demo
from support_operator import LINE, call, hurried, operator

pytestmark = pytest.mark.xdist_group("demo")
STATIONS = ("Cleaning", "Roasting", "Grinding", "Mixing", "Conching", "Tempering", "Moulding")
PATIENCE_S = 60
UNS = "choco/berlin/production"
HEARTBEAT = f"{UNS}/Simulation/Simulation/Simulation/Heartbeat"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = Demo(tmp_path_factory.mktemp("demo"))
    try:
        running.start()
        yield running
    finally:
        running.end()


@contextlib.asynccontextmanager
async def subscribed(demo: Demo, topic: str) -> AsyncIterator[MQTTClient]:
    client = MQTTClient(config={"auto_reconnect": False})
    await client.connect(demo.mqtt_url)
    try:
        await client.subscribe([(topic, 1)])
        yield client
    finally:
        await client.disconnect()


async def messages(client: MQTTClient, quiet_s: float) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """What arrives until nothing came for `quiet_s`."""
    with contextlib.suppress(asyncio.TimeoutError):
        while (message := await client.deliver_message(quiet_s)) is not None:
            yield message.topic, json.loads(bytes(message.data))


async def retained(demo: Demo, topic: str) -> dict[str, dict[str, Any]]:
    """Every retained message below a topic: what a client sees that comes now."""
    async with subscribed(demo, topic) as client:
        return {topic: message async for topic, message in messages(client, quiet_s=1)}


async def eventually(what: Callable[[], Awaitable[Any]], patience_s: float = PATIENCE_S) -> Any:
    """Wait until `what()` is true and return it."""
    deadline = time.monotonic() + patience_s
    while not (found := await what()):
        assert time.monotonic() < deadline, f"waited {patience_s} s in vain"
        await asyncio.sleep(0.1)
    return found


def test_the_demo_is_healthy_and_says_where_everything_is(demo: Demo) -> None:
    assert demo.health()["status"] == "ok"
    for place in (demo.opcua_url, str(demo.mqtt_port), demo.page_url, "operator.password", "outbox"):
        assert place in demo.output()


def same(sent: dict[str, Any], read: ua.DataValue) -> bool:
    """Whether a message carries what the server reads: value, status and source time."""
    value = read.Value.Value if read.Value else None
    if isinstance(value, float):
        equal = sent["value"] is not None and math.isclose(sent["value"], value, rel_tol=1e-12)
    elif isinstance(value, datetime):
        equal = True  # its own test: the plant's clock stands while the plant is paused
    else:
        equal = sent["value"] == value
    time_equal = abs(datetime.fromisoformat(sent["ts"]).timestamp() - read.SourceTimestamp.timestamp()) < 1e-3
    return equal and sent["status"] == read.StatusCode.value and time_equal


async def tags_below(client: Client) -> dict[str, ua.DataValue]:
    """All variables of the stations, read anew, by the last three parts of their MQTT topic."""
    index = await client.get_namespace_index(LINE)
    found: dict[str, ua.DataValue] = {}
    for station in STATIONS:
        base = client.get_node(ua.NodeId(f"Line1.{station}", index))
        for group in await base.get_children(refs=ua.ObjectIds.HierarchicalReferences):
            group_name = (await group.read_browse_name()).Name
            for variable in await group.get_variables():
                name = (await variable.read_browse_name()).Name
                found[f"{station}/{group_name}/{name}"] = await variable.read_data_value(raise_on_bad_status=False)
    return found


async def differences(demo: Demo, client: Client) -> dict[str, object]:
    """Tags whose retained message is not what the server reads now."""
    read = await tags_below(client)
    sent = await retained(demo, f"{UNS}/ChocolateLine1/#")
    assert len(read) > 80
    return {
        tag: (message, value)
        for tag, value in read.items()
        if not (message := sent.get(f"{UNS}/ChocolateLine1/{tag}")) or not same(message, value)
    }


async def test_mqtt_carries_what_opc_ua_reads(demo: Demo, tmp_path: Path) -> None:
    """With the plant paused nothing moves, so every retained message must soon equal what a client reads."""
    async with operator(demo, tmp_path) as client:
        await call(client, "Pause")
        try:
            deadline = time.monotonic() + PATIENCE_S
            while wrong := await differences(demo, client):
                assert time.monotonic() < deadline, wrong
        finally:
            await call(client, "Resume")


def mails(demo: Demo, about: str) -> dict[str, EmailMessage]:
    """The mails in the outbox whose subject says this, by file."""
    files = sorted((demo.state / "outbox").glob("*.eml"))
    read = {file.name: email.message_from_bytes(file.read_bytes(), policy=policy.default) for file in files}
    return {name: mail for name, mail in read.items() if about in mail["Subject"].lower()}


async def test_a_stock_that_falls_below_its_reorder_point_mails_the_supplier(demo: Demo, tmp_path: Path) -> None:
    before = mails(demo, "restock")

    async def newer() -> list[EmailMessage]:
        return [mail for name, mail in mails(demo, "restock").items() if name not in before]

    async with operator(demo, tmp_path) as client, hurried(client):
        mail, *_ = await eventually(newer, patience_s=180)
    assert "@" in mail["To"]
    assert "reorder point" in mail.get_body(("plain",)).get_content().lower()


async def test_a_bulk_order_mails_the_customer(demo: Demo) -> None:
    async def bulk() -> list[EmailMessage]:
        return [mail for name, mail in mails(demo, "order").items() if "bulk-order" in name]

    assert await eventually(bulk)


async def listen(client: MQTTClient, seen: set[int], until: Callable[[], bool]) -> None:
    """Note the numbers that come until something is so; give up in the end."""
    async with asyncio.timeout(PATIENCE_S):
        while not until():
            async for topic, message in messages(client, quiet_s=0.5):
                if topic == HEARTBEAT:  # amqtt's broker sends newcomers what others subscribed to
                    seen.add(message["value"])
                if until():
                    return


def missing(numbers: set[int]) -> set[int]:
    return set(range(min(numbers), max(numbers))) - numbers


async def test_a_killed_gateway_loses_no_value_of_a_counter(demo: Demo) -> None:
    """The plant counts every 100 ms; every number must reach an MQTT client that listens all the time."""
    seen: set[int] = set()
    async with subscribed(demo, HEARTBEAT) as client:
        await listen(client, seen, lambda: len(seen) > 20)
        before = demo.gateway()
        killed_at = max(seen)
        before.kill()
        await listen(client, seen, lambda: max(seen) > killed_at + 50)
        with contextlib.suppress(TimeoutError):
            await listen(client, seen, lambda: not missing(seen))
    assert missing(seen) == set()
    assert demo.gateway().pid != before.pid


def test_ctrl_c_stops_everything_within_five_seconds(demo: Demo) -> None:
    code, seconds = demo.interrupt()
    assert code == 0
    assert seconds < 5
    assert demo.processes() == []
    assert (demo.state / "plant" / "snapshot").exists()


def repaired(demo: Demo) -> dict[str, Any]:
    """The gateway's connection to the plant as soon as it has read back what it missed."""
    until = time.monotonic() + PATIENCE_S
    while (plant := demo.health()["sources"]["plant"])["link"] != "connected":
        assert time.monotonic() < until, plant
        time.sleep(0.1)
    found: dict[str, Any] = plant
    return found


def test_the_plant_goes_on_where_it_stood(demo: Demo) -> None:
    """A second start is quick, continues the same plant, and misses nothing: every tag, texts too, has a history."""
    demo.start()
    assert demo.health()["status"] == "ok"
    assert repaired(demo)["gaps"] == 0
    assert demo.interrupt()[0] == 0
    assert demo.processes() == []
