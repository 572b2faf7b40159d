"""The MQTT sinks and the Influx sink for the contract suite, each with a peer of its own."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from support_broker import Received, ScriptedBroker
from support_contract import Bench, Case
from support_influx import FakeInflux, Point
from support_records import Seen
from support_sinks import NAMING

from gateway.sinks.broker import BrokerSettings
from gateway.sinks.influx import Influx, InfluxSettings
from gateway.sinks.sparkplug import Sparkplug, SparkplugSettings
from gateway.sinks.sparkplug_codec import FIRST_ALIAS
from gateway.sinks.sparkplug_schema import Payload
from gateway.sinks.uns import Uns, UnsSettings

MILLISECOND = 1_000_000
LATE = 21
"""The id of the tag called Late, which the suite adds to its twenty."""


def tag_id(name: str) -> int:
    return LATE if name == "Late" else int(name.removeprefix("Tag"))


@asynccontextmanager
async def _without_old_garbage() -> AsyncIterator[None]:
    """Keeps what other tests left in memory out of the collector's way: its pauses are not the sink's."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@asynccontextmanager
async def _uns(_: Path) -> AsyncIterator[Bench]:
    async with ScriptedBroker() as broker, _without_old_garbage():
        sink = Uns("uns", UnsSettings(broker=BrokerSettings(port=broker.port, timeout_s=5)), NAMING)

        async def numbers() -> set[Seen]:
            return {seen for message in broker.messages for seen in _of_json(message)}

        yield Bench(sink, broker.stop, broker.start, numbers)
        await sink.close()


def _of_json(message: Received) -> list[Seen]:
    body = json.loads(message.payload)
    if isinstance(body.get("value"), int | float):
        return [(tag_id(message.topic.rsplit("/", 1)[1]), _nanoseconds(body["ts"]), float(body["value"]))]
    return []


def _nanoseconds(text: str) -> int:
    """ISO 8601 with any number of digits."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * 10**9 + int(fraction.ljust(9, "0"))


@asynccontextmanager
async def _sparkplug(folder: Path) -> AsyncIterator[Bench]:
    async with ScriptedBroker() as broker:
        link = BrokerSettings(port=broker.port, timeout_s=5)
        sink = Sparkplug("sparkplug", SparkplugSettings(broker=link), NAMING, folder / "sparkplug.json")

        async def numbers() -> set[Seen]:
            data = [Payload.FromString(m.payload) for m in broker.messages if "/DDATA/" in m.topic]
            return {seen for message in data for metric in message.metrics for seen in _of_metric(metric)}

        yield Bench(sink, broker.stop, broker.start, numbers)
        await sink.close()


def _of_metric(metric: Any) -> list[Seen]:
    which = metric.WhichOneof("value")
    if which in (None, "string_value", "bytes_value"):
        return []
    return [(metric.alias - FIRST_ALIAS, metric.timestamp * MILLISECOND, float(getattr(metric, which)))]


@asynccontextmanager
async def _influx(_: Path) -> AsyncIterator[Bench]:
    async with FakeInflux() as database:
        login = {"url": database.url, "org": "o", "bucket": "b", "token": "t"}
        sink = Influx("influx", InfluxSettings.model_validate(login), NAMING)

        async def numbers() -> set[Seen]:
            return {seen for point in database.points for seen in _of_point(point)}

        yield Bench(sink, database.stop, database.start, numbers)
        await sink.close()


def _of_point(point: Point) -> list[Seen]:
    name = re.search(r",tag=([^,]+)", point.key)
    if name is None or "value" not in point.fields:
        return []
    return [(tag_id(name[1]), point.time, point.fields["value"])]


SINK_CASES = [Case("uns", _uns), Case("sparkplug", _sparkplug, time_unit_ns=MILLISECOND), Case("influx", _influx)]
